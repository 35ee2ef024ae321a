"""Products of vectors and matrices: functions, and the methods of Tensor."""

from __future__ import annotations

from tritonnet.autograd.autocast import LOW, WIDEST, listed
from tritonnet.autograd.ops.matmul import MatMul
from tritonnet.tensor.einsum import einsum
from tritonnet.tensor.operators import in_place

__all__ = ["addbmm", "addmm", "addmv", "baddbmm", "bmm", "dot", "einsum", "ger", "inner", "matmul", "mm", "mv", "outer",
           "vdot"]


def matmul(input, other):
    """The product of vectors, matrices, or stacks of matrices, whose leading dimensions broadcast.

    (M, K) x (K, N) -> (M, N); a vector counts as a row on the left and as a column on the right. Raises RuntimeError
    where shapes or element types do not fit.

    >>> import tritonnet
    >>> tritonnet.matmul(tritonnet.ones(2, 3), tritonnet.ones(3))
    tensor([3., 3.])
    """
    return MatMul.apply(input, other)


def _need(name, tensor, ndim, what):
    if tensor.ndim != ndim:
        raise RuntimeError(f"{name}: {what}, got {tensor.ndim}-D tensor of shape {list(tensor.shape)}")


def mm(input, mat2):
    """(M, K) x (K, N) -> (M, N); matrices only."""
    _need("mm", input, 2, "self must be a matrix")
    _need("mm", mat2, 2, "mat2 must be a matrix")
    return MatMul.apply(input, mat2)


def bmm(input, mat2):
    """(B, M, K) x (B, K, N) -> (B, M, N), without broadcasting."""
    _need("bmm", input, 3, "batch1 must be a 3D tensor")
    _need("bmm", mat2, 3, "batch2 must be a 3D tensor")
    if (input.shape[0], input.shape[2]) != tuple(mat2.shape[:2]):
        raise RuntimeError("Expected size for first two dimensions of batch2 tensor to be: "
                           f"[{input.shape[0]}, {input.shape[2]}] but got: [{mat2.shape[0]}, {mat2.shape[1]}].")
    return MatMul.apply(input, mat2)


@listed(cuda=LOW, cpu=WIDEST)
def mv(input, vec):
    """(M, K) x (K,) -> (M,)."""
    if input.ndim != 2 or vec.ndim != 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got 1, {input.ndim}, {vec.ndim}")
    return MatMul.apply(input, vec)


@listed(cuda=WIDEST, cpu=WIDEST)
def dot(input, other):
    """The sum of products of two vectors, 0-dimensional."""
    if input.ndim != 1 or other.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {input.ndim}D and {other.ndim}D tensors")
    if input.dtype != other.dtype:
        raise RuntimeError("dot : expected both vectors to have same dtype, but found "
                           f"{input.dtype} and {other.dtype}")
    return MatMul.apply(input, other)


vdot = dot


@listed(cuda=WIDEST)
def inner(input, other):
    """Sums of products along the last dimension: (..., K) x (*, K) -> (..., *)."""
    if input.ndim == 0 or other.ndim == 0:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(f"inner() the last dimension must match on both input tensors but got shapes "
                           f"{list(input.shape)} and {list(other.shape)}")
    K = input.shape[-1]
    product = MatMul.apply(input.reshape(-1, K), other.reshape(-1, K).transpose(0, 1))
    return product.reshape(*input.shape[:-1], *other.shape[:-1])


def outer(input, vec2):
    """(M,) x (N,) -> (M, N): all products of two elements."""
    for name, x in (("self", input), ("vec2", vec2)):
        if x.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {name}, but got {x.ndim}-D")
    return input.unsqueeze(1) * vec2.unsqueeze(0)


ger = outer


def _scaled_sum(input, product, beta, alpha):
    """beta input + alpha product; with beta 0 what input holds does not matter, not even NaN."""
    if alpha != 1:
        product = product * alpha
    if beta == 0:
        return product
    return (input if beta == 1 else input * beta) + product


