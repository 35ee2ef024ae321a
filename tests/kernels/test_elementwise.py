"""Elementwise operations below the tape: kernels on the simulated device against mirrors, and what both promise."""

import ml_dtypes
import numpy as np
import pytest

from tritonnet.kernels import elementwise as e
from tritonnet.kernels import runtime
from tritonnet.kernels.arrays import to_device, to_host
from tritonnet.kernels.elementwise.build import derivative, operation
from tritonnet.kernels.elementwise.expression import Program, names_in
from tritonnet.kernels.elementwise.host import body

OPERATIONS = list(e.OPERATIONS)
FLOATS = [np.float32, np.float16, ml_dtypes.bfloat16, np.float64]
INTEGERS = [np.int64, np.int32, np.uint8, np.bool_]
PARAMS = {"n": 1, "alpha": 1.5, "negative_slope": 0.1, "beta": 2.0, "threshold": 1.0, "min_val": -0.5, "max_val": 0.5,
          "value": 3.0}
TOLERANCE = {np.float32: 3e-6, np.float64: 1e-13, np.float16: 2e-3, ml_dtypes.bfloat16: 2e-2}


def values(rng, shape, dtype, low=-3.0):
    """Numbers that are in the domain of most functions, none 0."""
    if dtype == np.bool_:
        return rng.random(shape) < 0.5
    if np.dtype(dtype).kind in "iu":
        signs = rng.choice([-1, 1], shape) if np.dtype(dtype).kind == "i" else 1
        return (rng.integers(1, 5, shape) * signs).astype(dtype)
    return rng.uniform(low, 3, shape).astype(dtype)


def operands(rng, program, shape, dtype, low=-3.0):
    return [rng.random(shape) < 0.5 if n == "c" else values(rng, shape, dtype, low) for n in program.inputs]


def results(found):
    return [to_host(a) for a in (found if isinstance(found, tuple) else (found,))]


