"""Fused steps: tables of pointers, layouts, loss scales, capture; norms of gradients in a fixed order."""

import math

import numpy as np
import pytest

from tritonnet.kernels import optim, runtime
from tritonnet.kernels.arrays import empty, to_device
from tritonnet.kernels.optim.table import KEPT, dense, made

RNG = np.random.default_rng(0)
SHAPES = [(3, 5), (), (700,), (2, 3, 4, 5), (1,)]
ADAM = (0.1, 0.9, 0.999, 1e-8, 0.0, False)
SGD = (0.5, 0.0, 0.0, 0.0, False)


def normal(shapes=SHAPES):
    return [np.asarray(RNG.standard_normal(s), np.float32) for s in shapes]


def on(device, arrays):
    return [to_device(a, device) for a in arrays]


def zeros(shapes=SHAPES):
    return [np.zeros(s, np.float32) for s in shapes]


def counts():
    return [np.zeros((), np.float32) for _ in SHAPES]


def test_step_counts_are_exact_and_move_on_once(simulated):
    """1 - beta^t is as exact as PyTorch's, which computes it in float64."""
    p, m, v, steps = normal(), zeros(), zeros(), counts()
    d_p, d_m, d_v, d_steps = (on(simulated, arrays) for arrays in (p, m, v, steps))
    fused = optim.Fused()
    for t in range(1, 6):
        g = normal()
        optim.adam_step(p, g, m, v, None, steps, [0] * 5, [ADAM])
        optim.adam_step(d_p, on(simulated, g), d_m, d_v, None, d_steps, [0] * 5, [ADAM], fused)
        assert [s.item() for s in d_steps] == [t] * 5
        for a, b in zip(d_p, p):
            np.testing.assert_allclose(a.numpy(), b, rtol=2e-6, atol=1e-6)


def test_a_step_with_infinite_gradients_is_left_out(simulated):
    p = normal()
    d_p, g, m, v, steps = (on(simulated, arrays) for arrays in (p, normal(), zeros(), zeros(), counts()))
    scale, fused = to_device(np.float32(4), simulated), optim.Fused()
    for found in (1, 0):
        optim.adam_step(d_p, g, m, v, None, steps, [0] * 5, [ADAM], fused, scale=scale,
                        found=to_device(np.float32(found), simulated))
        same = [np.array_equal(a.numpy(), b) for a, b in zip(d_p, p)]
        assert same == [bool(found)] * 5 and steps[0].item() == 1 - found
    np.testing.assert_allclose(m[2].numpy(), 0.1 * g[2].numpy() / 4, rtol=1e-6)


def test_layouts(simulated):
    """Transposed, spread over gaps, misaligned; gradients that lie otherwise than their parameters."""
    a = RNG.standard_normal((4, 6)).astype(np.float32)
    whole, row = to_device(a, simulated), to_device(np.ones((1, 40), np.float32), simulated)
    g = RNG.standard_normal((6, 4)).astype(np.float32)
    optim.sgd_step([whole.T], [to_device(g, simulated)], None, None, [0], [SGD], optim.Fused())
    np.testing.assert_allclose(whole.numpy(), a := a - 0.5 * g.T, rtol=1e-6)
    optim.sgd_step([whole[:, 1:3]], [to_device(g[:2].T.copy(), simulated)], None, None, [0], [SGD], optim.Fused())
    a[:, 1:3] -= 0.5 * g[:2].T
    np.testing.assert_allclose(whole.numpy(), a, rtol=1e-6)
    table = made(([row[0, 1:9]],), [0])
    assert not table.aligned and made(([row[0, 4:9]],), [0]).aligned
    optim.sgd_step([row[0, 1:9]], [row[0, 11:19]], None, None, [0], [SGD], optim.Fused())
    assert row.numpy()[0, :12].tolist() == [1, *[0.5] * 8, 1, 1, 1]
    assert dense(whole.T) and not dense(whole[:, 1:3]) and dense(whole[:1, :])


def test_tables_are_used_again(simulated):
    p, fused = on(simulated, normal()), optim.Fused()
    many = [on(simulated, normal()) for _ in range(KEPT + 2)]
    step = lambda g: optim.sgd_step(p, g, None, None, [0] * 5, [SGD], fused)
    step(many[0])
    before = simulated.driver.counts["upload"]
    for _ in range(3):
        step(many[0])
    assert simulated.driver.counts["upload"] == before
    for g in many:
        step(g)
    assert len(fused.tables.kept) == KEPT


