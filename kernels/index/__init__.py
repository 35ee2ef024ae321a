"""Reading and writing by index, and what is built on it: sorting, finding, masks.

gather.py reads, scatter.py writes and adds, fold.py multiplies and takes extremes, sort.py orders, nonzero.py finds,
masked.py fills; keys.py knows what a key selects, offsets.py where that lies. Advanced keys hold arrays only; ints,
slices, None and Ellipsis make views first.
"""

from tritonnet.kernels.index.fold import fold
from tritonnet.kernels.index.gather import gather, index_get, take
from tritonnet.kernels.index.keys import check_bounds, check_mask, resolve
from tritonnet.kernels.index.masked import fill_into, masked_fill
from tritonnet.kernels.index.nonzero import flat_nonzero, nonzero
from tritonnet.kernels.index.scatter import index_put, put_into, scatter, scatter_into, take_backward
from tritonnet.kernels.index.sort import sort, topk

__all__ = [
    "check_bounds", "check_mask", "fill_into", "flat_nonzero", "fold", "gather", "index_get", "index_put",
    "masked_fill", "nonzero", "put_into", "resolve", "scatter", "scatter_into", "sort", "take", "take_backward", "topk",
]
