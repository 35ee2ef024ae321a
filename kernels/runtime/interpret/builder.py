"""Triton's interpreter builder with memory access, low-precision floats, dot and libdevice replaced.

The stock builder keeps bfloat16 and fp8 as bits in integers (1 + 1 gives 1.7e38), truncates casts, and reads memory
unchecked. There is one builder per process, used under the lock: `memory` and `emulate_tf32` change per launch.
"""

import dataclasses

import numpy as np
import triton.language as tl
from triton.runtime import interpreter as stock

from tritonnet.kernels.runtime.interpret.element_types import NUMPY_LACKS, np_dtype
from tritonnet.kernels.runtime.interpret.places import here as line_of_kernel

DOT_PRECISIONS = ("tf32", "tf32x3", "ieee", "bf16x3", "bf16x6")


def round_to_tf32(x):
    """The tf32 value nearest to a float32: what tensor cores see with input_precision="tf32"."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    rounded = (bits + np.uint32(0xFFF) + ((bits >> np.uint32(13)) & np.uint32(1))) & np.uint32(0xFFFFE000)
    return np.where(np.isfinite(x), rounded.view(np.float32), x)


class Builder(stock.InterpreterBuilder):
    """What the operations of triton.language call in place of the compiler's builder."""

    def __init__(self):
        super().__init__()
        self.memory, self.emulate_tf32 = None, False
        plain = dataclasses.replace(self.options, allowed_dot_input_precisions=DOT_PRECISIONS)
        self.choices = {debug: dataclasses.replace(plain, debug=debug, sanitize_overflow=debug)  # as a launch has them
                        for debug in (False, True)}

    def prepare(self, memory, grid, debug, emulate_tf32):
        """Before a launch. debug turns on Triton's own check of integer overflow and tl.device_assert."""
        self.memory, memory.builder = memory, self
        self.options, self.emulate_tf32 = self.choices[debug], emulate_tf32
        self.set_grid_dim(*grid)

    # memory: every address goes through the bounds checker; *_ absorbs the arguments in which versions differ

    def create_masked_load(self, ptrs, mask, other, *_, **__):
        ty = ptrs.get_element_ty()
        dtype = np_dtype(ty)
        other = self.memory.undefined(dtype) if other is None else other.data.astype(dtype, copy=False)
        return stock.TensorHandle(self.memory.load(ptrs.data, np.asarray(mask.data), other, dtype), ty)

    def create_masked_store(self, ptrs, value, mask, *_, **__):
        dtype = np_dtype(ptrs.get_element_ty())
        self.memory.store(ptrs.data, value.data.astype(dtype, copy=False), np.asarray(mask.data))

    def create_atomic_rmw(self, op, ptr, val, mask, sem, scope):
        if val.data.dtype in NUMPY_LACKS:
            raise NotImplementedError(f"atomics on {val.dtype} cannot be interpreted")
        real = self.memory.translate(ptr.data, np.asarray(mask.data), val.data.dtype.itemsize, "atomic")
        old = super().create_atomic_rmw(op, stock.TensorHandle(real, ptr.dtype), val, mask, sem, scope)
        if self.memory.watchers:
            self.memory.tell("atomic", mask.data, val.data, sem.name.lower())
        return old

    def create_atomic_cas(self, ptr, cmp, val, sem, scope):
        everywhere = np.ones(ptr.data.shape, bool)
        real = self.memory.translate(ptr.data, everywhere, val.data.dtype.itemsize, "atomic")
        old = super().create_atomic_cas(stock.TensorHandle(real, ptr.dtype), cmp, val, sem, scope)
        if self.memory.watchers:
            self.memory.tell("atomic", everywhere, val.data, sem.name.lower())
        return old

    # casts: ml_dtypes rounds to nearest even; the stock code truncates or rounds half up

    def cast_impl(self, src, dst_type):
        return stock.TensorHandle(src.data.astype(np_dtype(dst_type)), dst_type.scalar)

    def create_fp_to_fp(self, src, dst_type, rounding_mode):
        return self.cast_impl(src, dst_type)

    # arithmetic: fp16 and bf16 results keep their type

    def unary_op(self, arg, op):
        return stock.TensorHandle(op(arg.data).astype(arg.data.dtype, copy=False), arg.dtype.scalar)

    def create_splat(self, ret_ty, arg):  # by the data's own type: the handle of a comparison has that of its operands
        return stock.TensorHandle(np.full(ret_ty.shape, arg.data, arg.data.dtype), arg.dtype.scalar)

    def create_rsqrt(self, arg):
        return self.unary_op(arg, lambda x: 1 / np.sqrt(x))

    def get_bf16(self, value):  # lacking before Triton 3.9
        return stock.TensorHandle(np.array([value], np_dtype(tl.bfloat16)), tl.bfloat16)

    def get_all_ones_value(self, ty):  # Triton 3.6 to 3.8 ask NumPy for an unsigned -1, which it refuses
        return stock.TensorHandle(~np.zeros(1, np_dtype(ty)), ty.scalar)

    def create_dot(self, a, b, d, input_precision, max_num_imprecise_acc):
        wide = d.data.dtype if d.data.dtype.kind == "i" or d.data.dtype == np.float64 else np.dtype(np.float32)
        x, y = a.data.astype(wide), b.data.astype(wide)  # astype first: matmul(..., dtype=) would not use BLAS
        if self.emulate_tf32 and a.dtype.scalar == tl.float32 and input_precision == stock._ir.INPUT_PRECISION.TF32:
            x, y = round_to_tf32(x), round_to_tf32(y)
        result = (x @ y + d.data).astype(d.data.dtype, copy=False)
        if self.memory.watchers:
            for watcher in self.memory.watchers:
                watcher.dot(self.grid_idx, line_of_kernel(), a.data, b.data, d.data, result)
        return stock.TensorHandle(result, d.dtype.scalar)

    def create_extern_elementwise(self, library, path, symbol, *_):
        raise NotImplementedError(f"{symbol} has no NumPy counterpart here; add it to runtime/interpret/libdevice.py")

    def create_inline_asm(self, asm, *_):
        raise NotImplementedError("inline assembly cannot be interpreted")
