"""Operations as functions of arrays and numbers: element types, shapes and places; then mirror or kernel."""

from __future__ import annotations

import numpy as np

from tritonnet.kernels import arrays, dtypes, plans
from tritonnet.kernels.arrays import DeviceArray
from tritonnet.kernels.dtypes import FLOATS, bool_, category, int8, is_float
from tritonnet.kernels.elementwise import device, host
from tritonnet.kernels.elementwise.definitions import ALL, BOOL, FLOAT, INTEGERS, LOGICAL, SAME
from tritonnet.kernels.elementwise.layout import broadcast, memory_order, steps

LETTERS = "bif"  # by category of element type
SMALL = 16384  # elements of all operands together
DIFFERENT_DEVICES = "Expected all tensors to be on the same device, but found at least two devices, {} and {}!"
CATEGORIES = {bool: 0, int: 1, float: 2}  # of Python numbers


class Operation:
    """A program with its rules for element types; calling it runs it.

    checks: functions (operands, type computed in) that raise where the operation refuses values.
    """

    def __init__(self, program, result=SAME, accepts=ALL, refusal=None, check=None):
        self.program, self.result, self.accepts, self.refusal, self.check = program, result, accepts, refusal, check
        self.known, self.planned = {}, plans.elsewhere()  # what `_types` found; launches on devices

    def _types(self, kinds):
        """(type of the result, type to compute in on the host, on a device) for operands of these kinds."""
        name, counted = self.program.name, []
        for kind, operand in zip(kinds, self.program.inputs):
            if operand not in self.program.conditions:
                counted.append(kind)
            elif self.result != LOGICAL and kind[0] != bool_:
                raise RuntimeError(f"{name} expected condition to be a boolean tensor, but got a tensor with dtype "
                                   f"{kind[0]}")
        ranks = {rank: tuple(d for d, ranked in counted if ranked is rank) for rank in (True, False, None)}
        ranks[None] = tuple(CATEGORIES[d] for d in ranks[None])
        common = dtypes.result_of(*ranks.values()) if counted else bool_
        letter = LETTERS[category(common)]
        if self.refusal and any(d in (bool_, bool) for d, _ in counted) and "b" not in self.accepts:
            raise RuntimeError(self.refusal)
        if self.result in (SAME, BOOL) and letter not in self.accepts:
            raise NotImplementedError(f"{name} is not implemented for {common}")
        if self.result == LOGICAL or letter == "b" and self.accepts == INTEGERS:
            return bool_, bool_, bool_
        if self.result == FLOAT and not is_float(common):
            common = dtypes.default_float
        compute = device.compute_type(common)
        return bool_ if self.result == BOOL else common, int8 if common == bool_ else compute, compute

    def __call__(self, operands, params=(), out=None):
        """Run on arrays and numbers. out: where to put the only result; it may be an operand."""
        place = next((a.device for a in (*operands, out) if isinstance(a, DeviceArray)), None)
        if place is not None:
            return self.on_device(place, operands, params, out)
        operands = [a.item() if isinstance(a, np.generic) else a for a in operands]
        result, compute, _ = self.types(operands)
        ranked = [a for a in operands if isinstance(a, np.ndarray)]
        shape = broadcast(*[a.shape for a in ranked]) if ranked else ()
        operands = [a if isinstance(a, np.ndarray) else _number(a, compute) for a in operands]
        params = [_number(p, compute) for p in params]
        if self.check is not None:
            self.check(operands, compute)
        if out is not None:
            _check_out(out, shape, result)
            host.evaluate(self.program, _apart(out, operands), params, compute, out.shape, [out])
            return out
        if sum([a.size for a in ranked]) < SMALL:
            outs = host.evaluate_small(self.program, operands, params, compute, result)
        else:
            outs = fresh(shape, result, len(self.program.results), ranked, None)
            host.evaluate(self.program, operands, params, compute, shape, outs)
        return outs[0] if len(outs) == 1 else tuple(outs)

    def types(self, operands):
        """(type of the result, type to compute in on the host, on a device)."""
        key = (dtypes.default_float, *map(_kind, operands))
        if key not in self.known:
            self.known[key] = self._types(key[1:])
        return self.known[key]

    def on_device(self, place, operands, params=(), out=None, key=None):
        """Run on arrays on one device, and numbers. key: under what `planned` looks for this launch the next time."""
        given, operands = operands, [_on(place, a) for a in operands]
        if out is not None and not isinstance(out, DeviceArray):
            raise RuntimeError(DIFFERENT_DEVICES.format(f"cuda:{place.index}", "cpu"))
        result, _, compute = self.types(operands)
        if self.check is not None:
            self.check(operands, compute)
        ranked = [a for a in operands if isinstance(a, DeviceArray)]
        shape = broadcast(*[a.shape for a in ranked]) if ranked else ()
        if out is None:
            outs = fresh(shape, result, len(self.program.results), ranked, place)
        else:
            _check_out(out, shape, result)
            outs, operands = [out], _apart(out, operands)
        plan = device.Plan(self.program, operands, compute, place, outs)
        plan.launch(operands, outs, params)
        if key is not None and all(a is b for a, b in zip(given, operands)) and self.check is None:
            if len(self.planned) > 4096:  # shapes that keep changing must not fill the memory
                self.planned.clear()
            self.planned[key] = plan
        return outs[0] if len(outs) == 1 else tuple(outs)


