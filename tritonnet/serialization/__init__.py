"""save and load: tensors, state_dicts and nested structures of them, in files that only hold data.

The file is safetensors, under whatever name: any safetensors reader finds the tensors by name. How they nest lies in
its metadata as JSON. Nothing is ever pickled, so loading a file cannot run code.
"""

from __future__ import annotations

import os

import tritonnet
from tritonnet.serialization.aside import write_aside
from tritonnet.serialization.structure import flatten, rebuild
from tritonnet.serialization.tensorfile import CorruptFile, read_tensors, write_tensors

__all__ = ["load", "save"]


def save(obj, f, pickle_module=None, pickle_protocol=None, _use_new_zipfile_serialization=True):
    """Write `obj` to a file: tensors, NumPy arrays, numbers, strings, bytes, None, dtypes, devices, and dicts,
    lists, tuples, sets and argparse's namespaces of them, such as the state_dict of a module or an optimizer.

    f: a path or a file opened for writing. A path is replaced only once everything is written and on the disk, so an
    interrupted save leaves the old file as it was. Tensors that share memory share it again when they are loaded.
    TypeError names the place of an object that cannot be stored. The pickle arguments of PyTorch have no effect.
    """
    tree, tensors = flatten(obj)
    if hasattr(f, "write"):
        write_tensors(f, tensors, tree)
    elif isinstance(f, (str, os.PathLike)):
        write_aside(os.fspath(f), lambda file: write_tensors(file, tensors, tree))
    else:
        raise AttributeError(f"save: expected a path or a file to write to, got {type(f).__name__}")


def load(f, map_location=None, pickle_module=None, *, weights_only=None, mmap=None, **pickle_load_args):
    """Read what `save` wrote, or any safetensors file (as a dict of tensors).

    f: a path or a file opened for reading, which is read to its end.  map_location: where tensors go: a device; a dict
    from the device they were saved on to another; a function (tensor on the CPU, device it was saved on) -> tensor or
    None; by default where they were. RuntimeError, naming the file, where it is truncated, damaged, a pickle or no
    safetensors file at all (EOFError where it is empty). The remaining arguments of PyTorch have no effect: nothing
    here is unpickled.
    """
    if isinstance(f, (str, os.PathLike)):
        name = os.fspath(f)
        with open(f, "rb") as file:
            return _load(file, name, map_location)
    if not hasattr(f, "read"):
        raise AttributeError(f"load: expected a path or a file to read from, got {type(f).__name__}")
    return _load(f, str(getattr(f, "name", f"<{type(f).__name__}>")), map_location)


def _load(file, name, map_location):
    try:
        tree, arrays = read_tensors(file.read())
        return rebuild(tree, arrays, placer(map_location))
    except CorruptFile as error:
        raise RuntimeError(f"load: {name}: {error}") from None
    except EOFError:
        raise EOFError(f"load: {name}: the file is empty (Ran out of input)") from None


def placer(map_location):
    """What `map_location` means, as a function (tensor on the CPU, device it was saved on) -> tensor."""
    if map_location is None:
        return _restore
    if isinstance(map_location, dict):
        return lambda tensor, location: _restore(tensor, str(map_location.get(location, location)))
    if isinstance(map_location, (str, int, tritonnet.device)):
        target = str(tritonnet.device(map_location))
        return lambda tensor, location: _restore(tensor, target)
    if not callable(map_location):
        raise TypeError(
            f"load: map_location is a device, a dict of devices or a function, got {type(map_location).__name__}"
        )

    def place(tensor, location):
        placed = map_location(tensor, location)
        return _restore(tensor, location) if placed is None else placed

    return place


def _restore(tensor, location):
    """Move to a device; RuntimeError with PyTorch's advice where there is none."""
    where = tritonnet.device(location)
    if where.type == "cpu":
        return tensor
    if not tritonnet.cuda.is_available():
        raise RuntimeError(
            "Attempting to deserialize object on a CUDA device but tritonnet.cuda.is_available() is False. If you are "
            "running on a CPU-only machine, please use tritonnet.load with map_location=tritonnet.device('cpu') to map "
            "your storages to the CPU."
        )
    count = tritonnet.cuda.device_count()
    if where.index is not None and where.index >= count:
        raise RuntimeError(
            f"Attempting to deserialize object on CUDA device {where.index} but tritonnet.cuda.device_count() is "
            f"{count}. Please use tritonnet.load with map_location to map your storages to an existing device."
        )
    return tensor.to(where)
