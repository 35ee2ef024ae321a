"""Out of memory, wherever it strikes: an error that says so, nothing lost, and the program goes on."""

import gc

import numpy as np
import pytest

import tritonnet
import tritonnet.nn.functional as F
from tritonnet import nn
from tritonnet.kernels import runtime
from tritonnet.kernels.runtime.simulation import DryDriver


class Starved(DryDriver):
    """A device that has no more memory to give from the moment it is told so."""

    starving = False

    def alloc(self, nbytes, name=""):
        if self.starving:
            raise runtime.OutOfMemoryError(f"{nbytes} bytes asked for")
        return super().alloc(nbytes, name)


class Training:
    """A small CNN's step, in pieces."""

    def __init__(self):
        self.model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                                   nn.Linear(8 * 9, 4)).cuda()
        self.optimizer = tritonnet.optim.Adam(self.model.parameters())
        self.x, self.y = tritonnet.zeros(4, 1, 8, 8).cuda(), tritonnet.zeros(4, dtype=tritonnet.int64).cuda()

    def forward(self):
        return F.cross_entropy(self.model(self.x), self.y)

    def step(self):
        self.optimizer.zero_grad()
        self.forward().backward()
        self.optimizer.step()


def starved(device, work):
    """Run `work` while the driver has nothing to give, the caches empty; the error, without its frames."""
    device.pool.collect()
    device.driver.starving = True
    try:
        with pytest.raises(tritonnet.cuda.OutOfMemoryError) as caught:
            work()
        return str(caught.value)
    finally:
        device.driver.starving = False


@pytest.fixture
def device():
    with runtime.simulated(driver=Starved) as device:
        yield device


def settled(device):
    gc.collect()
    return device.pool.used


@pytest.mark.parametrize("part", ["forward", "backward", "optimizer", "copy"])
def test_training_goes_on(device, part):
    training = Training()
    training.step()
    training.optimizer.zero_grad()
    before = settled(device)
    if part == "forward":
        said = starved(device, training.forward)
    elif part == "backward":
        loss = training.forward()
        said = starved(device, loss.backward)
        del loss
    elif part == "optimizer":
        training = fresh = Training()
        before = settled(device)
        fresh.forward().backward()
        said = starved(device, fresh.optimizer.step)
    else:
        said = starved(device, lambda: tritonnet.zeros(1 << 20).cuda())
        assert "4.00 MiB" in said
    assert said.startswith("CUDA out of memory. Tried to allocate ")
    assert "is reserved by tritonnet but unallocated" in said
    training.optimizer.zero_grad()
    assert settled(device) == before, "nothing leaks"
    training.step()
    training.step()
    training.optimizer.zero_grad()
    assert tritonnet.cuda.memory_stats()["num_ooms"] == 1


def test_a_loader_that_copies_ahead(device):
    data = tritonnet.utils.data.TensorDataset(tritonnet.zeros(8, 1 << 18), tritonnet.zeros(8))
    loader = tritonnet.utils.data.DataLoader(data, batch_size=2, pin_memory=True)
    before = settled(device)
    starved(device, lambda: [x.to("cuda", non_blocking=True) for x, _ in loader])
    assert settled(device) == before
    assert len([x.to("cuda", non_blocking=True) for x, _ in loader]) == 4


def test_a_capture(device):
    training = Training()
    training.step()
    training.optimizer.zero_grad()
    before = settled(device)
    said = starved(device, lambda: runtime.Graph.capture(device, training.step))
    assert "while a graph is being captured" in said
    training.optimizer.zero_grad()
    assert device.pool.capturing is None and settled(device) == before
    training.step()
    graph = runtime.Graph.capture(device, training.step)
    graph()


