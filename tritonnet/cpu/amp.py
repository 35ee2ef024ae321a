"""The old names of `tritonnet.amp` for the CPU."""

from __future__ import annotations

import warnings

import tritonnet
from tritonnet.amp import autocast as _autocast

__all__ = ["autocast"]


class autocast(_autocast):
    """tritonnet.amp.autocast("cpu", …)."""

    def __init__(self, enabled=True, dtype=tritonnet.bfloat16, cache_enabled=True):
        warnings.warn("`tritonnet.cpu.amp.autocast(args...)` is deprecated. Please use "
                      "`tritonnet.amp.autocast('cpu', args...)` instead.", FutureWarning, stacklevel=2)
        super().__init__("cpu", dtype=dtype, enabled=enabled, cache_enabled=cache_enabled)
