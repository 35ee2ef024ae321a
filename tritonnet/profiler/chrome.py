"""A recording in the Trace Event Format, which ui.perfetto.dev and chrome://tracing open.

https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU: times in microseconds.
"""

from __future__ import annotations

import os

from tritonnet.profiler.work import shapes_of


def trace_of(recorder, about, telemetry=()) -> dict:
    """The object that a trace file holds. telemetry: samples of `Telemetry`, as counters."""
    host, began = os.getpid(), recorder.began
    device = host + 1  # the process under which launches are shown: the format has numbers only
    events = [_named("process_name", host, 0, "host")]
    if recorder.device is not None:
        events.append(_named("process_name", device, 0, "device"))
    threads = {}
    for span in recorder.spans:
        thread = threads.setdefault(span.thread, len(threads))
        events.append({"ph": "X", "cat": "user_annotation" if span.kind == "range" else "cpu_op", "name": span.name,
                       "pid": host, "tid": thread, "ts": (span.start - began) / 1e3,
                       "dur": (span.end - span.start) / 1e3,
                       "args": {"Input Dims": shapes_of(span.call)} if span.call else {}})
    for number, launch in enumerate(recorder.launches):
        queued = (launch.host - began) / 1e3
        thread = threads.setdefault(launch.span.thread, len(threads)) if launch.span else 0
        events.append({"ph": "C", "name": "device memory", "pid": host, "ts": queued,
                       "args": {"in use": launch.used, "reserved": launch.reserved}})
        if launch.begin is None:
            continue
        events.append({"ph": "s", "cat": "launch", "name": "launch", "id": number, "pid": host, "tid": thread,
                       "ts": queued})
        events.append({"ph": "f", "bp": "e", "cat": "launch", "name": "launch", "id": number, "pid": device, "tid": 0,
                       "ts": launch.begin / 1e3})
        events.append({"ph": "X", "cat": "kernel", "name": launch.name, "pid": device, "tid": 0,
                       "ts": launch.begin / 1e3, "dur": launch.took / 1e3,
                       "args": {"grid": str(launch.grid), "config": launch.config, "dtype": launch.dtype,
                                "flops": launch.flops, "bytes": launch.bytes}})
    for sample in telemetry:
        for name in ("mhz", "watts", "celsius"):
            events.append({"ph": "C", "name": name, "pid": device, "ts": sample["time"] * 1e6 - began / 1e3,
                           "args": {name: sample[name]}})
    return {"traceEvents": events, "displayTimeUnit": "ms", "otherData": about}


def _named(what, process, thread, name):
    return {"ph": "M", "name": what, "pid": process, "tid": thread, "args": {"name": name}}
