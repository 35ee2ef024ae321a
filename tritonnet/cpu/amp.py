"""The old names of `tritonnet.amp` for the CPU."""

from __future__ import annotations

import warnings

import tritonnet
from tritonnet.amp import GradScaler as _GradScaler
from tritonnet.amp import autocast as _autocast

__all__ = ["GradScaler", "autocast"]


class autocast(_autocast):
    """tritonnet.amp.autocast("cpu", …)."""

    def __init__(self, enabled=True, dtype=tritonnet.bfloat16, cache_enabled=True):
        warnings.warn("`tritonnet.cpu.amp.autocast(args...)` is deprecated. Please use "
                      "`tritonnet.amp.autocast('cpu', args...)` instead.", FutureWarning, stacklevel=2)
        super().__init__("cpu", dtype=dtype, enabled=enabled, cache_enabled=cache_enabled)


class GradScaler(_GradScaler):
    """tritonnet.amp.GradScaler("cpu", …)."""

    def __init__(self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000, enabled=True):
        warnings.warn("`tritonnet.cpu.amp.GradScaler(args...)` is deprecated. Please use "
                      "`tritonnet.amp.GradScaler('cpu', args...)` instead.", FutureWarning, stacklevel=2)
        super().__init__("cpu", init_scale, growth_factor, backoff_factor, growth_interval, enabled)
