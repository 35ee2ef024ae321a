"""load and files that are not what they should be: always RuntimeError that names the file, never a wrong result."""

import io
import json
import pickle
import re
import struct
import zlib

import numpy as np
import pytest

import tritonnet


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The bytes of a file with tensors of several types in a structure."""
    path = tmp_path_factory.mktemp("saved") / "x.pt"
    b = tritonnet.ones(2, dtype=tritonnet.float16)
    tritonnet.save({"model": {"w": tritonnet.arange(6.0).reshape(2, 3), "b": b}, "step": 3,
                    "history": [0.5, (1, None)], "count": tritonnet.tensor([7])}, path)
    return path.read_bytes()


def load_bytes(content, path):
    """Load `content` from a file."""
    path.write_bytes(content)
    return tritonnet.load(path)


def refused(content, path, match=None):
    with pytest.raises(RuntimeError, match=match) as error:
        load_bytes(content, path)
    assert str(path) in str(error.value) and len(str(error.value)) < 2000
    return str(error.value)


def test_a_truncated_file_anywhere(saved, tmp_path):
    for length in range(1, len(saved)):
        refused(saved[:length], tmp_path / "cut.pt")
    refused(saved[:-1], tmp_path / "cut.pt", "truncated")
    refused(saved + b"x", tmp_path / "long.pt", "damaged")
    (tmp_path / "empty.pt").write_bytes(b"")
    with pytest.raises(EOFError, match="empty.pt"):
        tritonnet.load(tmp_path / "empty.pt")


def test_every_flipped_byte_is_found(saved, tmp_path):
    def described(obj):
        return repr(obj)

    expected = described(tritonnet.load(io.BytesIO(saved)))
    for at in range(len(saved)):
        for bit in (1, 32, 128):
            damaged = bytearray(saved)
            damaged[at] ^= bit
            try:
                found = described(tritonnet.load(io.BytesIO(bytes(damaged))))
            except (RuntimeError, EOFError):
                continue
            assert found == expected, f"byte {at} flipped by {bit} went unnoticed"  # blanks after the header


OTHER = {
    "text": b"this is no checkpoint, it is a text of some length",
    "zeros": bytes(1000),
    "ones": b"\xff" * 1000,
    "png": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "gzip": b"\x1f\x8b\x08\x00" + bytes(100),
    "short": b"abc",
}


@pytest.mark.parametrize("name", OTHER)
def test_other_files_are_recognised_as_such(name, tmp_path):
    refused(OTHER[name], tmp_path / f"{name}.pt", "safetensors")


PICKLES = [pickle.dumps({"a": 1}, protocol=p) for p in (2, 4, 5)] + [b"PK\x03\x04" + bytes(99)]


@pytest.mark.parametrize("content", PICKLES, ids=["protocol 2", "protocol 4", "protocol 5", "zip"])
def test_pickles_are_never_loaded(content, tmp_path):
    class Runs:
        def __reduce__(self):
            return pytest.fail, ("a pickle ran",)

    refused(content, tmp_path / "model.pt", "pickle.*safetensors.torch.save_file")
    refused(pickle.dumps(Runs()), tmp_path / "evil.pt", "pickle")


def test_a_checkpoint_of_pytorch(torch, tmp_path):
    for options in ({}, {"_use_new_zipfile_serialization": False}):
        torch.save({"a": torch.ones(2)}, tmp_path / "torch.pt", **options)
        with pytest.raises(RuntimeError, match="torch.pt: this is a pickle"):
            tritonnet.load(tmp_path / "torch.pt")


def file_of(header, data=b""):
    """A safetensors file with this header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


