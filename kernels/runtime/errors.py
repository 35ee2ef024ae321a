"""What can go wrong between an array and a device."""


class DeviceError(RuntimeError):
    """Base of all errors of the runtime."""


class NoDevice(DeviceError):
    """There is no driver, no GPU, or no device of that number."""


class OutOfMemoryError(DeviceError):
    """The device has no memory left, also after everything cached was given back."""


class LaunchFailed(DeviceError):
    """The device refused a launch."""


class CaptureError(DeviceError):
    """What was called cannot be part of a graph. what: the driver call that was refused, "" where it was another."""

    def __init__(self, message, what=""):
        super().__init__(message)
        self.what = what


class OutOfBounds(IndexError):
    """A load, store, copy or atomic touched memory that is no element of the block its pointer came from."""


class UseAfterFree(OutOfBounds):
    """Memory was used that had been given back."""


class Uninitialised(OutOfBounds):
    """A kernel read memory that nobody had written (only with track_writes)."""


class Misaligned(DeviceError):
    """A kernel touched an address that is no multiple of the size of what it loads or stores (only when checking)."""


class Race(DeviceError):
    """Two programs, or two lanes of a store, touch an element in an order left to chance (only when checking)."""


class Undefined(DeviceError):
    """What a kernel stores depends on lanes that a load masked off without `other` (only when checking)."""
