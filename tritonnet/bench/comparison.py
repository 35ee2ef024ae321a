"""Has something become slower? Two reports, case by case, with a test of significance.

Where both reports have the same peer, what is compared is ours / theirs round by round, which a faster or busier
machine moves little; else the times themselves. A case has regressed when it is slower by more than the threshold
*and* a one-sided Mann-Whitney test says that chance does that in fewer than one of a hundred cases.
"""

from __future__ import annotations

import math
import statistics
import typing

THRESHOLD, LEVEL = 0.05, 0.01
LEAST_SAMPLES = 5


class Change(typing.NamedTuple):
    """One case in both reports. change: 0.1 for a tenth slower. p: of the test."""

    case: str
    dtype: str
    what: str  # "time", or "ours / torch"
    change: float
    p: float
    regressed: bool


def comparable(old, new) -> str:
    """Why two reports cannot be compared, or ""."""
    for key in ("device", "threads"):
        if old["about"].get(key) != new["about"].get(key):
            return f"{key} differs: {old['about'].get(key)!r} then, {new['about'].get(key)!r} now"
    return ""


def changes(old, new, threshold=THRESHOLD, level=LEVEL) -> list[Change]:
    """Every case that both reports have, the slowest change first."""
    before = {(row["case"], row["dtype"]): row for row in old["rows"] if not row.get("error")}
    found = []
    for row in new["rows"]:
        then = before.get((row["case"], row["dtype"]))
        if then is None or row.get("error"):
            continue
        what, was, is_now = _samples(then, row)
        if min(len(was), len(is_now)) < LEAST_SAMPLES:
            continue
        change, p = statistics.median(is_now) / statistics.median(was) - 1, slower(was, is_now)
        found.append(Change(row["case"], row["dtype"], what, change, p, change > threshold and p < level))
    return sorted(found, key=lambda c: -c.change)


def _samples(then, now):
    """(what is compared, samples then, samples now)."""
    for peer in now["peers"]:
        if peer != "tritonnet" and peer in then["peers"]:
            ratios = [[a / b for a, b in zip(row["peers"]["tritonnet"]["samples"], row["peers"][peer]["samples"])]
                      for row in (then, now)]
            return f"ours / {peer}", *ratios
    return "time", *(row["peers"]["tritonnet"]["samples"] for row in (then, now))


def slower(was, is_now) -> float:
    """The one-sided p of Mann and Whitney (1947) that `is_now` is not larger than `was`; ties share ranks.

    >>> round(slower([1.0, 1.1, 1.2, 1.3, 1.4], [2.0, 2.1, 2.2, 2.3, 2.4]), 4)
    0.0061
    """
    n, m = len(was), len(is_now)
    u = sum((a < b) + (a == b) / 2 for b in is_now for a in was)
    everything = sorted([*was, *is_now])
    ties = sum(k**3 - k for k in (everything.count(x) for x in set(everything)))
    variance = n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1)))
    if variance <= 0:
        return 1.0
    return 0.5 * math.erfc((u - n * m / 2 - 0.5) / math.sqrt(2 * variance))
