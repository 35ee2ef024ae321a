"""Nested Python objects as JSON and tensors by name, and back.

JSON's own null, true, numbers, strings and lists stand for themselves; everything else is an object with one key that
says what it is: {"dict": [[key, value], …]}, {"ordered": …}, {"tuple": […]}, {"size": […]}, {"float": "nan"},
{"complex": [real, imaginary]}, {"bytes": base64}, {"set": […]}, {"frozenset": […]}, {"tensor": name, …},
{"ndarray": name}, {"scalar": [dtype, value]}, {"dtype": name}, {"device": name}, {"namespace": [[name, value], …]}
(of argparse).
"""

from __future__ import annotations

import base64
import math
from argparse import Namespace
from collections import OrderedDict

import numpy as np

import tritonnet
from tritonnet.autograd.function import make
from tritonnet.dtypes import DTYPES
from tritonnet.kernels.arrays import is_host, to_host
from tritonnet.nn.parameter import Parameter
from tritonnet.serialization.tensorfile import NAMES, CorruptFile
from tritonnet.tensor.core import Size, Tensor

STORABLE = ("tensors, NumPy arrays, numbers, strings, bytes, None, dtypes, devices, and dicts, lists, tuples "
            "and sets of them")
SCALARS = {dtype.name: dtype for dtype in NAMES}


def flatten(obj):
    """(tree, arrays): `obj` as JSON values, and its tensors by name as C-contiguous arrays on the host."""
    flattener = _Flattener()
    tree = flattener.encode(obj, (), "obj")
    return tree, flattener.blocks()


class _Flattener:
    """Walks through an object; tensors become nodes that are told only at the end whose memory they are part of."""

    def __init__(self):
        self.names, self.found, self.inside = {"__metadata__"}, [], set()

    def encode(self, value, path, place):
        """`value` as JSON. path: the keys that lead to it; place: the same as a Python expression, for messages."""
        kind = type(value)
        if value is None or kind in (bool, int, str):
            return value
        if kind is float:
            return value if math.isfinite(value) else {"float": repr(value)}
        if kind is complex:
            return {"complex": [self.encode(value.real, path, place), self.encode(value.imag, path, place)]}
        if kind is bytes:
            return {"bytes": base64.b64encode(value).decode()}
        if kind in (set, frozenset):
            return {kind.__name__: [self.key(v, place) for v in value]}
        if isinstance(value, Tensor):
            return self.tensor(value, path)
        if kind is np.ndarray:
            return self.array(value, path, place)
        if isinstance(value, (np.number, np.bool_)) and value.dtype in NAMES:
            return {"scalar": [value.dtype.name, self.encode(value.item(), path, place)]}
        if kind is tritonnet.dtype:
            return {"dtype": value.name}
        if kind is tritonnet.device:
            return {"device": str(value)}
        if kind is Namespace:
            return {"namespace": self.encode(vars(value), path, place)["dict"]}
        if kind not in (list, tuple, Size, dict, OrderedDict):
            raise TypeError(f"save: cannot store {place}, a {kind.__module__}.{kind.__qualname__}: expected {STORABLE}"
                            + _advice(value))
        if id(value) in self.inside:
            raise ValueError(f"save: {place} contains itself")
        self.inside.add(id(value))
        try:
            return self.container(kind, value, path, place)
        finally:
            self.inside.discard(id(value))

    def container(self, kind, value, path, place):
        if kind in (list, tuple, Size):
            items = [self.encode(v, (*path, i), f"{place}[{i}]") for i, v in enumerate(value)]
            return items if kind is list else {"tuple" if kind is tuple else "size": items}
        items = [
            [self.key(k, place), self.encode(v, (*path, k), f"{place}[{k!r}]")] for k, v in value.items()
        ]
        if kind is dict:
            return {"dict": items}
        node = {"ordered": items}
        if hasattr(value, "_metadata"):  # the versions that a module's state_dict carries
            node["metadata"] = self.encode(value._metadata, path, f"{place}._metadata")
        return node

    def key(self, key, place):
        if isinstance(key, tuple):
            return {"tuple": [self.key(k, place) for k in key]}
        if key is None or type(key) in (bool, int, float, complex, str, bytes):
            return self.encode(key, (), place)
        raise TypeError(f"save: cannot store {key!r}, a {type(key).__name__}, as a key of {place} or in it: expected "
                        "str, bytes, a number, bool, None or a tuple of them")

    def name(self, path):
        """A name for the tensor at `path` that no other has."""
        name = wanted = ".".join(map(str, path)) or "tensor"
        count = 1
        while name in self.names:
            count += 1
            name = f"{wanted}#{count}"
        self.names.add(name)
        return name

    def tensor(self, value, path):
        node = {"tensor": None}
        if isinstance(value, Parameter):
            node["parameter"] = True
        if value.requires_grad:
            node["requires_grad"] = True
        if value.is_cuda:
            node["device"] = str(value.device)
        self.found.append((value.array, node, "tensor", self.name(path)))
        return node

    def array(self, value, path, place):
        if value.dtype.newbyteorder("=") not in NAMES:
            raise TypeError(f"save: cannot store {place}, an array of {value.dtype}: expected one of "
                            + ", ".join(str(d) for d in NAMES))
        node = {"ndarray": None}
        self.found.append((value, node, "ndarray", self.name(path)))
        return node

    def blocks(self):
        """The arrays to store, by name. Those that share memory are stored once: the same array again, and one that
        lies within another of its type where neither has gaps; such a node gets the other's name and its place in it.
        """
        arrays, stored, outer = {}, {}, None
        for array, node, kind, name in sorted(self.found, key=_by_address):
            device, start, dense = memory(array)
            same = (device, start, array.dtype, array.shape, array.strides)
            if array.size and same in stored:
                node[kind] = stored[same]
            elif array.size and dense and outer is not None and outer.holds(array):
                node[kind], node["offset"] = outer.name, (start - outer.start) // array.itemsize
                node["shape"] = list(array.shape)
            else:
                node[kind] = name
                host = to_host(array)
                arrays[name] = np.ascontiguousarray(host, host.dtype.newbyteorder("<")).reshape(host.shape)
                if array.size:
                    stored[same] = name
                    outer = _Outer(array, name) if dense else outer
        return {name: arrays[name] for _, _, _, name in self.found if name in arrays}


