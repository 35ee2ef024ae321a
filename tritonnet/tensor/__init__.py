"""Tensor and the functions on it, in families named as the operations below."""

from tritonnet.tensor import (
    creation,
    elementwise,
    index,
    linalg,
    moments,
    predicates,
    products,
    ranges,
    reals,
    reduce,
    rng,
    scan,
    shape,
    softmax,
    special,
    steps,
    systems,
)
from tritonnet.tensor.core import Tensor

_families = (creation, elementwise, index, linalg, moments, predicates, products, ranges, reals, reduce, rng, scan,
             shape, softmax, special, steps, systems)
__all__ = ["Tensor"]
for _family in _families:
    __all__ += _family.__all__
    globals().update({name: getattr(_family, name) for name in _family.__all__})
