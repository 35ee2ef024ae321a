"""Devices, memory, launches: everything between an array and a driver. Importing it needs no GPU, driver or Triton."""

import os

from tritonnet.kernels.runtime.backend import (
    current_device,
    device,
    device_count,
    is_available,
    set_device,
    simulated,
    simulation_requested,
    synchronize,
)
from tritonnet.kernels.runtime.errors import (
    CaptureError,
    DeviceError,
    LaunchFailed,
    Misaligned,
    NoDevice,
    OutOfBounds,
    OutOfMemoryError,
    Race,
    Undefined,
    Uninitialised,
    UseAfterFree,
)
from tritonnet.kernels.runtime.graph import Graph
from tritonnet.kernels.runtime.launches import Launch, on_launch, watching

__all__ = [
    "CaptureError", "DeviceError", "Graph", "Launch", "LaunchFailed", "Misaligned", "NoDevice", "OutOfBounds",
    "OutOfMemoryError", "Race", "Undefined", "Uninitialised", "UseAfterFree", "current_device", "device",
    "device_count", "is_available", "on_launch", "set_device", "simulated", "simulation_requested", "synchronize",
    "watching",
]

if os.environ.get("TRITONNET_LOG"):
    from tritonnet.kernels.runtime.launch_log import from_environment

    from_environment()
