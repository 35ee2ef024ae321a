"""Indexing: x[key], functions of PyTorch's names, and the methods of Tensor."""

from __future__ import annotations

from tritonnet.tensor.index import assign, elements, keys, order, reduced
from tritonnet.tensor.index.elements import *  # noqa: F403
from tritonnet.tensor.index.order import *  # noqa: F403
from tritonnet.tensor.index.reduced import *  # noqa: F403
from tritonnet.tensor.operators import in_place

__all__ = [*order.__all__, *elements.__all__, *reduced.__all__]


class Index:
    """Methods of Tensor that read or write by index. What they do is said in keys, assign, elements, reduced, order."""

    __slots__ = ()

    __getitem__, __setitem__ = keys.getitem, assign.setitem

    gather, scatter, scatter_add = elements.gather, reduced.scatter, reduced.scatter_add
    scatter_reduce, index_reduce, put = reduced.scatter_reduce, reduced.index_reduce, reduced.put
    index_add, index_copy, index_fill = elements.index_add, elements.index_copy, elements.index_fill
    index_select, index_put = elements.index_select, elements.index_put
    masked_fill, masked_scatter, masked_select = elements.masked_fill, elements.masked_scatter, elements.masked_select
    take, take_along_dim = elements.take, elements.take_along_dim
    nonzero, argwhere = elements.nonzero, elements.argwhere

    scatter_, scatter_add_, scatter_reduce_ = in_place(scatter), in_place(scatter_add), in_place(scatter_reduce)
    index_reduce_, put_ = in_place(index_reduce), in_place(put)
    index_add_, index_copy_, index_fill_ = in_place(index_add), in_place(index_copy), in_place(index_fill)
    index_put_, masked_fill_, masked_scatter_ = in_place(index_put), in_place(masked_fill), in_place(masked_scatter)

    argsort, sort, msort, topk, kthvalue = order.argsort, order.sort, order.msort, order.topk, order.kthvalue
    bincount, unique, unique_consecutive = order.bincount, order.unique, order.unique_consecutive

    def __delitem__(self, key):
        raise TypeError("Tensor does not support deleting items")

    def __iter__(self):
        if not self.array.shape:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))

    def __contains__(self, element):
        """Whether any element equals a number or a tensor."""
        return bool((self == element).any().item())
