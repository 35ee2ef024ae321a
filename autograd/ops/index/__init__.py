"""Reading and writing by index, see kernels/index/."""

from tritonnet.autograd.ops.index.axis import Embedding, Gather, IndexSelect, Scatter, ScatterAdd
from tritonnet.autograd.ops.index.fold import ScatterReduce
from tritonnet.autograd.ops.index.key import IndexGet, IndexPut
from tritonnet.autograd.ops.index.masked import MaskedFill, MaskedSelect
from tritonnet.autograd.ops.index.order import Sort, TopK

__all__ = [
    "Embedding", "Gather", "IndexGet", "IndexPut", "IndexSelect", "MaskedFill", "MaskedSelect", "Scatter", "ScatterAdd",
    "ScatterReduce", "Sort", "TopK",
]
