"""Random numbers: Philox is Philox, devices draw what the mirror draws, distributions are right."""

import collections

import numpy as np
import pytest

from tritonnet.kernels import rng, runtime
from tritonnet.kernels.arrays import empty, to_device, to_host
from tritonnet.kernels.dtypes import bfloat16
from tritonnet.kernels.rng.philox import philox_mirror

FLOATS = [np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.float16), bfloat16]


@pytest.fixture
def everywhere():
    """Philox on the host as well."""
    before = rng.same_stream_everywhere()
    rng.same_stream_everywhere(True)
    yield
    rng.same_stream_everywhere(before)


def generators(device, seed=2**40 + 5):
    """Alike on both sides, and not at the start of their streams."""
    found = rng.Generator().manual_seed(seed), rng.Generator(device).manual_seed(seed)
    for g in found:
        g.reserve(3)
    return found


def test_philox_gives_the_published_words():
    """Known answers of Random123."""
    zeros = philox_mirror(np.zeros(1, np.int64), 0)
    assert [int(w[0]) for w in zeros] == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    ones = philox_mirror(np.array([-1]), 2**64 - 1, 0xFFFFFFFF, 0xFFFFFFFF)
    assert [int(w[0]) for w in ones] == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("shape", [(1,), (5,), (3, 7), (4099,)])
