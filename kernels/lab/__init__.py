"""The kernel lab: measure, inspect, tune and debug kernels. Stands on the runtime and the kernel families.

What people use has its name here, and is imported when it is first asked for.
"""

from __future__ import annotations

import importlib

_HOMES = {  # name -> module that has it
    "Candidate": "candidates", "Comparison": "comparison", "Explorer": "explorer", "Inspection": "inspection",
    "Inspections": "inspection", "NotCompiled": "inspection", "Planned": "plan", "Subject": "subjects",
    "Tuning": "candidates", "Unknown": "subjects", "every_subject": "subjects", "explore": "explorer",
    "heat_map": "pictures", "inspect": "inspection", "launches": "plan", "roofline_of": "pictures",
    "subject": "subjects", "tune": "search",
}
__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__():
    return sorted({*globals(), *_HOMES})
