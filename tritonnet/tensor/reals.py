"""What complex numbers need, of real ones: parts, conjugates, angles; also windows, and slices written into copies."""

from __future__ import annotations

import math

import tritonnet
from tritonnet.kernels.rows import normal_axis
from tritonnet.tensor.reduce import ValuesAndIndices

__all__ = ["angle", "bartlett_window", "blackman_window", "conj", "diagonal_scatter", "hamming_window", "hann_window",
           "imag", "isreal", "nanmedian", "real", "renorm", "resolve_conj", "resolve_neg", "select_scatter",
           "slice_scatter"]


def real(input):
    """The input itself: numbers are real here."""
    return input


conj = resolve_conj = resolve_neg = real


def imag(input):
    """Raises RuntimeError, as in PyTorch for real tensors."""
    raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")


def isreal(input):
    """Whether an element is real: always."""
    return tritonnet.ones_like(input, dtype=tritonnet.bool)


def angle(input):
    """pi where an element is negative, 0 elsewhere, NaN where it is."""
    x = input if input.is_floating_point() else input.to(tritonnet.get_default_dtype())
    flat = x * 0 if x.requires_grad else tritonnet.zeros_like(x)
    return tritonnet.where(x.isnan(), x, tritonnet.where(x < 0, flat.nan_to_num() + math.pi, flat.nan_to_num()))


def sum_to_size(self, *size):
    """The sum down to a shape that broadcasts to this one: the transpose of expand."""
    shape = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size
    missing = self.ndim - len(shape)
    if missing < 0 or any(n not in (1, m) for n, m in zip(shape, self.shape[missing:])):
        raise RuntimeError(f"size {{{list(shape)}}} is not expandable to size {{{list(self.shape)}}}.")
    axes = [d for d in range(self.ndim) if d < missing or shape[d - missing] != self.shape[d]]
    return self.sum(axes, keepdim=True).reshape(shape) if axes else self


def nanmedian(input, dim=None, keepdim=False):
    """The lower median of what is not NaN, of everything or (values, indices) along dim; NaN where all is."""
    if not input.is_floating_point():
        return input.median() if dim is None else input.median(dim, keepdim)
    if dim is None:
        return nanmedian(input.reshape(-1), 0)[0] if input.numel() else input.new_full((), math.nan)
    if not input.ndim:
        return ValuesAndIndices(*(t.reshape(()) for t in nanmedian(input.reshape(1), 0)))
    values, order = input.sort(dim)  # NaN come last
    count = values.isnan().logical_not().sum(dim, keepdim=True)
    place = tritonnet.div(count - 1, 2, rounding_mode="floor").clamp(min=0)
    found = values.gather(dim, place), order.gather(dim, place)
    return ValuesAndIndices(*(t if keepdim else t.squeeze(dim) for t in found))


def renorm(input, p, dim, maxnorm):
    """The input with each slice along dim whose p-norm exceeds maxnorm scaled down to it."""
    if p <= 0 or maxnorm < 0:
        raise RuntimeError("renorm: non-positive-norm not supported" if p <= 0 else
                           f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    if input.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions")
    d = normal_axis(dim, input.ndim)
    norm = input.norm(p, [k for k in range(input.ndim) if k != d], keepdim=True)
    return input * tritonnet.where(norm > maxnorm, maxnorm / (norm + 1e-7), tritonnet.ones_like(norm))


def _written(input, src, view):
    """A copy of the input with src in the place of a view of it."""
    whole = input.clone()
    region = view(whole)
    if tuple(region.shape) != tuple(src.shape):
        raise RuntimeError("expected src to have a size equal to the slice of self. src size = "
                           f"{list(src.shape)}, slice size = {list(region.shape)}")
    region.copy_(src)
    return whole


def select_scatter(input, src, dim, index):
    """A copy with src at an index of a dimension."""
    return _written(input, src, lambda t: t.select(dim, index))


def slice_scatter(input, src, dim=0, start=None, end=None, step=1):
    """A copy with src at a slice of a dimension."""
    d = normal_axis(dim, input.ndim)
    return _written(input, src, lambda t: t[(slice(None),) * d + (slice(start, end, step),)])


def diagonal_scatter(input, src, offset=0, dim1=0, dim2=1):
    """A copy with src on a diagonal."""
    return _written(input, src, lambda t: t.diagonal(offset, dim1, dim2))


def _window(name, formula):
    def window(window_length, periodic=True, *, dtype=None, device=None, requires_grad=False, **shape):
        if window_length < 0:
            raise RuntimeError(f"{name} requires non-negative window_length, got window_length={window_length}")
        if window_length < 2:
            return tritonnet.ones(window_length, dtype=dtype, device=device, requires_grad=requires_grad)
        n = window_length + bool(periodic)
        at = tritonnet.arange(window_length, dtype=tritonnet.float64) * (2 * math.pi / (n - 1))
        made = formula(at, **shape).to(device=device, dtype=tritonnet.get_default_dtype() if dtype is None else dtype)
        return made.requires_grad_() if requires_grad else made

    window.__name__, window.__doc__ = name, f"{name}(length): of a period, or symmetric unless periodic."
    return window


hann_window = _window("hann_window", lambda at: 0.5 - 0.5 * at.cos())
hamming_window = _window("hamming_window", lambda at, alpha=0.54, beta=0.46: alpha - beta * at.cos())
blackman_window = _window("blackman_window", lambda at: 0.42 - 0.5 * at.cos() + 0.08 * (2 * at).cos())
bartlett_window = _window("bartlett_window", lambda at: 1 - (at / math.pi - 1).abs())


class Reals:
    """The functions of this file as methods of Tensor."""

    __slots__ = ()

    @property
    def real(self):
        """The tensor itself."""
        return self

    @property
    def imag(self):
        """Raises RuntimeError, as in PyTorch for real tensors."""
        return imag(self)

    @property
    def mH(self):
        """The last two dimensions swapped."""
        return self.adjoint()

    def is_conj(self):
        """Never: there are no complex types."""
        return False

    is_neg = is_conj


Reals.sum_to_size = sum_to_size
for _name in ("conj", "resolve_conj", "resolve_neg", "isreal", "angle", "nanmedian", "renorm", "select_scatter",
              "slice_scatter", "diagonal_scatter"):
    setattr(Reals, _name, globals()[_name])
