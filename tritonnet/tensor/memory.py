"""Writing into the memory of tensors."""

from __future__ import annotations

import numpy as np

from tritonnet.autograd import fusion, tape
from tritonnet.kernels.arrays import is_host
from tritonnet.kernels.strided import copy_to


def check_apart(array):
    """Before a write: compute what waits to read this memory; raise if elements of an expanded tensor share memory, or
    if it is read-only."""
    if fusion.fusing:
        fusion.settle()
    if array.flags.writeable if is_host(array) else 0 not in array.strides or not array.size:
        return
    if any(n > 1 and s == 0 for n, s in zip(array.shape, array.strides)):
        raise RuntimeError("unsupported operation: more than one element of the written-to tensor refers to a single "
                           "memory location. Please clone() the tensor before performing the operation.")
    if is_host(array):
        raise RuntimeError("the tensor's memory is read-only: write to a clone()")


def write(target, source):
    """Copy `source` into the memory of `target`, which may be strided, and note the change."""
    if target is source:
        tape.modified(target)
        return
    check_apart(target)
    if is_host(target) and is_host(source):
        np.copyto(target, source)
    elif is_host(target):
        np.copyto(target, source.numpy())
    else:
        copy_to(target, source)
    tape.modified(target)
