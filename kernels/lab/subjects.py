"""What the lab works on: named operations of the library, and kernels of one's own.

    found = subject("matmul")                        # or "softmax_backward", "gemm_kernel", "file.py:kernel"
    for dims in found.shapes("4096x4096x64"):        # {"M": 4096, "N": 4096, "K": 64}
        found.run(*found.arrays(dims, "float16"))    # the mirror, on host arrays; on a device's the kernels
        launches(found, dims, "float16", arch=90)    # what a GPU would be asked to do; no GPU is needed

The library's own are declared in `library`, users' kernels become subjects in `own`, `plan` has the launches.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import typing

import numpy as np

from tritonnet.kernels.arrays import device_of, empty, to_device
from tritonnet.kernels.dtypes import bfloat16

DTYPES = {name: np.dtype(name) for name in ("float32", "float16", "float64")} | {"bfloat16": np.dtype(bfloat16)}
SHORT = {"fp32": "float32", "f32": "float32", "fp16": "float16", "f16": "float16", "half": "float16",
         "bf16": "bfloat16", "fp64": "float64", "f64": "float64"}
FLOATS = ("float32", "float16", "bfloat16")
ALL_FLOATS = (*FLOATS, "float64")
_declared: dict[str, Subject] = {}


class Unknown(ValueError):
    """A subject, dimension, type, architecture or configuration that does not exist; the message says which do."""


@dataclasses.dataclass(frozen=True)
class Subject:
    """An operation whose launches can be inspected, tuned and measured."""

    name: str
    summary: str
    dims: dict  # name -> default; capitals are sizes, the others parameters such as stride
    declaration: typing.Callable  # (make, **dims) -> what `run` takes
    run: typing.Callable  # the mirror on host arrays, the kernels on a device's
    dtypes: tuple = FLOATS
    only: object = None  # the kernel that is meant, where the subject was named by one

    def arrays(self, dims: dict | None = None, dtype="float32", like=None, seed=0) -> tuple:
        """What `run` takes: fresh arrays where `like` is (a device, an array, None for the host), and plain values.

        dims: those that differ from the defaults. Uniform in [-1, 1), the same on every device; on a device that
        computes nothing they are not filled.
        """
        return self.declaration(Make(dtype_named(dtype), like, seed), **(self.dims | self.checked(dims or {})))

    def checked(self, dims: dict) -> dict:
        """The same, or Unknown for a name or size that cannot be."""
        if wrong := [name for name in dims if name not in self.dims]:
            raise Unknown(f"{self.name} has no dimension {', '.join(wrong)}: it has {self.dims_told}")
        for name, size in dims.items():
            if size < (0 if name in ("padding", "causal") else 1):
                raise Unknown(f"{self.name}: {name}={size} is not a size")
        return dims

    @property
    def dims_told(self) -> str:
        """The dimensions with their defaults, as they are typed."""
        return ", ".join(f"{name}={size}" for name, size in self.dims.items())

    def shapes(self, text: str | None) -> list[dict]:
        """All dimensions of each shape in a text: "4096x4096x64", "M=4096,K=64", several by spaces or commas.

        A list of sizes gives the capital dimensions in their order; "64x64,stride=2" adds others. What is not given
        keeps its default. None or "": the defaults.
        """
        found = []
        for group in (text or "").replace(";", " ").split():
            named = None  # dimensions that this group's last shape names
            for item in filter(None, group.split(",")):
                name, equals, size = item.partition("=")
                if not equals:
                    found.append(self._sizes(item))
                    named = set()
                    continue
                if named is None:
                    found.append({})
                    named = set()
                if name in named:
                    raise Unknown(f"{self.name}: {name} is given twice in {group!r}; put spaces between shapes")
                named.add(name)
                found[-1] |= self.checked({name: _size(self, size, item)})
        return [self.dims | given for given in found] or [dict(self.dims)]

    def _sizes(self, text) -> dict:
        """{"M": 4096, …} of "4096x4096x64"."""
        names = [name for name in self.dims if name[0].isupper()]
        sizes = text.lower().split("x")
        if len(sizes) not in (len(names), len(self.dims)):
            raise Unknown(f"{self.name}: {text!r} has {len(sizes)} size{'s' * (len(sizes) != 1)}, it needs "
                          f"{len(names)}: {'x'.join(names)}; or name some of {self.dims_told}")
        names = list(self.dims) if len(sizes) == len(self.dims) else names
        return self.checked({name: _size(self, size, text) for name, size in zip(names, sizes)})


def _size(subject, text, item) -> int:
    try:
        return int(text)
    except ValueError:
        raise Unknown(f"{subject.name}: {item!r} is no shape; write {'x'.join(map(str, subject.dims.values()))} or "
                      f"{subject.dims_told}") from None


class Make:
    """Makes a subject's arrays: `make(M, K)`."""

    def __init__(self, dtype, like=None, seed=0):
        self.dtype, self.device, self.random = dtype, device_of(like), np.random.default_rng(seed)
        self.filled = self.device is None or getattr(self.device.driver, "execute", True)

    def __call__(self, *shape, low=-1.0, high=1.0, dtype=None):
        """Uniform in [low, high)."""
        dtype = self.dtype if dtype is None else np.dtype(dtype)
        if not self.filled:
            return empty(shape, dtype, self.device)
        values = self.random.random(shape, np.float64 if dtype.itemsize == 8 else np.float32)
        return self._placed((values * (high - low) + low).astype(dtype))

    def integers(self, below, *shape):
        """int64 in [0, below)."""
        if not self.filled:
            return empty(shape, np.dtype(np.int64), self.device)
        return self._placed(self.random.integers(0, below, shape))

    def zeros(self, *shape, dtype=None):
        """Zeros."""
        dtype = self.dtype if dtype is None else np.dtype(dtype)
        return empty(shape, dtype, self.device) if not self.filled else self._placed(np.zeros(shape, dtype))

    def _placed(self, array):
        return array if self.device is None else to_device(array, self.device)


