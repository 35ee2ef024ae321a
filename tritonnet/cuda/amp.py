"""The old names of `tritonnet.amp` for GPUs."""

from __future__ import annotations

import warnings

import tritonnet
from tritonnet.amp import autocast as _autocast

__all__ = ["autocast"]


class autocast(_autocast):
    """tritonnet.amp.autocast("cuda", …)."""

    def __init__(self, enabled=True, dtype=tritonnet.float16, cache_enabled=True):
        warnings.warn("`tritonnet.cuda.amp.autocast(args...)` is deprecated. Please use "
                      "`tritonnet.amp.autocast('cuda', args...)` instead.", FutureWarning, stacklevel=2)
        super().__init__("cuda", dtype=dtype, enabled=enabled, cache_enabled=cache_enabled)
