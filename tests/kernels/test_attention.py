"""Attention: dropout draws the mirror's numbers, weights may be kept or made again, layouts are the inputs'."""

import numpy as np
import pytest

from tests.exercises import attended
from tests.oracles import agree
from tritonnet.kernels import attention, rng, runtime, tuning
from tritonnet.kernels.arrays import to_device, to_host
from tritonnet.kernels.attention import mirror
from tritonnet.kernels.attention.backward import attention_dkdv_kernel, attention_dq_kernel
from tritonnet.kernels.attention.forward import attention_kernel, pairs

SHAPES = (1, 2, 70, 16), (1, 2, 90, 16), (1, 2, 90, 24)
FLOAT32 = np.dtype(np.float32)


@pytest.fixture
def everywhere():
    """Philox on the host as well."""
    before = rng.same_stream_everywhere()
    yield
    rng.same_stream_everywhere(before)


def arrays(*shapes):
    random = np.random.default_rng(0)
    return [random.standard_normal(shape).astype(np.float32) for shape in shapes]


@pytest.mark.parametrize("m, n", [(16, 16), (32, 64), (64, 16), (128, 32)])
@pytest.mark.parametrize("causal, p", [(False, 0.0), (True, 0.0), (True, 0.4)])
def test_any_tiles_give_the_same(m, n, causal, p, everywhere, simulated):
    expected = attended(None, FLOAT32, *SHAPES, causal=causal, p=p)
    config = dict(BLOCK_M=m, BLOCK_N=n, num_warps=4, num_stages=1)
    with tuning.forced(attention_kernel, config), tuning.forced(attention_dq_kernel, config), tuning.forced(
            attention_dkdv_kernel, config):
        found = attended(simulated, FLOAT32, *SHAPES, causal=causal, p=p)
    for k, (f, e) in enumerate(zip(found, expected)):
        agree(to_host(f), e, f"array {k}", 1e-4)


def test_what_was_dropped_can_be_told(everywhere, simulated):
    rng.same_stream_everywhere(True)
    (q,) = arrays((2, 3, 5, 4))
    kept = []
    for place in (None, simulated):
        x = q if place is None else to_device(q, place)
        _, _, drawn = attention.attention(x, x, x, p=0.5, generator=rng.Generator(place).manual_seed(1))
        kept.append(to_host(attention.kept(x, 5, 0.5, drawn)))
    np.testing.assert_array_equal(*kept)
    assert set(kept[0].ravel()) == {0.0, 2.0}


def test_everyday_dropout_scales_what_it_keeps():
    q, k, v = arrays((2, 3, 50, 8), (2, 3, 60, 8), (2, 3, 60, 8))
    v[...] = 1
    o, _, drawn = attention.attention(q, k, v, p=0.25, generator=rng.Generator().manual_seed(1))
    assert set(np.unique(drawn)) == {0, np.float32(4 / 3)}
    assert abs(o.mean() - 1) < 0.02


@pytest.mark.parametrize("causal", [False, True])
def test_weights_kept_or_made_again_give_the_same(causal, monkeypatch):
    """In one piece, several heads at a time, and rows of one head at a time."""
    do, q, k, v = arrays((2, 3, 70, 16), (2, 3, 70, 16), (2, 3, 90, 16), (2, 3, 90, 16))
    expected = None
    for piece in (1 << 17, 13000, 2000):
        monkeypatch.setattr(mirror, "PIECE", piece)
        for save in (True, False):
            o, lse, _ = attention.attention(q, k, v, causal=causal, scale=0.25, save=save)
            assert lse.ndim == (4 if save else 3)
            found = [o, *attention.attention_backward(do, q, k, v, None, o, lse, causal, 0.25)]
            expected = expected or found
            for f, e in zip(found, expected):
                agree(f, e, f"{piece}, {save}", 1e-5)


def test_results_lie_as_the_inputs_do(simulated):
    """Heads within tokens, as projections leave them: what follows needs no copy."""
    (x,) = arrays((2, 9, 3, 16))
    for q in (x.transpose(0, 2, 1, 3), to_device(x, simulated).transpose(0, 2, 1, 3)):
        o, lse, _ = attention.attention(q, q, q)
        found = [o, *attention.attention_backward(o, q, q, q, None, o, lse)]
        assert [a.strides for a in found] == [q.strides] * 4


def test_gradients_nobody_needs_are_not_computed(simulated):
    q = to_device(arrays((1, 1, 8, 16))[0], simulated)
    o, lse, _ = attention.attention(q, q, q)
    launched = []
    with runtime.watching(launched.append):
        _, dk, dv = attention.attention_backward(o, q, q, q, None, o, lse, needs=(True, False, False))
    assert dk is dv is None
    assert [launch.kernel for launch in launched] == [attention_dq_kernel]


def test_work_is_counted_below_the_diagonal_only(simulated):
    for L, S in ((5, 5), (3, 7), (7, 3)):
        assert pairs(L, S, True) == np.tril(np.ones((L, S))).sum()
    q = to_device(arrays((2, 3, 5, 16))[0], simulated)
    launched = []
    with runtime.watching(launched.append):
        attention.attention(q, q, q, causal=True)
    assert launched[-1].flops == 2 * 6 * 15 * 32
