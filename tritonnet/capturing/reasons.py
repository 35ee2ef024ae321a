"""Why a step cannot be captured: what it did, on which line, and what to do instead."""

from __future__ import annotations

from tritonnet.kernels.runtime import CaptureError
from tritonnet.kernels.runtime.callers import line_of

ADVICE = {  # by what the driver was asked for
    "download": ("reads a value on the host (.item(), .tolist(), .cpu(), print, bool, float, or a result whose shape "
                 "depends on values: nonzero, unique, a boolean mask)",
                 "keep it on the device: add it to a tensor in place (total += loss.detach()) and read that after the "
                 "epoch; choose with where instead of if"),
    "upload": ("copies from the host to the device (tensor(...), from_numpy, .cuda(), .to)",
               "make it before the step, or pass a tensor on the device as an argument"),
    "synchronize": ("waits for the device", "wait outside the step"),
    "record an event": ("records an event", "record events before and after the step"),
    "free": ("gives memory back to the driver (empty_cache)", "do that outside the step"),
    "load": ("needs a kernel that its warm-up did not compile (another branch, shape or tuning)",
             "call it more often before it is captured, capture(step, warmup=…), and tune outside it"),
    "allocate pinned memory": ("allocates pinned memory", "do that outside the step"),
    "begin another capture": ("captures another step", "let the outer step call the inner function itself"),
    "replay": ("replays another graph", "let the step call the function that was captured itself"),
    "seed a generator": ("seeds a generator", "seed before the step"),
    "compute on the host": ("computes with tensors on the CPU, which replays would leave out",
                            "move them to the device: .cuda() before the step"),
}


def refused(name, error) -> CaptureError | None:
    """What to raise for an error during the capture of the step `name`; None where the error says it all itself."""
    if not isinstance(error, CaptureError):
        return None
    line = line_of(error)
    where = "" if line is None else f" at {line}" + (f" (in {line.called})" if line.called else "")
    what, advice = ADVICE.get(error.what, (str(error), ""))
    if error.what == "compute on the host":
        what += f" ({error})"
    return CaptureError(f"capture: {name} {what}{where}" + (f". Instead: {advice}" if advice else ""), error.what)
