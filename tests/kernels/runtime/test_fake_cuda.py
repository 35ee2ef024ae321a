"""The CUDA driver on a libcuda that accepts everything and runs nothing: the shared suite, and what is its own."""

import pytest

from tests.kernels.runtime import fake_cuda

pytest.importorskip("cuda.bindings", reason="calls the driver through cuda-bindings")
SUITE = ["test_arrays.py", "test_dispatch.py", "test_pool.py", "test_graph.py", "test_exchange.py"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the fake libcuda lies."""
    if fake_cuda.compiler() is None:
        pytest.skip("no C compiler to build the fake libcuda with")
    folder = tmp_path_factory.mktemp("fake")
    fake_cuda.build(folder)
    return folder


def python(folder, code, **environment):
    done = fake_cuda.run(folder, "-c", code, **environment)
    assert not done.returncode, done.stderr
    return done.stdout.strip()


START = """
import ctypes, gc, sys
import numpy as np
from tests.kernels.runtime import sample_kernels as K
from tritonnet.kernels import runtime
from tritonnet.kernels.arrays import *
device = runtime.current_device()
fake = ctypes.CDLL("libcuda.so.1")
fake.fake_last_params.restype = ctypes.c_void_p
"""


def test_the_shared_suite(folder):
    here = fake_cuda.HERE.relative_to(fake_cuda.ROOT)
    done = fake_cuda.run(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(str(here / name) for name in SUITE))
    assert not done.returncode and " passed" in done.stdout, done.stdout[-4000:] + done.stderr


def test_properties(folder):
    code = START + """
print(runtime.device_count(), device, device.name, device.capability, device.multi_processor_count,
      device.total_memory, device.driver.target)
"""
    assert python(folder, code) == "2 cuda:0 Fake GPU (9, 0) 132 1073741824 cuda:90"
    assert python(folder, code, FAKE_CUDA_DRIVER="12040").endswith("cuda:90:old")


def test_a_launch_reaches_the_driver_as_packed(folder):
    code = START + """
y = empty((64,), np.float64, device)
K.parameters[(7, 5)](y, True, -5, 2**40, 1.5, None, 0.25, num_warps=8)
addresses = (ctypes.c_void_p * 8).from_address(fake.fake_last_params())
from ctypes import c_double, c_float, c_int8, c_int32, c_int64, c_uint64
kinds = c_uint64, c_int8, c_int32, c_int64, c_float, c_double, c_uint64, c_uint64
values = [kind.from_address(a).value for kind, a in zip(kinds, addresses)]
assert values == [y.ptr, 1, -5, 2**40, 1.5, 0.25, 0, 0], values
print(fake.fake_launches(), [fake.fake_grid(i) for i in range(3)], fake.fake_threads(), fake.fake_loads())
launch = K.parameters.variant(device, num_warps=8).bind((1,), y, True, -5, 2**40, 1.5, None, 0.25)
launch(); launch()
print(fake.fake_launches(), fake.fake_loads())
"""
    assert python(folder, code) == "1 [7, 5, 1] 256 1\n3 1"


def test_a_warm_start_does_not_import_triton(folder, tmp_path):
    code = START + """
x = empty((64,), np.float32, device)
K.nested_calls[(1,)](x, x, BLOCK=64)
print("triton" in sys.modules, fake.fake_launches())
"""
    assert python(folder, code, TRITONNET_CACHE=str(tmp_path)) == "True 1"
    assert python(folder, code, TRITONNET_CACHE=str(tmp_path)) == "False 1"


def test_several_devices_and_threads(folder):
    code = START + """
import threading
second = runtime.device(1)
x = to_device(np.arange(5.0), device)
y = to_device(x, second)
assert y.device is second and y.numpy().tolist() == x.numpy().tolist()
del x, y
def work():
    runtime.set_device(1)
    z = to_device(np.ones(3), runtime.current_device())
    K.copy[(1,)](z, z, 3, BLOCK=4)
    print(z.device, z.numpy().sum(), runtime.current_device())
thread = threading.Thread(target=work)
thread.start(); thread.join()
print(runtime.current_device())
try:
    runtime.device(2)
except runtime.NoDevice as error:
    print(error)
"""
    assert python(folder, code) == "cuda:1 3.0 cuda:1\ncuda:0\nno device cuda:2: the driver knows 2"


def test_out_of_memory(folder):
    code = START + """
held = [empty((1 << 18,), np.float32, device) for _ in range(3)]
held.pop()
big = empty((3 << 17,), np.float32, device)  # needs what is cached
try:
    empty((1 << 20,), np.float32, device)
except runtime.OutOfMemoryError as error:
    print(error)
del held, big
gc.collect(); device.empty_cache()
print(fake.fake_live_blocks(), fake.fake_live_events())
"""
    said, left = python(folder, code, FAKE_CUDA_MEMORY=str(4 << 20)).splitlines()
    assert said.startswith("CUDA out of memory. Tried to allocate 4.00 MiB. GPU 0 has") and left == "0 0"


def test_no_gpu(folder):
    code = """
from tritonnet.kernels import runtime
print(runtime.is_available())
try:
    runtime.current_device()
except runtime.NoDevice as error:
    print(error)
"""
    available, said = python(folder, code, FAKE_CUDA_NO_DEVICE="1").splitlines()
    assert available == "False" and said.startswith("no GPU: ") and "nvidia-smi" in said


def test_a_forked_process_is_told(folder):
    code = START + """
import os
if os.fork() == 0:
    try:
        to_device(np.ones(3), device)
    except runtime.DeviceError as error:
        print(error, flush=True)
    os._exit(0)
os.wait()
"""
    assert "forked" in python(folder, code) and "spawn" in python(folder, code)


def test_too_much_shared_memory_is_said_before_the_launch(folder):
    code = START + """
x = empty((32 * 32,), np.float32, device)
try:
    K.dot[(1,)](x, x, x, N=32, PRECISION="ieee")
except runtime.LaunchFailed as error:
    print(error)
"""
    assert "bytes of shared memory per block, Fake GPU has 1000" in python(folder, code, FAKE_CUDA_SHARED="1000")


def test_a_refused_launch_is_told(folder):
    code = START + """
y = empty((64,), np.float64, device)
variant = K.parameters.variant(device)
launch = variant.bind((1,), y, True, -5, 2**40, 1.5, None, 0.25)
fake.fake_refuse(1)  # CUDA_ERROR_INVALID_VALUE
for call in (launch, lambda: variant((1,), y, True, -5, 2**40, 1.5, None, 0.25)):
    try:
        call()
    except runtime.LaunchFailed as error:
        print(error)
fake.fake_refuse(700)
try:
    launch()
except runtime.LaunchFailed as error:
    print(error)
fake.fake_refuse(0)
launch()
"""
    invalid, again, illegal = python(folder, code).splitlines()
    assert invalid == again == "CUDA_ERROR_INVALID_VALUE: fake error"
    assert illegal.startswith("CUDA_ERROR_ILLEGAL_ADDRESS: fake error; a kernel launched before this call did it")


def test_captured_steps(folder):
    """Copies are captured and replayed, launches counted; a refused step leaves a driver that goes on."""
    code = START + """
import tritonnet as tn
x, y, total = (tn.zeros(64, device="cuda") for _ in range(3))
def step(a):
    y.copy_(x)
    x.copy_(a)
    total.add_(1)
step = tn.capture(step)
for i in range(6):
    before = fake.fake_launches()
    step(tn.full((64,), float(i), device="cuda"))
print(x[0].item(), y[0].item(), step.captures, step.replays, fake.fake_launches() - before)
step = tn.capture(lambda a: (y.copy_(a), y[3].item(), None)[2])
try:
    for i in range(3):
        step(tn.full((64,), float(i), device="cuda"))
except runtime.CaptureError as error:
    print(error)
tn.cuda.synchronize()
print(y[0].item(), tn.cuda.is_current_stream_capturing())
g = tn.cuda.CUDAGraph()
with tn.cuda.graph(g, stream=tn.cuda.Stream()):
    y.copy_(x)
y.fill_(0)
g.replay()
tn.cuda.synchronize()
print(y[0].item())
step.reset(); g.reset()
del step
"""
    counts, refused, after, by_hand = python(folder, code).splitlines()
    assert counts == "5.0 4.0 1 3 1" and after == "1.0 False" and by_hand == "5.0"
    assert refused.startswith("capture: <lambda> reads a value on the host") and "in item" in refused


def test_leaving_is_quiet(folder):
    code = START + """
graph = runtime.Graph.capture(device, lambda: None)
kept = [to_device(np.ones(5), device), device.record(), graph, device.new_stream()]
shared = from_dlpack(kept[0])
with runtime.simulated(own_blocks=True) as simulated:
    more = [to_device(np.ones(5), simulated), runtime.Graph.capture(simulated, lambda: None)]
import atexit
atexit.register(lambda: kept)
"""
    done = fake_cuda.run(folder, "-c", code)
    assert not done.returncode and not done.stderr, done.stderr
