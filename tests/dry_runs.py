"""Which kernels run where, learned by running everything on devices that compute nothing.

    for run in runs(device): ...        # every operation's samples, the other kernels' exercises, full-size shapes

`runs` on a `DryDriver` shows what a GPU would be asked to compile; on one with gpu=False, what the suite interprets.
"""

from __future__ import annotations

import collections
import importlib
import math
import pkgutil
import typing
import zlib

import numpy as np

from tests.exercises import EXERCISES
from tests.full_size import ELEMENTS, WITHOUT_TAPE, elementwise, full_size
from tests.oracles import DTYPES, dtypes_of, name, outputs_of, tensors
from tritonnet import kernels
from tritonnet.autograd.function import make
from tritonnet.autograd.samples import FLOAT_DTYPES, every_sample
from tritonnet.kernels import runtime
from tritonnet.kernels.arrays import empty
from tritonnet.kernels.kernel import Kernel
from tritonnet.kernels.runtime.simulation import DryDriver
from tritonnet.kernels.runtime.source import describe


class Run(typing.NamedTuple):
    """What one piece of work launched."""

    kind: str  # "sample", "exercise" or "full size"
    label: str
    dtype: str
    case: typing.Any  # (operation, number, sample) of a sample, else None
    launches: list  # of runtime.Launch
    differentiated: bool  # whether there was something to differentiate


def declared_kernels() -> list[Kernel]:
    """Every kernel that a module of the ground floor defines; generated ones come into being when they are launched."""
    found = {}
    for module in pkgutil.walk_packages(kernels.__path__, kernels.__name__ + "."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, Kernel):
                found[id(value)] = value
    return list(found.values())


def dry_device(arch=90, gpu=True):
    """A device that computes nothing: a GPU, or (gpu=False) the simulated device."""
    return runtime.simulated(driver=DryDriver, arch=arch, gpu=gpu)


def runs(device, kinds=("full size", "sample", "exercise")):
    """Run everything on a dry device; one `Run` after the other."""
    for kind in kinds:
        for label, dtype, case, work in {"sample": _samples, "exercise": _exercises, "full size": _full_size}[kind]():
            launches, downloads, differentiated = [], device.driver.counts["download"], False
            try:
                with runtime.watching(launches.append):
                    differentiated = work(device) is True
            except Exception as error:
                if device.driver.counts["download"] == downloads:
                    error.add_note(f"in a dry run of {label} in {dtype} on {device.name}")
                    raise
                # it looked at values, which are not the true ones here: the rest of its launches is not seen
            yield Run(kind, label, dtype, case, launches, differentiated)


def _samples():
    for case in every_sample():
        op, _, sample = case
        if sample.raises:
            continue
        for dtype in dtypes_of(sample):
            args, kwargs = sample.cast(dtype)
            yield name(case), dtype, case, lambda device, op=op, args=args, kwargs=kwargs, grad=sample.grad: (
                _forward_and_backward(op, tensors(args, device, grad), kwargs, device))


def _exercises():
    for label, (exercise, dtypes) in EXERCISES.items():
        for dtype in dtypes:
            yield label, dtype, None, lambda device, exercise=exercise, dtype=dtype: exercise(device, DTYPES[dtype])


def _full_size():
    for op, args, kwargs in elementwise():
        for dtype in FLOAT_DTYPES if any(_is_float(a) for a in args) else FLOAT_DTYPES[:1]:
            yield f"{op.__name__} at full size", dtype, None, (
                lambda device, op=op, args=args, kwargs=kwargs, dtype=dtype: _forward_and_backward(
                    op, [_widened(a, DTYPES[dtype], device) for a in args], kwargs, device))
    for op, arguments in full_size():
        given = arguments(lambda *shape: shape, lambda *shape: shape)
        sizes = ", ".join("x".join(map(str, a)) if type(a) is tuple else str(a) for a in given)
        for dtype in FLOAT_DTYPES:
            yield f"{op.__name__} at full size, {sizes}", dtype, None, (
                lambda device, op=op, arguments=arguments, dtype=dtype: _forward_and_backward(
                    op, arguments(*_makers(device, DTYPES[dtype])), {}, device))
    for work in WITHOUT_TAPE:
        for dtype in FLOAT_DTYPES:
            yield f"{work.__name__} at full size", dtype, None, (
                lambda device, work=work, dtype=dtype: work(device, DTYPES[dtype]))