def test_a_captured_step_follows_steps_and_rates(simulated):
    p, g, m, v, steps = normal(), normal(), zeros(), zeros(), counts()
    d = [on(simulated, arrays) for arrays in (p, g, m, v, steps)]
    fused, gradients = optim.Fused(), [empty(a.shape, a.dtype, simulated) for a in g]

    def step():
        for a, b in zip(gradients, d[1]):
            simulated.driver.copy(a.ptr, b.ptr, b.nbytes, simulated.stream.handle)
        optim.adam_step(d[0], gradients, d[2], d[3], None, d[4], [0] * 5, [ADAM], fused)

    step()
    graph = runtime.Graph.capture(simulated, step)
    optim.adam_step(p, g, m, v, None, steps, [0] * 5, [ADAM])
    for lr in (0.1, 0.1, 0.01):
        settings = [(lr, *ADAM[1:])]
        optim.adam_step(p, g, m, v, None, steps, [0] * 5, settings)
        fused.captured.show(settings)
        graph()
    assert d[4][0].item() == 4
    for a, b in zip(d[0], p):
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("p", [2.0, 1.0, 3.0, 0.5, 0.0, math.inf])
def test_norms(p, simulated):
    g = normal()
    flat = np.concatenate([a.reshape(-1) for a in g]).astype(float)
    expected = np.linalg.norm(flat, p) if p not in (0.5,) else (np.abs(flat) ** p).sum() ** (1 / p)
    assert optim.grad_norm(g, p) == pytest.approx(expected, rel=1e-5)
    found = [optim.grad_norm(on(simulated, g), p).item() for _ in range(2)]
    assert found[0] == found[1] == pytest.approx(expected, rel=1e-5)


def test_clipping_scales_only_what_is_too_long(simulated):
    for limit in (0.5, 1e3):
        g = normal()
        d_g, norm = on(simulated, g), optim.grad_norm(g)
        factor = min(1, limit / (norm + 1e-6))
        before = [a.copy() for a in g]
        assert optim.clip_grad_norm(g, limit) == norm
        assert optim.clip_grad_norm(d_g, limit).item() == pytest.approx(float(norm), rel=1e-6)
        for a, b, c in zip(g, d_g, before):
            np.testing.assert_allclose(a, c * factor, rtol=1e-6)
            np.testing.assert_allclose(b.numpy(), c * factor, rtol=1e-6)


def test_norms_of_mixed_types_and_of_nan(simulated):
    half, single = np.ones(3, np.float16), np.ones(5, np.float32)
    assert optim.grad_norm([half, single]) == pytest.approx(8**0.5)
    d = on(simulated, [half, single])
    assert optim.clip_grad_norm(d, 1.0).item() == pytest.approx(8**0.5)
    np.testing.assert_allclose(d[1].numpy(), 8**-0.5, rtol=1e-5)
    for bad in (np.nan, np.inf):
        g = np.array([1, bad, -3], np.float32)
        for p in (2.0, math.inf):
            for norm in (optim.grad_norm([g], p), optim.grad_norm(on(simulated, [g]), p).numpy()):
                np.testing.assert_equal(norm, np.float32(bad))


def test_half_precision_on_the_host_is_rounded_once():
    p, g = np.full(4, 1.0, np.float16), np.full(4, 2.0**-12, np.float16)
    optim.sgd_step([p], [g], None, None, [0], [(1.0, 0.0, 0.0, 2.0**-12, False)])
    np.testing.assert_array_equal(p, np.float16(1 - 2.0**-11))  # either term alone would be rounded away


def test_large_parameters_go_in_pieces():
    p, g, m, v, steps = (np.asarray(RNG.standard_normal(300_001), np.float32) for _ in range(5))
    v, big, small = np.abs(v), [], []
    for n, found in ((300_001, big), (1000, small)):
        arrays = [a[:n].copy() for a in (p, g, m, v)]
        optim.adam_step(*([a] for a in arrays), None, [np.zeros((), np.float32)], [0], [ADAM])
        found += arrays
    for a, b in zip(big, small):
        np.testing.assert_array_equal(a[:1000], b)
