"""Element types in the interpreter: Triton's and NumPy's."""

import numpy as np
import triton.language as tl

from tritonnet.kernels.dtypes import TRITON_NAMES
from tritonnet.kernels.runtime.source import triton_dtype

TRITON_DTYPES = {dtype: triton_dtype(dtype) for dtype in TRITON_NAMES}
BY_SIGNATURE = {name: TRITON_DTYPES[dtype] for dtype, name in TRITON_NAMES.items()} | {"u1": tl.int1}
_by_name = {ty.name: dtype for dtype, ty in TRITON_DTYPES.items()}
NUMPY_LACKS = {dtype for dtype in TRITON_DTYPES if dtype.kind == "V" or dtype.name.startswith(("bfloat", "float8"))}
_ADDRESS = np.dtype(np.uint64)


def np_dtype(ty):
    """The NumPy type of what a Triton type holds; addresses are uint64."""
    return _ADDRESS if ty.scalar.is_ptr() else _by_name[ty.scalar.name]
