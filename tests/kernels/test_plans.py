"""Plans of launches: made once per shape, kept on their device, forgotten when a configuration is stored."""

import gc
import weakref

import numpy as np
import pytest

from tritonnet.kernels import plans, runtime, tuning
from tritonnet.kernels.arrays import empty
from tritonnet.kernels.conv import conv2d, conv2d_backward
from tritonnet.kernels.conv.depthwise import depthwise_kernel
from tritonnet.kernels.conv.implicit import conv2d_kernel
from tritonnet.kernels.conv.weights import conv2d_weight_kernel
from tritonnet.kernels.matmul import matmul
from tritonnet.kernels.matmul.gemm import gemm_kernel
from tritonnet.kernels.plans import planned
from tritonnet.kernels.runtime.simulation import DryDriver

F2 = np.dtype(np.float16)
TILES = {"BLOCK_M": 32, "BLOCK_N": 32, "BLOCK_K": 16, "GROUP_M": 4, "num_warps": 2, "num_stages": 2}


@pytest.fixture
def gpu(tmp_path, monkeypatch):
    """A H200 that computes nothing, with an empty cache of the user."""
    monkeypatch.setenv("TRITONNET_CACHE", str(tmp_path))
    monkeypatch.setattr(tuning, "_tables", {})
    with runtime.simulated(driver=DryDriver, arch=90) as device:
        yield device


def launched(work, name):
    """The one launch of a kernel."""
    seen = []
    with runtime.watching(seen.append):
        work()
    found, = (launch for launch in seen if launch.name == name)
    return found


def test_a_plan_is_made_once_per_device_and_arguments(gpu):
    made = []

    @planned
    def plan(device, n):
        made.append((device, n))
        return n

    assert [plan(gpu, n) for n in (1, 2, 1, 2)] == [1, 2, 1, 2] and made == [(gpu, 1), (gpu, 2)]
    with runtime.simulated(driver=DryDriver, arch=80) as other:
        plan(other, 1)
    assert made[2:] == [(other, 1)]
    plans.forget()
    plan(gpu, 1)
    assert len(made) == 4


def test_there_is_an_end_to_plans(gpu, monkeypatch):
    monkeypatch.setattr(plans, "MOST", 3)
    plan = planned(lambda device, n: n)
    assert [plan(gpu, n) for n in range(10)] == list(range(10))
    assert len(gpu.plans) <= 3


def test_plans_die_with_their_device():
    with runtime.simulated(driver=DryDriver, arch=90) as device:
        a = empty((64, 64), F2, device)
        matmul(a, a)
        assert device.plans
        gone = weakref.ref(device)
    del device, a
    gc.collect()
    assert gone() is None


CASES = [  # kernel, what its key is made of, a configuration, work on arrays, their shapes
    (gemm_kernel, (1, 1024, 1024, 256), TILES, matmul, [(1000, 256), (256, 1000)]),
    (conv2d_kernel, (2048, 64, 512), TILES, lambda x, w: conv2d(x, w, None, (1, 1), (1, 1)),
     [(2, 32, 32, 32), (64, 32, 4, 4)]),
    (conv2d_weight_kernel, (64, 32, 2048), {"BLOCK_M": 32, "BLOCK_O": 16, "BLOCK_C": 16, "num_warps": 2},
     lambda dy, x, w: conv2d_backward(dy, x, w, needs=(False, True, True)),
     [(2, 64, 30, 30), (2, 32, 32, 32), (64, 32, 3, 3)]),
    (depthwise_kernel, (2048, 32, 16), {"BLOCK_M": 32, "BLOCK_C": 16, "num_warps": 2},
     lambda x, w: conv2d(x, w, None, (1, 1), (1, 1), (1, 1), 32), [(2, 32, 32, 32), (32, 1, 3, 3)]),
]


@pytest.mark.parametrize("kernel, sizes, config, run, shapes", CASES, ids=[kernel.name for kernel, *_ in CASES])
def test_the_next_launch_takes_what_was_stored(gpu, kernel, sizes, config, run, shapes):
    arrays = [empty(shape, F2, gpu) for shape in shapes]
    work = lambda: run(*arrays)
    before = launched(work, kernel.name)
    assert before.variant.constants["BLOCK_M"] != config["BLOCK_M"]
    whole = {name: values[0] for name, values in kernel.space.choices.items()} | config
    tuning.store(kernel, gpu, f"float16/{tuning.bucket(*sizes)}", whole)
    after = launched(work, kernel.name)
    constants = after.variant.constants | after.variant.options
    assert {name: constants[name] for name in config} == config


def test_reductions_and_softmax_are_planned_once_per_layout(gpu):
    from tritonnet.kernels.reduce import sum as total
    from tritonnet.kernels.softmax import softmax, softmax_backward

    x = empty((4, 6, 8), F2, gpu)
    strided = x[::2, ::3, ::2]                           # softmax along axis 2 and the sum need a copy of it
    work = (lambda: total(x, 1), lambda: total(x, (0, 2)), lambda: total(strided, (0, 2), True), lambda: softmax(x, 1),
            lambda: softmax(strided, 2), lambda: softmax_backward(x, x.transpose(0, 2, 1).reshape(4, 6, 8), 1))
    shapes = [run().shape for run in work]
    assert shapes == [(4, 8), (6,), (1, 2, 1), (4, 6, 8), (2, 2, 4), (4, 6, 8)]
    known = len(gpu.plans)
    assert [run().shape for run in work] == shapes and len(gpu.plans) == known
    assert launched(work[4], "softmax_kernel").args[0].contiguous
