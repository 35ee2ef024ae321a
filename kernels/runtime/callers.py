"""Whose line it was: the user's, out of the frames of a call or of an exception that went through this library."""

from __future__ import annotations

import linecache
import os
import sys
import typing

GROUND = os.path.dirname(os.path.dirname(__file__))  # kernels/
ABOVE = os.path.dirname(GROUND)  # the installed package, or a checkout
LIBRARY = tuple(os.path.join(ABOVE, floor) + os.sep for floor in ("kernels", "autograd", "tritonnet")) if os.path.isdir(
    os.path.join(ABOVE, "tritonnet")) else ABOVE + os.sep
RUNTIME = (os.path.join(GROUND, "runtime") + os.sep, os.path.join(GROUND, "arrays") + os.sep)


class Line(typing.NamedTuple):
    """A line of the user's, and the function of ours that it called."""

    file: str
    number: int
    called: str

    @property
    def text(self):
        """What stands there; "" where the source is not to be had."""
        return linecache.getline(self.file, self.number).strip()

    def __str__(self):
        text = f": {self.text}" if self.text else ""
        return f"{self.file.rpartition('/')[2]}:{self.number}{text}"


def is_ours(file: str) -> bool:
    """Whether a file is part of this library, or was written out by it."""
    return file.startswith(LIBRARY) or file.startswith("<") and not file.startswith(("<ipython", "<stdin", "<string"))


def caller() -> str:
    """"file:line" that is under way: the nearest outside the library, else outside the runtime."""
    frame, nearest = sys._getframe(1), None
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(RUNTIME):
            nearest = nearest or frame
            if not is_ours(file):
                nearest = frame
                break
        frame = frame.f_back
    if nearest is None:  # Python is going down
        return "?"
    return f"{nearest.f_code.co_filename.rpartition('/')[2]}:{nearest.f_lineno}"


def line_of(error: BaseException) -> Line | None:
    """The user's innermost line that an exception passed through; None if it passed through none."""
    found, trace = None, error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if not is_ours(code.co_filename):
            found = Line(code.co_filename, trace.tb_lineno, "")
        elif found is not None and not found.called:
            found = found._replace(called=code.co_name)
        trace = trace.tb_next
    return found