def _is_float(a):
    return isinstance(a, np.ndarray) and a.dtype == np.float64


def _widened(a, dtype, device):
    """A full-size tensor in place of a sample's array."""
    if not isinstance(a, np.ndarray):
        return a
    t = make(empty(ELEMENTS, dtype if _is_float(a) else a.dtype, device))
    t.requires_grad = _is_float(a)
    return t


def _makers(device, dtype):
    """f(*shape), a float tensor that requires a gradient, and i(*shape), an integer one."""

    def floats(*shape):
        t = make(empty(shape, dtype, device))
        t.requires_grad = True
        return t

    return floats, lambda *shape: make(empty(shape, np.dtype(np.int64), device))


def _forward_and_backward(op, args, kwargs, device):
    """Whether there was something to differentiate."""
    live = [y for y in outputs_of(op, args, kwargs) if y.requires_grad]
    for y in live:
        y.backward(make(empty(tuple(y.shape), y.array.dtype, device)), retain_graph=True)
    return bool(live)


def identity(specialisation) -> tuple:
    """What the machine code depends on, but for the divisibility of arguments."""
    kernel, signature, constants, _, options = specialisation
    return (kernel.name, kernel.key, tuple(signature.items()), tuple((k, describe(v)) for k, v in constants.items()),
            tuple(sorted(options.items())))


class Asked(typing.NamedTuple):
    """A specialisation that something asked for, the first one to do so, and its rank: what matters most is 0."""

    specialisation: typing.Any
    run: Run
    rank: int
    order: int  # in which they were asked for


def specialisations(arch) -> dict[tuple, list[Asked]]:
    """{(module, kernel name): what a GPU of this kind is asked to compile, the most telling first}.

    Of those that differ only in which arguments are known to be divisible by 16, the one with the most is kept: its
    loads are the widest, and take the most registers. First come, of each combination of types and flags, the largest
    blocks, those of full-size shapes in front.
    """
    best = {}
    with dry_device(arch) as device:
        for done in runs(device):
            launches, done = done.launches, done._replace(launches=[])  # whose arguments would fill the device
            for launch in launches:
                new = launch.compiled.specialisation
                key = identity(new)
                known, first = best.get(key, (new, done))
                wider = new if len(new.divisible) > len(known.divisible) else known
                best[key] = wider, done if done.kind == "full size" != first.kind else first
    alike = collections.defaultdict(list)
    for order, (new, done) in enumerate(best.values()):
        flags = tuple((k, describe(v)) for k, v in new.constants.items() if type(v) is not int)
        alike[new.kernel.name, new.kernel.key, tuple(new.types), flags].append((new, done, order))
    by_name = collections.defaultdict(list)
    for group in alike.values():
        group.sort(key=lambda one: (one[1].kind != "full size", -elements_per_warp(one[0]), one[1].label))
        for rank, (new, done, order) in enumerate(group):
            by_name[new.kernel.fn.__module__, new.kernel.name].append(Asked(new, done, rank, order))
    for asked in by_name.values():
        asked.sort(key=lambda a: (a.rank, a.run.kind != "full size",
                                  zlib.crc32(f"{a.run.label} {a.run.dtype}".encode())))
    return by_name


def elements_per_warp(specialisation) -> float:
    """Roughly: the product of the sizes among the constants, by the number of warps."""
    sizes = [v for v in specialisation.constants.values() if type(v) is int and v > 0]
    return math.prod(sizes) / specialisation.options["num_warps"]
