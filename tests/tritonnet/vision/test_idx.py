"""idx files: round trips, and every way a file can lie."""

import gzip

import numpy as np
import pytest

from tritonnet.vision.datasets.idx import CorruptFile, read_idx, write_idx

HEADER = bytes([0, 0, 8, 1]) + (3).to_bytes(4, "big")


@pytest.mark.parametrize("name", ["file", "file.gz"])
@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "i4", "f4", "f8"])
def test_round_trip(tmp_path, name, dtype):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    write_idx(tmp_path / name, array)
    found = read_idx(tmp_path / name)
    assert found.dtype == array.dtype and found.dtype.isnative and np.array_equal(found, array)
    found += 1  # writable


def test_no_images(tmp_path):
    write_idx(tmp_path / "file", np.empty((0, 28, 28), np.uint8))
    assert read_idx(tmp_path / "file").shape == (0, 28, 28)


@pytest.mark.parametrize("content, message", [
    (b"", "only 0 bytes"),
    (b"\0\0\x08", "only 3 bytes"),
    (b"PK\x03\x04 a zip", "starts with bytes 50 4b 03 04"),
    (b"\0\0\x07\x01" + bytes(8), "not an idx file"),       # no such type
    (b"\0\0\x08\0" + bytes(8), "not an idx file"),         # no dimensions
    (b"\0\0\x08\x03" + bytes(5), "header of 16 bytes ends after 9"),
    (HEADER + b"ab", r"truncated: sizes \[3\] need 11 bytes, the file has 10"),
    (HEADER + b"abcd", "too long: "),
    (bytes([0, 0, 8, 3]) + b"\xff" * 12 + b"abc", "truncated"),  # sizes whose product no machine holds
    (b"\x1f\x8b\x08garbage", "corrupt gzip"),
    (gzip.compress(HEADER + b"abc", mtime=0)[:-6], "truncated or corrupt gzip"),
    (gzip.compress(HEADER + b"abc", mtime=0)[:-8] + bytes(8), "corrupt gzip"),  # wrong checksum
    (gzip.compress(HEADER + b"ab", mtime=0), "truncated: "),
    (b"<html>not found</html>", "not an idx file"),
], ids=lambda value: value if isinstance(value, str) else str(len(value)))
def test_bad_files_are_named(tmp_path, content, message):
    path = tmp_path / "t10k-labels-idx1-ubyte"
    path.write_bytes(content)
    with pytest.raises(CorruptFile, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


def test_every_truncation_is_noticed(tmp_path):
    write_idx(tmp_path / "whole", np.arange(6, dtype=np.uint8).reshape(2, 3))
    whole = (tmp_path / "whole").read_bytes()
    for name, content in (("plain", whole), ("zipped", gzip.compress(whole))):
        for n in range(len(content)):
            (tmp_path / name).write_bytes(content[:n])
            with pytest.raises(CorruptFile, match=name):
                read_idx(tmp_path / name)


def test_expectations(tmp_path):
    write_idx(tmp_path / "labels", np.zeros(3, np.uint8))
    with pytest.raises(CorruptFile, match="holds 1 dimensions of uint8, expected 3 of uint8"):
        read_idx(tmp_path / "labels", rank=3)
    with pytest.raises(CorruptFile, match="expected 1 of int32"):
        read_idx(tmp_path / "labels", dtype=np.int32)
