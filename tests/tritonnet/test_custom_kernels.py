"""tritonnet.kernel: a kernel of one's own is an operation, checked like the library's."""

import numpy as np
import pytest

import tritonnet
from tritonnet.autograd.gradcheck import GradcheckError
from tritonnet.kernels.kernel import tl
from tritonnet.kernels.lab.declared import Mismatch
from tritonnet.kernels.runtime.errors import OutOfBounds

WHOLE = {"arguments": {"n": lambda x: x.size}, "grid": lambda n, BLOCK: -(-n // BLOCK)}
SPACE = {"BLOCK": [256, 1024], "num_warps": [4, 8]}


def declared():
    """SiLU with its backward, made anew for each test."""

    @tritonnet.kernel(mirror=lambda x: x / (1 + np.exp(-x)), flops=lambda n: 5 * n,
                      bytes=lambda x, y: x.nbytes + y.nbytes, tune=SPACE, **WHOLE)
    def silu_twice(x, y, n, BLOCK: tl.constexpr):
        at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        v = tl.load(x + at, mask=at < n)
        tl.store(y + at, v * tl.sigmoid(v), mask=at < n)

    @silu_twice.backward(mirror=_gradient, tune={"BLOCK": [512]}, **WHOLE)
    def silu_twice_backward(dy, x, dx, n, BLOCK: tl.constexpr):
        at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        v, g = tl.load(x + at, mask=at < n), tl.load(dy + at, mask=at < n)
        s = tl.sigmoid(v)
        tl.store(dx + at, g * s * (1 + v * (1 - s)), mask=at < n)

    return silu_twice


def _gradient(dy, x):
    s = 1 / (1 + np.exp(-x))
    return dy * s * (1 + x * (1 - s))


@tritonnet.kernel(mirror=lambda x, w, eps=0.0: ((x * w).sum(1) + eps, x.argmax(1)), tune=[{"BLOCK": 32}],
                  arguments={"cols": lambda x: x.shape[1]}, grid=lambda x: x.shape[0],
                  outputs={"s": lambda x: x.shape[:1], "i": lambda x: (x.shape[:1], "int64")})
def dot_and_argmax(x, w, s, i, eps, cols, BLOCK: tl.constexpr):
    row, at = tl.program_id(0), tl.arange(0, BLOCK)
    v = tl.load(x + row * cols + at, mask=at < cols, other=-float("inf"))
    u = tl.load(w + at, mask=at < cols, other=0)
    tl.store(s + row, tl.sum(tl.where(at < cols, v * u, 0), axis=0) + eps)
    tl.store(i + row, tl.argmax(v, axis=0))


def test_on_the_cpu_the_mirror_computes_and_is_recorded():
    silu = declared()
    x = tritonnet.randn(3, 5, requires_grad=True)
    y = silu(x)
    np.testing.assert_allclose(y.detach().numpy(), tritonnet.nn.functional.silu(x).detach().numpy(), rtol=1e-6)
    y.sum().backward()
    expected = tritonnet.autograd.grad(tritonnet.nn.functional.silu(x).sum(), x)[0]
    np.testing.assert_allclose(x.grad.numpy(), expected.numpy(), rtol=1e-5)
    assert "SiluTwiceBackward0" in repr(y.grad_fn)


def test_on_a_device_the_kernels_compute(simulated):
    silu = declared()
    x = tritonnet.randn(7, 100)
    there = x.T.cuda().requires_grad_()  # not contiguous: the kernel gets a copy that is
    silu(there).sum().backward()
    np.testing.assert_allclose(silu(there).detach().cpu().numpy(), silu(x.T).numpy(), rtol=1e-5, atol=1e-6)
    here = x.T.clone().requires_grad_()
    silu(here).sum().backward()
    np.testing.assert_allclose(there.grad.cpu().numpy(), here.grad.numpy(), rtol=1e-5, atol=1e-6)
    out = tritonnet.empty_like(there)
    silu[(3,)](there.contiguous(), out, 700, BLOCK=256)
    np.testing.assert_array_equal(out.cpu().numpy().ravel(), silu(there).detach().cpu().numpy().ravel())


def test_check_proves_forward_backward_and_gradient():
    found = declared().check(tritonnet.randn(7, 100))
    assert found.keys() == {"y", "dx"} and all(error < 1e-6 for error in found.values())


def test_several_outputs_shapes_dtypes_and_numbers(simulated):
    x, w = tritonnet.randn(6, 30), tritonnet.randn(30)
    assert dot_and_argmax.check(x, w, 0.5)["i"] == 0
    total, index = dot_and_argmax(x.cuda(), w.cuda(), eps=0.5)
    assert total.shape == (6,) and index.dtype == tritonnet.int64
    np.testing.assert_allclose(total.cpu().numpy(), (x @ w + 0.5).numpy(), rtol=1e-4, atol=1e-5)
    found = dot_and_argmax.interpret(x, w)
    np.testing.assert_array_equal(found[1], x.argmax(1).numpy())


def test_inspect_and_tune(tmp_path, monkeypatch):
    pytest.importorskip("triton")
    silu, x = declared(), tritonnet.randn(64, 100)
    found, = silu.inspect(x, arch="sm_80")
    assert found.registers > 0 and found.spills == 0 and found.arch == 80 and found.dims == {"x": (64, 100)}
    assert silu.inspect(x, config={"BLOCK": 1024, "num_warps": 8})[0].threads == 256
    tuned = silu.tune(x, arch="sm_90")
    assert tuned.predicted and tuned.best.valid and tuned.best.config in silu.space and "silu_twice" in str(tuned)
    assert {tuple(c.config.values()) for c in tuned.candidates} == {tuple(c.values()) for c in silu.space}
    assert dot_and_argmax.inspect(x[:, :30], x[0, :30], eps=0.5)[0].registers > 0


def test_it_is_profiled(simulated):
    x = tritonnet.randn(300).cuda().requires_grad_()
    silu = declared()
    with tritonnet.profiler.profile() as prof:
        silu(x).sum().backward()
    kernels = {a.key: a for a in prof.kernel_averages()}
    assert kernels["silu_twice"].flops == 1500 and kernels["silu_twice"].bytes == 2400
    assert {"SiluTwice", "SiluTwiceBackward0"} <= {a.key for a in prof.key_averages()}


def test_empty_arrays_launch_nothing(simulated):
    assert declared()(tritonnet.empty(0, 3).cuda()).shape == (0, 3)


def test_a_wrong_kernel_is_found_with_configuration_and_elements():
    @tritonnet.kernel(mirror=lambda x: 2 * x, tune={"BLOCK": [64, 128]}, **WHOLE)
    def double(x, y, n, BLOCK: tl.constexpr):
        at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        tl.store(y + at, (2 + (BLOCK == 128) * (at == 5)) * tl.load(x + at, mask=at < n), mask=at < n)

    with pytest.raises(Mismatch, match=r"\(BLOCK=128\): 1 of 100 elements .* y\[5\] is 3.0, the mirror says 2.0"):
        double.check(tritonnet.ones(100))


def test_a_kernel_that_overruns_is_found():
    @tritonnet.kernel(mirror=lambda x: 2 * x, tune={"BLOCK": 64}, **WHOLE)
    def double(x, y, n, BLOCK: tl.constexpr):
        at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        tl.store(y + at, 2 * tl.load(x + at), mask=at < n)

    with pytest.raises(OutOfBounds, match="double"):
        double.check(tritonnet.ones(100))


def test_programs_that_race_are_found():
    @tritonnet.kernel(mirror=lambda x: x.sum(keepdims=True), tune={"BLOCK": 64}, outputs={"y": lambda x: (1,)}, **WHOLE)
    def total(x, y, n, BLOCK: tl.constexpr):
        at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        tl.store(y, tl.sum(tl.load(x + at, mask=at < n, other=0), axis=0))

    with pytest.raises(Exception, match="races"):
        total.check(tritonnet.ones(100))
    with pytest.raises(Exception, match="races"):
        total.interpret(tritonnet.ones(100), races=True)


def test_a_wrong_gradient_is_found():
    silu = declared()

    @silu.backward(mirror=lambda dy, x: dy * x, tune={"BLOCK": 512}, **WHOLE)
    def silu_backward(dy, x, dx, n, BLOCK: tl.constexpr):
        at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        tl.store(dx + at, tl.load(dy + at, mask=at < n) * tl.load(x + at, mask=at < n), mask=at < n)

    with pytest.raises(GradcheckError):
        silu.check(tritonnet.randn(40))


def test_shapes_and_types_of_the_mirror_are_compared():
    def half(x, y, n, BLOCK: tl.constexpr):
        at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        tl.store(y + at, 0.5 * tl.load(x + at, mask=at < n), mask=at < n)

    wide = tritonnet.kernel(half, mirror=lambda x: x.astype(np.float64) / 2, tune={"BLOCK": 64}, **WHOLE)
    with pytest.raises(Mismatch, match="y is float32, the mirror's float64"):
        wide.check(tritonnet.ones(10))
    flat = tritonnet.kernel(half, mirror=lambda x: x.ravel() / 2, tune={"BLOCK": 64}, **WHOLE)
    with pytest.raises(Mismatch, match=r"y has shape \(2, 5\), the mirror's \(10,\)"):
        flat.check(tritonnet.ones(2, 5))


def plain(x, y, n, BLOCK: tl.constexpr):
    """Does nothing."""


@pytest.mark.parametrize("declarations, message", [
    ({"mirror": lambda x: x}, "mirror and grid go together"),
    ({"tune": {"BLOCK": 1}}, "tune without mirror and grid"),
    ({"mirror": lambda q: q, "grid": 1}, "mirror names q; its parameters are x, y, n, BLOCK"),
    ({"mirror": lambda x, y, n: x, "grid": 1}, "it writes nothing"),
    ({"mirror": lambda x, n: x, "grid": 1}, "no value for BLOCK"),
    ({"mirror": lambda x, n: x, "grid": 1, "tune": {"BLOCK": []}}, "tune has no values for BLOCK"),
    ({"mirror": lambda x, n: x, "grid": 1, "tune": [1]}, "a dict of lists, or a list of dicts"),
])
def test_declarations_that_do_not_fit(declarations, message):
    with pytest.raises((TypeError, ValueError), match=message):
        tritonnet.kernel(plain, **declarations)


def test_work_is_a_function_of_the_parameters():
    for work, message in ((5, "flops is 5; expected a function"), (lambda z: z, "flops names z; its parameters are")):
        with pytest.raises(TypeError, match=message):
            tritonnet.kernel(mirror=lambda x: x, flops=work, tune=SPACE, **WHOLE)(copied)


def copied(x, y, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + at, tl.load(x + at, mask=at < n), mask=at < n)


def doubled_in_place_too(x, y, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    v = 2 * tl.load(x + at, mask=at < n)
    tl.store(y + at, v, mask=at < n)
    tl.store(x + at, v, mask=at < n)


def test_arguments_stay_as_they_are():
    def changing(x):
        x *= 2
        return x

    x = tritonnet.ones(3)
    same = tritonnet.kernel(mirror=lambda x: x, tune=SPACE, **WHOLE)(copied)
    y = same(x)
    y.add_(1)
    assert x.tolist() == [1, 1, 1] and y.tolist() == [2, 2, 2], "the result is an array of its own"
    for mirror, error, message in ((changing, ValueError, "its mirror changes its arguments"),
                                   (lambda x: None, TypeError, "its mirror returned a NoneType")):
        with pytest.raises(error, match=message):
            tritonnet.kernel(mirror=mirror, tune=SPACE, **WHOLE)(copied)(x)
    assert x.tolist() == [1, 1, 1]
    with pytest.raises(Mismatch, match="the kernel changes x, which it is given"):
        tritonnet.kernel(mirror=lambda x: x * 2, tune=SPACE, **WHOLE)(doubled_in_place_too).check(x)
    for grid in (-1, 2**40, "wide", (1, 1, 1, 1)):
        with pytest.raises(ValueError, match="expected one to three numbers of programs"):
            tritonnet.kernel(mirror=lambda x: x * 2, tune=SPACE, **(WHOLE | {"grid": grid}))(copied).check(x)


def test_without_declared_bytes_nothing_is_predicted():
    found = tritonnet.kernel(mirror=lambda x: x, tune=SPACE, **WHOLE)(copied).tune(tritonnet.ones(300))
    assert "compiled, not predicted (the kernel declares no bytes" in str(found) and "inf" not in str(found)
    assert found.gain is None and found.best.config == found.default


def test_calls_that_do_not_fit():
    silu = declared()
    with pytest.raises(TypeError, match=r"silu_twice\(x\): too many positional arguments"):
        silu(tritonnet.ones(3), 4)
    for wrong in ([1.0, 2.0], "x", (1, 2)):
        with pytest.raises(TypeError, match=f"x is a {type(wrong).__name__}; expected a tensor, an array"):
            silu(wrong)
    with pytest.raises(TypeError, match="its mirror returned 2"):
        tritonnet.kernel(plain, mirror=lambda x: (x, x), tune={"BLOCK": 1}, **WHOLE)(tritonnet.ones(3))


def test_a_backward_whose_names_do_not_fit():
    silu = declared()
    with pytest.raises(TypeError, match="nothing is called dz; it may take x, y, dy"):
        silu.backward(lambda dz, dx, n, BLOCK: None, mirror=lambda dz: dz, grid=1,
                      arguments={"n": 1, "BLOCK": 1})
    assert silu.op.apply(tritonnet.ones(2)).shape == (2,)


def test_without_a_backward_the_gradient_raises():
    double = tritonnet.kernel(plain, mirror=lambda x: 2 * x, tune={"BLOCK": 1}, **WHOLE)
    with pytest.raises(NotImplementedError, match="kernel plain has no backward"):
        double(tritonnet.ones(3, requires_grad=True)).sum().backward()


def test_triton_jit_functions_and_plain_launches(simulated):
    triton = pytest.importorskip("triton")
    double = tritonnet.kernel(triton.jit(_double))
    x = tritonnet.arange(10.0).cuda()
    y = tritonnet.empty_like(x)
    double[(1,)](x, y, 10, BLOCK=16)
    np.testing.assert_array_equal(y.cpu().numpy(), 2 * np.arange(10.0, dtype=np.float32))


def _double(x, y, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + at, 2 * tl.load(x + at, mask=at < n), mask=at < n)


@pytest.mark.parametrize("dtype", [tritonnet.float16, tritonnet.bfloat16])
def test_a_function_that_takes_no_halves_says_what_to_do(dtype):
    x = tritonnet.randn(300).to(dtype)
    with pytest.raises(ValueError, match=r"silu_twice \(BLOCK=256, num_warps=4\): .*load with .to\(tl.float32\)"):
        declared().check(x)

    @tritonnet.kernel(mirror=lambda x: x / (1 + np.exp(-x)), tune=SPACE, **WHOLE)
    def silu_in_single(x, y, n, BLOCK: tl.constexpr):
        at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        v = tl.load(x + at, mask=at < n).to(tl.float32)
        tl.store(y + at, v * tl.sigmoid(v), mask=at < n)

    silu_in_single.check(x)
