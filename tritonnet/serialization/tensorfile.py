"""The safetensors format: a length, a JSON header, then the tensors' bytes one after the other.

    8 bytes   length of the header, little-endian
    header    {"__metadata__": {str: str}, name: {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …}
    data      each byte belongs to exactly one tensor

Our metadata: "tritonnet", how the tensors nest (see structure.py), and "tritonnet.crc32" over all that has a meaning,
because the format itself would let a flipped bit pass. Files by others have neither; they load as a dict of tensors.
"""

from __future__ import annotations

import json
import math
import zlib

import numpy as np

from tritonnet.kernels import dtypes

DTYPES = {
    "BOOL": dtypes.bool_, "U8": dtypes.uint8, "I8": dtypes.int8, "I16": dtypes.int16, "U16": np.dtype("<u2"),
    "F16": dtypes.float16, "BF16": dtypes.bfloat16, "I32": dtypes.int32, "U32": np.dtype("<u4"),
    "F32": dtypes.float32, "F64": dtypes.float64, "I64": dtypes.int64, "U64": np.dtype("<u8"),
    "F8_E4M3": dtypes.float8_e4m3fn, "F8_E5M2": dtypes.float8_e5m2,
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
HEADER_LIMIT = 100_000_000  # as in the safetensors library
PICKLE = (
    "this is a pickle, as torch.save writes them. Unpickling can run code from the file, so only safetensors are read. "
    "Convert it where torch is: safetensors.torch.save_file(torch.load(path, weights_only=True), new_path)"
)


class CorruptFile(Exception):
    """A file that is not what `write_tensors` or another safetensors writer makes."""


def write_tensors(file, tensors, tree) -> None:
    """Write arrays by name, C-contiguous, and the structure they belong to (JSON)."""
    order = sorted(tensors, key=lambda name: -tensors[name].itemsize)  # keeps every tensor aligned
    entries, end = {}, 0
    for name in order:
        array = tensors[name]
        begin, end = end, end + array.nbytes
        entries[name] = {"dtype": NAMES[array.dtype], "shape": list(array.shape), "data_offsets": [begin, end]}
    structure = json.dumps(tree, separators=(",", ":"))
    crc = _checksum(entries, structure)
    for name in order:
        crc = zlib.crc32(_bytes(tensors[name]), crc)
    metadata = {"tritonnet": structure, "tritonnet.crc32": f"{crc:08x}"}
    header = json.dumps({"__metadata__": metadata, **entries}, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    file.write(len(header).to_bytes(8, "little") + header)
    for name in order:
        file.write(_bytes(tensors[name]))


def read_tensors(file, size=None):
    """(structure, arrays by name in the header's order). size: of the file, if it is known to end there."""
    entries, metadata, length = _read_header(file, size)
    order = sorted(entries, key=lambda name: entries[name]["data_offsets"])
    end = 0
    for name in order:
        begin, stop = entries[name]["data_offsets"]
        if begin != end:
            raise CorruptFile(f"tensor {name!r} begins at byte {begin} of the data, expected {end}: damaged header")
        end = stop
    if size is not None and size != 8 + length + end:
        state = "truncated" if size < 8 + length + end else "damaged"
        raise CorruptFile(f"{state}: expected {8 + length + end} bytes, the file has {size}")
    ours = "tritonnet" in metadata or "tritonnet.crc32" in metadata
    crc = _checksum(entries, metadata.get("tritonnet", "")) if ours else 0
    arrays = dict.fromkeys(entries)
    for name in order:
        try:
            array = np.empty(entries[name]["shape"], DTYPES[entries[name]["dtype"]])
        except (MemoryError, ValueError) as error:
            raise CorruptFile(f"tensor {name!r} of shape {entries[name]['shape']} is too big: {error}") from None
        _fill(file, _bytes(array), name)
        crc = zlib.crc32(_bytes(array), crc) if ours else 0
        arrays[name] = array
    if not ours:
        return {"dict": [[name, {"tensor": name}] for name in arrays]}, arrays
    if metadata.get("tritonnet.crc32") != f"{crc:08x}":
        raise CorruptFile("damaged: its contents do not match their checksum")
    return _parse(metadata["tritonnet"]), arrays


def _read_header(file, size):
    """(entries, metadata, length of the header), checked one by one."""
    start = _read(file, 8)
    if not start:
        raise EOFError
    if start[:4] == b"PK\x03\x04" or (start[0] == 0x80 and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")):
        raise CorruptFile(PICKLE)
    length = int.from_bytes(start, "little")
    if len(start) < 8 or length < 2 or length > HEADER_LIMIT:
        raise CorruptFile("not a safetensors file: it does not begin with the length of a header")
    if size is not None and 8 + length > size:
        raise CorruptFile(f"truncated, or not a safetensors file: a header of {length} bytes, the file has {size}")
    header = _read(file, length)
    if len(header) < length:
        raise CorruptFile(f"truncated: the header ends after {len(header)} of {length} bytes")
    if header[:1] != b"{":
        raise CorruptFile("not a safetensors file: no JSON header")
    header = _parse(header)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise CorruptFile("damaged header: __metadata__ holds more than strings")
    for name, entry in header.items():
        _check_entry(name, entry)
    return header, metadata, length


def _parse(text):
    def unique(pairs):
        found = dict(pairs)
        if len(found) != len(pairs):
            raise CorruptFile("damaged header: a name occurs twice")
        return found

    try:
        parsed = json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise CorruptFile(f"damaged header: {error}") from None
    return parsed


def _check_entry(name, entry):
    """Raise unless an entry of the header describes a tensor that can be."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise CorruptFile(f"damaged header: tensor {name!r} lacks its dtype, shape or data_offsets")
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not isinstance(entry["dtype"], str) or entry["dtype"] not in DTYPES:
        raise CorruptFile(f"tensor {name!r} has the type {entry['dtype']!r}, which is not one of {', '.join(DTYPES)}")
    for numbers in (shape, offsets):
        if not isinstance(numbers, list) or any(type(n) is not int or not 0 <= n < 2**63 for n in numbers):
            raise CorruptFile(f"damaged header: tensor {name!r} has shape {shape} and data_offsets {offsets}")
    expected = math.prod(shape) * DTYPES[entry["dtype"]].itemsize
    if len(offsets) != 2 or offsets[1] - offsets[0] != expected or len(shape) > 64:
        raise CorruptFile(
            f"damaged header: tensor {name!r} of type {entry['dtype']} and shape {shape} takes {expected} bytes, "
            f"data_offsets say {offsets}"
        )


def _checksum(entries, structure):
    described = sorted((name, e["dtype"], e["shape"], e["data_offsets"]) for name, e in entries.items())
    return zlib.crc32(json.dumps([described, structure]).encode())


def _bytes(array):
    """The memory of a C-contiguous array; memoryview knows neither bfloat16 nor empty dimensions."""
    return memoryview(array.reshape(-1).view(np.uint8))


def _read(file, count):
    """Up to `count` bytes, less only at the end."""
    parts = []
    while count > 0:
        part = file.read(count)
        if not part:
            break
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _fill(file, memory, name):
    """Read into `memory`; CorruptFile if the file ends before."""
    done = 0
    while done < len(memory):
        if hasattr(file, "readinto"):
            count = file.readinto(memory[done:])
        else:
            part = file.read(len(memory) - done)
            count = len(part)
            memory[done : done + count] = part
        if not count:
            raise CorruptFile(f"truncated: tensor {name!r} ends after {done} of {len(memory)} bytes")
        done += count
