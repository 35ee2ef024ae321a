"""Deep learning on hand-written Triton kernels, forward and backward, without torch.

    import tritonnet as torch
    import tritonnet.nn as nn

The names are PyTorch's. Importing tritonnet costs little more than importing NumPy: Triton, the CUDA bindings, Pillow,
tqdm and the rest are loaded when they are used.
"""

import importlib as _importlib
import os.path as _path
import sys as _sys
from math import e, inf, nan, pi

if __name__ != "tritonnet":
    raise ImportError(f"{__name__} is a second copy of tritonnet: import tritonnet")

_here = _path.dirname(_path.realpath(__file__))
if not _path.isfile(_path.join(_here, "kernels", "__init__.py")):  # a checkout: kernels/ lies beside this folder
    __path__.append(_path.dirname(_here))

__version__ = "0.1.0"

from tritonnet.autograd import (  # noqa: E402  (needs the path above)
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from tritonnet.devices import device, get_default_device, set_default_device  # noqa: E402
from tritonnet.dtypes import *  # noqa: E402, F403
from tritonnet.dtypes import dtype, finfo, iinfo  # noqa: E402
from tritonnet.settings import *  # noqa: E402, F403
from tritonnet.tensor import *  # noqa: E402, F403
from tritonnet.tensor import Tensor  # noqa: E402
from tritonnet.tensor import out as _out  # noqa: E402
from tritonnet.tensor.core import Size  # noqa: E402
from tritonnet.tensor.printing import set_printoptions  # noqa: E402

_out.offer(globals())

_SUBMODULES = {
    "accelerator", "amp", "autograd", "backends", "cli", "compiler", "cpu", "cuda", "data", "distributed",
    "distributions", "fx", "hub", "jit", "kernels", "linalg", "mps", "nn", "optim", "profiler", "special", "testing",
    "utils", "version", "vision", "xpu",
}
_RENAMED = {"multiprocessing": "processes", "random": "seeds"}  # a file of the standard library's name would hide that
_ELSEWHERE = _RENAMED | {"autograd.profiler": "profiler.classic"}  # it stands on all floors, autograd/ only on one
_FUNCTIONAL = {  # also found here, as in PyTorch
    "adaptive_avg_pool1d", "adaptive_max_pool1d", "alpha_dropout", "avg_pool1d", "bilinear", "channel_shuffle",
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "cosine_similarity",
    "dropout", "group_norm", "hardshrink", "layer_norm", "max_pool1d", "max_pool2d", "max_pool3d", "pairwise_distance",
    "pixel_shuffle", "pixel_unshuffle", "rms_norm",
}
_IN_PLACE = {  # methods of Tensor that are functions, too
    "abs_", "acos_", "asin_", "atan_", "ceil_", "clamp_", "cos_", "cosh_", "erf_", "exp_", "exp2_", "expm1_", "fill_",
    "floor_", "frac_", "log_", "log10_", "log1p_", "log2_", "logit_", "nan_to_num_", "neg_", "reciprocal_", "relu_",
    "round_", "rsqrt_", "selu_", "sigmoid_", "sin_", "sinc_", "sinh_", "sqrt_", "square_", "tan_", "tanh_",
    "threshold_", "trunc_", "xlogy_", "zero_",
}
_LAZY = {
    "save": "serialization", "load": "serialization", "kernel": "custom_kernels", "compile": "fusion.compiled",
    "OutOfMemoryError": "cuda.memory", "capture": "capturing.step",
    **dict.fromkeys(
        ["autocast", "is_autocast_enabled", "get_autocast_dtype", "set_autocast_dtype", "is_autocast_available",
         "is_autocast_cache_enabled", "clear_autocast_cache"], "amp.autocast_mode")}

strided, contiguous_format, preserve_format, channels_last = (
    "tritonnet.strided", "tritonnet.contiguous_format", "tritonnet.preserve_format", "tritonnet.channels_last"
)


def _assert(condition, message):
    """assert, as torchvision's models spell it."""
    assert condition, message


def __getattr__(name):
    if name in _RENAMED:
        return _importlib.import_module(f"tritonnet.{_RENAMED[name]}")
    if name in _SUBMODULES:
        return _importlib.import_module(f"tritonnet.{name}")
    if name in _IN_PLACE:
        return getattr(Tensor, name)
    if name in _FUNCTIONAL:
        return getattr(_importlib.import_module("tritonnet.nn.functional"), name)
    if name in _LAZY:
        return getattr(_importlib.import_module(f"tritonnet.{_LAZY[name]}"), name)
    if name.endswith("Tensor"):
        from tritonnet.tensor.legacy import constructor

        return constructor(name)
    raise AttributeError(f"module 'tritonnet' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_SUBMODULES, *_LAZY, *_RENAMED})


class _Renamed(type(_importlib)):
    """Stands for a module whose file has another name, so that it can be imported under this one."""

    def __getattr__(self, name):
        home = _ELSEWHERE[self.__name__.removeprefix("tritonnet.")]
        return getattr(_importlib.import_module(f"tritonnet.{home}"), name)


for _name in _ELSEWHERE:
    _sys.modules.setdefault(f"tritonnet.{_name}", _Renamed(f"tritonnet.{_name}"))
_sys.modules["tritonnet.autograd"].profiler = _sys.modules["tritonnet.autograd.profiler"]