class _Outer:
    """An array without gaps that was stored, in whose memory others may lie."""

    def __init__(self, array, name):
        self.device, self.start, _ = memory(array)
        self.array, self.name = array, name

    def holds(self, array):
        """Whether another array lies in this one's memory, element on element."""
        device, start, _ = memory(array)
        return (
            device == self.device
            and array.dtype == self.array.dtype
            and start + array.nbytes <= self.start + self.array.nbytes
            and (start - self.start) % array.itemsize == 0
        )


def _by_address(found):
    array = found[0]
    return *memory(array)[:2], -array.size


def memory(array):
    """(device or "", address, whether it is in C order without gaps) of an array."""
    if is_host(array):
        return "", array.__array_interface__["data"][0], array.flags.c_contiguous
    return str(array.device), array.ptr, array.contiguous


def _advice(value):
    if hasattr(value, "state_dict"):
        return ". Store its state_dict() instead"
    return ". Store vars() of it instead" if hasattr(value, "__dict__") and not callable(value) else ""


def rebuild(tree, arrays, place):
    """The object that `flatten` took apart. place: a function (tensor on the CPU, device it was saved on) -> tensor."""
    rebuilder = _Rebuilder(arrays, place)
    try:
        return rebuilder.decode(tree)
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        if error is rebuilder.refused:
            raise
        raise CorruptFile(f"damaged structure: {error!r}") from None


class _Rebuilder:
    """Walks through a tree that may say anything. `refused`: what the caller's own `place` raised."""

    def __init__(self, arrays, place):
        self.arrays, self.place, self.placed, self.made, self.refused = arrays, place, {}, {}, None

    def decode(self, node):
        """The object that a JSON value stands for."""
        if isinstance(node, list):
            return [self.decode(n) for n in node]
        if not isinstance(node, dict):
            return node
        kind, content = next(iter(node.items()), (None, None))
        if kind in ("tuple", "size"):
            return (tuple if kind == "tuple" else Size)(self.decode(n) for n in content)
        if kind == "dict":
            return {self.decode(k): self.decode(v) for k, v in content}
        if kind == "namespace":
            return Namespace(**{self.decode(k): self.decode(v) for k, v in content})
        if kind == "ordered":
            made = OrderedDict((self.decode(k), self.decode(v)) for k, v in content)
            if "metadata" in node:
                made._metadata = self.decode(node["metadata"])
            return made
        if kind == "tensor":
            return self.tensor(node)
        if kind == "ndarray":
            return self.view(self.arrays[content], node)
        if kind == "scalar":
            return SCALARS[content[0]].type(self.decode(content[1]))
        if kind == "float":
            return float(content)
        if kind == "complex":
            return complex(*map(self.decode, content))
        if kind == "bytes":
            return base64.b64decode(content, validate=True)
        if kind in ("set", "frozenset"):
            return (set if kind == "set" else frozenset)(map(self.decode, content))
        if kind == "dtype":
            return {d.name: d for d in DTYPES.values()}[content]
        if kind == "device":
            return tritonnet.device(content)
        raise ValueError(f"unknown kind {kind!r}")

    def tensor(self, node):
        """A tensor; the same for nodes that say the same, so what was one object is one again."""
        known = tuple(str(node.get(k)) for k in ("tensor", "offset", "shape", "device", "parameter", "requires_grad"))
        if known not in self.made:
            tensor = make(self.view(self.placed_array(node["tensor"], node.get("device", "cpu")), node))
            requires_grad = bool(node.get("requires_grad"))
            made = Parameter(tensor, requires_grad) if node.get("parameter") else tensor.requires_grad_(requires_grad)
            self.made[known] = made
        return self.made[known]

    def placed_array(self, name, location):
        """The array of this name where `place` puts it, once for all tensors that share it."""
        if (name, location) not in self.placed:
            tensor = make(self.arrays[name])
            try:
                self.placed[name, location] = self.place(tensor, location).array
            except Exception as error:
                self.refused = error
                raise
        return self.placed[name, location]

    def view(self, array, node):
        """The part of an array that a node means."""
        if "offset" not in node:
            return array
        shape, offset = tuple(node["shape"]), node["offset"]
        size = math.prod(shape)
        if min(offset, *shape, 0) < 0 or offset + size > array.size:
            raise ValueError(f"{size} elements from {offset} on of {node} are not within {array.size}")
        return array.reshape(-1)[offset : offset + size].reshape(shape)
