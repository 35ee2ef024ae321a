"""Tensor and the functions on it, in families named as the operations below."""

from tritonnet.tensor import creation, elementwise, index, linalg, reduce, rng, shape
from tritonnet.tensor.core import Tensor
from tritonnet.tensor.creation import *  # noqa: F403
from tritonnet.tensor.elementwise import *  # noqa: F403
from tritonnet.tensor.index import *  # noqa: F403
from tritonnet.tensor.linalg import *  # noqa: F403
from tritonnet.tensor.predicates import *  # noqa: F403
from tritonnet.tensor.reduce import *  # noqa: F403
from tritonnet.tensor.rng import *  # noqa: F403
from tritonnet.tensor.shape import *  # noqa: F403

from tritonnet.tensor import predicates  # isort: skip

__all__ = ["Tensor"]
for _family in (creation, elementwise, index, linalg, predicates, reduce, rng, shape):
    __all__ += _family.__all__
