"""Replacing a file all at once: what is written lies beside it until it is complete and on the disk."""

from __future__ import annotations

import contextlib
import errno
import os
import stat


def write_aside(path: str, write) -> None:
    """Call `write(file)` and put what it wrote in the place of `path`; if it raises, `path` stays as it was.

    An OSError names `path`, also where the disk is full.
    """
    if not os.path.basename(path):  # "" or "folder/"
        code = errno.EISDIR if path else errno.ENOENT
        raise OSError(code, os.strerror(code), path)
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        mode = None
    if mode is not None and stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if mode is not None and not stat.S_ISREG(mode):  # a pipe or a device: nothing to replace
        with open(path, "wb") as file:
            return write(file)
    target = os.path.realpath(path)  # a link keeps pointing to the file, and the file is replaced
    folder = os.path.dirname(target)
    if not os.path.exists(folder):
        raise RuntimeError(f"Parent directory {os.path.dirname(path)} does not exist.")
    part = os.path.join(folder, f".{os.urandom(8).hex()}.part")
    try:
        file = open(part, "xb")  # noqa: SIM115  (closed below, where what was written is judged)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, path) from None
    try:
        with file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            os.chmod(part, stat.S_IMODE(mode))
        os.replace(part, target)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename is None:
            error.filename = path
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise
    with contextlib.suppress(OSError):  # the new name too, where folders can be synchronised
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
