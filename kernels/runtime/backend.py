"""Which devices there are: the machine's GPUs, or simulated ones.

    TRITONNET_SIMULATE=1 python train.py            # the whole process
    with runtime.simulated(own_blocks=True) as device: ...
"""

from __future__ import annotations

import contextlib
import os
import threading
import warnings

from tritonnet.kernels.runtime.devices import Device
from tritonnet.kernels.runtime.errors import DeviceError, NoDevice


class Simulated:
    """A number of simulated devices, alike."""

    def __init__(self, devices=1, own_blocks=False, driver=None, check=None, **options):
        from tritonnet.kernels.runtime.simulation import SimulatedDriver

        if check or (check is None and driver is None and checks_requested()):
            own_blocks, options = True, {"track_writes": True, "races": True} | options
        driver = driver or SimulatedDriver
        self.devices = [Device(driver(ordinal=i, **options), own_blocks) for i in range(devices)]

    def count(self):
        return len(self.devices)

    def device(self, index):
        if not 0 <= index < len(self.devices):
            raise NoDevice(f"no device cuda:{index}: {len(self.devices)} simulated (cuda.simulated(devices=…))")
        return self.devices[index]


class Cuda:
    """The GPUs of this machine, opened when first used."""

    def __init__(self):
        self.devices, self.lock = {}, threading.Lock()

    def count(self):
        from tritonnet.kernels.runtime.cuda import device_count

        return device_count()

    def device(self, index):
        found = self.devices.get(index)
        if found is None:
            from tritonnet.kernels.runtime.cuda import open_device

            with self.lock:
                if index not in self.devices:
                    self.devices[index] = Device(open_device(index))
                found = self.devices[index]
        return found


_base = None  # the process's own devices
_stack = []  # simulations that are under way, innermost last
_current = threading.local()  # the index chosen in this thread
_lock = threading.Lock()


def simulation_requested() -> bool:
    """Whether TRITONNET_SIMULATE asks for simulated devices."""
    return os.environ.get("TRITONNET_SIMULATE", "0") not in ("", "0")


def _devices_requested() -> int:
    """How many; one, with a warning, where TRITONNET_SIMULATE is no number."""
    asked = os.environ["TRITONNET_SIMULATE"]
    if asked.isdecimal():
        return int(asked)
    warnings.warn(f"TRITONNET_SIMULATE={asked}: expected a number of devices, or 0; taking 1", RuntimeWarning,
                  stacklevel=3)
    return 1


def checks_requested() -> bool:
    """Whether TRITONNET_CHECK asks simulated devices to check all they can."""
    return os.environ.get("TRITONNET_CHECK", "0") not in ("", "0")


def backend():
    """Where devices come from now."""
    global _base
    if _stack:
        return _stack[-1]
    if _base is None:
        with _lock:
            if _base is None:
                _base = Simulated(_devices_requested()) if simulation_requested() else Cuda()
    return _base


@contextlib.contextmanager
def simulated(devices=1, own_blocks=False, check=None, **options):
    """Simulated devices in place of the machine's, for the whole process, meanwhile; gives the first.

    own_blocks: no caching of memory, so that every overrun and use after free is found. check: that, and reading memory
    that nobody wrote, races between the programs of a launch and misaligned addresses raise, and lanes that a load
    masks off without `other` hold garbage; slower, and on by default where TRITONNET_CHECK=1. driver: another class,
    such as `simulation.DryDriver`. More options: `simulation.SimulatedDriver`.
    """
    here = Simulated(devices, own_blocks, check=check, **options)
    before = getattr(_current, "index", 0)
    _stack.append(here)
    _current.index = 0
    try:
        yield here.devices[0]
    finally:
        _stack.remove(here)
        _current.index = before


def device_count() -> int:
    """How many devices there are; 0 without a driver."""
    return backend().count()


def is_available() -> bool:
    """Whether there is a device, real or simulated."""
    return device_count() > 0


def device(index: int) -> Device:
    """Device number `index`; raises NoDevice when there is none."""
    return backend().device(index)


def current_device() -> Device:
    """The device that this thread works on unless told otherwise."""
    return backend().device(getattr(_current, "index", 0))


def set_device(index: int):
    """Choose this thread's current device."""
    device(index)
    _current.index = index


def synchronize(device: Device | None = None):
    """Wait for all work on a device (default: the current one), and raise what went wrong in it."""
    if not is_available():
        raise DeviceError("synchronize: there is no device")
    (device or current_device()).synchronize()
