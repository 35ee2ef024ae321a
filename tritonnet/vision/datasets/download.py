"""Fetch a file from the first mirror that serves it right: checked by content, written aside, then renamed."""

from __future__ import annotations

import hashlib
import os
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from tritonnet.vision.datasets.idx import CorruptFile, read_content

TIMEOUT = 10  # seconds without an answer before the next mirror is asked
BLOCK = 1 << 18


class DownloadError(RuntimeError):
    """No mirror served the file; the message says what each one answered."""


def download(name, mirrors, folder, md5):
    """Fetch `name` into `folder`; returns its path. On failure nothing is left there. Raises DownloadError.

    md5: of the file, or of its decompressed content, which stays the same when it is compressed anew.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    answers = []
    for mirror in mirrors:
        url = mirror + name
        try:
            return _fetch(url, folder / name, md5)
        except (urllib.error.URLError, OSError, CorruptFile) as error:
            answers.append(f"{url}: {getattr(error, 'reason', None) or error}")
    raise DownloadError(f"could not download {name}:\n  " + "\n  ".join(answers))


def _fetch(url, path, md5):
    """One attempt: into a temporary file beside `path`, then checked, then renamed."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    aside = Path(name)
    try:
        with os.fdopen(handle, "wb") as out, urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            length = answer.headers.get("Content-Length")
            while block := answer.read(BLOCK):
                out.write(block)
            if length is not None and out.tell() != int(length):
                raise CorruptFile(f"connection ended after {out.tell()} of {length} bytes")
        if md5 not in (found := md5s(aside)):
            raise CorruptFile(f"wrong content: md5 {' or '.join(found)}, expected {md5}")
        aside.chmod(0o644)  # mkstemp's own files are private
        os.replace(aside, path)
    except BaseException:
        aside.unlink()
        raise
    return path


def md5s(path):
    """The md5 of a file as it is, and of its decompressed content."""
    contents = path.read_bytes(), read_content(path)
    return [hashlib.md5(content, usedforsecurity=False).hexdigest() for content in contents]
