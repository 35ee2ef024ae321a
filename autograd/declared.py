"""A kernel and its backward kernel as one operation on the tape.

The backward's parameters say by name what it needs: the forward's inputs and outputs under their own names, the
gradient of an output `y` as `dy`; and what it writes is the gradient of an input `x`: `dx`.
"""

from __future__ import annotations

import numpy as np

from tritonnet.autograd.function import Op
from tritonnet.kernels.arrays import DeviceArray
from tritonnet.kernels.lab.declared import DeclaredKernel


def paired(kernel: DeclaredKernel, gradient: DeclaredKernel | None = None) -> type[Op]:
    """The `Op` of a kernel and of the kernel of its gradients; TypeError where their names don't fit."""
    inputs = [p.name for p in kernel.takes]
    if gradient is not None:
        _check_names(kernel, gradient, inputs)
    needed = {p.name for p in gradient.takes} if gradient else set()

    def forward(ctx, *args):
        given = dict(zip(inputs, args))
        found = kernel.on_arrays(given)
        results = dict(zip(kernel.writes, found if isinstance(found, tuple) else (found,)))
        ctx.given = {name: ctx.save(value) if isinstance(value, (np.ndarray, DeviceArray)) else value
                     for name, value in (given | results).items() if name in needed}
        return found

    def backward(ctx, *grads):
        if gradient is None:
            raise NotImplementedError(f"kernel {kernel.name} has no backward: declare one with "
                                      f"@{kernel.name}.backward(mirror=…, grid=…, …)")
        given = ctx.given | {f"d{name}": g for name, g in zip(kernel.writes, grads)}
        found = gradient.on_arrays({p.name: given[p.name] for p in gradient.takes})
        written = dict(zip(gradient.writes, found if isinstance(found, tuple) else (found,)))
        return tuple(written.get(f"d{name}") for name in inputs)

    name = "".join(word.capitalize() for word in kernel.name.split("_"))  # grad_fn shows it: <SiluBackward0>
    return type(name, (Op,), {"forward": forward, "backward": backward})


def _check_names(forward, backward, inputs):
    """Refuse a backward that asks for what there is not, or writes what nobody asked for."""
    there = [*inputs, *forward.writes, *(f"d{name}" for name in forward.writes)]
    if unknown := [p.name for p in backward.takes if p.name not in there]:
        raise TypeError(f"kernel {backward.name}, the backward of {forward.name}: nothing is called "
                        f"{', '.join(unknown)}; it may take {', '.join(there)}")
    may = [f"d{name}" for name in inputs]
    if unknown := [name for name in backward.writes if name not in may]:
        raise TypeError(f"kernel {backward.name}, the backward of {forward.name}: it writes {', '.join(unknown)}; "
                        f"gradients of the inputs are called {', '.join(may)}")
