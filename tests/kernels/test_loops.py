"""The loops that numba compiles, against the mirrors in float64. The other tests run without them (conftest.py)."""

import subprocess
import sys

import numpy as np
import pytest

from tritonnet.kernels import compiled, softmax
from tritonnet.kernels.elementwise import special
from tritonnet.kernels.norm import row_mirror

SHAPES = [(16, 1024), (1, 16411), (16411, 1), (3, 40, 173)]


@pytest.fixture
def loops(monkeypatch):
    pytest.importorskip("numba")
    compiled.loops.cache_clear()
    monkeypatch.setenv("TRITONNET_NUMBA", "1")
    yield compiled.loops()
    compiled.loops.cache_clear()


def made(shape, number=1):
    """Float32 arrays; the last columns of the first rows are extreme."""
    rand = np.random.default_rng(0)
    return [(3 * rand.standard_normal(shape)).astype(np.float32) for _ in range(number)]


def extreme(shape):
    (x,) = made(shape)
    rows = x.reshape(-1, shape[-1])
    for row, value in zip(rows, (np.nan, np.inf, -np.inf, 1e30, -200, 100)):
        row[-1] = value
    rows[-1] = 5000
    return x


def close(found, expected, **tolerance):
    tolerance = {"rtol": 2e-5, "atol": 2e-5, **tolerance}
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected.astype(np.float32), **tolerance)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("make", [lambda shape: made(shape)[0], extreme])
def test_softmax(shape, make, loops):
    x, (dy,) = make(shape), made(shape)
    with np.errstate(all="ignore"):
        expected = softmax.softmax_mirror(x.astype(float))
    y = softmax.softmax_mirror(x)
    close(y, expected)
    close(softmax.softmax_backward_mirror(dy, y), softmax.softmax_backward_mirror(dy.astype(float), y.astype(float)))


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape, groups", [((16, 1024), 1), ((1, 16411), 1), ((40, 3, 173), 1), ((8, 4, 800), 1)])
def test_norm(shape, groups, affine, center, loops):
    samples, cols = shape[0], int(np.prod(shape[1:]))
    x, dy = (a.reshape(samples, groups, cols) for a in made(shape, 2))
    x[0] += 300
    w, b = made((cols,), 2) if affine else (None, None)
    wide = [None if a is None else a.astype(float) for a in (x, w, b)]
    y, mean, rstd = row_mirror.norm_rows_mirror(x, w, b, 1e-5, 1, center)
    exact, exact_mean, exact_rstd = row_mirror.norm_rows_mirror(*wide, 1e-5, 1, center)
    close(y, exact, atol=2e-4)  # of 300 in float32 there are 3e-5 in doubt
    close(rstd, exact_rstd)
    assert (mean is None) is (not center)
    found = row_mirror.norm_rows_backward_mirror(dy, x, w, mean, rstd, 1, (True, affine, affine), np.float32)
    expected = row_mirror.norm_rows_backward_mirror(dy.astype(float), *wide[:2], exact_mean, exact_rstd, 1,
                                                    (True, affine, affine), np.float64)
    for f, e in zip(found, expected):
        assert (f is None) is (e is None)
        if f is not None:
            close(f, e, rtol=2e-4, atol=2e-4)
    skipped = row_mirror.norm_rows_backward_mirror(dy, x, w, mean, rstd, 1, (False, affine, False), np.float32)
    assert skipped[0] is None and skipped[2] is None
    if affine:
        np.testing.assert_array_equal(skipped[1], found[1])


@pytest.mark.parametrize("make", [lambda shape: made(shape)[0], extreme])
def test_gelu(make, loops):
    x = make((16, 1024))
    y, slope = np.empty_like(x), np.empty_like(x)
    special.gelu_with_slope32(x, y, slope)
    with np.errstate(all="ignore"):
        wide = x.astype(float)
        cdf = special.normal_cdf(wide)
        close(y, wide * cdf, atol=2e-6)
        density = np.exp(-0.5 * wide * wide) * special.INV_SQRT_2PI
        expected = cdf + wide * density
    close(slope, expected, atol=2e-6)


def test_small_wide_and_half_arrays_stay_with_numpy(loops):
    assert compiled.loops_for(np.empty(compiled.WORTH, np.float32)) is loops
    assert compiled.loops_for(np.empty(compiled.WORTH - 1, np.float32)) is None
    assert compiled.loops_for(np.empty(compiled.WORTH, np.float64)) is None


def test_numba_comes_late_and_can_be_declined():
    program = ("import os, sys, tritonnet; x = tritonnet.ones(8, 8).softmax(-1); assert 'numba' not in sys.modules; "
               "from tritonnet.kernels import compiled; os.environ['TRITONNET_NUMBA'] = '0'; "
               "assert compiled.loops() is None")
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_numba_that_does_not_work_is_told_once(monkeypatch):
    compiled.loops.cache_clear()
    monkeypatch.setenv("TRITONNET_NUMBA", "1")
    monkeypatch.setattr(compiled.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "tritonnet.kernels.loops", raising=False)
    import tritonnet.kernels

    monkeypatch.delattr(tritonnet.kernels, "loops", raising=False)
    with pytest.warns(UserWarning, match="NumPy alone serves"):
        assert compiled.loops() is None
    assert compiled.loops() is None
    compiled.loops.cache_clear()