def test_devices_draw_what_the_mirror_draws(dtype, shape, everywhere, simulated):
    fills = {
        "uniform": lambda out, g: rng.uniform(out, -1.0, 2.0, g), "normal": lambda out, g: rng.normal(out, 1.0, 2.0, g),
        "bernoulli": lambda out, g: rng.bernoulli(out, 0.3, g), "randint": lambda out, g: rng.randint(out, -3, 9, g),
    }
    host, device = generators(simulated)
    for name, fill in fills.items():
        expected = fill(np.empty(shape, dtype), host)
        found = to_host(fill(empty(shape, dtype, simulated), device))
        if name == "normal":  # log, sin and cos differ in the last bits
            tolerance = 2e-2 if dtype.itemsize == 2 else 1e-5
            np.testing.assert_allclose(found.astype(float), expected.astype(float), rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(found, expected, err_msg=name)


def test_wide_integers_and_permutations_are_the_mirrors(everywhere, simulated):
    host, device = generators(simulated)
    wide = [rng.randint(empty((100,), np.dtype(np.int64), place), -2**40, 2**60, g)
            for place, g in ((None, host), (simulated, device))]
    np.testing.assert_array_equal(to_host(wide[1]), wide[0])
    for n in (0, 1, 2, 3, 10, 777, 5000):
        expected, found = rng.permutation(n, generator=host), to_host(rng.permutation(n, simulated, device))
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(np.sort(found), np.arange(n))


@pytest.mark.parametrize("philox", [False, True], ids=["SFC64", "Philox"])
def test_distributions(philox, everywhere):
    rng.same_stream_everywhere(philox)
    g, n = rng.Generator().manual_seed(1), 200_000
    for dtype in FLOATS:
        u = rng.uniform(np.empty(n, dtype), generator=g).astype(np.float64)
        assert u.min() >= 0 and u.max() < 1 and abs(u.mean() - 0.5) < 5e-3 and abs(u.var() - 1 / 12) < 2e-3
        z = rng.normal(np.empty(n, dtype), 3.0, 2.0, g).astype(np.float64)
        assert abs(z.mean() - 3) < 0.03 and abs(z.std() - 2) < 0.03 and abs(((z - 3) ** 4).mean() / 16 - 3) < 0.15
    assert abs(rng.bernoulli(np.empty(n, np.float32), 0.3, g).mean() - 0.3) < 5e-3
    p = np.linspace(0, 1, n).astype(np.float32)
    drawn = rng.bernoulli(np.empty(n, np.float32), p, g)
    assert abs(np.corrcoef(drawn, p)[0, 1] - 0.577) < 0.01 and drawn[0] == 0
    counts = np.bincount(rng.randint(np.empty(n, np.int64), 2, 7, g), minlength=7)
    assert not counts[:2].any() and abs(counts[2:] / n - 0.2).max() < 5e-3
    places = np.array([np.argmax(rng.permutation(50, generator=g) == 7) for _ in range(2000)])
    assert abs(places.mean() - 24.5) < 1.5 and abs(places.std() - 14.4) < 1


@pytest.mark.parametrize("p", [0.0, 0.25, 0.9, 1.0])
def test_dropout_drops_alike_on_both_sides(p, everywhere, simulated):
    x = np.random.default_rng(0).standard_normal((4, 3, 5, 7)).astype(np.float32)
    host, device = generators(simulated)
    (y, mask), (found, place) = rng.dropout(x, p, host), rng.dropout(to_device(x, simulated), p, device)
    np.testing.assert_array_equal(found.numpy(), y)
    np.testing.assert_array_equal(rng.dropout_backward(to_device(x, simulated), p, place).numpy(), y)
    np.testing.assert_array_equal(rng.dropout_backward(x, p, mask), y)
    kept = y != 0
    np.testing.assert_allclose(y[kept], x[kept] / (1 - p) if p < 1 else 0, rtol=1e-6)


def test_dropout_of_channels_last_memory_keeps_it_and_its_backward_knows(simulated):
    rng.same_stream_everywhere(False)  # exercises switch it on
    x = to_device(np.ones((2, 5, 7, 3), np.float32), simulated).transpose(0, 3, 1, 2)
    y, place = rng.dropout(x, 0.4, rng.Generator(simulated))
    assert y.strides == x.strides
    dense = rng.dropout_backward(x.copy(), 0.4, place)  # a gradient in C order
    np.testing.assert_array_equal(dense.numpy(), y.numpy())


def test_everyday_dropout():
    g = rng.Generator().manual_seed(3)
    x = np.ones((1000, 100), np.float32)
    for p in (0.1, 0.5, 0.9):
        y, _ = rng.dropout(x, p, g)
        assert abs((y == 0).mean() - p) < 6e-3
        np.testing.assert_allclose(y[y != 0], 1 / (1 - p), rtol=1e-6)
    channels = rng.channel_mask(np.ones((50, 40, 3, 3), np.float32), 0.5, g)
    assert channels.shape == (50, 40, 1, 1) and abs((channels == 0).mean() - 0.5) < 0.05


def test_fills_of_views(simulated):
    for place in (None, simulated):
        x = empty((4, 6), np.dtype(np.float32), place)
        rng.uniform(x, 0.0, 0.0)
        rng.uniform(x[1:3, ::2], 5.0, 6.0)
        found = to_host(x)
        assert ((found[1:3, ::2] >= 5) & (found[1:3, ::2] < 6)).all() and found.sum() < 6 * 6


def test_generators_are_reproducible_and_independent(simulated):
    for place in (None, simulated):
        g = rng.Generator(place).manual_seed(7)
        draw = lambda place=place, g=g: to_host(rng.uniform(empty((10,), np.dtype(np.float32), place), generator=g))
        first, state = draw(), g.get_state()
        second = draw()
        assert not np.array_equal(first, second)
        np.testing.assert_array_equal((g.set_state(state), draw())[1], second)
        np.testing.assert_array_equal((g.manual_seed(7), draw())[1], first)
        assert g.initial_seed() == 7 and g.seed() != g.seed()
        with pytest.raises(RuntimeError, match="bytes"):
            g.set_state(state[:3])
    with pytest.raises(RuntimeError, match="64 bits"):
        g.manual_seed(2**64)
    with pytest.raises(RuntimeError, match="Expected a 'cpu' device type for generator"):
        rng.uniform(np.empty(3, np.float32), generator=rng.Generator(simulated))


def test_manual_seed_reaches_every_default_generator(simulated):
    draw = lambda place: to_host(rng.uniform(empty((5,), np.dtype(np.float32), place)))
    rng.manual_seed(11)
    before = draw(None), draw(simulated)
    rng.manual_seed(11)
    for a, b in zip(before, (draw(None), draw(simulated))):
        np.testing.assert_array_equal(a, b)


def test_replays_draw_what_would_have_been_drawn_without_them(simulated):
    """Eager draws between replays, and new seeds, count as well."""
    def run(step, between):
        g = rng.default_generator(simulated).manual_seed(5)
        drawn = []
        for i in range(6):
            step()
            drawn.append(out.numpy().tobytes())
            if i == 2:
                between()
            if i == 3:
                g.manual_seed(9)
        return drawn, g.get_state().tobytes()

    out = empty((64,), np.dtype(np.float32), simulated)
    step = lambda: (rng.uniform(out), rng.dropout(out, 0.5), rng.normal(out))
    between = lambda: rng.uniform(empty((30,), np.dtype(np.float32), simulated))
    expected = run(step, between)
    assert len(set(expected[0])) == 6
    state = rng.default_generator(simulated).get_state()
    graph = runtime.Graph.capture(simulated, step)
    assert (rng.default_generator(simulated).get_state() == state).all(), "capturing draws nothing"
    assert run(graph, between) == expected
    before = dict(simulated.driver.counts)
    graph()
    assert simulated.driver.counts - collections.Counter(before) == {"replay": 1, "replayed launch": 4}
    with pytest.raises(runtime.CaptureError, match="cannot seed a generator"):
        runtime.Graph.capture(simulated, lambda: rng.default_generator(simulated).manual_seed(1))


@pytest.mark.parametrize("call, text", [
    (lambda x: rng.uniform(x, 2.0, 1.0), "from=2.0 > to=1.0"),
    (lambda x: rng.normal(x, 0.0, -1.0), "std -1.0"),
    (lambda x: rng.bernoulli(x, 1.5), r"\[0, 1\], but got p=1.5"),
    (lambda x: rng.bernoulli(x, np.full(3, 2.0)), r"\[0, 1\]"),
    (lambda x: rng.randint(x, 3, 3), "from=3 >= to=3"),
    (lambda x: rng.uniform(np.zeros(3, np.int64)), "not implemented for 'int64'"),
    (lambda x: rng.permutation(-1), "non-negative"),
])
def test_errors(call, text):
    with pytest.raises(RuntimeError, match=text):
        call(np.empty(3, np.float32))