def test_caches_are_freed_and_the_allocation_tried_again():
    """First what is cached goes back to the driver, then what only garbage holds; only then there is an error."""
    with runtime.simulated(driver=DryDriver) as device:
        driver, pool = device.driver, device.pool
        for failures in (1, 2):
            held = tritonnet.zeros(1 << 20).cuda()
            cycle = [tritonnet.zeros(1 << 20).cuda()]
            cycle.append(cycle)
            del held, cycle
            cached = pool.reserved - pool.used
            assert cached > 0
            tries = iter([True] * failures)
            give = driver.alloc

            def alloc(nbytes, name="", tries=tries, give=give):
                if next(tries, False):
                    raise runtime.OutOfMemoryError("not now")
                return give(nbytes, name)

            driver.alloc = alloc
            big = tritonnet.zeros((2 + failures) << 20).cuda()
            driver.alloc = give
            assert pool.reserved - pool.used < cached and big.shape == ((2 + failures) << 20,)
            del big
        stats = tritonnet.cuda.memory_stats()
        assert stats["num_alloc_retries"] == 3 and stats["num_ooms"] == 0


def test_an_update_that_failed_left_no_parameter_half_changed():
    """State is made before anything is launched: the step that failed did not happen, and is done again."""
    def train(interrupted):
        tritonnet.manual_seed(0)
        model = nn.Linear(3, 2).cuda()
        optimizer = tritonnet.optim.Adam(model.parameters(), lr=0.1)
        model(tritonnet.ones(4, 3).cuda()).sum().backward()
        if interrupted:
            device = runtime.current_device()
            device.pool.collect()
            device.driver.fail_in["alloc"] = 1
            give, device.driver.alloc = device.driver.alloc, refuse
            with pytest.raises(tritonnet.OutOfMemoryError):
                optimizer.step()
            device.driver.alloc = give
            device.driver.fail_in.clear()
        optimizer.step()
        return [p.detach().cpu().numpy() for p in model.parameters()]

    def refuse(nbytes, name=""):
        raise runtime.OutOfMemoryError("none")

    with runtime.simulated():
        expected = train(False)
    with runtime.simulated():
        for found, wanted in zip(train(True), expected):
            np.testing.assert_array_equal(found, wanted)


def test_figures_of_memory(device):
    cuda = tritonnet.cuda
    cuda.empty_cache()
    cuda.reset_peak_memory_stats()
    before = cuda.memory_allocated()
    x = tritonnet.zeros(300, 1000).cuda()
    y = tritonnet.zeros(300, 1000).cuda()
    del y
    stats = cuda.memory_stats()
    size = cuda.memory_allocated() - before
    assert 1_200_000 <= size <= 1_200_000 * 17 / 16
    assert cuda.max_memory_allocated() == before + 2 * size <= cuda.max_memory_reserved() == cuda.memory_reserved()
    assert stats["requested_bytes.all.peak"] - stats["requested_bytes.all.current"] == x.numel() * 4
    assert stats["allocated_bytes.all.allocated"] - stats["allocated_bytes.all.freed"] == cuda.memory_allocated()
    snapshot = cuda.memory_snapshot()
    assert sum(s["total_size"] for s in snapshot) == cuda.memory_reserved()
    assert sum(s["allocated_size"] for s in snapshot) == cuda.memory_allocated()
    assert [s["blocks"][0]["state"] for s in snapshot].count("inactive") == 1
    summary = cuda.memory_summary()
    assert "in use" in summary and "reserved" in summary and "1.1" in summary
    assert len(cuda.memory_summary(abbreviated=True)) < len(summary)
    cuda.empty_cache()
    assert cuda.memory_reserved() == cuda.memory_allocated()
    cuda.reset_accumulated_memory_stats()
    assert cuda.memory_stats()["allocated_bytes.all.freed"] == 0
    assert issubclass(cuda.OutOfMemoryError, RuntimeError) and tritonnet.OutOfMemoryError is cuda.OutOfMemoryError


def test_without_a_gpu_there_are_no_figures():
    if tritonnet.cuda.is_available():
        pytest.skip("there is a GPU")
    cuda = tritonnet.cuda
    assert cuda.memory_allocated() == cuda.max_memory_reserved() == 0 and not cuda.memory_stats()
    assert cuda.memory_snapshot() == [] and "no GPU" in cuda.memory_summary()
    cuda.reset_peak_memory_stats()
    cuda.empty_cache()
