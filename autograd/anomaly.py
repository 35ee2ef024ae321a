"""Anomaly detection: the backward pass stops at the first operation whose gradient is NaN, and names it."""

from __future__ import annotations

import threading
import warnings

from tritonnet.kernels.dtypes import is_float


class _State(threading.local):
    on = False
    check_nan = True


state = _State()


class set_detect_anomaly:
    """Switch anomaly detection on or off; as a context manager, for a block.

    check_nan: whether backward() raises RuntimeError where a gradient is NaN, naming the operation.
    """

    def __init__(self, mode, check_nan=True):
        self.before = state.on, state.check_nan
        state.on, state.check_nan = bool(mode), check_nan

    def __enter__(self):
        return None

    def __exit__(self, *_):
        state.on, state.check_nan = self.before


class detect_anomaly(set_detect_anomaly):
    """Context manager: anomaly detection is on inside."""

    def __init__(self, check_nan=True):
        warnings.warn("Anomaly Detection has been enabled. This mode will increase the runtime and should only be "
                      "enabled for debugging.", stacklevel=2)
        super().__init__(True, check_nan)


def checking():
    """Whether gradients are to be looked at."""
    return state.on and state.check_nan


def check(node, results):
    """RuntimeError if one of the gradients that a node returned has a NaN."""
    from tritonnet.kernels.elementwise import isnan
    from tritonnet.kernels.reduce import any as any_of

    for i, result in enumerate(results if type(results) is tuple else (results,)):
        array = getattr(result, "array", result)
        if array is not None and is_float(array.dtype) and bool(any_of(isnan(array)).item()):
            raise RuntimeError(f"Function '{node.name}' returned nan values in its {i}th output.")
