"""Kernels interpreted on NumPy arrays: results, types, and what is caught."""

import threading

import ml_dtypes
import numpy as np
import pytest

pytest.importorskip("triton", reason="interprets Triton kernels")

import triton
import triton.language as tl

from tests.kernels.runtime import sample_kernels as K
from tritonnet.kernels import interpret
from tritonnet.kernels.runtime import OutOfBounds
from tritonnet.kernels.runtime.compiler import compile_fully
from tritonnet.kernels.runtime.driver import Target
from tritonnet.kernels.runtime.signature import Specialisation

random = np.random.default_rng(0)


def normal(*shape, dtype=np.float32):
    return random.standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64, np.int8])
def test_dot(dtype):
    a, b = (4 * normal(32, 32)).astype(dtype), (4 * normal(32, 32)).astype(dtype)
    c = np.zeros((32, 32), {np.int8: np.int32, np.float64: np.float64}.get(dtype, np.float32))
    interpret(K.dot, (1,), a, b, c, N=32, PRECISION="ieee")
    np.testing.assert_allclose(c, a.astype(np.float64) @ b.astype(np.float64), rtol=1e-4, atol=1e-4)


def test_tf32_can_be_seen():
    a, b, c = normal(128, 128), normal(128, 128), np.zeros((128, 128), np.float32)
    error = {}
    for precision in ("ieee", "tf32"):
        interpret(K.dot, (1,), a, b, c, N=128, PRECISION=precision, emulate_tf32=True)
        error[precision] = np.linalg.norm(c - a.astype(np.float64) @ b) / np.linalg.norm(c)
    assert error["ieee"] < 1e-6 and 1e-4 < error["tf32"] < 1e-3


def test_helpers_methods_reductions_scans_and_libdevice():
    x, y = normal(16), np.zeros(16, np.float32)
    interpret(K.nested_calls, (1,), x, y, BLOCK=16)
    np.testing.assert_allclose(y, x + 3 * x.sum() + np.cumsum(x) + abs(x).max() + np.log1p(abs(x)), rtol=1e-5)


def test_own_combine_functions():
    x, var, top, scan = normal(4, 64), np.zeros(4, np.float32), np.zeros(1, np.float32), np.zeros((4, 64), np.float32)
    interpret(K.combines, (1,), x, var, top, scan, ROWS=4, COLS=64)
    want, state = np.zeros_like(x), 0
    for i in range(64):
        want[:, i] = state = 0.5 * state + x[:, i]
    np.testing.assert_allclose(var, x.var(axis=1), rtol=1e-5)
    np.testing.assert_allclose(scan, want, rtol=1e-5, atol=1e-6)
    assert top[0] == x.max()
    x[2, 3] = np.nan
    interpret(K.combines, (1,), x, var, top, scan, ROWS=4, COLS=64)
    assert np.isnan(top[0])


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_extremes_ignore_nan_and_take_the_first(dtype):
    x = np.array([[1, 5, 5, -2], [0, 0, 0, 0], [3, 1, 2, 1], [-7, -7, 9, 9]], dtype)
    values, places = np.zeros((4, 2), dtype), np.zeros((4, 2), np.int32)
    interpret(K.extremes, (4,), x, values, places, COLS=4)
    assert values.tolist() == [[5, -2], [0, 0], [3, 1], [9, -7]] and places.tolist() == [[1, 3], [0, 0], [0, 1], [2, 0]]
    if dtype == np.float32:
        x[0, 1], x[1] = np.nan, np.nan
        interpret(K.extremes, (4,), x, values, places, COLS=4)
        assert values[0].tolist() == [5, -2] and places[0].tolist() == [2, 3] and np.isnan(values[1]).all()


def test_scalars_have_the_types_of_a_launch():
    x = np.ones(64, ml_dtypes.bfloat16)
    y = np.zeros_like(x)
    interpret(K.scalar_product, (1,), x, y, 1.5, BLOCK=64)
    assert (y == 1.5).all()
    signature = {"x": "*bf16", "y": "*bf16", "factor": "fp32", "BLOCK": "constexpr"}
    specialisation = Specialisation(K.scalar_product, signature, {"BLOCK": 64}, (), {"enable_fp_fusion": True})
    assert compile_fully(specialisation, Target("cuda", 90))[0].asm["cubin"]


@pytest.mark.parametrize("to", [np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2])
def test_casts_round_to_nearest_even(to):
    ties = [1 + 2**-8, 1 + 3 * 2**-8, 0, -0.0, 1e-4, 240, -3, 7, 1.5, 2.5, 9, 5]
    x = np.concatenate([normal(500), ties]).astype(np.float32)
    y, back = np.zeros(512, to), np.zeros(512, np.float32)
    interpret(K.cast, (1,), x, y, BLOCK=512)
    interpret(K.cast, (1,), y, back, BLOCK=512)
    assert (y == x.astype(to)).all() and (back == x.astype(to).astype("f4")).all()


def raises(error, call, *words):
    with pytest.raises(error) as caught:
        call()
    missing = [w for w in words if w not in str(caught.value)]
    assert not missing, f"{missing} not in: {caught.value}"


