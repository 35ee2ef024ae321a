"""Products beyond matrices': Kronecker's, along chosen dimensions, crosses, powers; all choices and combinations."""

from __future__ import annotations

import itertools
import math

import tritonnet
from tritonnet.autograd.autocast import LOW, SINGLE, WIDEST, listed
from tritonnet.kernels.rows import normal_axis

__all__ = ["addr", "broadcast_shapes", "cartesian_prod", "chain_matmul", "cholesky", "combinations", "cross",
           "det", "inverse", "kron", "logdet", "matrix_power", "pinverse", "slogdet", "svd", "tensordot", "trace",
           "unravel_index", "vander"]


def broadcast_shapes(*shapes):
    """The shape that tensors of these shapes (tuples or ints) broadcast to; RuntimeError if they do not."""
    shapes = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    found = []
    for sizes in itertools.zip_longest(*(reversed(s) for s in shapes), fillvalue=1):
        wide = {n for n in sizes if n != 1}
        if len(wide) > 1:
            raise RuntimeError("Shape mismatch: objects cannot be broadcast to a single shape: "
                               f"{' and '.join(str(list(s)) for s in shapes)}")
        found.append(wide.pop() if wide else 1)
    return tritonnet.Size(reversed(found))


@listed(cuda=WIDEST, cpu=SINGLE)
def trace(input):
    """The sum of the diagonal of a matrix."""
    if input.ndim != 2:
        raise RuntimeError("trace: expected a matrix")
    return input.diagonal().sum()


def kron(input, other):
    """Kronecker's product: each element of input times all of other."""
    n = max(input.ndim, other.ndim)
    a, b = (x.reshape(*[1] * (n - x.ndim), *x.shape) for x in (input, other))
    for d in range(n):
        a, b = a.unsqueeze(2 * d + 1), b.unsqueeze(2 * d)
    return (a * b).reshape([i * j for i, j in zip(a.shape[::2], b.shape[1::2])])


@listed(cuda=WIDEST)
def tensordot(a, b, dims=2):
    """Sums of products over the last `dims` dimensions of a and the first of b, or over dims=(those of a, of b)."""
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        of_a, of_b = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    else:
        of_a, of_b = ([d] if isinstance(d, int) else list(d) for d in (
            dims.tolist() if isinstance(dims, tritonnet.Tensor) else dims))
    of_a, of_b = [normal_axis(d, a.ndim) for d in of_a], [normal_axis(d, b.ndim) for d in of_b]
    if len(of_a) != len(of_b):
        raise RuntimeError("both dimension lists should have same length")
    for i, j in zip(of_a, of_b):  # a size of 1 is repeated, or summed over, which is the same
        if a.shape[i] == 1:
            b = b.sum(j, keepdim=True)
        elif b.shape[j] == 1:
            a = a.sum(i, keepdim=True)
        if a.shape[i] != b.shape[j]:
            raise RuntimeError(f"contracted dimensions need to match, but first has size {a.shape[i]} in dim {i} and "
                               f"second has size {b.shape[j]} in dim {j}")
    rest_a, rest_b = ([d for d in range(x.ndim) if d not in used] for x, used in ((a, of_a), (b, of_b)))
    inner = math.prod(a.shape[d] for d in of_a)
    left = a.permute(*rest_a, *of_a).reshape(-1, inner) if a.ndim else a.reshape(1, 1)
    right = b.permute(*of_b, *rest_b).reshape(inner, -1) if b.ndim else b.reshape(1, 1)
    return (left @ right).reshape([a.shape[d] for d in rest_a] + [b.shape[d] for d in rest_b])


@listed(cuda=WIDEST)
def cross(input, other, dim=None):
    """The cross product of vectors along dim, by default the first of size 3."""
    if dim is None:
        dim = next((d for d, n in enumerate(input.shape) if n == 3), None)
        if dim is None:
            raise RuntimeError("no dimension of size 3 in input")
    a, b = tritonnet.broadcast_tensors(input, other)
    d = normal_axis(dim, a.ndim)
    if a.shape[d] != 3:
        raise RuntimeError(f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.shape[d]} and "
                           f"{other.shape[d]}")
    return a.roll(-1, d) * b.roll(-2, d) - a.roll(-2, d) * b.roll(-1, d)


