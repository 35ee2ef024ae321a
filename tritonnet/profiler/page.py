"""A recording as one HTML file: timeline, roofline, tables. Nothing is loaded from elsewhere."""

from __future__ import annotations

import html
import json
from importlib.resources import files

from tritonnet.profiler.work import shapes_of

MOST_EVENTS = 20_000  # on the timeline; a browser draws no more in good time


def page_of(prof) -> str:
    """The page of a finished recording."""
    template = files("tritonnet.profiler").joinpath("report.html").read_text(encoding="utf-8")
    data = json.dumps(data_of(prof)).replace("</", "<\\/")  # no "</script>" inside the script
    title = html.escape(f"{prof.summary.get('device') or prof.summary['processor']}, {prof.summary['date']}")
    return template.replace("{{title}}", title).replace("{{data}}", data)


def data_of(prof) -> dict:
    """What the page shows, in JSON's types. Times in microseconds since the recording began."""
    recorder = prof.recorder
    threads: dict[int, int] = {}
    spans, depth = [], {}
    for span in recorder.spans:
        level = depth[id(span)] = depth.get(id(span.parent), -1) + 1
        thread = threads.setdefault(span.thread, len(threads))
        spans.append([span.name, span.kind, (span.start - recorder.began) / 1e3, (span.end - span.start) / 1e3, thread,
                      level, shapes_of((span.of or span).call)])
    launches = [[launch.name, launch.begin / 1e3, launch.took / 1e3, str(launch.grid), launch.config, launch.dtype,
                 launch.flops, launch.bytes, (launch.host - recorder.began) / 1e3]
                for launch in recorder.launches if launch.begin is not None]
    left_out = max(0, len(spans) - MOST_EVENTS) + max(0, len(launches) - MOST_EVENTS)
    return {
        "summary": prof.summary, "spans": spans[:MOST_EVENTS], "launches": launches[:MOST_EVENTS], "leftOut": left_out,
        "memory": [[(launch.host - recorder.began) / 1e3, launch.used, launch.reserved]
                   for launch in recorder.launches[:MOST_EVENTS]],
        "telemetry": [[sample["time"] * 1e6 - recorder.began / 1e3, sample["mhz"], sample["watts"], sample["celsius"]]
                      for sample in prof.telemetry.samples],
        "operations": [_row(a) | {"kind": a.kind, "shapes": a.input_shapes, "self": a.self_cpu_time_total,
                                  "total": a.cpu_time_total} for a in prof.key_averages()],
        "kernels": [_row(a) | {"config": a.config, "dtype": a.dtype} for a in prof.kernel_averages()],
    }


def _row(average) -> dict:
    return {"name": average.key, "count": average.count, "device": average.device_time_total, "busy": average.busy,
            "launches": average.launches, "flops": average.flops, "bytes": average.bytes, "tflops": average.tflops,
            "gbytes": average.gbytes, "share": average.share, "limit": average.limit}
