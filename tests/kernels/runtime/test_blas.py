"""What is asked of the BLAS library itself."""

import numpy as np
import pytest

from tritonnet.kernels import softmax as softmax_family
from tritonnet.kernels.runtime.blas import add_outer, blas


@pytest.mark.parametrize("found", [True, False], ids=["by BLAS, if it shows its functions", "by NumPy"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_add_outer(dtype, found, monkeypatch):
    if not found:
        monkeypatch.setattr(blas(), "ger", {})
    rng = np.random.default_rng(0)
    a, x, y = (rng.standard_normal(shape).astype(dtype) for shape in ((37, 53), 37, 53))
    y[5] = np.inf
    expected = a + x[:, None] * y
    add_outer(a, x[:, None], y)
    np.testing.assert_allclose(a, expected, rtol=1e-6, atol=1e-6)
    assert np.isinf(a[:, 5]).all()
    add_outer(np.empty((0, 53), dtype), x[:0], y)        # nothing to add to


@pytest.mark.parametrize("shift", [0, 90, -90, 1e30, np.inf, np.nan])
def test_softmax_of_big_arrays_takes_the_maxima_where_sums_would_not_do(shift):
    x = np.random.default_rng(0).standard_normal((70, 100)).astype(np.float32)
    x[7:9] += np.float32(shift)
    with np.errstate(invalid="ignore", over="ignore"):
        e, half = np.exp(x.astype(np.float64) - x.max(axis=1, keepdims=True)), x.astype(np.float16)
    np.testing.assert_allclose(softmax_family.softmax(x), e / e.sum(axis=1, keepdims=True), rtol=2e-5)
    wide = softmax_family.softmax(half.astype(np.float32))
    np.testing.assert_allclose(softmax_family.softmax(half), wide.astype(np.float16))
