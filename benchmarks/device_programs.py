"""One program, timed: checked against PyTorch or against itself on the host first, then ours, theirs, ours again."""

from __future__ import annotations

import gc

import numpy as np

import tritonnet
from benchmarks.device_cases import CASES
from tritonnet.kernels import runtime
from tritonnet.kernels.lab.device_timing import Replays, calls_for, compared, eager_us

TINY_SIZE = 8


class Theirs:
    """Samples of a step of PyTorch: replays of a graph of so many calls of it."""

    def __init__(self, torch, step, calls):
        self.torch, self.calls, self.graph = torch, calls, torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            for _ in range(calls):
                step()

    def sample(self) -> float:
        """Microseconds per call."""
        start, end = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        self.graph.replay()
        end.record()
        end.synchronize()
        return 1000 * start.elapsed_time(end) / self.calls

def programs(only=""):
    """[(name, dtype)] of all cases whose name contains `only`."""
    return [(name, dtype) for name, case in CASES.items() for dtype in case.dtypes if only in name]


def maker(torch, place, dtype):
    """make(*shape): uniform in [-1, 1), the same numbers for every framework."""
    rng = np.random.default_rng(0)

    def make(*shape):
        size = int(np.prod(shape))
        some = rng.random(min(size, 1 << 20), dtype=np.float32) * 2 - 1
        return torch.from_numpy(np.resize(some, shape)).to(place).to(getattr(torch, dtype))

    return make


def timed(name, dtype, device, torch, telemetry, tiny=False) -> dict:
    """A row of the report. torch: with CUDA, to compare with, or None."""
    case, row = CASES[name], {"program": name, "dtype": dtype, "agrees": "not compared"}
    size = (lambda s: min(s, TINY_SIZE)) if tiny else (lambda s: s)
    steps = {"ours": case.make(tritonnet, maker(tritonnet, "cuda", dtype), size)}
    if torch is not None:
        steps["torch"] = case.make(torch, maker(torch, "cuda", dtype), size)
    elif tiny and case.rtol is not None:
        steps["host"] = case.make(tritonnet, maker(tritonnet, "cpu", dtype), size)
    launches = []
    with runtime.watching(lambda launch: launches.append((launch.flops or 0, launch.bytes or 0))):
        results = {who: step() for who, step in steps.items()}
    steps.pop("host", None)
    if len(results) > 1 and case.rtol is not None:
        row["agrees"] = "yes" if agree(*results.values(), case.rtol) else "no"
    del results
    waits = {"ours": device.synchronize} | ({"torch": torch.cuda.synchronize} if torch is not None else {})
    eager = {who: eager_us(step, waits[who], *((0, 1) if tiny else ())) for who, step in steps.items()}
    candidates = {who: (Replays(device, step, 1 if tiny else calls_for(eager[who])) if who == "ours"
                        else Theirs(torch, step, calls_for(eager[who]))) for who, step in steps.items()}
    candidates["again"] = candidates["ours"]
    mark = telemetry.mark()
    times = compared(candidates, *((1, 1) if tiny else ()), telemetry=telemetry)
    seen = telemetry.since(mark) or {}
    us, theirs = times["ours"]["us"], times.get("torch", {}).get("us")
    flops, nbytes = map(sum, zip(*launches)) if launches else (0, 0 if tiny else case.moved)
    row |= {"us": us, "low": times["ours"]["low"], "high": times["ours"]["high"], "again_us": times["again"]["us"],
            "torch_us": theirs, "ratio": us / theirs if theirs else None, "eager_us": eager["ours"],
            "torch_eager_us": eager.get("torch"), "launches": len(launches), "flops": flops, "bytes": nbytes,
            "tflops": flops / us / 1e6 if flops else None, "gbytes": nbytes / us / 1e3 if nbytes else None,
            "rounds": times["ours"]["rounds"], "mhz": seen.get("mhz"), "watts": seen.get("watts"),
            "celsius": seen.get("celsius"), "reasons": seen.get("reasons")}
    return row


def row_of(name, dtype, device, torch, telemetry, tiny) -> dict:
    """The same; an error becomes part of the report."""
    try:
        return timed(name, dtype, device, torch, telemetry, tiny)
    except Exception as error:
        return {"program": name, "dtype": dtype, "error": f"{type(error).__name__}: {error}", "agrees": "no"}
    finally:
        gc.collect()
        device.empty_cache()
        if torch is not None:
            torch.cuda.empty_cache()


def agree(ours, theirs, rtol) -> bool:
    """Whether results, tensors or lists of them, differ by at most rtol of the largest."""
    pairs = zip(ours, theirs) if isinstance(ours, list) else [(ours, theirs)]
    for f, e in pairs:
        f, e = (x.detach().float().cpu().numpy() for x in (f, e))
        if f.shape != e.shape or not np.abs(f - e).max(initial=0) <= rtol * max(np.abs(e).max(initial=0), 1e-6):
            return False
    return True
