"""tritonnet.kernel: a Triton function of one's own as an operation on tensors, with all that the library's own have."""

from __future__ import annotations

import functools

import numpy as np

from tritonnet.autograd.declared import paired
from tritonnet.autograd.gradcheck import gradcheck
from tritonnet.kernels.dtypes import is_float
from tritonnet.kernels.kernel import Kernel
from tritonnet.kernels.lab.declared import DeclaredKernel
from tritonnet.tensor import Tensor, from_numpy


class TensorKernel(DeclaredKernel):
    """A declared kernel on tensors: called, it computes on their device, and is recorded where gradients are wanted."""

    gradient: DeclaredKernel | None = None

    @functools.cached_property
    def op(self):
        """The operation on the tape."""
        return paired(self, self.gradient)

    def __call__(self, *args, **kwargs):
        """What the mirror returns, as tensors: by the mirror on the CPU, by the kernel on a device."""
        given = self.bound(args, kwargs)
        for name, value in given.items():
            if isinstance(value, (str, list, tuple, dict)) and name in self.argument_names:
                raise TypeError(f"kernel {self.name}: {name} is a {type(value).__name__}; expected a tensor, an "
                                f"array, a number or None")
        return self.op.apply(*given.values())

    def backward(self, fn=None, **declarations):
        """Declare the kernel of the gradients: as `tritonnet.kernel`, under the names of autograd/declared.py."""
        if fn is None:
            return functools.partial(self.backward, **declarations)
        self.gradient = DeclaredKernel(fn, **declarations)
        self.__dict__.pop("op", None)
        try:
            self.op  # noqa: B018  (the names must fit now, not at the first call)
        except TypeError:
            self.gradient = None
            raise
        return self.gradient

    def launch(self, grid, *args, **config):
        """`kernel[grid](…)` as in Triton, on device tensors or arrays: no mirror, no tape."""
        super().launch(grid, *map(array_of, args), **{k: array_of(v) for k, v in config.items()})

    def interpret(self, *args, **options):
        """As `DeclaredKernel.interpret`; tensors count as their NumPy arrays."""
        return super().interpret(*map(host_array, args), **{k: host_array(v) for k, v in options.items()})

    def inspect(self, *args, **options):
        """As `DeclaredKernel.inspect`; tensors count as their NumPy arrays."""
        return super().inspect(*map(host_array, args), **{k: host_array(v) for k, v in options.items()})

    def tune(self, *args, **options):
        """As `DeclaredKernel.tune`; tensors count as their NumPy arrays."""
        return super().tune(*map(host_array, args), **{k: host_array(v) for k, v in options.items()})

    def check(self, *args, configs=None, rtol=None, **kwargs) -> dict:
        """Prove the kernel: on the simulated device against its mirror in every configuration, and, where it has a
        backward, that kernel against its mirror, and the mirrors' gradients against finite differences in float64.

        Returns the largest relative error of each output and gradient. Raises `Mismatch` or `GradcheckError`.
        """
        given = {k: host_array(v) for k, v in self.bound(args, kwargs).items()}
        found = super().check(configs=configs, rtol=rtol, **given)
        if self.gradient is None:
            return found
        results = self.mirrored(given)
        results = dict(zip(self.writes, results if isinstance(results, tuple) else (results,)))
        rng = np.random.default_rng(0)
        seeds = {f"d{name}": rng.standard_normal(y.shape).astype(y.dtype) for name, y in results.items()}
        known = given | results | seeds
        found |= self.gradient.check(**{p.name: known[p.name] for p in self.gradient.takes}, rtol=rtol)
        wide = {k: from_numpy(v.astype(np.float64)).requires_grad_(f"d{k}" in self.gradient.writes)
                if isinstance(v, np.ndarray) and is_float(v.dtype) else v for k, v in given.items()}
        gradcheck(self, tuple(wide.values()))
        return found


def array_of(value):
    """The array in a tensor; all else as it is."""
    return value.array if isinstance(value, Tensor) else value


def host_array(value):
    """The NumPy array of a tensor, wherever it is; all else as it is."""
    return value.detach().cpu().array if isinstance(value, Tensor) else value


def kernel(fn=None, *, mirror=None, grid=None, flops=None, bytes=None, tune=None, arguments=None, outputs=None,
           do_not_specialize=()):
    """Make a Triton function (plain, or from @triton.jit) a kernel of tritonnet.

    With mirror and grid it is an operation on tensors: `silu(x)`; see `tritonnet.kernels.lab.declared` for what each
    declaration means, and `silu.backward`, `silu.check`, `silu.interpret`. Without them it is launched as in Triton,
    `silu[grid](x, y, n, BLOCK=1024)`, on device tensors.

        @tritonnet.kernel(mirror=lambda x: x / (1 + np.exp(-x)), arguments={"n": lambda x: x.size},
                          grid=lambda n, BLOCK: -(-n // BLOCK), tune={"BLOCK": [256, 1024], "num_warps": [4, 8]})
        def silu(x, y, n, BLOCK: tl.constexpr):
            at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
            v = tl.load(x + at, mask=at < n).to(tl.float32)  # tl.sigmoid takes no halves
            tl.store(y + at, v * tl.sigmoid(v), mask=at < n)
    """
    if fn is None:
        return functools.partial(kernel, mirror=mirror, grid=grid, flops=flops, bytes=bytes, tune=tune,
                                 arguments=arguments, outputs=outputs, do_not_specialize=do_not_specialize)
    if (mirror is None) != (grid is None):
        raise TypeError(f"kernel {fn.__name__}: mirror and grid go together: a call needs both")
    if mirror is None:
        if declared := [k for k, v in (("tune", tune), ("arguments", arguments), ("outputs", outputs)) if v]:
            raise TypeError(f"kernel {fn.__name__}: {', '.join(declared)} without mirror and grid")
        return LaunchedKernel(getattr(fn, "fn", fn), flops, bytes, do_not_specialize)
    return TensorKernel(fn, mirror, grid=grid, arguments=arguments, outputs=outputs, tune=tune, flops=flops,
                        bytes=bytes, do_not_specialize=do_not_specialize)


class LaunchedKernel(Kernel):
    """A kernel without a mirror: launched over a grid, on device tensors or arrays."""

    def launch(self, grid, *args, **config):
        """`kernel[grid](…)` as in Triton."""
        super().launch(grid, *map(array_of, args), **{k: array_of(v) for k, v in config.items()})
