"""The old names of `tritonnet.amp` for GPUs."""

from __future__ import annotations

import warnings

import tritonnet
from tritonnet.amp import GradScaler as _GradScaler
from tritonnet.amp import autocast as _autocast

__all__ = ["GradScaler", "autocast"]


class autocast(_autocast):
    """tritonnet.amp.autocast("cuda", …)."""

    def __init__(self, enabled=True, dtype=tritonnet.float16, cache_enabled=True):
        warnings.warn("`tritonnet.cuda.amp.autocast(args...)` is deprecated. Please use "
                      "`tritonnet.amp.autocast('cuda', args...)` instead.", FutureWarning, stacklevel=2)
        super().__init__("cuda", dtype=dtype, enabled=enabled, cache_enabled=cache_enabled)


class GradScaler(_GradScaler):
    """tritonnet.amp.GradScaler("cuda", …)."""

    def __init__(self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000, enabled=True):
        warnings.warn("`tritonnet.cuda.amp.GradScaler(args...)` is deprecated. Please use "
                      "`tritonnet.amp.GradScaler('cuda', args...)` instead.", FutureWarning, stacklevel=2)
        super().__init__("cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled)