def _kind(operand):
    """What promotion needs to know of an operand: (type, whether it has dimensions or None for a number)."""
    if hasattr(operand, "shape"):
        return operand.dtype, operand.shape != ()
    if type(operand) in CATEGORIES:
        return type(operand), None
    raise TypeError(f"expected an array or a number, got {type(operand).__name__}")


def _number(value, compute):
    """A Python number as it takes part in arithmetic of this type: integers wrap around, as in PyTorch."""
    return float(value) if compute in FLOATS else device.wrapped(value, compute)


def _on(place, operand):
    """An operand for a kernel: arrays must be on its device, but for single elements, which become numbers."""
    if isinstance(operand, np.ndarray):
        if operand.ndim:
            raise RuntimeError(DIFFERENT_DEVICES.format(f"cuda:{place.index}", "cpu"))
        return operand.item()
    if isinstance(operand, DeviceArray) and operand.device is not place:
        raise RuntimeError(DIFFERENT_DEVICES.format(f"cuda:{place.index}", f"cuda:{operand.device.index}"))
    return operand.item() if isinstance(operand, np.generic) else operand


def fresh(shape, dtype, count, ranked, place):
    """Uninitialised results in the memory order of the operands."""
    if all(a.shape == shape and (a.flags.c_contiguous if place is None else a.contiguous) for a in ranked):
        return [arrays.empty(shape, dtype, place) for _ in range(count)]
    order = memory_order(shape, [steps(shape, a.shape, a.strides) for a in ranked])
    back = tuple(order.index(k) for k in range(len(order)))
    return [arrays.empty(tuple(shape[k] for k in order), dtype, place).transpose(back) if len(shape) > 1 else
            arrays.empty(shape, dtype, place) for _ in range(count)]


def _check_out(out, shape, result):
    """Raise unless a result of this shape and type can be written to `out`."""
    if broadcast(out.shape, shape) != out.shape:
        raise RuntimeError(f"output with shape {list(out.shape)} doesn't match the broadcast shape {list(shape)}")
    if category(result) > category(out.dtype):
        raise RuntimeError(f"result type {result} can't be cast to the desired output type {out.dtype}")
    if out.size and any(n > 1 and s == 0 for n, s in zip(out.shape, out.strides)):
        raise RuntimeError("unsupported operation: more than one element of the written-to tensor refers to a single "
                           "memory location. Please clone() the tensor before performing the operation.")


def _apart(out, operands):
    """The operands, copied where they share memory with `out` other than element by element."""
    apart = []
    for a in operands:
        if type(a) is type(out) and (a.shape, a.strides, _address(a)) != (out.shape, out.strides, _address(out)) and (
                np.may_share_memory(a, out) if isinstance(a, np.ndarray) else device.overlaps(a, out)):
            a = a.copy()
        apart.append(a)
    return apart


def _address(a):
    return a.ctypes.data if isinstance(a, np.ndarray) else a.ptr
