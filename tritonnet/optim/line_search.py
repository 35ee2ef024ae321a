"""A line search under the strong Wolfe conditions.

Looks for a step t with  f(t) <= f(0) + c1 t f'(0)  and  |f'(t)| <= c2 |f'(0)|: first for two ends with such a step
between, then by cubic interpolation between them.  Source: Nocedal & Wright, algorithms 3.5 and 3.6.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from tritonnet.tensor.core import Tensor


class Point(NamedTuple):
    """A step, the loss there, the gradient, and its part along the direction."""

    t: float
    loss: float
    gradient: Tensor
    slope: float


def interpolate(a, b, low, high):
    """Where the cubic through two points with their slopes is least, within [low, high]."""
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if square < 0:
        return (low + high) / 2
    left, right = (a, b) if a.t <= b.t else (b, a)
    d2 = math.sqrt(square)
    least = right.t - (right.t - left.t) * ((right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2))
    return min(max(least, low), high)


def strong_wolfe(evaluate, direction, t, start, c1=1e-4, c2=0.9, tolerance=1e-9, max_evaluations=25):
    """(Point found, evaluations). evaluate(t) -> (loss, gradient); start: the Point at t = 0; t: the first try."""
    count = 0

    def at(t):
        nonlocal count
        count += 1
        loss, gradient = evaluate(t)
        return Point(t, loss, gradient, gradient.dot(direction).item())

    def too_high(point):
        return point.loss > start.loss + c1 * point.t * start.slope

    def flat(point):
        return abs(point.slope) <= -c2 * start.slope

    previous, point, tries = start, at(t), 0
    while tries < max_evaluations:
        if too_high(point) or tries > 1 and point.loss >= previous.loss:
            break
        if flat(point):
            return point, count
        if point.slope >= 0:
            break
        longer = interpolate(previous, point, point.t + 0.01 * (point.t - previous.t), point.t * 10)
        previous, point, tries = point, at(longer), tries + 1
    ends = [start if tries == max_evaluations else previous, point]
    low = 0 if ends[0].loss <= ends[1].loss else 1
    width, stuck = direction.abs().max().item(), False
    while tries < max_evaluations:
        left, right = sorted(end.t for end in ends)
        if (right - left) * width < tolerance:
            break
        t = interpolate(ends[0], ends[1], left, right)
        margin = 0.1 * (right - left)
        close = min(right - t, t - left) < margin  # too close to an end: twice in a row, or on it, it is moved inside
        if close and (stuck or t >= right or t <= left):
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            stuck = False
        else:
            stuck = close
        point, tries = at(t), tries + 1
        if too_high(point) or point.loss >= ends[low].loss:
            ends[1 - low] = point
            low = 0 if ends[0].loss <= ends[1].loss else 1
        else:
            if flat(point):
                return point, count
            if point.slope * (ends[1 - low].t - ends[low].t) >= 0:
                ends[1 - low] = ends[low]
            ends[low] = point
    return ends[low], count
