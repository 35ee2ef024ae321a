"""What operations are held against, without pytest: used by the suite, by `make gpu-check` and by the kernel matrix."""

from __future__ import annotations

import numpy as np

from tritonnet.autograd import function
from tritonnet.autograd.function import make
from tritonnet.kernels import arrays, dtypes

DTYPES = {name: np.dtype(name) for name in ("float64", "float32", "float16")} | {"bfloat16": dtypes.bfloat16}
RTOL = {"float64": 1e-9, "float32": 2e-5, "float16": 4e-3, "bfloat16": 3e-2}


def name(case):
    """An (operation, number, sample) as pytest lists it: softmax.LogSoftmax-3."""
    op, i, sample = case
    return f"{op.__module__.rpartition('.')[2]}.{op.__name__}-{i}"


def tensors(args, place=None, requires_grad=True):
    """Arrays among the arguments as leaves, on the host or on a device."""
    made = []
    for a in args:
        if isinstance(a, np.ndarray):
            t = make(a if place is None else arrays.to_device(a, place))
            t.requires_grad = requires_grad and dtypes.is_float(a.dtype)
            a = t
        made.append(a)
    return made


def outputs_of(op, args, kwargs):
    """Always a tuple of tensors."""
    out = op.apply(*args, **kwargs)
    return out if isinstance(out, tuple) else (out,)


def run(op, args, kwargs, grad, place=None):
    """Outputs and gradients of the inputs, on the host; the outputs weighed with fixed random numbers."""
    inputs = tensors([a.copy(order="K") if isinstance(a, np.ndarray) else a for a in args], place, grad)
    outputs = outputs_of(op, inputs, kwargs)
    values = [arrays.to_host(y.array) for y in outputs]
    live = [y for y in outputs if y.requires_grad]
    gradients = []
    if live:
        rng = np.random.default_rng(1)
        for y in live:
            w = rng.standard_normal(tuple(y.shape)).astype(y.array.dtype)
            y.backward(make(w if place is None else arrays.to_device(w, place)), retain_graph=True)
        gradients = [None if t.grad is None else arrays.to_host(t.grad.array)
                     for t in inputs if isinstance(t, function.Tensor) and t.requires_grad]
    return values, gradients


def agree(found, expected, what, rtol, terms=1.0):
    """Same type and shape, same NaN and infinities, and close relative to the largest finite value."""
    assert (found is None) == (expected is None), what
    if expected is None:
        return
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape), what
    if not dtypes.is_float(expected.dtype):
        np.testing.assert_array_equal(found, expected, err_msg=what)
        return
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    finite = np.abs(expected[np.isfinite(expected)])
    scale = finite.max() if finite.size else 1.0
    np.testing.assert_allclose(found, expected, rtol=rtol * terms, atol=rtol * terms * max(scale, 1e-30), err_msg=what)


def dtypes_of(sample):
    """The float types that a sample is run in on a device: one where it has no floats."""
    floats = any(isinstance(a, np.ndarray) and a.dtype == np.float64 for a in sample.args)
    return sample.dtypes if sample.grad or floats else sample.dtypes[:1]


def kernel_agrees_with_mirror(op, sample, dtype, device):
    """Forward and backward on a device as on the host, within what the type allows."""
    args, kwargs = sample.cast(dtype)
    expected, expected_grads = run(op, args, kwargs, sample.grad)
    found, found_grads = run(op, args, kwargs, sample.grad, device)
    assert len(found) == len(expected) and len(found_grads) == len(expected_grads)
    for k, (f, e) in enumerate(zip(found, expected)):
        agree(f, e, f"{dtype}: output {k}", RTOL[dtype] * sample.loose)
    for k, (f, e) in enumerate(zip(found_grads, expected_grads)):
        agree(f, e, f"{dtype}: gradient {k}", 4 * RTOL[dtype] * sample.loose)


def exercise_agrees_with_mirror(exercise, dtype, device):
    """What an exercise (tests/exercises.py) gives on a device is what it gives on the host."""
    expected, found = exercise(None, DTYPES[dtype]), exercise(device, DTYPES[dtype])
    assert len(found) == len(expected)
    for k, (f, e) in enumerate(zip(found, expected)):
        agree(arrays.to_host(f), e, f"{dtype}: array {k}", 4 * RTOL[dtype])
