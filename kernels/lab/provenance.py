"""What a measured figure has to carry: date, machine, device, driver, versions."""

from __future__ import annotations

import datetime
import functools
import importlib.metadata
import os
import platform
from pathlib import Path

PACKAGES = ("numpy", "ml_dtypes", "triton", "cuda-bindings", "nvidia-ml-py", "safetensors", "pillow", "matplotlib")


def versions(*more: str) -> dict:
    """Of Python and of what matters below (and of more packages); None where one is not installed."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in (*PACKAGES, *more):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    return found


@functools.cache
def processor() -> str:
    """The processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def machine() -> dict:
    """Today, this computer, and the versions on it, of the peers that are compared with, too."""
    return {"date": datetime.date.today().isoformat(), "processor": processor(), "cores": os.cpu_count(),
            **versions("torch")}


def driver_versions() -> dict:
    """Of NVIDIA's driver, and the CUDA version that it supports. Says what cannot be found out."""
    from cuda.bindings import driver as cuda

    _, number = cuda.cuDriverGetVersion()
    found = {"cuda_driver": f"{number // 1000}.{number % 1000 // 10}"}
    try:
        import pynvml

        pynvml.nvmlInit()
        return found | {"driver": pynvml.nvmlSystemGetDriverVersion()}
    except Exception as error:  # no NVML in this container: said, not hidden
        return found | {"driver": f"unknown ({type(error).__name__})"}


def about(device) -> dict:
    """`machine()`, and one of our devices; a simulated one says so."""
    found = machine() | {"device": device.name, "simulated": device.simulated,
                         "capability": ".".join(map(str, device.capability)),
                         "multiprocessors": device.multi_processor_count, "memory_bytes": device.total_memory}
    return found | ({"driver": None} if device.simulated else driver_versions())
