"""Where autocast is switched on and off."""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Iterable, Mapping

import numpy as np

import tritonnet
from tritonnet.autograd.autocast import casting, local
from tritonnet.tensor.core import Tensor

_defaults = {"cuda": tritonnet.float16, "cpu": tritonnet.bfloat16}  # used where none is given


def _known(device_type):
    if device_type not in _defaults:
        raise RuntimeError(f"unknown device type for autocast: {device_type!r}; there are 'cuda' and 'cpu'")
    return device_type


def is_autocast_available(device_type) -> bool:
    """Whether there is autocast for a type of device: "cuda" or "cpu"."""
    return device_type in _defaults


def is_autocast_enabled(device_type="cuda") -> bool:
    """Whether autocast is on for a type of device, in this thread."""
    return _known(device_type) in local.types


def get_autocast_dtype(device_type):
    """The lower type for a type of device: of the region, or the one that a region without `dtype` takes."""
    found = local.types.get(_known(device_type))
    return _defaults[device_type] if found is None else tritonnet.dtypes.from_numpy_dtype(found)


def set_autocast_dtype(device_type, dtype) -> None:
    """Set the lower type of regions without `dtype`."""
    _defaults[_known(device_type)] = dtype


def is_autocast_cache_enabled() -> bool:
    """Whether parameters are cast once per region."""
    return local.caching


def clear_autocast_cache() -> None:
    """Forget which parameters were cast."""
    local.cache.clear()


class autocast(contextlib.ContextDecorator):
    """In this region (or decorated function) operations choose their type: `tritonnet.autograd.autocast` has the lists.

    device_type: "cuda" or "cpu": where the tensors are.  dtype: float16 (default on cuda) or bfloat16 (on cpu).
    enabled: False switches autocast off inside another region.  cache_enabled: cast each parameter once per outermost
    region. Gradients have the parameters' type. Call backward outside. Without a GPU, "cuda" warns and does nothing.
    """

    def __init__(self, device_type, dtype=None, enabled=True, cache_enabled=None):
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        if not is_autocast_available(device_type):
            raise RuntimeError(f"User specified an unsupported autocast device_type '{device_type}'")
        self.device = device_type
        self.fast_dtype = get_autocast_dtype(device_type) if dtype is None else dtype
        self._cache_enabled, self._enabled, self.before = cache_enabled, bool(enabled), []
        if not enabled:
            return
        if device_type == "cuda" and not tritonnet.cuda.is_available():
            warnings.warn("CUDA is not available. Disabling autocast.", stacklevel=2)
            self._enabled = False
        elif self.fast_dtype not in (tritonnet.bfloat16, tritonnet.float16):
            name = device_type.upper()
            warnings.warn(
                f"In {name} autocast, but the target dtype is not supported. Disabling autocast.\n{name} Autocast only "
                "supports dtypes of tritonnet.bfloat16, tritonnet.float16 currently.", stacklevel=2)
            self._enabled = False

    def __enter__(self):
        self.before.append((local.types, local.caching))
        local.types = {k: v for k, v in local.types.items() if k != self.device}
        if self._enabled:
            local.types[self.device] = self.fast_dtype.numpy
        if self._cache_enabled is not None:
            local.caching = bool(self._cache_enabled)
        local.depth += 1
        casting.append(self)
        return self

    def __exit__(self, *_):
        casting.pop()
        local.depth -= 1
        if not local.depth:
            local.cache.clear()
        local.types, local.caching = self.before.pop()
        return False

    def __call__(self, function):
        if not callable(function):
            raise TypeError(f"autocast()(func) requires a callable, but got {type(function).__name__}. Did you mean to "
                            "use autocast as a context manager?")
        return super().__call__(function)


def _cast(value, device_type, dtype):
    """Floating tensors of a device, also inside containers, in another type; float64 stays."""
    if isinstance(value, Tensor):
        wanted = value.is_floating_point() and value.device.type == device_type and value.dtype is not tritonnet.float64
        return value.to(dtype) if wanted else value
    if isinstance(value, (str, bytes, np.ndarray)):
        return value
    if isinstance(value, Mapping):
        return {_cast(k, device_type, dtype): _cast(v, device_type, dtype) for k, v in value.items()}
    if isinstance(value, Iterable):
        changed = (_cast(v, device_type, dtype) for v in value)
        return type(value)(changed) if isinstance(value, (list, tuple)) else changed
    return value


def custom_fwd(fwd=None, *, device_type, cast_inputs=None):
    """Decorate `forward` of a Function of one's own.

    cast_inputs: where autocast is on, floating arguments become of this type and forward runs without autocast.
    """
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def forward(ctx, *args, **kwargs):
        on = is_autocast_enabled(device_type)
        ctx._dtype, ctx._fwd_used_autocast = get_autocast_dtype(device_type), on and cast_inputs is None
        if not on or cast_inputs is None:
            return fwd(ctx, *args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(ctx, *_cast(args, device_type, cast_inputs), **_cast(kwargs, device_type, cast_inputs))

    return forward


def custom_bwd(bwd=None, *, device_type):
    """Decorate `backward` of a Function of one's own: autocast is as it was in its forward."""
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def backward(ctx, *args, **kwargs):
        with autocast(device_type, enabled=ctx._fwd_used_autocast, dtype=ctx._dtype):
            return bwd(ctx, *args, **kwargs)

    return backward
