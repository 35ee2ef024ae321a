"""Losses beyond what samples show: wrong labels, gradients of half precision, big batches against small ones."""

import numpy as np
import pytest

from tritonnet.kernels import loss
from tritonnet.kernels.arrays import to_device, to_host
from tritonnet.kernels.loss import classes

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("target", [[0, 3, 1], [0, -1, 1], [0, 10**12, 1]])
@pytest.mark.parametrize("name", ["cross_entropy", "nll"])
def test_a_wrong_label_is_an_error_on_the_host_and_nan_on_a_device(name, target, simulated):
    run, x, t = getattr(loss, name), -RNG.random((3, 3)).astype(np.float32), np.array(target)
    with pytest.raises(IndexError, match=f"Target {target[1]} is out of bounds: there are 3 classes"):
        run(x, t)
    value, dx = run(to_device(x, simulated), to_device(t, simulated), gradient=True, reduction="none")
    assert np.isnan(value.numpy()).tolist() == [False, True, False]
    assert np.isnan(dx.numpy()).all(axis=1).tolist() == [False, True, False]
    value, _ = run(to_device(x, simulated), to_device(t, simulated))
    assert np.isnan(value.numpy())


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.int64])
def test_labels_of_any_integer_type(kind, simulated):
    x, t = RNG.standard_normal((6, 5)).astype(np.float32), RNG.integers(0, 5, 6)
    expected, _ = loss.cross_entropy(x, t)
    for found in (loss.cross_entropy(x, t.astype(kind)),
                  loss.cross_entropy(to_device(x, simulated), to_device(t.astype(kind), simulated))):
        np.testing.assert_allclose(to_host(found[0]), expected, rtol=1e-6)


def test_the_quick_way_for_small_batches_agrees_with_the_general_one(monkeypatch):
    x, t = RNG.standard_normal((64, 10)), RNG.integers(0, 10, 64)
    for run in (loss.cross_entropy, loss.nll):
        for reduction in ("mean", "sum", "none"):
            quick = run(x, t, None, -100, reduction, gradient=True)
            with monkeypatch.context() as patch:
                patch.setattr(classes, "PIECE", 100)  # not small then, and cut into pieces
                general = run(x, t, None, -100, reduction, gradient=True)
            for a, b in zip(quick, general):
                np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_several_programs_agree_with_one(reduction, simulated):
    """A big batch takes three launches: sums of weights, rows, and the sum of the programs' losses."""
    x, t = RNG.standard_normal((40_000, 3)).astype(np.float32), RNG.integers(0, 3, 40_000)
    t[::7], w = -100, np.array([1, 2, 0.5], np.float32)
    expected = loss.cross_entropy(x, t, w, -100, reduction, 0.1, True)
    found = loss.cross_entropy(*(to_device(a, simulated) for a in (x, t, w)), -100, reduction, 0.1, True)
    for a, b in zip(found, expected):
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-5, atol=1e-6)


def test_float16_gradients_wait_as_float32(simulated):
    """The mean over many rows underflows in float16 before a loss scale can lift it."""
    x, t = np.zeros((4096, 4), np.float16), np.zeros(4096, np.int64)
    for place in (None, simulated):
        put = (lambda a: a) if place is None else lambda a: to_device(a, simulated)
        _, dx = loss.cross_entropy(put(x), put(t), gradient=True)
        assert dx.dtype == np.float32
        np.testing.assert_allclose(to_host(dx)[:, 1], 0.25 / 4096, rtol=1e-6)
        _, dx, _ = loss.pair_loss("mse", put(x), put(x + np.float16(0.5)), wants=(True, False))
        np.testing.assert_allclose(to_host(dx), -1 / x.size, rtol=1e-6)


def test_bce_at_the_ends_and_outside():
    x, t = np.array([0, 1, 0.5], np.float32), np.array([1, 0, 0.5], np.float32)
    value, dx, dt = loss.pair_loss("bce", x, t, reduction="none", wants=(True, True))
    np.testing.assert_allclose(value, [100, 100, np.log(2)], rtol=1e-6)
    assert np.isfinite(dx).all() and np.isfinite(dt).all()
    for wrong in (-1e-3, 1.001, np.nan):
        with pytest.raises(RuntimeError, match="between 0 and 1"):
            loss.pair_loss("bce", np.array([0.5, wrong]), np.array([0.0, 1.0]))
        with pytest.raises(RuntimeError, match="of target should be between 0 and 1"):
            loss.pair_loss("bce", np.array([0.0, 1.0]), np.array([0.5, wrong]))
