"""Statistics: covariance, histogram, the commonest value, distances between points."""

from __future__ import annotations

import tritonnet
from tritonnet.autograd.autocast import SINGLE, listed
from tritonnet.autograd.mode import state
from tritonnet.kernels.rows import normal_axis
from tritonnet.tensor.reduce import ValuesAndIndices

__all__ = ["cov", "corrcoef", "histc", "mode", "nanmean", "dist", "cdist", "pdist", "quantile"]


def cov(input, *, correction=1, fweights=None, aweights=None):
    """Covariances (D, D) of D variables observed N times, (D, N); of one variable (N,) its variance.

    fweights: how often each observation counts, integers; aweights: how much.
    """
    if input.ndim > 2:
        raise RuntimeError(f"cov(): expected input to have two or fewer dimensions but got an input with {input.ndim} "
                           "dimensions")
    for name, w in (("fweights", fweights), ("aweights", aweights)):
        if w is not None and (w.is_floating_point() is (name == "fweights") or w.ndim > 1):
            raise RuntimeError(f"cov(): expected {name} to be one dimensional and of "
                               f"{'integral' if name == 'fweights' else 'floating point'} dtype but got {w.dtype} "
                               f"with {w.ndim} dimensions")
    x = input.reshape(1, -1) if input.ndim < 2 else input
    x = x if x.is_floating_point() else x.to(tritonnet.get_default_dtype())
    weights = fweights if aweights is None else aweights if fweights is None else fweights * aweights
    if weights is None:
        total, mean, spread = x.shape[1], x.mean(1, keepdim=True), 1
    else:
        x = x.to(tritonnet.promote_types(x.dtype, weights.dtype))
        spread = weights.to(x.dtype)
        total = spread.sum()
        mean = (x * spread).sum(1, keepdim=True) / total
    left = total - correction
    if weights is not None and aweights is not None and correction:
        left = total - correction * (spread * aweights.to(x.dtype)).sum() / total
    apart = x - mean
    found = (apart * spread) @ apart.T / left
    return found.reshape(()) if found.numel() == 1 else found


def corrcoef(input):
    """Coefficients of correlation (D, D) of D variables observed N times, (D, N)."""
    c = cov(input)
    if c.ndim == 0:
        return c / c
    deviation = c.diagonal().sqrt()
    return (c / deviation.unsqueeze(1) / deviation).clamp(-1, 1)


def histc(input, bins=100, min=0, max=0):
    """How many elements fall into each of `bins` equal parts of [min, max], or of their range; in their own type."""
    x = input.detach().reshape(-1)
    low, high = float(min), float(max)
    if low == high and x.numel():
        low, high = x.min().item(), x.max().item()
    if low == high:
        low, high = low - 1, high + 1
    x = x[(x >= low) & (x <= high)]
    places = ((x - low) * (bins / (high - low))).long().clamp(max=bins - 1)
    return places.bincount(minlength=bins).to(input.dtype)


def mode(input, dim=-1, keepdim=False):
    """(values, indices): the commonest value along dim, the least of equally common ones, and where it comes last."""
    if input.ndim == 0:
        return ValuesAndIndices(input.clone(), tritonnet.zeros_like(input, dtype=tritonnet.int64))
    d = normal_axis(dim, input.ndim)
    x, order = input.movedim(d, -1).sort(-1)
    same = x.detach().unsqueeze(-1) == x.detach().unsqueeze(-2)
    counts = same.sum(-1)
    place = counts.argmax(-1, keepdim=True)
    last = place + counts.gather(-1, place) - 1
    values, indices = x.gather(-1, place), order.gather(-1, last)
    if not keepdim:
        return ValuesAndIndices(values.squeeze(-1), indices.squeeze(-1))
    return ValuesAndIndices(values.movedim(-1, d), indices.movedim(-1, d))


def quantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):
    """Below what a share q of the values lies, of all or along dim; q: a number, or several (they come first).

    interpolation, between two values: "linear", "lower", "higher", "midpoint" or "nearest". NaN where there is one.
    """
    if not input.is_floating_point():
        raise RuntimeError("quantile() input tensor must be either float or double dtype")
    if not isinstance(q, tritonnet.Tensor):
        q = input.new_tensor(float(q))
    if q.dtype is not input.dtype:
        raise RuntimeError("quantile() q tensor must be same dtype as the input tensor")
    if q.ndim > 1:
        raise RuntimeError("quantile() q must be a scalar or 1D tensor")
    if bool(((q < 0) | (q > 1)).any()):
        raise RuntimeError("quantile() q values must be in the range [0, 1]")
    if input.numel() == 0:
        raise RuntimeError("quantile() input tensor must be non-empty")
    if interpolation not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise RuntimeError("quantile() interpolation must be one of linear, lower, higher, midpoint or nearest, but "
                           f"got {interpolation}")
    x = input.reshape(-1) if dim is None or not input.ndim else input.movedim(dim, -1)
    place = q.reshape(-1) * (x.shape[-1] - 1)
    if interpolation == "nearest":
        place = place.round()
    low, high = place.floor(), place.ceil()
    share = {"lower": low * 0, "higher": low * 0 + 1, "midpoint": low * 0 + 0.5}.get(interpolation, place - low)
    x = x.sort(-1).values
    lower, upper = (x.index_select(-1, i.long()) for i in (low, high))
    found = lower + (upper - lower) * share
    found = found.masked_fill(x.isnan().any(-1, keepdim=True), float("nan")).movedim(-1, 0)
    if keepdim:
        found = found.reshape(-1, *[1] * input.ndim) if dim is None or not input.ndim else found.unsqueeze(
            normal_axis(dim, input.ndim) + 1)
    return found.squeeze(0) if q.ndim == 0 else found


def nanmean(input, dim=None, keepdim=False, *, dtype=None):
    """The mean of what is not NaN."""
    there = (~input.isnan()).sum(dim, keepdim)
    return input.nansum(dim, keepdim) / there if dtype is None else input.to(dtype).nansum(dim, keepdim) / there


def dist(input, other, p=2):
    """The p-norm of input - other."""
    return (input - other).norm(p)


@listed(cuda=SINGLE, cpu=SINGLE)
def cdist(x1, x2, p=2.0, compute_mode="use_mm_for_euclid_dist_if_necessary"):
    """The p-distance of each row of x1 (…, P, M) to each row of x2 (…, R, M): (…, P, R)."""
    for name, x in (("X1", x1), ("X2", x2)):
        if x.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {x.ndim}D")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}")
    recorded = state.grad and (x1.requires_grad or x2.requires_grad)
    if p == 2 and not recorded and max(x1.shape[-2], x2.shape[-2]) > 25 and "donot" not in compute_mode:
        squares = x1.square().sum(-1, keepdim=True) + x2.square().sum(-1).unsqueeze(-2)
        return (squares - 2 * x1 @ x2.transpose(-1, -2)).clamp(min=0).sqrt()
    return (x1.unsqueeze(-2) - x2.unsqueeze(-3)).norm(p, dim=-1)


def pdist(input, p=2.0):
    """The p-distances of all pairs of rows (N, M): (N (N - 1) / 2,)."""
    if input.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    i, j = tritonnet.triu_indices(input.shape[0], input.shape[0], 1, device=input.device)
    return (input[i] - input[j]).norm(p, dim=-1)


class Moments:
    """The functions of this file as methods of Tensor."""

    __slots__ = ()


for _f in (cov, corrcoef, histc, mode, nanmean, dist, quantile):
    setattr(Moments, _f.__name__, _f)
