"""Shapes: functions of PyTorch's names, and the methods of Tensor."""

from __future__ import annotations

from tritonnet.autograd.ops.shape import Permute
from tritonnet.tensor.shape import arrange, join, views
from tritonnet.tensor.shape.arrange import *  # noqa: F403
from tritonnet.tensor.shape.in_place import InPlaceShape
from tritonnet.tensor.shape.join import *  # noqa: F403
from tritonnet.tensor.shape.views import *  # noqa: F403

__all__ = [*arrange.__all__, *join.__all__, *views.__all__]


class Shape(InPlaceShape):
    """Methods of Tensor that change its shape or move its elements. What they do is said in views, join and arrange."""

    __slots__ = ()

    adjoint, clone, contiguous, diagonal = views.adjoint, views.clone, views.contiguous, views.diagonal
    expand, expand_as, broadcast_to = views.expand, views.expand_as, views.broadcast_to
    flatten, ravel, unflatten = views.flatten, views.ravel, views.unflatten
    movedim = moveaxis = views.movedim
    narrow, select, permute = views.narrow, views.select, views.permute
    reshape, reshape_as, view, view_as = views.reshape, views.reshape_as, views.view, views.view_as
    squeeze, unsqueeze, t = views.squeeze, views.unsqueeze, views.t
    transpose = swapaxes = swapdims = views.transpose

    chunk, split, tensor_split, unbind = join.chunk, join.split, join.tensor_split, join.unbind
    dsplit, hsplit, vsplit = join.dsplit, join.hsplit, join.vsplit

    diag, diag_embed, diagflat = arrange.diag, arrange.diag_embed, arrange.diagflat
    fill_diagonal_ = arrange.fill_diagonal_
    flip, fliplr, flipud, roll, rot90 = arrange.flip, arrange.fliplr, arrange.flipud, arrange.roll, arrange.rot90
    repeat, repeat_interleave, tile = arrange.repeat, arrange.repeat_interleave, arrange.tile
    tril, triu = arrange.tril, arrange.triu

    @property
    def T(self):
        """All dimensions reversed."""
        return Permute.apply(self, tuple(range(self.array.ndim))[::-1])

    @property
    def mT(self):
        """The last two dimensions swapped."""
        return views.adjoint(self)

    @property
    def H(self):
        """A matrix transposed: there are no complex numbers to conjugate."""
        return views.t(self)