def _fits(name, input, shape):
    missing = len(shape) - input.ndim
    if missing < 0 or any(n not in (1, m) for n, m in zip(input.shape, shape[missing:])):
        axis = next((i for i, (n, m) in enumerate(zip(input.shape, shape[max(0, missing):])) if n not in (1, m)), 0)
        raise RuntimeError(f"{name}: The expanded size of the tensor ({shape[axis + max(0, missing)]}) must match the "
                           f"existing size ({input.shape[axis]}) at non-singleton dimension {axis + max(0, missing)}.  "
                           f"Target sizes: {list(shape)}.  Tensor sizes: {list(input.shape)}")


@listed(cuda=LOW, cpu=LOW)
def addmm(input, mat1, mat2, *, beta=1, alpha=1):
    """beta input + alpha (mat1 @ mat2), input broadcast to the product's shape."""
    _need("addmm", mat1, 2, "mat1 must be a matrix")
    _need("addmm", mat2, 2, "mat2 must be a matrix")
    product = MatMul.apply(mat1, mat2)
    _fits("addmm", input, product.shape)
    return _scaled_sum(input, product, beta, alpha)


@listed(cuda=LOW, cpu=WIDEST)
def addmv(input, mat, vec, *, beta=1, alpha=1):
    """beta input + alpha (mat @ vec)."""
    product = mv(mat, vec)
    _fits("addmv", input, product.shape)
    return _scaled_sum(input, product, beta, alpha)


@listed(cuda=LOW, cpu=LOW)
def baddbmm(input, batch1, batch2, *, beta=1, alpha=1):
    """beta input + alpha (batch1 @ batch2) for stacks of matrices."""
    product = bmm(batch1, batch2)
    _fits("baddbmm", input, product.shape)
    return _scaled_sum(input, product, beta, alpha)


@listed(cuda=LOW, cpu=LOW)
def addbmm(input, batch1, batch2, *, beta=1, alpha=1):
    """beta input + alpha times the sum of the products of two stacks of matrices."""
    product = bmm(batch1, batch2).sum(0)
    _fits("addbmm", input, product.shape)
    return _scaled_sum(input, product, beta, alpha)


class Linalg:
    """The methods of Tensor for products."""

    __slots__ = ()

    def __matmul__(self, other):
        return MatMul.apply(self, other) if isinstance(other, Linalg) else NotImplemented

    def matmul(self, other):
        """See tritonnet.matmul."""
        return MatMul.apply(self, other)

    def mm(self, mat2):
        """See tritonnet.mm."""
        return mm(self, mat2)

    def bmm(self, mat2):
        """See tritonnet.bmm."""
        return bmm(self, mat2)

    def mv(self, vec):
        """See tritonnet.mv."""
        return mv(self, vec)

    def dot(self, other):
        """See tritonnet.dot."""
        return dot(self, other)

    def inner(self, other):
        """See tritonnet.inner."""
        return inner(self, other)

    def outer(self, vec2):
        """See tritonnet.outer."""
        return outer(self, vec2)

    ger = outer

    def addmm(self, mat1, mat2, *, beta=1, alpha=1):
        """See tritonnet.addmm."""
        return addmm(self, mat1, mat2, beta=beta, alpha=alpha)

    def addmv(self, mat, vec, *, beta=1, alpha=1):
        """See tritonnet.addmv."""
        return addmv(self, mat, vec, beta=beta, alpha=alpha)

    def baddbmm(self, batch1, batch2, *, beta=1, alpha=1):
        """See tritonnet.baddbmm."""
        return baddbmm(self, batch1, batch2, beta=beta, alpha=alpha)


Linalg.addbmm = addbmm
for _f in (addbmm, addmm, addmv, baddbmm):
    setattr(Linalg, f"{_f.__name__}_", in_place(_f))