LIES = {
    "more data than there is": ({"a": entry(shape=[20], offsets=(0, 80))}, bytes(8), "truncated"),
    "a huge tensor": ({"a": entry(shape=[2**60], offsets=(0, 2**62))}, bytes(8), "overflow"),
    "a shape that overflows": ({"a": entry(shape=[2**62, 2**62], offsets=(0, 0))}, b"", "overflow"),
    "offsets of another size": ({"a": entry(offsets=(0, 12))}, bytes(12), "invalid shape"),
    "offsets backwards": ({"a": entry(offsets=(8, 0))}, bytes(8), "invalid offset"),
    "negative offsets": ({"a": entry(offsets=(-8, 0))}, bytes(8), "damaged.*-8"),
    "negative sizes": ({"a": entry(shape=[-1, -2])}, bytes(8), "damaged.*-1"),
    "sizes that are no integers": ({"a": entry(shape=[2.0])}, bytes(8), "damaged.*2.0"),
    "sizes that are bool": ({"a": entry(shape=[True], offsets=(0, 4))}, bytes(4), "damaged.*true"),
    "a size as text": ({"a": entry() | {"shape": "2"}}, bytes(8), 'damaged.*"2"'),
    "one offset": ({"a": entry(offsets=(8,))}, bytes(8), "damaged.*invalid length 1"),
    "an unknown type": ({"a": entry("F3")}, bytes(8), "damaged.*F3"),
    "a type that tensors cannot have": ({"a": entry("C64", [1])}, bytes(8), "'C64', which is not one of BOOL"),
    "a type that is a list": ({"a": entry([1])}, bytes(8), "damaged.*sequence"),
    "overlap": ({"a": entry(), "b": entry(offsets=(4, 12))}, bytes(12), "invalid offset for tensor `b`"),
    "a hole": ({"a": entry(), "b": entry(offsets=(12, 20))}, bytes(20), "invalid offset for tensor `b`"),
    "data nobody owns": ({"a": entry()}, bytes(9), "damaged"),
    "no dtype": ({"a": {"shape": [2], "data_offsets": [0, 8]}}, bytes(8), "missing field `dtype`"),
    "a list for a tensor": ({"a": [1, 2]}, b"", "damaged.*invalid type"),
    "too many dimensions": ({"a": entry(shape=[1] * 100 + [2])}, bytes(8), "damaged"),
    "metadata that are numbers": ({"__metadata__": {"a": 1}}, b"", "expected a string"),
    "metadata that are a list": ({"__metadata__": [1]}, b"", "expected a map"),
    "a name twice": (b'{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},'
                     b'"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}', bytes(8), "invalid offset"),
    "no object": (b"[1,2]     ", b"", "not a safetensors file"),
    "broken JSON": (b'{"a": nonsense}', b"", "damaged.*JSON"),
    "no UTF-8": (b'{"\xff\xfe": 1}', b"", "damaged.*UTF-8"),
    "nested without end": (b'{"a":' + b"[" * 200000, b"", "damaged.*recursion"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_header_that_lies(name, tmp_path):
    header, data, match = LIES[name]
    refused(file_of(header, data), tmp_path / "lies.safetensors", match)


def test_a_header_longer_than_the_file(tmp_path):
    refused(struct.pack("<Q", 5000) + b"{}", tmp_path / "x", "truncated")
    refused(struct.pack("<Q", 2**63) + b"{}", tmp_path / "x", "header too large")
    refused(struct.pack("<Q", 0) + b"{}", tmp_path / "x", "damaged")


@pytest.mark.parametrize("length", [640, 896, 1152, 1408])
def test_a_header_whose_length_begins_like_a_pickle(length, tmp_path):
    assert struct.pack("<Q", length)[:2] in [p[:2] for p in PICKLES] + [b"\x80\x03"]
    assert load_bytes(file_of(b"{}".ljust(length)), tmp_path / "x") == {}


def test_an_empty_safetensors_file_is_an_empty_dict(tmp_path):
    assert load_bytes(file_of(b"{}"), tmp_path / "x") == {}


def forged(tree, header=None, data=b""):
    """A file whose checksum is right although its structure is not what `save` writes."""
    header = header or {}
    structure = tree if isinstance(tree, str) else json.dumps(tree)
    rows = sorted((name, e["dtype"], e["shape"]) for name, e in header.items())
    crc = zlib.crc32(data, zlib.crc32(json.dumps([rows, structure]).encode()))
    return file_of({"__metadata__": {"tritonnet": structure, "tritonnet.crc32": f"{crc:08x}"}, **header}, data)


FORGED = {
    "unknown kind": {"class": "os.system"},
    "empty object": {},
    "no such tensor": {"tensor": "missing"},
    "tensor that is a list": {"tensor": []},
    "dict of numbers": {"dict": [1, 2]},
    "dict of triples": {"dict": [[1, 2, 3]]},
    "unhashable key": {"dict": [[[1], 2]]},
    "tuple of nothing": {"tuple": None},
    "dtype": {"dtype": "float1"},
    "device": {"device": "nowhere"},
    "float": {"float": "x"},
    "scalar": {"scalar": ["object", 1]},
    "scalar type": {"scalar": ["V9", 1]},
    "view outside": {"tensor": "a", "offset": 1, "shape": [2]},
    "view before": {"tensor": "a", "offset": -1, "shape": [1]},
    "view of a negative shape": {"tensor": "a", "offset": 0, "shape": [-1]},
    "view without shape": {"tensor": "a", "offset": 0},
    "gradient of integers": {"tensor": "i", "requires_grad": True},
    "no JSON": "nonsense",
    "deep": "[" * 100000 + "]" * 100000,
}


@pytest.mark.parametrize("name", FORGED)
def test_a_structure_that_lies(name, tmp_path):
    header = {"a": entry(), "i": entry("U8", [2], (8, 10))}
    refused(forged(FORGED[name], header, bytes(10)), tmp_path / "forged.pt")


def test_a_wrong_or_missing_checksum(saved, tmp_path):
    refused(file_of({"__metadata__": {"tritonnet": "3"}}), tmp_path / "x", "checksum")
    refused(re.sub(rb'crc32":"[0-9a-f]{8}"', b'crc32":"00000000"', saved), tmp_path / "x", "checksum")


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing.pt"):
        tritonnet.load(tmp_path / "missing.pt")
    with pytest.raises(IsADirectoryError):
        tritonnet.load(tmp_path)


def test_scalars_are_numbers_only(tmp_path):
    loaded = load_bytes(forged({"scalar": ["float32", 2.5]}), tmp_path / "x")
    assert type(loaded) is np.float32 and loaded == 2.5
