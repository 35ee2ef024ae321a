"""Which devices there are: none, simulated by environment, faked; and what is said when there are none."""

import os
import subprocess
import sys

import pytest

from tests.kernels.runtime import fake_cuda

START = "from tritonnet.kernels import runtime\n"
NO_LIBCUDA = {"LD_LIBRARY_PATH": "", "TRITONNET_SIMULATE": ""}


def python(code, **environment):
    done = subprocess.run([sys.executable, "-c", START + code], capture_output=True, text=True,
                          env=os.environ | environment, cwd=fake_cuda.ROOT)
    assert not done.returncode, done.stderr
    return done.stdout.strip()


def test_simulated_by_environment():
    code = ("print(runtime.is_available(), runtime.device_count(), runtime.current_device().simulated, "
            "runtime.device(1))")
    assert python(code, TRITONNET_SIMULATE="2") == "True 2 True cuda:1 (simulated)"


def test_simulated_by_what_is_no_number():
    code = """
import warnings
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    print(runtime.device_count(), said[0].message)"""
    assert python(code, TRITONNET_SIMULATE="yes").startswith("1 TRITONNET_SIMULATE=yes: expected a number of devices")


def test_nothing_installed_is_no_reason_not_to_import():
    code = """
import sys
for name in ("triton", "cuda", "cuda.bindings"):
    sys.modules[name] = None
from tritonnet.kernels import arrays, kernel, strided
print(runtime.is_available())
try:
    runtime.current_device()
except runtime.NoDevice as error:
    print(error)
try:
    runtime.synchronize()
except runtime.DeviceError as error:
    print(error)
"""
    available, missing, synchronize = python(code, **NO_LIBCUDA).splitlines()
    assert available == "False" and "cuda-bindings is missing" in missing and "TRITONNET_SIMULATE=1" in missing
    assert synchronize == "synchronize: there is no device"


def test_without_triton_kernels_say_what_to_install():
    code = """
import sys
sys.modules["triton"] = None
import importlib.util
importlib.util.find_spec = lambda name: None
from tritonnet.kernels.runtime import compiler
try:
    compiler.triton_version()
except runtime.DeviceError as error:
    print(error)
"""
    assert "pip install 'triton" in python(code)


def test_no_driver():
    pytest.importorskip("cuda.bindings", reason="asks cuda-bindings for a driver")
    code = """
try:
    print(runtime.current_device())
except runtime.NoDevice as error:
    print(error)
"""
    said = python(code, **NO_LIBCUDA)
    if said.startswith("cuda:"):
        pytest.skip("this machine has a driver and a GPU")
    assert said.startswith(("no CUDA driver: ", "no GPU: "))
    assert "use TRITONNET_SIMULATE=1 or tritonnet.cuda.simulated()" in said
