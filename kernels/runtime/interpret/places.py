"""Where in a kernel's source the interpreter is: for errors, traces and races."""

from __future__ import annotations

import linecache
import os
import re
import sys
import typing

import triton

NOT_KERNELS = (os.path.dirname(triton.__file__) + os.sep, os.path.dirname(os.path.dirname(__file__)) + os.sep)


class Place(typing.NamedTuple):
    """A line of a kernel, or of a helper that it calls."""

    file: str
    line: int
    function: str

    @property
    def text(self) -> str:
        """The line itself, without a comment behind it."""
        return re.sub(r"\s{2,}#.*$", "", linecache.getline(self.file, self.line).strip())

    def __str__(self):
        if "ipykernel" in self.file or self.file.startswith("<ipython"):
            return f"line {self.line} of its cell"
        return f"{self.file.rpartition('/')[2]}:{self.line}"


def here(above=1) -> Place:
    """The innermost line under way that is neither Triton's nor the interpreter's; above: frames to leave out."""
    frame = sys._getframe(above)
    while frame.f_code.co_filename.startswith(NOT_KERNELS):
        frame = frame.f_back
    return Place(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)


def of_traceback(error) -> Place:
    """The innermost line of a kernel that an exception passed through."""
    found, trace = here(2), error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if not code.co_filename.startswith(NOT_KERNELS):
            found = Place(code.co_filename, trace.tb_lineno, code.co_name)
        trace = trace.tb_next
    return found