def agree(found, expected, tolerance):
    for f, x in zip(results(found), results(expected), strict=True):
        assert (f.dtype, f.shape) == (x.dtype, x.shape)
        if tolerance:
            np.testing.assert_allclose(f.astype(np.float64), x.astype(np.float64), rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(f, x)


def programs(name):
    """The forward of a definition and the backward of all its inputs."""
    yield operation(name)
    if e.OPERATIONS[name].gradients:
        yield derivative(name, tuple(e.OPERATIONS[name].gradients)).operation


def params(program):
    return [PARAMS[p] for p in program.params]


@pytest.mark.parametrize("name", OPERATIONS)
def test_kernel_agrees_with_mirror_in_every_type(name, simulated):
    rng = np.random.default_rng(0)
    for op in programs(name):
        forward = op is operation(name)
        for dtype in FLOATS + INTEGERS if forward else FLOATS:
            given = operands(rng, op.program, (5, 7), dtype, 0.1 if dtype == np.float16 else -3.0)
            try:
                expected = op(given, params(op.program))
            except (NotImplementedError, RuntimeError) as refused:
                with pytest.raises(type(refused)):
                    op([to_device(a, simulated) for a in given], params(op.program))
                continue
            found = op([to_device(a, simulated) for a in given], params(op.program))
            result = results(expected)[0].dtype
            agree(found, expected, TOLERANCE.get(result.type, 0))


@pytest.mark.parametrize("name", OPERATIONS)
def test_buffered_steps_agree_with_the_expression(name):
    """Big arrays go step by step through buffers, in pieces; small ones meet the expression."""
    rng = np.random.default_rng(1)
    for op in programs(name):
        for dtype in (np.float32, np.float64):
            if "f" not in op.accepts:
                continue
            given = operands(rng, op.program, (300, 301), dtype, 0.1)
            big = results(op(given, params(op.program)))
            small = results(op([a[:20, :30] for a in given], params(op.program)))
            for b, s in zip(big, small):
                assert b.dtype == s.dtype
                np.testing.assert_allclose(b[:20, :30].astype(float), s.astype(float), rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("name", [n for n in OPERATIONS if "f" in e.OPERATIONS[n].accepts])
def test_in_place_agrees_with_out_of_place(name, simulated):
    rng = np.random.default_rng(2)
    op, function = operation(name), getattr(e, name)
    if op.program.conditions or op.result in ("bool", "logical"):
        pytest.skip("the result is of another type than the operands")
    for shape in ((5, 7), (200, 301)):
        given = operands(rng, op.program, shape, np.float32, 0.1)
        expected = results(op([a.copy() for a in given], params(op.program)))[0]
        changed = [a.copy() for a in given]
        assert function(*changed, *params(op.program), out=changed[0]) is changed[0]
        np.testing.assert_allclose(changed[0], expected, rtol=2e-6, atol=1e-7)
    there = [to_device(a[:5, :7], simulated) for a in given]
    for _ in range(2):  # planned, then looked up
        mine = [to_device(a[:5, :7], simulated) for a in given]
        function(*mine, *params(op.program), out=mine[0])
        np.testing.assert_allclose(mine[0].numpy(), op(there, params(op.program)).numpy(), rtol=3e-6, atol=1e-6)


LAYOUTS = {
    "repeated rows": lambda x, y: (x, y[:1]),
    "repeated columns": lambda x, y: (x, y[:, :1]),
    "both repeated": lambda x, y: (x[:1], y[:, :1]),
    "a single element": lambda x, y: (x, y[2:3, 3:4]),
    "no dimensions": lambda x, y: (x, y[2, 3]),
    "both transposed": lambda x, y: (x.T, y.T),
    "one transposed": lambda x, y: (x, np.ascontiguousarray(y.T).T),
    "every second": lambda x, y: (x[::2, ::3], y[1::2, ::3]),
    "backwards": lambda x, y: (x[::-1], y[:, ::-1]),
    "vector": lambda x, y: (x[0, ::2], y[1, ::2]),
    "four axes": lambda x, y: (x.reshape(2, 3, 4, 5), y.reshape(-1)[:12].reshape(3, 4, 1)),
    "five axes": lambda x, y: (
        x.reshape(2, 3, 2, 2, 5).transpose(4, 1, 0, 3, 2), y.reshape(-1)[:6].reshape(3, 1, 2, 1)),
    "number right": lambda x, y: (x, 2.5),
    "number left": lambda x, y: (2.5, x),
    "nothing": lambda x, y: (x[:0], y[:1]),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["sub", "atan2"])
def test_layouts(layout, name, simulated):
    rng = np.random.default_rng(3)
    x, y = values(rng, (6, 20), np.float32), values(rng, (6, 20), np.float32)
    x, y = LAYOUTS[layout](x, y)
    function = getattr(e, name)
    expected = function(x, y)
    ufunc = {"sub": np.subtract, "atan2": np.arctan2}[name]
    np.testing.assert_allclose(expected, ufunc(x, y, dtype=np.float32), rtol=1e-6)
    for _ in range(2):  # planned, then looked up
        found = function(*[mirrored(a, simulated) for a in (x, y)])
        agree(found, expected, 1e-6)
    if hasattr(x, "ndim") and x.ndim == expected.ndim and x.shape == expected.shape and x.strides[-1] > 0:
        assert tuple(s * 4 for s in found.strides) == expected.strides or expected.size == 0


def mirrored(a, device):
    """An array on a device with the strides of one on the host."""
    if not isinstance(a, np.ndarray):
        return a
    root = a
    while isinstance(root.base, np.ndarray):
        root = root.base
    there = to_device(root, device)
    offset = (a.ctypes.data - root.ctypes.data) // a.itemsize
    return there.view(a.shape, tuple(s // a.itemsize for s in a.strides), offset)


def test_results_keep_the_memory_order_of_the_operands(simulated):
    nhwc = np.random.default_rng(0).random((2, 5, 6, 3), np.float32).transpose(0, 3, 1, 2)
    for bias in (1.0, np.ones((3, 1, 1), np.float32)):
        assert e.add(nhwc, bias).strides == nhwc.strides
        there = to_device(nhwc.transpose(0, 2, 3, 1), simulated).transpose(0, 3, 1, 2)
        found = e.add(there, bias if isinstance(bias, float) else to_device(bias, simulated))
        assert found.strides == there.strides
        np.testing.assert_array_equal(found.numpy(), nhwc + 1)
    big = np.zeros((4, 64, 64, 8), np.float32).transpose(0, 3, 1, 2)
    assert e.relu(big).strides == big.strides


def test_one_launch_reads_operands_where_and_as_they_are(simulated):
    x = to_device(np.arange(12, dtype=np.int32).reshape(3, 4), simulated)
    y = to_device(np.linspace(0, 1, 3, dtype=np.float16), simulated)
    launches = []
    with runtime.watching(launches.append):
        z = e.mul(x.T, y)
    assert [launch.name for launch in launches] == ["mul_kernel"]
    assert z.dtype == np.float16 and launches[0].bytes == 12 * 4 + 3 * 2 + 12 * 2
    np.testing.assert_allclose(z.numpy(), x.numpy().T * np.linspace(0, 1, 3), rtol=1e-3)
    launches.clear()
    with runtime.watching(launches.append):
        e.mul_backward(z, x.T, y)
    assert [launch.name for launch in launches] == ["mul_backward_kernel"]


def test_subexpressions_are_computed_once_and_buffers_reused():
    program = Program("p", ("x",), {"y": "exp(x) * x", "z": "1 + exp(x)"})
    assert [s.function for s in program.steps] == ["exp", "multiply", "add"] and program.flops == 3
    x = np.linspace(0, 1, 50)
    y, z = np.empty_like(x), np.empty_like(x)
    body(program, False)(np.float64, y, z, x)
    np.testing.assert_allclose(y, np.exp(x) * x)
    np.testing.assert_allclose(z, np.exp(x) + 1)
    assert names_in("a = x * y; a + maximum(a, z)") == {"x", "y", "z"}


def test_what_is_saved_is_what_the_derivative_names():
    assert derivative("relu", ("x",)).saved == ("y",)
    assert derivative("exp", ("x",)).saved == ("y",)
    assert derivative("mul", ("x",)).saved == ("y",) and derivative("mul", ("x", "y")).saved == ("x", "y")
    assert derivative("add", ("x", "y")).saved == ()
