"""The idx format of MNIST's files: a magic number, the sizes as big-endian uint32, then the bytes.

    0x00 0x00 type rank | size_0 … size_(rank-1) | elements, last index fastest
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


class CorruptFile(RuntimeError):
    """A data file that is not what it should be; the message names it."""


def read_idx(path, rank=None, dtype=None):
    """The array in an idx file, gzipped or not, in the machine's byte order. Raises CorruptFile naming the file.

    rank, dtype: what is expected, if anything is.
    """
    path = Path(path)
    content = read_content(path)
    if len(content) < 4:
        raise CorruptFile(f"{path}: not an idx file: only {len(content)} bytes")
    zero, kind, ndim = int.from_bytes(content[:2], "big"), content[2], content[3]
    if zero or kind not in TYPES or ndim == 0:
        raise CorruptFile(f"{path}: not an idx file: starts with bytes {content[:4].hex(' ')}")
    found = np.dtype(TYPES[kind])
    if rank is not None and ndim != rank or dtype is not None and found != dtype:
        raise CorruptFile(
            f"{path}: holds {ndim} dimensions of {found.newbyteorder('=')}, "
            f"expected {rank or ndim} of {np.dtype(dtype or found)}"
        )
    start = 4 + 4 * ndim
    if len(content) < start:
        raise CorruptFile(f"{path}: truncated: its header of {start} bytes ends after {len(content)}")
    shape = tuple(int.from_bytes(content[4 + 4 * i:8 + 4 * i], "big") for i in range(ndim))
    expected = start + found.itemsize
    for size in shape:
        expected = start + (expected - start) * size  # Python ints: no header can make this overflow
    if len(content) != expected:
        what = "truncated" if len(content) < expected else "too long"
        raise CorruptFile(f"{path}: {what}: sizes {list(shape)} need {expected} bytes, the file has {len(content)}")
    return np.frombuffer(content, found, offset=start).astype(found.newbyteorder("=")).reshape(shape)


def read_content(path):
    """The bytes of a file, decompressed if it is gzipped (which its first bytes say, not its name)."""
    path = Path(path)
    raw = path.read_bytes()
    if raw[:2] != b"\x1f\x8b":
        return raw
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise CorruptFile(f"{path}: truncated or corrupt gzip file: {error}") from error


def write_idx(path, array):
    """Write an array as an idx file, gzipped where the name ends in .gz."""
    kind = next(code for code, name in TYPES.items() if np.dtype(name) == array.dtype.newbyteorder(">"))
    header = bytes([0, 0, kind, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    content = header + array.astype(TYPES[kind]).tobytes()
    Path(path).write_bytes(gzip.compress(content) if str(path).endswith(".gz") else content)