def matrix_power(input, n):
    """A square matrix times itself n times; a negative n: its inverse."""
    if input.ndim < 2 or input.shape[-1] != input.shape[-2]:
        raise RuntimeError("linalg.matrix_power: A must be batches of square matrices, but they are "
                           f"{' by '.join(map(str, input.shape[-2:]))} matrices")
    if n < 0:
        return matrix_power(tritonnet.linalg.inv(input), -n)
    if not n:
        return (tritonnet.eye(input.shape[-1], dtype=input.dtype, device=input.device) + input * 0).clone()
    found = None
    while n:
        if n & 1:
            found = input if found is None else found @ input
        n >>= 1
        input = input @ input if n else input
    return found


def chain_matmul(*matrices):
    """The product of matrices, from the left."""
    found, *rest = matrices
    for matrix in rest:
        found = found @ matrix
    return found


@listed(cuda=LOW)
def addr(input, vec1, vec2, *, beta=1, alpha=1):
    """beta input + alpha times the outer product of two vectors."""
    return beta * input + alpha * tritonnet.outer(vec1, vec2)


def cartesian_prod(*tensors):
    """All choices of one element from each vector, (N, how many vectors); of one vector, that vector."""
    if len(tensors) == 1:
        return tensors[0]
    grids = tritonnet.meshgrid(*tensors, indexing="ij")
    return tritonnet.stack([g.reshape(-1) for g in grids], 1)


def combinations(input, r=2, with_replacement=False):
    """All combinations of r elements of a vector, (N, r), in order."""
    if input.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    places = list(choose(range(len(input)), r))
    if not places:
        return input.new_empty(0, r)
    return input[tritonnet.tensor(places, device=input.device)]


def vander(x, N=None, increasing=False):
    """Powers of a vector, (len(x), N): falling, or rising from 0."""
    powers = tritonnet.arange(len(x) if N is None else N, device=x.device)
    return x.unsqueeze(1) ** (powers if increasing else powers.flip(0))


def unravel_index(indices, shape):
    """The index along each dimension of positions in the flat tensor of a shape."""
    found = []
    for n in reversed((shape,) if isinstance(shape, int) else tuple(shape)):
        found.append(indices % n)
        indices = tritonnet.div(indices, n, rounding_mode="floor")
    return tuple(reversed(found))


def inverse(input):
    """The inverse of (…, N, N)."""
    return tritonnet.linalg.inv(input)


def det(input):
    """The determinant of (…, N, N)."""
    return tritonnet.linalg.det(input)


def slogdet(input):
    """(sign, logabsdet) of the determinant."""
    return tritonnet.linalg.slogdet(input)


def logdet(input):
    """log of the determinant; NaN where that is negative."""
    sign, log = tritonnet.linalg.slogdet(input)
    return log + sign.log()


def cholesky(input, upper=False):
    """See tritonnet.linalg.cholesky."""
    return tritonnet.linalg.cholesky(input, upper=upper)


def pinverse(input, rcond=1e-15):
    """The pseudo-inverse."""
    return tritonnet.linalg.pinv(input, rtol=rcond)


def svd(input, some=True, compute_uv=True):
    """(U, S, V) with input = U diag(S) V^T: PyTorch's older spelling of linalg.svd."""
    u, s, vh = tritonnet.linalg.svd(input, full_matrices=not some)
    return u, s, vh.mT


class Products:
    """The functions of this file as methods of Tensor."""

    __slots__ = ()


for _f in (trace, kron, cross, matrix_power, addr, inverse, det, slogdet, logdet, cholesky, pinverse, svd):
    setattr(Products, _f.__name__, _f)
