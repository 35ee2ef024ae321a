"""Has something become slower? Two reports, case by case, with a test of significance.

Where both reports have the same peer, what is compared is ours / theirs round by round, which a faster or busier
machine moves little; else the times themselves, if both were taken on the same kind of machine. A case has regressed
when it is slower by more than the threshold *and* a one-sided Mann-Whitney test says so that chance alone would fail
fewer than one of fifty comparisons, however many cases they have (Benjamini and Hochberg 1995). One case among 40 shows
with 9 samples and more.
"""

from __future__ import annotations

import math
import statistics
import typing

THRESHOLD, LEVEL = 0.05, 0.02
LEAST_SAMPLES = 5


class Change(typing.NamedTuple):
    """One case in both reports. change: 0.1 for a tenth slower. p: of the test."""

    case: str
    dtype: str
    what: str  # "time", or "ours / torch"
    change: float
    p: float
    regressed: bool


def checked(report) -> dict:
    """A report that was read from a file; ValueError where it has not the form of one."""
    if not isinstance(report, dict) or not isinstance(report.get("rows"), list) or not isinstance(
            report.get("about"), dict):
        raise ValueError("it is no report of tritonnet bench")
    for row in report["rows"]:
        if not isinstance(row, dict) or not all(isinstance(row.get(name), str) for name in ("case", "dtype")):
            raise ValueError("it has a row without case and dtype")
        if row.get("error"):
            continue
        peers = row.get("peers")
        if not isinstance(peers, dict) or "tritonnet" not in peers or not all(map(_has_samples, peers.values())):
            raise ValueError(f"its samples of {row['case']} are no lists of positive numbers")
    return report


def _has_samples(peer) -> bool:
    samples = peer.get("samples") if isinstance(peer, dict) else None
    return isinstance(samples, list) and all(
        isinstance(x, (int, float)) and not isinstance(x, bool) and 0 < x < 1e18 for x in samples)


def comparable(then, now) -> str:
    """Why reports about these machines cannot be compared, or ""."""
    for key in ("device", "threads"):
        if then.get(key) != now.get(key):
            return f"{key} differs: {then.get(key)!r} then, {now.get(key)!r} now"
    return ""


def another_machine(then, now) -> str:
    """In which way a report was taken on another processor than this one, where processors were timed; or ""."""
    if now.get("device"):
        return ""
    return "; ".join(f"{key} {then.get(key)!r} then, {now.get(key)!r} now" for key in ("processor", "cores")
                     if then.get(key) != now.get(key))


def changes(old, new, threshold=THRESHOLD, level=LEVEL) -> list[Change]:
    """Every case that both reports have, the slowest change first."""
    elsewhere = another_machine(old["about"], new["about"])
    before = {(row["case"], row["dtype"]): row for row in old["rows"] if not row.get("error")}
    found = []
    for row in new["rows"]:
        then = before.get((row["case"], row["dtype"]))
        if then is None or row.get("error"):
            continue
        what, was, is_now = _samples(then, row)
        if what == "time" and elsewhere or min(len(was), len(is_now)) < LEAST_SAMPLES:
            continue
        change, p = statistics.median(is_now) / statistics.median(was) - 1, slower(was, is_now)
        found.append(Change(row["case"], row["dtype"], what, change, p, change > threshold))
    limit = largest_significant([c.p for c in found], level)
    return sorted((c._replace(regressed=c.regressed and c.p <= limit) for c in found), key=lambda c: -c.change)


def largest_significant(ps, level) -> float:
    """The p up to which tests are significant when so many are made (Benjamini and Hochberg 1995); -1 if none is.

    >>> largest_significant([0.001, 0.004, 0.2, 0.9], 0.01), largest_significant([0.008] + [0.5] * 9, 0.01)
    (0.004, -1.0)
    """
    return max((p for rank, p in enumerate(sorted(ps), 1) if p <= level * rank / len(ps)), default=-1.0)


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
