"""Arrays by name as the bytes of a safetensors file, and back; the safetensors library writes and validates them.

Our metadata: "tritonnet", how the tensors nest (see structure.py), and "tritonnet.crc32" over all that has a meaning,
because the format itself would let a flipped bit pass. Files by others have neither; they load as a dict of tensors.
"""

from __future__ import annotations

import json
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
PICKLE = (
    "this is a pickle, as torch.save writes them. Unpickling can run code from the file, so only safetensors are read. "
    "Convert it where torch is: safetensors.torch.save_file(torch.load(path, weights_only=True), new_path)"
)


class CorruptFile(Exception):
    """A file that is not what `write_tensors` or another safetensors writer makes."""


def write_tensors(file, arrays, tree) -> None:
    """Write C-contiguous arrays by name and the structure they belong to (JSON)."""
    from safetensors.numpy import save

    structure = json.dumps(tree, separators=(",", ":"))
    file.write(save(arrays, {"tritonnet": structure, "tritonnet.crc32": _checksum(structure, arrays)}))


def read_tensors(content):
    """(structure, arrays by name in the header's order) from the bytes of a file."""
    from safetensors import SafetensorError, deserialize

    if not content:
        raise EOFError
    try:
        tensors = dict(deserialize(content))
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        metadata = header.pop("__metadata__", None) or {}
        arrays = {name: _array(name, tensors[name]) for name in header}
        if "tritonnet" not in metadata and "tritonnet.crc32" not in metadata:
            return {"dict": [[name, {"tensor": name}] for name in arrays]}, arrays
        structure = metadata.get("tritonnet", "")
        if metadata.get("tritonnet.crc32") != _checksum(structure, arrays):
            raise CorruptFile("damaged: its contents do not match their checksum")
        return json.loads(structure), arrays
    except SafetensorError as error:
        raise CorruptFile(_cause(content, error)) from None
    except (ValueError, RecursionError) as error:
        raise CorruptFile(f"damaged: {error}") from None


def _array(name, tensor):
    """An array on the memory that the library allocated for it."""
    if tensor["dtype"] not in DTYPES:
        raise CorruptFile(f"tensor {name!r} has the type {tensor['dtype']!r}, which is not one of {', '.join(DTYPES)}")
    return np.frombuffer(tensor["data"], DTYPES[tensor["dtype"]]).reshape(tensor["shape"])


def _cause(content, error):
    """What a file is that the library refuses. A pickle is only looked for here: a header's length may begin as one."""
    if content.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
        return PICKLE
    return f"{'truncated or damaged' if content[8:9] == b'{' else 'not a safetensors file'}: {error}"


def _checksum(structure, arrays):
    described = [(name, NAMES[arrays[name].dtype], arrays[name].shape) for name in sorted(arrays)]
    crc = zlib.crc32(json.dumps([described, structure]).encode())
    for name in sorted(arrays):
        crc = zlib.crc32(arrays[name].reshape(-1).view(np.uint8), crc)
    return f"{crc:08x}"
