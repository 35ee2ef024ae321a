"""DLPack's structs and capsules, through ctypes: https://dmlc.github.io/dlpack/latest/."""

from __future__ import annotations

import ctypes
import typing

import ml_dtypes
import numpy as np

CPU, CUDA, CUDA_HOST, CUDA_MANAGED = 1, 2, 3, 13  # DLDeviceType
INT, UINT, FLOAT, BFLOAT, BOOL, E4M3FN, E5M2 = 0, 1, 2, 4, 6, 10, 12  # DLDataTypeCode
DTYPES = {(BOOL, 8): np.dtype(bool), (BFLOAT, 16): np.dtype(ml_dtypes.bfloat16),
          (E4M3FN, 8): np.dtype(ml_dtypes.float8_e4m3fn), (E5M2, 8): np.dtype(ml_dtypes.float8_e5m2)} | {
    (code, 8 * size): np.dtype(f"{letter}{size}")
    for code, letter, sizes in ((INT, "i", (1, 2, 4, 8)), (UINT, "u", (1, 2, 4, 8)), (FLOAT, "f", (2, 4, 8)))
    for size in sizes}
CODES = {dtype: code for code, dtype in DTYPES.items()}


class Tensor(ctypes.Structure):
    """DLTensor"""

    _fields_ = [("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32),
                ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8),
                ("lanes", ctypes.c_uint16), ("shape", ctypes.POINTER(ctypes.c_int64)),
                ("strides", ctypes.POINTER(ctypes.c_int64)), ("byte_offset", ctypes.c_uint64)]


class Managed(ctypes.Structure):
    """DLManagedTensor"""


Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
Managed._fields_ = [("tensor", Tensor), ("manager_ctx", ctypes.c_void_p), ("deleter", Deleter)]
Destructor = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def _python_function(name, result, *arguments):
    prototype = ctypes.PYFUNCTYPE(result, *arguments)
    return prototype((name, ctypes.pythonapi))


_new = _python_function("PyCapsule_New", ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
_pointer = _python_function("PyCapsule_GetPointer", ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
_rename = _python_function("PyCapsule_SetName", ctypes.c_int, ctypes.py_object, ctypes.c_char_p)
# the destructor gets an object that is being destroyed: as a bare address, so that nothing counts references to it
_dying_is_valid = _python_function("PyCapsule_IsValid", ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)
_dying_pointer = _python_function("PyCapsule_GetPointer", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)

FRESH, USED = b"dltensor", b"used_dltensor"  # names of capsules; static, because capsules keep the pointer
_exported = {}  # address of a Managed -> what has to stay alive until the consumer lets go


@Deleter
def _let_go(managed):
    _exported.pop(managed, None)


@Destructor
def _capsule_dies(capsule):
    if _dying_is_valid(capsule, FRESH):  # nobody consumed it
        _exported.pop(_dying_pointer(capsule, FRESH), None)


def export(ptr, shape, strides, dtype, device, owner):
    """A capsule; device: (type, number). The owner stays alive until the consumer is done."""
    if dtype not in CODES:
        raise BufferError(f"DLPack has no type for {dtype}")
    sizes = (ctypes.c_int64 * len(shape))(*shape), (ctypes.c_int64 * len(shape))(*strides)
    code, bits = CODES[dtype]
    managed = Managed(Tensor(ptr, *device, len(shape), code, bits, 1, *(
        ctypes.cast(s, ctypes.POINTER(ctypes.c_int64)) for s in sizes), 0), None, _let_go)
    address = ctypes.addressof(managed)
    _exported[address] = managed, sizes, owner
    return _new(address, FRESH, ctypes.cast(_capsule_dies, ctypes.c_void_p))


class Imported(typing.NamedTuple):
    """What a capsule held."""

    ptr: int
    shape: tuple
    strides: tuple  # in elements
    dtype: np.dtype
    device: tuple  # (type, number)
    release: typing.Callable  # to be called once when done


def consume(capsule) -> Imported:
    """Take a capsule over."""
    address = _pointer(capsule, FRESH)
    managed = Managed.from_address(address)
    tensor = managed.tensor
    if (tensor.code, tensor.bits) not in DTYPES or tensor.lanes != 1:
        raise BufferError(f"DLPack type ({tensor.code}, {tensor.bits} bits, {tensor.lanes} lanes) is not supported")
    shape = tuple(tensor.shape[:tensor.ndim])
    strides = tuple(tensor.strides[:tensor.ndim]) if tensor.strides else None
    _rename(capsule, USED)
    release = (lambda: managed.deleter(address)) if managed.deleter else lambda: None
    return Imported((tensor.data or 0) + tensor.byte_offset, shape, strides, DTYPES[tensor.code, tensor.bits],
                    (tensor.device_type, tensor.device_id), release)