def test_out_of_bounds():
    x, y = normal(100), np.zeros(128, np.float32)

    def shifted(*args):
        interpret(K.shifted, (1,), *args, BLOCK=64)

    shifted(x, y, 36)  # the last legal one
    raises(OutOfBounds, lambda: shifted(x, y, 37), "'shifted'", "(0, 0, 0)", "load", "'x' (float32[100]", "1 of 64",
           "lane (63,) -> element 100")
    raises(OutOfBounds, lambda: shifted(x, y, -2), "2 of 64", "lane (0,) -> element -2")
    raises(OutOfBounds, lambda: shifted(x, y, 2**31 - 100), "'x'", "64 of 64", "and 60 more")
    raises(OutOfBounds, lambda: interpret(K.copy, (2,), y, x, 101, BLOCK=64), "program (1, 0, 0)", "store", "'y'")
    interpret(K.copy, (2,), x, y, 100, BLOCK=64)  # masked lanes may point anywhere
    whole = np.zeros(300, np.float32)  # neighbours in memory, as in a pool: still told apart
    raises(OutOfBounds, lambda: shifted(whole[:64], whole[64:], 1), "'x'")
    raises(OutOfBounds, lambda: shifted(whole[::2], y, 0), "'x'")  # gaps of a view
    fixed = np.zeros(64, np.float32)
    fixed.flags.writeable = False
    raises(ValueError, lambda: shifted(x, fixed, 0), "read-only", "'y'")


def test_the_traceback_shows_the_line_of_the_kernel():
    with pytest.raises(OutOfBounds) as caught:
        interpret(K.shifted, (1,), normal(4), normal(64), 0, BLOCK=64)
    lines = [str(entry.statement).strip() for entry in caught.traceback if "sample_kernels" in str(entry.path)]
    assert lines == ["tl.store(y + at, tl.load(x + at + shift))"]


def test_pointer_tables_and_atomics():
    arrays = [np.zeros(32, np.float32) for _ in range(3)]
    table = np.array([a.ctypes.data for a in arrays], np.int64)
    interpret(K.add_through_table, (3,), table, 2.0, BLOCK=32, reachable=arrays)
    assert all((a == 2).all() for a in arrays)
    raises(OutOfBounds, lambda: interpret(K.add_through_table, (3,), table, 2.0, BLOCK=32), "reachable")
    counts = np.zeros(4, np.int32)
    interpret(K.histogram, (1,), np.array([0, 1, 1, 3, 3, 3, 3, 0], np.int32), counts, BLOCK=8)
    assert counts.tolist() == [2, 2, 0, 4]
    raises(OutOfBounds, lambda: interpret(K.histogram, (1,), np.full(8, 4, np.int32), counts, BLOCK=8), "atomic")


def test_int32_overflow():
    y = np.zeros(10, np.float32)
    raises(OutOfBounds, lambda: interpret(K.square_offset, (1,), y, 46341))
    raises(AssertionError, lambda: interpret(K.square_offset, (1,), y, 46341, debug=True), "int32")


def test_functions_and_grids_of_every_kind():
    x, y = normal(16), np.zeros(16, np.float32)
    interpret(K.apply, (1,), x, y, K.square, 16)
    assert np.allclose(y, x * x)
    interpret(K.copy, lambda args: (-(-args["n"] // args["BLOCK"]),), x, y, n=16, BLOCK=4, num_warps=2)
    assert (y == x).all()


@triton.jit
def plain(x_ptr, BLOCK: tl.constexpr):
    at = x_ptr + tl.arange(0, BLOCK)
    tl.store(at, tl.load(at) + 1)


def test_kernels_made_by_triton_alone():
    x = np.zeros(4, np.float32)
    interpret(plain, (1,), x, BLOCK=4)
    interpret(triton.autotune([triton.Config({"BLOCK": 4})], [])(plain), (1,), x, BLOCK=4)
    assert (x == 2).all()


def test_interpretation_leaves_no_trace():
    def state():
        owners = tl, tl.core, tl.tensor, tl.block_type
        return [{k: id(v) for k, v in vars(owner).items()} for owner in owners], set(vars(K))

    interpret(K.copy, (1,), normal(4), normal(4), 4, BLOCK=4)  # makes the patches
    before = state()
    raises(OutOfBounds, lambda: interpret(K.shifted, (1,), normal(4), normal(64), 0, BLOCK=64))
    assert before == state()


def test_compiling_in_another_thread_meanwhile():
    errors = []

    def compile_some():
        try:
            for block in (256, 512, 1024):
                signature = {"x": "*fp32", "y": "*fp32", "n": "i32", "BLOCK": "constexpr"}
                options = {"enable_fp_fusion": True}
                compile_fully(Specialisation(K.copy, signature, {"BLOCK": block}, (), options), Target("cuda", 90))
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=compile_some)
    thread.start()
    x, y = normal(64), np.zeros(64, np.float32)
    while thread.is_alive():
        interpret(K.copy, (1,), x, y, 64, BLOCK=64)
    assert not errors
