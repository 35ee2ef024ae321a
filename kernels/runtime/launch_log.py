"""A line per launch: which kernel, over which grid, with what, and how much work that is.

    TRITONNET_LOG=launches python train.py          # on stderr
    with kernels.log_launches(): ...                # here only

On a GPU as on the simulated device; the CPU path launches nothing. Launches inside a replayed graph were logged when it
was captured.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings

from tritonnet.kernels.runtime.launches import on_launch, watching

KINDS = ("launches",)


def line(launch) -> str:
    """One launch in words: kernel, grid, constants and options, arguments, work."""
    config = launch.variant.constants | {k: v for k, v in launch.variant.options.items() if k != "enable_fp_fusion"}
    given = zip(launch.kernel.arguments, launch.args)
    return (f"{launch.device} {launch.name}[{', '.join(map(str, launch.grid))}]"
            f"({', '.join(f'{p.name}: {_argument(value)}' for p, value in given)}) "
            f"{' '.join(f'{name}={_constant(value)}' for name, value in config.items())} "
            f"flops={_work(launch.flops)} bytes={_work(launch.bytes)}")


def _argument(value) -> str:
    return f"{value.dtype}{list(value.shape)}" if hasattr(value, "kind") else str(value)


def _constant(value) -> str:
    return getattr(value, "name", None) or str(value)


def _work(amount) -> str:
    return "?" if amount is None else f"{amount:.4g}" if isinstance(amount, float) else str(amount)


@contextlib.contextmanager
def log_launches(file=None):
    """Print a line per launch to `file` (default: stderr) meanwhile."""
    with watching(lambda launch: print(line(launch), file=file or sys.stderr, flush=True)):
        yield


def from_environment(value: str | None = None):
    """Begin what TRITONNET_LOG asks for; several are separated by commas."""
    asked = [word.strip() for word in (os.environ.get("TRITONNET_LOG", "") if value is None else value).split(",")]
    for word in filter(None, asked):
        if word == "launches":
            on_launch.append(lambda launch: print(line(launch), file=sys.stderr, flush=True))
        elif word != "0":
            warnings.warn(f"TRITONNET_LOG={word}: nothing of that name can be logged; there is "
                          f"{', '.join(KINDS)}", stacklevel=2)