def declare(name: str, run: typing.Callable, dtypes=FLOATS, **dims):
    """Decorate `f(make, **dims) -> what run takes` as the declaration of a subject; its docstring says what it is."""

    def note(declaration):
        _declared[name] = Subject(name, declaration.__doc__.strip(), dims, declaration, run, dtypes)
        return declaration

    return note


def images(make, N, C, H, W):
    """(N, C, H, W), channels last in memory."""
    return make(N, H, W, C).transpose(0, 3, 1, 2)


def dtype_named(name) -> np.dtype:
    """A float type by one of its names."""
    if isinstance(name, np.dtype):
        return name
    found = DTYPES.get(SHORT.get(str(name).lower(), str(name).lower()))
    if found is None:
        raise Unknown(f"unknown dtype {name!r}: one of {', '.join(DTYPES)}")
    return found


def every_subject() -> dict[str, Subject]:
    """Every named operation of the library."""
    from tritonnet.kernels.lab import (  # noqa: F401  (they declare them)
        library,
        library_conv,
        library_elements,
        library_rows,
    )

    return _declared


@functools.cache
def kernels_named() -> dict[str, tuple]:
    """{name of a kernel: (a subject that launches it, the kernel)}, by running every subject dry."""
    from tritonnet.kernels.lab.plan import launches

    found = {}
    for each in every_subject().values():
        for planned in launches(each):
            found.setdefault(planned.kernel.name, (each, planned.kernel))
    return found


def subject(name, **own) -> Subject:
    """What a name stands for: an operation, a kernel of the library, "module:kernel" or "path/to/file.py:kernel".

    Instead of its name a kernel itself will do (in a notebook it is in no file), and a subject stands for itself.
    own: for kernels of one's own, see `own.own`. Raises Unknown, with names that come close.
    """
    if isinstance(name, Subject):
        return name
    if isinstance(name, str) and name.endswith(".py"):
        name += ":"  # which says what kernels there are
    if not isinstance(name, str) or ":" in name:
        from tritonnet.kernels.lab.own import own as load

        return load(name, **own)
    found = every_subject().get(name)
    if found is not None:
        return found
    if name.endswith("_kernel") and name in kernels_named():
        each, kernel = kernels_named()[name]
        return dataclasses.replace(each, name=name, summary=f"as {each.name} launches it", only=kernel)
    names = [*every_subject(), *(kernels_named() if name.endswith("kernel") else ())]
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5) or [n for n in names if name in n][:3]
    raise Unknown(f"no kernel {name!r}" + (f"; close: {', '.join(close)}" if close else "") +
                  f"; there are: {', '.join(every_subject())}; your own: module:function or path/to/file.py:function")
