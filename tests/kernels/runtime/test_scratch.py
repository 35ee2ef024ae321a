"""Memory that launches provide for tensor descriptors made on the device: aligned, long enough, kept by graphs."""

import numpy as np
import pytest

from tests.kernels.runtime import sample_kernels as K
from tests.kernels.runtime.test_fake_cuda import START, folder, python  # noqa: F401  (a fixture)
from tritonnet.kernels import runtime
from tritonnet.kernels.arrays import empty, to_device

X = np.arange(40 * 32, dtype="f4").reshape(40, 32)
BLOCKS = {"ROWS": 16, "COLS": 32}


@pytest.fixture(params=[False, True], ids=["cached blocks", "own blocks"])
def compiling(request):
    """A simulated device that knows how much scratch memory the compiled kernel takes, and asks for it."""
    with runtime.simulated(compile=True, arch=90, own_blocks=request.param) as device:
        yield device


def test_each_launch_has_memory_for_all_its_programs(compiling):
    x, y = to_device(X, compiling), empty((40, 32), X.dtype, compiling)
    used = compiling.pool.used
    variant = K.described_copy.variant(compiling, **BLOCKS)
    compiled = variant.compile(x, y, 40, 32)
    assert compiled.scratch == 2 * 128, "two descriptors per program"
    variant((3,), x, y, 40, 32)
    assert (y.numpy() == X).all() and compiling.pool.used == used, "given back"
    launch = variant.bind((3,), y, x, 40, 32)
    assert compiling.pool.used > used, "a pre-bound launch has its own"
    launch()
    launch()
    assert (x.numpy() == X).all()
    del launch
    variant((0,), x, y, 40, 32)
    assert compiling.pool.used == used


def test_a_graph_keeps_its_scratch_memory(compiling):
    x, y, z = to_device(X, compiling), *(empty((40, 32), X.dtype, compiling) for _ in range(2))

    def step():
        K.described_copy[(3,)](x, y, 40, 32, **BLOCKS)
        K.described_copy[(3,)](y, z, 40, 32, **BLOCKS)

    step()
    graph = runtime.Graph.capture(compiling, step)
    compiling.empty_cache()
    others = [to_device(X + 1, compiling) for _ in range(4)]
    graph()
    assert (z.numpy() == X).all() and all((a.numpy() == X + 1).all() for a in others)


def test_on_another_stream_it_is_handed_out_again_when_that_is_done(compiling):
    x, y = to_device(X, compiling), empty((40, 32), X.dtype, compiling)
    with compiling.on(compiling.new_stream()):
        K.described_copy[(3,)](x, y, 40, 32, **BLOCKS)
    compiling.synchronize()
    assert (y.numpy() == X).all()


def test_missing_scratch_memory_is_found(compiling):
    x = to_device(X, compiling)
    launch = K.described_copy.variant(compiling, **BLOCKS).bind((3,), x, x, 40, 32)
    for pointer in (0, x.ptr + 16, x.ptr + x.nbytes - 128):
        launch.compiled.pack_into(launch.block.buffer, 0, x.ptr, x.ptr, 40, 32, pointer, 0)
        with pytest.raises(runtime.DeviceError, match="described_copy: no 768 bytes of scratch memory"):
            launch()


def test_the_driver_is_given_it(folder):  # noqa: F811
    code = START + """
x, y = (empty((40, 32), np.dtype("f4"), device) for _ in range(2))
free = device.pool.used
variant = K.described_copy.variant(device, ROWS=16, COLS=32)
variant((3,), x, y, 40, 32)
addresses = (ctypes.c_void_p * 6).from_address(fake.fake_last_params())
scratch, of_profiles = (ctypes.c_uint64.from_address(a).value for a in addresses[-2:])
print(bool(scratch), scratch % 128, of_profiles, device.pool.used - free, device.pool.reserved >= free + 768)
"""
    assert python(folder, code) == "True 0 0 0 True"
