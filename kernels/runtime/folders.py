"""Where things are kept between processes."""

from __future__ import annotations

import os
import typing

if typing.TYPE_CHECKING:
    import pathlib


def cache_folder(name: str) -> pathlib.Path:
    """A folder of the user's cache: TRITONNET_CACHE, else XDG_CACHE_HOME/tritonnet, else ~/.cache/tritonnet."""
    import pathlib  # here: `import tritonnet` does without it

    base = os.environ.get("TRITONNET_CACHE")
    if not base:
        base = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "tritonnet")
    return pathlib.Path(base, name)


def write_whole(path: pathlib.Path, data: bytes) -> bool:
    """Write a file so that nobody ever sees half of it; False where the folder cannot be written."""
    import tempfile  # here: `import tritonnet` does without it

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError:
        return False
    return True
