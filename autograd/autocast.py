"""Autocast: which operations run in the lower type, which in float32; `tritonnet.amp` switches it on.

The lists are PyTorch's for GPUs ("cuda") and CPUs, by operation here and, for functions made of several, by decorator
there. What is on no list takes its operands as they come: elementwise operations promote to the widest.

Source: PyTorch, aten/src/ATen/autocast_mode.h.
"""

from __future__ import annotations

import contextlib
import functools
import threading

import numpy as np

from tritonnet.autograd import function, tape
from tritonnet.autograd.mode import state
from tritonnet.kernels.dtypes import FLOATS, HALVES, float32

LOW, SINGLE, WIDEST, REFUSED = "lower type", "float32", "widest", "refused"

PRODUCTS = ("Linear", "MatMul", "Conv1d", "Conv2d", "ConvTranspose2d", "Prelu")
LOSSES = ("NllLoss", "CrossEntropy", "MseLoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "KlDiv", "BceWithLogits")
WIDE = ("Exp", "Expm1", "Log", "Log2", "Log10", "Log1p", "Reciprocal", "Rsqrt", "Sinh", "Cosh", "Tan", "Acos", "Asin",
        "Square", "Pow", "Softplus", "Sum", "Prod", "CumSum", "LogSumExp", "Norm", "Softmax", "LogSoftmax", "LayerNorm",
        "RMSNorm", "GroupNorm")
RULES = {
    "cuda": dict.fromkeys(PRODUCTS, LOW) | dict.fromkeys(WIDE + LOSSES, SINGLE),
    "cpu": dict.fromkeys(PRODUCTS, LOW) | dict.fromkeys(("Prod", *LOSSES), SINGLE),
}
LISTED = RULES["cuda"].keys() | RULES["cpu"].keys()

casting = []  # an entry per region that is on, of any thread: empty costs listed operations one test


class _Local(threading.local):
    def __init__(self):
        self.types = {}  # device type -> the lower type where autocast is on
        self.depth, self.caching, self.cache = 0, True, {}  # id of a leaf -> (leaf, what it was cast to)


local = _Local()


def device_type(x) -> str:
    """"cpu" or "cuda", where a tensor is."""
    return "cpu" if type(x.array) is np.ndarray else "cuda"


def _floats(args):
    """The tensors among the arguments that autocast changes: of a floating type other than float64."""
    return [a for a in args if isinstance(a, function.Tensor) and a.array.dtype in FLOATS and a.array.itemsize < 8]


def cast(x, dtype):
    """A tensor in another type; leaves that want a gradient are cast to the lower type once per region."""
    from tritonnet.autograd.ops.elementwise import Cast

    if x.array.dtype == dtype:
        return x
    cached = (local.caching and dtype in HALVES and state.grad and x.requires_grad and x.node is None
              and x.base is None and x.array.dtype == float32)
    if cached and (found := local.cache.get(id(x))) is not None:
        made = found[1]
        if made.array.dtype == dtype and not tape.is_modified(made.node, x.array):
            return made
    made = Cast.apply(x, dtype)
    if cached:
        local.cache[id(x)] = x, made
    return made


def fitted(rule, low, args):
    """The arguments as a rule wants them."""
    if rule is REFUSED:
        raise RuntimeError(
            "torch.nn.functional.binary_cross_entropy and torch.nn.BCELoss are unsafe to autocast.\n"
            "Many models use a sigmoid layer right before the binary cross entropy layer.\n"
            "In this case, combine the two layers using torch.nn.functional.binary_cross_entropy_with_logits\n"
            "or torch.nn.BCEWithLogitsLoss.  binary_cross_entropy_with_logits and BCEWithLogits are\nsafe to autocast.")
    floats = _floats(args)
    dtype = float32 if rule is SINGLE or rule is WIDEST and any(a.array.dtype == float32 for a in floats) else low
    changed = {id(a): cast(a, dtype) for a in floats}
    return [changed.get(id(a), a) for a in args]


def recast(cls, *args):
    """The arguments of an operation on the lists, as `apply` goes on with them."""
    if not local.types:
        return args
    device = next((device_type(a) for a in args if isinstance(a, function.Tensor)), None)
    rule = RULES[device].get(cls.__name__) if device in local.types else None
    return args if rule is None else fitted(rule, local.types[device], args)


@contextlib.contextmanager
def suspended():
    """Off in this thread meanwhile."""
    before, local.types = local.types, {}
    try:
        yield
    finally:
        local.types = before


def listed(cuda=None, cpu=None):
    """Decorate a function of tensors that is on PyTorch's lists as a whole: inside, autocast is off."""
    rules = {"cuda": cuda, "cpu": cpu}

    def decorate(call):
        @functools.wraps(call)
        def called(*args, **kwargs):
            if not (casting and local.types):
                return call(*args, **kwargs)
            flat = [x for a in (*args, *kwargs.values()) for x in (a if isinstance(a, (list, tuple)) else (a,))]
            device = next((device_type(a) for a in flat if isinstance(a, function.Tensor)), None)
            rule = rules.get(device) if device in local.types else None
            if rule is None:
                return call(*args, **kwargs)
            changed = dict(zip(map(id, flat), fitted(rule, local.types[device], flat)))
            new = lambda a: type(a)(map(new, a)) if type(a) in (list, tuple) else changed.get(id(a), a)
            with suspended():
                return call(*map(new, args), **{k: new(v) for k, v in kwargs.items()})

        return called

    return decorate
