"""Every operation over its samples: finite differences, kernels against mirrors, PyTorch. Samples stand beside the ops."""

import numpy as np
import pytest

import tritonnet
from tritonnet.autograd.function import Op, make
from tritonnet.autograd.gradcheck import gradcheck
from tritonnet.autograd.samples import FLOAT_DTYPES, declared, every_op, every_sample
from tritonnet.kernels import arrays, dtypes, runtime

OPS = every_op()
CASES = every_sample()
RTOL = {"float64": 1e-9, "float32": 2e-5, "float16": 4e-3, "bfloat16": 3e-2}


def name(case):
    op, i, sample = case
    return f"{op.__module__.rpartition('.')[2]}.{op.__name__}-{i}"


def cases(keep):
    return [pytest.param(*case, id=name(case)) for case in CASES if keep(case[2])]


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
                     for t in inputs if isinstance(t, tritonnet.Tensor) and t.requires_grad]
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


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.__name__)
def test_every_operation_has_samples_and_a_docstring(op):
    assert op in declared, f"{op.__name__} has no samples: add them beside it with @samples({op.__name__})"
    assert op.__doc__ and op.__doc__ is not Op.__doc__


@pytest.mark.parametrize("op, i, sample", cases(lambda s: s.raises))
def test_bad_input_raises(op, i, sample):
    with pytest.raises(sample.raises) as error:
        op.apply(*tensors(sample.args), **sample.kwargs)
    assert str(error.value)


@pytest.mark.parametrize("op, i, sample", cases(lambda s: s.grad and not s.raises))
def test_gradient_agrees_with_finite_differences(op, i, sample):
    args = [a.copy(order="K") if isinstance(a, np.ndarray) else a for a in sample.args]
    inputs = tensors(args)
    checked = [t for t in inputs if isinstance(t, tritonnet.Tensor) and t.requires_grad]
    if not any(y.requires_grad for y in outputs_of(op, inputs, sample.kwargs)):
        pytest.skip("nothing to differentiate: no output requires a gradient")

    def function(*moved):
        swap = iter(moved)
        return outputs_of(op, [next(swap) if any(a is c for c in checked) else a for a in inputs], sample.kwargs)

    gradcheck(function, checked, rtol=1e-5 * sample.loose, atol=1e-6 * sample.loose)


@pytest.mark.parametrize("op, i, sample", cases(lambda s: s.device and not s.raises))
def test_kernel_agrees_with_mirror(op, i, sample):
    with runtime.simulated(own_blocks=True) as device:
        for dtype in sample.dtypes if sample.grad or any(
                isinstance(a, np.ndarray) and a.dtype == np.float64 for a in sample.args) else sample.dtypes[:1]:
            args, kwargs = sample.cast(dtype)
            expected, expected_grads = run(op, args, kwargs, sample.grad)
            found, found_grads = run(op, args, kwargs, sample.grad, device)
            assert len(found) == len(expected) and len(found_grads) == len(expected_grads)
            for k, (f, e) in enumerate(zip(found, expected)):
                agree(f, e, f"{dtype}: output {k}", RTOL[dtype] * sample.loose)
            for k, (f, e) in enumerate(zip(found_grads, expected_grads)):
                agree(f, e, f"{dtype}: gradient {k}", 4 * RTOL[dtype] * sample.loose)


def to_torch(torch, args):
    made = []
    for a in args:
        if isinstance(a, np.ndarray):
            t = torch.from_numpy(np.ascontiguousarray(a).reshape(a.shape).copy())
            a = t.requires_grad_() if t.is_floating_point() else t
        made.append(a)
    return made


@pytest.mark.parametrize("op, i, sample", cases(lambda s: not s.raises))
def test_agrees_with_pytorch(op, i, sample, torch):
    oracle = declared[op].torch
    if oracle is None:
        pytest.skip(f"{op.__name__} has no counterpart in PyTorch")
    theirs = to_torch(torch, sample.args)
    leaves = [t for t in theirs if isinstance(t, torch.Tensor) and t.requires_grad]
    out = oracle(torch, *theirs, **sample.kwargs)
    expected = tuple(out) if isinstance(out, (tuple, list)) else (out,)
    found, gradients = run(op, sample.args, sample.kwargs, sample.grad)
    for k, (f, e) in enumerate(zip(found, expected)):
        agree(f, e.detach().numpy(), f"output {k}", 1e-9 * sample.loose)
    live = [e for e in expected if e.requires_grad]
    if gradients and live:
        rng = np.random.default_rng(1)
        for e in live:
            e.backward(torch.from_numpy(np.asarray(rng.standard_normal(tuple(e.shape)))).to(e.dtype), retain_graph=True)
        for k, (f, leaf) in enumerate(zip(gradients, leaves)):
            if leaf.grad is not None:
                assert f is not None, f"gradient {k}: PyTorch has one"
                agree(f, leaf.grad.numpy(), f"gradient {k}", 1e-8 * sample.loose)


def test_samples_cover_the_narrow_types():
    assert {d for op, i, s in CASES for d in s.dtypes} >= set(FLOAT_DTYPES)
