"""Averages as tables for the terminal."""

from __future__ import annotations

import dataclasses

from tritonnet.kernels.lab.tables import padded, shortened, wide

SORTABLE = {  # PyTorch's names of columns -> ours
    "cpu_time_total": "cpu_time_total", "self_cpu_time_total": "self_cpu_time_total", "cpu_time": "cpu_time",
    "cuda_time_total": "device_time_total", "device_time_total": "device_time_total", "cuda_time": "device_time",
    "self_cuda_time_total": "device_time_total", "self_device_time_total": "device_time_total",
    "device_time": "device_time", "count": "count", "flops": "flops", "bytes": "bytes", "memory": "memory",
    **{f"{own}{device}_memory_usage": "memory" for own in ("", "self_") for device in ("cpu", "cuda", "device")},
    "share": "share",
}


class Averages(list):
    """A list of averages that can be printed: `table()`, `total_average()`."""

    def total_average(self):
        """All rows as one: counts, own times and work added up (a range's time is that of what it holds: own only)."""
        total = dataclasses.replace(self[0], key="Total", floors={}) if self else None
        for name in ("count", "launches", "device_time_total", "flops", "bytes", "self_cpu_time_total", "memory"):
            if hasattr(total, name):
                setattr(total, name, sum(getattr(a, name) or 0 for a in self))
        if hasattr(total, "self_cpu_time_total"):
            total.kind, total.input_shapes, total.cpu_time_total = "total", "", total.self_cpu_time_total
        return total

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds of the host in all rows."""
        return sum(getattr(a, "self_cpu_time_total", 0.0) for a in self)

    def table(self, sort_by=None, row_limit=100, max_src_column_width=75, max_name_column_width=40,
              max_shapes_column_width=40, header=None, top_level_events_only=False, time_unit=None):
        """A table for the terminal, the largest of `sort_by` first.

        row_limit: rows shown; -1 for all.  max_src_column_width, time_unit: as PyTorch has them, without effect.
        """
        rows = list(self)
        if top_level_events_only:
            rows = [a for a in rows if getattr(a, "kind", "") != "backward"]
        if sort_by is not None:
            if sort_by not in SORTABLE:
                raise ValueError(f"table: sort_by is {sort_by!r}; expected one of {', '.join(SORTABLE)}")
            rows.sort(key=lambda a: -(getattr(a, SORTABLE[sort_by], None) or 0))
        left = len(rows) - row_limit if 0 <= row_limit < len(rows) else 0
        lines = render(rows[:row_limit] if row_limit >= 0 else rows, max_name_column_width, max_shapes_column_width)
        if header:
            lines.insert(0, header)
        if left:
            lines.append(f"… and {left} more")
        return "\n".join(lines)

    def __str__(self):
        return self.table()


def render(rows, width, shapes_width) -> list[str]:
    """Aligned columns; those that are empty for all rows are left out."""
    columns = {
        "name": [shortened(a.key, width) for a in rows],
        "type": [getattr(a, "dtype", "") or getattr(a, "kind", "") for a in rows],
        "shapes": [shortened(getattr(a, "input_shapes", ""), shapes_width) for a in rows],
        "calls": [str(a.count) for a in rows],
        "CPU self": [us(getattr(a, "self_cpu_time_total", None)) for a in rows],
        "CPU total": [us(getattr(a, "cpu_time_total", None)) for a in rows],
        "CPU each": [us(getattr(a, "cpu_time", None)) for a in rows],
        "device": [us(a.device_time_total or None) for a in rows],
        "device each": [us(a.device_time or None) for a in rows],
        "launches": [str(a.launches or "") if hasattr(a, "kind") else "" for a in rows],
        "GFLOP": ["" if not a.flops else f"{a.flops / 1e9:.3g}" for a in rows],
        "MB": ["" if not a.bytes else f"{a.bytes / 1e6:.3g}" for a in rows],
        "TFLOP/s": ["" if a.tflops is None else f"{a.tflops:.3g}" for a in rows],
        "GB/s": ["" if a.gbytes is None else f"{a.gbytes:.3g}" for a in rows],
        "of roof": ["" if a.share is None else ">100%" if a.share > 1 else f"{a.share:.0%}" for a in rows],
        "limit": [a.limit for a in rows],
    }
    columns = {name: cells for name, cells in columns.items() if any(cells) or name == "name"}
    widths = {name: max([len(name), *map(wide, cells)]) for name, cells in columns.items()}
    left = {"name", "type", "shapes", "limit"}
    line = "  ".join("-" * w for w in widths.values())
    aligned = [[padded(cell, widths[name], left=name in left) for name, cell in zip(columns, row)]
               for row in ([*columns], *zip(*columns.values()))]
    return [line, "  ".join(aligned[0]).rstrip(), line, *("  ".join(row).rstrip() for row in aligned[1:]), line]


def us(time) -> str:
    """Microseconds for people.

    >>> us(12.34), us(45678.0), us(None)
    ('12.3us', '45.7ms', '')
    """
    if time is None:
        return ""
    for unit, factor in (("us", 1.0), ("ms", 1e3)):
        if time < 1000 * factor:
            return f"{time / factor:.3g}{unit}"
    return f"{time / 1e6:.3g}s"
