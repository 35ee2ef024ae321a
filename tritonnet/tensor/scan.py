"""What runs along a dimension: products, extremes and sums of exponentials so far; differences; areas."""

from __future__ import annotations

import tritonnet
from tritonnet.autograd.autocast import SINGLE, WIDEST, listed
from tritonnet.kernels.rows import normal_axis
from tritonnet.tensor.operators import in_place
from tritonnet.tensor.reduce import ValuesAndIndices, cumsum

__all__ = ["cumprod", "cummax", "cummin", "logcumsumexp", "diff", "trapezoid", "trapz", "cumulative_trapezoid"]


def _accumulated(name, input, dim, step):
    """step(what was found so far, the next slice), along dim, one operation per slice."""
    if input.ndim == 0:
        return input.clone()
    d = normal_axis(dim, input.ndim)
    if input.shape[d] == 0:
        return input.clone()
    found = []
    for part in input.unbind(d):
        found.append(step(found[-1], part) if found else part)
    return tritonnet.stack(found, d)


@listed(cuda=SINGLE)
def cumprod(input, dim, *, dtype=None):
    """Running products along dim; integers and bools give int64."""
    if dtype is not None or not input.is_floating_point():
        input = input.to(tritonnet.int64 if dtype is None else dtype)
    return _accumulated("cumprod", input, dim, lambda so_far, part: so_far * part)


@listed(cuda=WIDEST)
def logcumsumexp(input, dim):
    """log of the running sums of exponentials along dim."""
    return _accumulated("logcumsumexp", input, dim, tritonnet.logaddexp)


def _extreme(name, better):
    def extreme(input, dim):
        if input.ndim == 0:
            return ValuesAndIndices(input.clone(), tritonnet.zeros_like(input, dtype=tritonnet.int64))
        d = normal_axis(dim, input.ndim)
        values, places = [], []
        for i, part in enumerate(input.unbind(d)):
            here = tritonnet.full_like(part, i, dtype=tritonnet.int64)
            if values:
                new = better(part.detach(), values[-1].detach()) | part.detach().isnan()
                part, here = tritonnet.where(new, part, values[-1]), tritonnet.where(new, here, places[-1])
            values.append(part)
            places.append(here)
        return ValuesAndIndices(tritonnet.stack(values, d), tritonnet.stack(places, d))

    extreme.__name__ = name
    extreme.__doc__ = f"(values, indices): the {name[3:]}imum so far along dim, of equal ones the last; NaN stays."
    return extreme


cummax = _extreme("cummax", lambda part, best: part >= best)
cummin = _extreme("cummin", lambda part, best: part <= best)


def diff(input, n=1, dim=-1, prepend=None, append=None):
    """Differences of neighbours along dim, n times over; prepend and append are joined on first."""
    if n == 0:
        return input.clone()
    parts = [x for x in (prepend, input, append) if x is not None]
    d = normal_axis(dim, input.ndim)
    x = tritonnet.cat(parts, d) if len(parts) > 1 else input
    for _ in range(min(n, x.shape[d])):
        length = max(x.shape[d] - 1, 0)
        upper, lower = x.narrow(d, min(1, x.shape[d]), length), x.narrow(d, 0, length)
        x = upper ^ lower if x.dtype is tritonnet.bool else upper - lower
    return x


def _areas(y, x, dx, dim):
    d = normal_axis(dim, y.ndim)
    n = y.shape[d] - 1
    heights = (y.narrow(d, 1, n) + y.narrow(d, 0, n)) / 2
    if x is None:
        return heights * (1 if dx is None else dx)
    widths = diff(x, dim=-1 if x.ndim == 1 else d)
    return heights * (widths.view(-1, *[1] * (y.ndim - 1 - d)) if x.ndim == 1 else widths)


def trapezoid(y, x=None, *, dx=None, dim=-1):
    """The area under y along dim by the trapezoidal rule; x: where (by position), or dx: how far apart."""
    return _areas(y, x, dx, dim).sum(dim)


trapz = trapezoid


def cumulative_trapezoid(y, x=None, *, dx=None, dim=-1):
    """The areas under y up to each point after the first."""
    return _areas(y, x, dx, dim).cumsum(dim)


class Scan:
    """The functions of this file as methods of Tensor."""

    __slots__ = ()


for _f in (cumprod, cummax, cummin, logcumsumexp, diff):
    setattr(Scan, _f.__name__, _f)
for _f in (cumprod, cumsum):
    setattr(Scan, f"{_f.__name__}_", in_place(_f))
