"""The figures of a whole recording, and warnings where one of them should not be believed."""

from __future__ import annotations

import statistics
import sys

from tritonnet.kernels.lab import provenance
from tritonnet.kernels.lab.telemetry import SLOWDOWNS, reasons_named

try:
    import resource
except ImportError:  # not a Unix
    resource = None

SHORT = 3e3  # ns: a launch shorter than this is measured with events of about a microsecond's noise
WANDERING = 0.03  # of the clock, from lowest to highest, relative to its median
ABOVE = 1.05  # of the roof: more than the scatter of two timings


def summary_of(prof) -> dict:
    """What was recorded where, in JSON's types. Times in microseconds, memory in bytes."""
    recorder, device = prof.recorder, prof.device
    about = provenance.machine() if device is None else provenance.about(device)
    timed = sorted((launch for launch in recorder.launches if launch.begin is not None), key=lambda x: x.begin)
    gaps = [max(0.0, b.begin - a.end) for a, b in zip(timed, timed[1:])]
    found = {
        **about, "wall_us": (recorder.ended - recorder.began) / 1e3, "steps": max(prof.step_num, 1),
        "launches": len(recorder.launches), "device_us": sum(x.took for x in timed) / 1e3,
        "gaps_us": sum(gaps) / 1e3, "gaps_median_us": statistics.median(gaps) / 1e3 if gaps else None,
        "host_peak_bytes": host_peak(),
        "ceilings": {"copy_bytes_per_s": prof.ceilings.copy, "flops_per_s": prof.ceilings.products,
                     "note": prof.ceilings.note},
        "telemetry": prof.telemetry.since(), "telemetry_missing": prof.telemetry.missing,
    }
    if device is not None:
        pool = device.pool
        cached = pool.reserved - pool.used
        found |= {"device_peak_bytes": pool.peak, "device_reserved_bytes": pool.reserved,
                  "device_cached_share": cached / pool.reserved if pool.reserved else 0.0}
    return found | {"warnings": warnings_of(prof, timed)}


def host_peak() -> int | None:
    """The most memory that the process has held so far, in bytes; None where the system does not tell."""
    if resource is None:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def warnings_of(prof, timed) -> list[str]:
    """What makes figures of this recording unreliable."""
    found = []
    device, samples = prof.device, prof.telemetry.samples
    if device is not None and device.simulated:
        found.append("simulated device: its times are those of an interpreter and say nothing about any GPU")
    elif device is not None and prof.telemetry.missing:
        found.append(f"no clocks: {prof.telemetry.missing}; the GPU may have been slowed down unseen")
    if samples:
        reasons = 0
        for sample in samples:
            reasons |= sample["reasons"]
        if reasons & SLOWDOWNS:
            found.append(f"the GPU was slowed down: {', '.join(reasons_named(reasons & SLOWDOWNS))}")
        clocks = [sample["mhz"] for sample in samples]
        if max(clocks) - min(clocks) > WANDERING * statistics.median(clocks):
            found.append(f"the clock wandered from {min(clocks)} to {max(clocks)} MHz")
    short = [launch for launch in timed if launch.took < SHORT]
    if short and not device.simulated:
        found.append(f"{len(short)} of {len(timed)} launches took less than {SHORT / 1e3:.0f} us: events resolve about "
                     f"1 us, replay them in a graph to know better (tritonnet bench, tritonnet tune)")
    if unknown := sum(1 for launch in prof.recorder.launches if launch.flops is None or launch.bytes is None):
        found.append(f"{unknown} launches of kernels that declare no work: no rates for them")
    above = [a for a in (prof.kernel_averages() or prof.key_averages()) if (a.share or 0) > ABOVE]
    if fast := [a.key for a in above if a.limit == "flops"]:
        found.append(f"{', '.join(fast)}: faster than the products that the roof was measured with, while something "
                     f"else ran: shares of the roof are too high")
    if any(a.limit == "cache" for a in above):
        found.append("limit cache: more bytes per second than memory can give; the share of its roof says nothing")
    return found
