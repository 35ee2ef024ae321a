"""Methods that fill a tensor with random numbers, in place."""

from __future__ import annotations

import numpy as np

from tritonnet.autograd.function import make
from tritonnet.autograd.mode import state
from tritonnet.kernels import arrays, dtypes
from tritonnet.kernels import rng as kernels
from tritonnet.kernels.strided import copy_to
from tritonnet.tensor.memory import check_apart
from tritonnet.tensor.rng import _inner, bernoulli, multinomial


class Rng:
    """Methods of Tensor that fill it with random numbers, in place."""

    __slots__ = ()

    def _fill_random(self, fill, *args, generator=None):
        from tritonnet.autograd.tape import modified

        self._check_inplace()
        check_apart(self.array)
        if state.grad and self.requires_grad:
            drawn = self.new_empty(self.shape)
            fill(drawn.array, *args, generator=_inner(generator))
            return self.copy_(drawn)
        fill(self.array, *args, generator=_inner(generator))
        modified(self.array)
        return self

    def uniform_(self, a=0.0, b=1.0, *, generator=None, **bounds):
        """Uniform numbers from [a, b)."""
        low, high = float(bounds.get("from", a)), float(bounds.get("to", b))
        return self._fill_random(kernels.uniform, low, high, generator=generator)

    def normal_(self, mean=0.0, std=1.0, *, generator=None):
        """Normal numbers."""
        return self._fill_random(kernels.normal, float(mean), float(std), generator=generator)

    def bernoulli_(self, p=0.5, *, generator=None):
        """1 with probability p (a number or a tensor), else 0."""
        return self._fill_random(kernels.bernoulli, getattr(p, "array", p), generator=generator)

    def random_(self, low=0, high=None, *, generator=None):
        """Integers from [low, high), or [0, low), or all that the type can hold exactly."""
        if high is None:
            low, high = 0, low or _limit(self.array.dtype)
        return self._fill_random(kernels.randint, int(low), int(high), generator=generator)

    def exponential_(self, lambd=1.0, *, generator=None):
        """Exponentially distributed numbers of rate lambd."""
        if not lambd > 0:
            raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd}")
        return self._derived(self._unit(generator).neg().log1p() * (-1.0 / lambd))

    def cauchy_(self, median=0.0, sigma=1.0, *, generator=None):
        """Numbers of the Cauchy distribution."""
        if not sigma > 0:
            raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma}")
        return self._derived((self._unit(generator) - 0.5).mul(np.pi).tan() * sigma + median)

    def geometric_(self, p, *, generator=None):
        """How many trials it takes until one with probability p succeeds: 1, 2, …."""
        if not 0 < p < 1:
            raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p}")
        return self._derived((self._unit(generator).neg().log1p() / np.log1p(-p)).floor() + 1)

    def log_normal_(self, mean=1.0, std=2.0, *, generator=None):
        """exp of normal numbers."""
        if not std > 0:
            raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std}")
        drawn = kernels.normal(arrays.empty_like(self.array), float(mean), float(std), _inner(generator))
        return self._derived(make(drawn).exp())

    def _unit(self, generator):
        """Uniform numbers from [0, 1) of this shape; of the default type where this one holds integers."""
        dtype = self.array.dtype if dtypes.is_float(self.array.dtype) else dtypes.default_float
        unit = arrays.empty_like(self.array, dtype)
        kernels.uniform(unit, generator=_inner(generator))
        return make(unit)

    def _derived(self, values):
        from tritonnet.autograd.tape import modified

        self._check_inplace()
        check_apart(self.array)
        if arrays.is_host(self.array):
            self.array[...] = values.array
        else:
            copy_to(self.array, values.to(self.dtype).array)
        modified(self.array)
        return self

    bernoulli = bernoulli
    multinomial = multinomial


def _limit(dtype):
    """Where random_() ends: what a type can hold exactly."""
    if dtypes.is_float(dtype):
        return 2 ** {2: 8 if dtype == dtypes.bfloat16 else 11, 4: 24, 8: 53}[dtype.itemsize]
    return 2 if dtype == dtypes.bool_ else int(np.iinfo(dtype).max)
