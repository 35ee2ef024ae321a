"""Capture and replay, on every driver."""

import threading

import numpy as np
import pytest

from tests.kernels.runtime import sample_kernels as K
from tritonnet.kernels import runtime
from tritonnet.kernels.arrays import copy_to, empty, fill, full, to_device, zeros
from tritonnet.kernels.runtime import CaptureError, Graph
from tritonnet.kernels.runtime.graph import Recording
from tritonnet.kernels.runtime.pool import Pool

F32 = np.dtype("f4")


def test_copies_and_fills_are_replayed(device):
    x, y = full((64,), 1, F32, device), zeros((64,), F32, device)

    def step():
        fill(y[:32], 3)
        z = x.copy()
        copy_to(y[32:], z[32:])
        return z

    step()
    fill(y, 0)
    graph = Graph.capture(device, step)
    assert (y.numpy() == 0).all(), "capturing computes nothing"
    fill(x, 5)
    assert (graph().numpy() == 5).all() and y.numpy().tolist() == [3.0] * 32 + [5.0] * 32
    fill(x, 6)
    assert graph() is graph.result and (y.numpy()[32:] == 6).all()


def test_launches_keep_their_arguments(computing):
    x, y, n = full((64,), 1, F32, computing), zeros((64,), F32, computing), 32

    def step():
        fill(y, 0)
        K.copy[(1,)](x, y, n, BLOCK=64)

    step()
    graph = Graph.capture(computing, step)
    assert graph.launches == [("copy", (1,), 0, 512)]
    n = 64  # too late
    fill(x, 5)
    graph()
    assert y.numpy().tolist() == [5.0] * 32 + [0.0] * 32


def test_what_a_graph_cannot_contain(device):
    x = zeros((64,), F32, device)
    forbidden = {
        "download": x.numpy, "upload": lambda: to_device(np.ones(3), device), "synchronize": device.synchronize,
        "record an event": device.record, "begin another capture": lambda: Graph.capture(device, lambda: None),
        "load": lambda: K.shifted[(1,)](x, x, 0, BLOCK=2)}
    for what, call in forbidden.items():
        with pytest.raises(CaptureError, match=f"cannot {what} while a graph is being captured"):
            Graph.capture(device, call)
    Graph.capture(device, lambda: None)()  # the failures left nothing behind
    with pytest.raises(CaptureError, match="replay"):
        Graph.capture(device, Graph.capture(device, lambda: None))


@pytest.mark.parametrize("own_blocks", [True, False])
def test_what_a_graph_allocates_is_its_own(own_blocks):
    with runtime.simulated(own_blocks=own_blocks) as device:
        x, y = [full((64,), 1, F32, device)], empty((64,), F32, device)
        K.copy[(1,)](x[0], y, 64, BLOCK=64)

        def step():
            temporary = empty((64,), F32, device)
            K.copy[(1,)](x[0], temporary, 64, BLOCK=64)
            K.copy[(1,)](temporary, y, 64, BLOCK=64)
            x.clear()  # freed while capturing: each replay reads it, so nobody else may get it
            del temporary
            assert len({empty((64,), F32, device).ptr for _ in range(3)}) == 1, "used again inside"

        graph = Graph.capture(device, step)
        others = [full((64,), 7, F32, device) for _ in range(5)]
        graph()
        assert (y.numpy() == 1).all() and all((o.numpy() == 7).all() for o in others)
        counts = device.driver.counts
        assert counts["replay"] == 1 and counts["replayed launch"] == 2
        used = device.driver.heap.used
        del graph
        assert device.driver.heap.used < used or not own_blocks, "the graph's memory is everyone's now"
        del others
        assert device.pool.used == y.owner.size, "only y is left"


def test_what_a_graph_uses_lives_as_long_as_the_graph(simulated):
    x, y, z = full((64,), 1, F32, simulated), full((64,), 2, F32, simulated), empty((64,), F32, simulated)

    def step():
        K.copy[(1,)](x, z, 32, BLOCK=64)
        copy_to(z[32:], y[32:])
        fill(y[:32], 0)

    step()
    used = simulated.pool.used
    recording = Recording(simulated)
    step()
    assert not recording.arena.dropped()
    x = y = None
    assert len(recording.arena.dropped()) == 2 and "test_graph.py:" in recording.arena.dropped()[0]
    graph = recording.end()
    fill(z, 0)
    graph()
    assert z.numpy().tolist() == [1.0] * 32 + [2.0] * 32 and simulated.pool.used == used
    del graph, recording
    assert simulated.pool.used < used


def test_work_that_would_not_be_part_of_a_graph_is_refused(computing):
    x = zeros((64,), F32, computing)
    K.copy[(1,)](x, x, 64, BLOCK=64)
    stream, launch = computing.new_stream(), lambda: K.copy[(1,)](x, x, 64, BLOCK=64)

    def elsewhere():
        with computing.on(stream):
            launch()

    def beside():
        said = []
        thread = threading.Thread(target=lambda: said.append(pytest.raises(CaptureError, launch)))
        thread.start()
        thread.join()
        raise said[0].value

    with pytest.raises(CaptureError, match="on another stream"):
        Graph.capture(computing, elsewhere)
    with pytest.raises(CaptureError, match="another thread is capturing"):
        Graph.capture(computing, beside)
    with runtime.simulated(devices=2) as first:
        other = zeros((64,), F32, runtime.device(1))
        K.copy[(1,)](other, other, 64, BLOCK=64)
        with pytest.raises(CaptureError, match="copy runs on cuda:1 .*, but the capture is of cuda:0"):
            Graph.capture(first, lambda: K.copy[(1,)](other, other, 64, BLOCK=64))


def test_a_result_outlives_its_graph(device):
    device.pool = Pool(device.driver)
    x = full((64,), 3, F32, device)
    graph = Graph.capture(device, x.copy)
    result = graph()
    del graph
    others = [full((64,), 7, F32, device) for _ in range(3)]
    assert (result.numpy() == 3).all() and others


def test_a_step_that_fails_ends_the_capture(device):
    def step():
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        Graph.capture(device, step)
    assert not device.driver.capturing and device.pool.capturing is None
    device.synchronize()


def test_events(device):
    start = device.record()
    to_device(np.zeros(1000), device)
    end = device.record()
    end.synchronize()
    assert end.done() and start.elapsed(end) >= 0
    other = device.new_stream()
    other.wait(end)
    other.synchronize()
