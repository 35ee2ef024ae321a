"""From a list of samples to a batch: tensors, arrays and numbers are stacked, containers are kept."""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence

import numpy as np

import tritonnet
from tritonnet.autograd.function import make
from tritonnet.tensor import Tensor

HOST = {np.ndarray}  # types of arrays that one copy stacks
NOT_A_BATCH = "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"


def default_collate(batch):
    """Stack samples along a new first axis; the structure of the samples is that of the result.

    Tensors and arrays of one shape, and numbers, become tensors (floats float64, ints int64); strings and bytes stay a
    list; dicts, named tuples and sequences are collated entry by entry, plain tuples into a list.
    More types: add them to `tritonnet.data.collate.default_collate_fn_map`.

    >>> default_collate([{"x": 1, "name": "a"}, {"x": 2, "name": "b"}])
    {'x': tensor([1, 2]), 'name': ['a', 'b']}
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)


def collate(batch, *, collate_fn_map=None):
    """`default_collate` with a map of one's own from types to functions `(batch, *, collate_fn_map)`."""
    first, functions = batch[0], collate_fn_map or {}
    kind = type(first)
    if kind in functions:
        return functions[kind](batch, collate_fn_map=collate_fn_map)
    for accepted, function in functions.items():
        if isinstance(first, accepted):
            return function(batch, collate_fn_map=collate_fn_map)
    if isinstance(first, Mapping):
        return _like_mapping(first, {k: collate([s[k] for s in batch], collate_fn_map=collate_fn_map) for k in first})
    if not isinstance(first, Sequence):
        raise TypeError(NOT_A_BATCH.format(kind))
    if len(set(map(len, batch))) != 1:
        raise RuntimeError("each element in list of batch should be of equal size")
    columns = [collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch)]
    if isinstance(first, tuple):
        return kind(*columns) if hasattr(first, "_fields") else columns
    return _like_sequence(first, columns)


def default_convert(data):
    """NumPy arrays inside a sample become tensors; everything else stays. What a DataLoader without batches applies."""
    if isinstance(data, (np.ndarray, np.number, np.bool_)):
        return data if data.dtype.kind in "SUO" else make(np.asarray(data))
    if isinstance(data, Mapping):
        return _like_mapping(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, tuple):
        parts = [default_convert(d) for d in data]
        return type(data)(*parts) if hasattr(data, "_fields") else parts
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _like_sequence(data, [default_convert(d) for d in data])
    return data


def _like_mapping(mapping, items):
    """`items` in a mapping of the same type, with the other attributes of the first one; a dict where that fails."""
    try:
        if type(mapping) is not dict and isinstance(mapping, MutableMapping):
            clone = copy.copy(mapping)
            clone.update(items)
            return clone
        return type(mapping)(items)
    except TypeError:
        return items


def _like_sequence(sequence, items):
    """`items` in a sequence of the same type; a list where that fails."""
    try:
        if type(sequence) is not list and isinstance(sequence, MutableSequence):
            clone = copy.copy(sequence)
            clone[:] = items
            return clone
        return type(sequence)(items)
    except TypeError:
        return items


def _stack_tensors(batch, *, collate_fn_map=None):
    """Tensors of one shape, stacked; on the host by one copy, elsewhere or with gradients by `stack`."""
    arrays = [t.array for t in batch]
    tracked = [t for t in batch if t._requires_grad or (v := t.base) is not None and v.root.node is not v.seen]
    if not tracked and set(map(type, arrays)) == HOST:
        try:
            return make(np.array(arrays))
        except ValueError:  # sizes differ: the check below says which
            pass
    shape = arrays[0].shape
    for i, a in enumerate(arrays):
        if a.shape != shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(shape)} at entry 0 and "
                f"{list(a.shape)} at entry {i}"
            )
    return tritonnet.stack(list(batch))


def _stack_arrays(batch, *, collate_fn_map=None):
    """Arrays of one shape, stacked."""
    if batch[0].dtype.kind in "SUO":
        raise TypeError(NOT_A_BATCH.format(batch[0].dtype))
    return _stack_tensors([make(np.asarray(a)) for a in batch])


def _numbers(dtype):
    """A function that makes a tensor of Python or NumPy numbers."""
    return lambda batch, *, collate_fn_map=None: make(np.array(batch, dtype))


def _integers(batch, *, collate_fn_map=None):
    """A tensor of Python ints; where floats are among them, as `tensor` makes it."""
    values = np.array(batch)
    if values.dtype != np.int64:
        return tritonnet.tensor(batch)
    return make(values)


def _keep(batch, *, collate_fn_map=None):
    """Strings stay a list."""
    return batch


default_collate_fn_map = {
    Tensor: _stack_tensors,
    np.ndarray: _stack_arrays,
    (np.bool_, np.number): _numbers(None),
    bool: _numbers(np.bool_),
    float: _numbers(np.float64),
    int: _integers,
    str: _keep,
    bytes: _keep,
}
