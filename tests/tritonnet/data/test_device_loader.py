"""DeviceLoader: batches gathered on the device are those of the data; captured steps go through epochs alone."""

import numpy as np
import pytest

import tritonnet as tn
from tritonnet.kernels import rng, runtime
from tritonnet.utils.data import DeviceLoader, TensorDataset


@pytest.fixture
def gpu():
    """A simulated device whose pool caches, as on a GPU."""
    pytest.importorskip("triton", reason="runs Triton kernels")
    with runtime.simulated() as device:
        yield device


def data(n=10):
    images = np.random.default_rng(0).integers(0, 256, (n, 2, 5, 4)).astype(np.uint8)
    return tn.from_numpy(images), tn.arange(n)


def epoch(loader):
    return [tuple(t.cpu().numpy() for t in batch) for batch in loader]


@pytest.mark.parametrize("place", ["cpu", "cuda"])
def test_an_epoch_in_order(gpu, place):
    x, y = data()
    loader = DeviceLoader(TensorDataset(x, y), batch_size=4, device=place, normalize=((0.5, 0.25), (2.0, 0.5)))
    batches = epoch(loader)
    assert len(loader) == 3 and [len(b[1]) for b in batches] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate([b[1] for b in batches]), np.arange(10))
    expected = (x.numpy() / 255 - np.array([0.5, 0.25])[:, None, None]) / np.array([2.0, 0.5])[:, None, None]
    np.testing.assert_allclose(np.concatenate([b[0] for b in batches]), expected, rtol=1e-5, atol=1e-6)
    assert loader.next()[1].tolist() == [0, 1, 2, 3], "and again from the beginning"
    assert len(DeviceLoader(x, batch_size=4, drop_last=True, device=place)) == 2


@pytest.mark.parametrize("place", ["cpu", "cuda"])
def test_every_epoch_has_an_order_of_its_own(gpu, place):
    x, y = data(16)
    tn.manual_seed(0)
    loader = DeviceLoader(x, y, batch_size=4, shuffle=True, device=place)
    orders = [np.concatenate([b[1] for b in epoch(loader)]).tolist() for _ in range(3)]
    assert len({tuple(o) for o in orders}) == 3 and all(sorted(o) == list(range(16)) for o in orders)
    for images, labels in epoch(loader):
        np.testing.assert_array_equal(images, x.numpy()[labels])


def test_the_device_shifts_as_the_mirror_does(gpu):
    x, y = data(6)
    before = rng.same_stream_everywhere()
    rng.same_stream_everywhere(True)
    try:
        found = []
        for place in ("cpu", "cuda"):
            tn.manual_seed(2)
            generator = tn.Generator(place).manual_seed(4)
            loader = DeviceLoader(x, y, batch_size=3, device=place, shift=2, shuffle=True, generator=generator)
            found.append(epoch(loader) + epoch(loader))
    finally:
        rng.same_stream_everywhere(before)
    for a, b in zip(*found):
        for part, other in zip(a, b):
            np.testing.assert_array_equal(part, other)
    moved = [(i, l) for images, labels in found[0] for i, l in zip(images, labels) if (i != x.numpy()[l]).any()]
    assert len(moved) > 6
    for image, label in moved:
        padded = np.pad(x.numpy()[label], ((0, 0), (2, 2), (2, 2)))
        assert any((padded[:, i:i + 5, j:j + 4] == image).all() for i in range(5) for j in range(5))


@pytest.mark.parametrize("several", [1, 2])
def test_captured_steps_go_through_epochs_as_eager_ones(gpu, several):
    """Also several batches in one graph; losses are kept on the device, one place per step."""
    def run(captured):
        tn.manual_seed(0)
        x, y = data(17)
        loader = DeviceLoader(x, y, batch_size=4, shuffle=True, drop_last=True, normalize=((0.5,) * 2, (0.5,) * 2),
                              shift=1)
        seen, at = tn.zeros(40, device="cuda"), tn.zeros(1, dtype=tn.int64, device="cuda")
        labels = tn.zeros(40, 4, dtype=tn.int64, device="cuda")

        def step():
            for _ in range(several):
                x, y = loader.next()
                seen.index_copy_(0, at, (x * x).sum().view(1))
                labels.index_copy_(0, at, y[None])
                at.add_(1)

        step = tn.capture(step) if captured else step
        for _ in range(24 // several):
            step()
        if captured:
            assert step.replays == 24 // several - 3
            before = dict(gpu.driver.counts)
            step()
            did = {k: n - before.get(k, 0) for k, n in gpu.driver.counts.items() if n != before.get(k, 0)}
            did.pop("replayed launch")
            assert did.pop("replay") == 1 and set(did) <= {"launch", "copy", "upload", "fill"}, "an order"
        else:
            step()
        return seen.tolist(), labels.tolist()

    eager = run(False)
    assert run(True) == eager
    for e in range(6):
        assert len({label for row in eager[1][4 * e:4 * e + 4] for label in row}) == 16


def test_refusals(gpu):
    x, y = data(10)
    for wrong, error, said in [
            (lambda: DeviceLoader(), TypeError, "takes tensors"),
            (lambda: DeviceLoader(x, y[:3]), ValueError, "Size mismatch"),
            (lambda: DeviceLoader(x, batch_size=0), ValueError, "batch_size should be a positive integer"),
            (lambda: DeviceLoader(x, batch_size=11, drop_last=True), ValueError, "10 samples make no batch of 11"),
            (lambda: DeviceLoader(y, shift=1), ValueError, "shift=1"),
            (lambda: DeviceLoader(x, normalize=((0.5,), (1.0,))), ValueError, "of 2 channels")]:
        with pytest.raises(error, match=said):
            wrong()
    loader = DeviceLoader(y, batch_size=4)
    step = tn.capture(lambda: loader.next()[0] + 1, warmup=1)
    with pytest.raises(runtime.CaptureError, match="pass drop_last=True"):
        for _ in range(3):
            step()
    loader = DeviceLoader(y, batch_size=3, drop_last=True)
    step = tn.capture(lambda: [loader.next() for _ in range(2)] and None, warmup=1)
    with pytest.raises(runtime.CaptureError, match="a step of 2 batches goes beyond the epoch's 3"):
        for _ in range(3):
            step()
