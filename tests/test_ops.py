"""Every operation over its samples: finite differences, kernels against mirrors, PyTorch. Samples stand beside ops."""

import numpy as np
import pytest

import tritonnet
from tests.oracles import agree, dtypes_of, kernel_agrees_with_mirror, name, outputs_of, run, tensors
from tritonnet.autograd.function import Op
from tritonnet.autograd.gradcheck import gradcheck, gradgradcheck
from tritonnet.autograd.samples import FLOAT_DTYPES, declared, every_op, every_sample
from tritonnet.kernels import runtime

OPS = every_op()
CASES = every_sample()


def cases(keep):
    return [pytest.param(*case, id=name(case)) for case in CASES if keep(case[2])]


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.__name__)
def test_every_operation_has_samples_and_a_docstring(op):
    assert op in declared, f"{op.__name__} has no samples: add them beside it with @samples({op.__name__})"
    assert op.__doc__ and op.__doc__ is not Op.__doc__


@pytest.mark.parametrize("op, i, sample", cases(lambda s: s.raises))
def test_bad_input_raises(op, i, sample):
    with pytest.raises(sample.raises) as error:
        op.apply(*tensors(sample.args), **sample.kwargs)
    assert str(error.value)


def differentiable(op, sample):
    """The operation as a function of those arguments of a sample that require gradients, and these."""
    args = [a.copy(order="K") if isinstance(a, np.ndarray) else a for a in sample.args]
    inputs = tensors(args)
    checked = [t for t in inputs if isinstance(t, tritonnet.Tensor) and t.requires_grad]
    if not any(y.requires_grad for y in outputs_of(op, inputs, sample.kwargs)):
        pytest.skip("nothing to differentiate: no output requires a gradient")

    def function(*moved):
        swap = iter(moved)
        return outputs_of(op, [next(swap) if any(a is c for c in checked) else a for a in inputs], sample.kwargs)

    return function, checked


@pytest.mark.parametrize("op, i, sample", cases(lambda s: s.grad and not s.raises))
def test_gradient_agrees_with_finite_differences(op, i, sample):
    gradcheck(*differentiable(op, sample), rtol=1e-5 * sample.loose, atol=1e-6 * sample.loose)


CONSTANT_BETWEEN_STEPS = {"Ceil", "Floor", "FloorDivide", "Round", "Sign", "Trunc"}  # their gradient, 0, has no history


@pytest.mark.parametrize("op, i, sample", cases(lambda s: s.grad and not s.raises and sum(
    a.size for a in s.args if isinstance(a, np.ndarray)) < 3000))
def test_second_derivative_agrees_with_finite_differences(op, i, sample):
    function, checked = differentiable(op, sample)
    if op.__name__ in CONSTANT_BETWEEN_STEPS:
        gradients = tritonnet.autograd.grad(function(*checked)[0].sum(), checked, create_graph=True)
        assert not any(g.requires_grad or g.any() for g in gradients)
    else:
        gradgradcheck(function, checked, directions=1, rtol=1e-4 * sample.loose, atol=1e-5 * sample.loose)


@pytest.mark.parametrize("op, i, sample", cases(lambda s: s.device and not s.raises))
def test_kernel_agrees_with_mirror(op, i, sample):
    with runtime.simulated(own_blocks=True) as device:
        for dtype in dtypes_of(sample):
            kernel_agrees_with_mirror(op, sample, dtype, device)


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
        precision = 1e-6 if f.dtype == np.float32 else 1e-9  # integers give float32
        agree(f, e.detach().numpy(), f"output {k}", precision * sample.loose)
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


def test_all_that_is_declared_is_run():
    from tritonnet.autograd.samples import declared

    assert {op for op, _, _ in CASES} == {op for op in declared if op.__module__.startswith("tritonnet.")}
