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
    nameless = _nameless(folder)
    try:
        file = open(part, "xb") if nameless is None else nameless  # noqa: SIM115  (closed below)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, path) from None
    try:
        with file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
            if nameless is not None:  # src_dir_fd: so that the link in /proc is followed
                os.link(f"/proc/self/fd/{file.fileno()}", part, src_dir_fd=file.fileno())
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


def _nameless(folder):
    """A file without a name, which is gone if the process is killed; None where the system or the disk has none."""
    if not hasattr(os, "O_TMPFILE"):
        return None
    try:
        descriptor = os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o666)
    except OSError:
        return None
    if os.path.exists(f"/proc/self/fd/{descriptor}"):
        return os.fdopen(descriptor, "wb")
    os.close(descriptor)
    return None
