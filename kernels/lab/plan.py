"""What a GPU would be asked to launch for a subject: found by running it on a device that computes nothing."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import math
import re

from tritonnet.kernels import runtime, tuning
from tritonnet.kernels.arrays import DeviceArray
from tritonnet.kernels.lab.subjects import Subject, Unknown, dtype_named
from tritonnet.kernels.runtime.driver import Target
from tritonnet.kernels.runtime.errors import OutOfMemoryError
from tritonnet.kernels.runtime.simulation.dry import GPUS, DryDriver
from tritonnet.kernels.space import Space


@dataclasses.dataclass(frozen=True)
class Planned:
    """One launch that has not happened."""

    kernel: object
    specialisation: object  # what the compiler is given
    arch: int  # 90 for sm_90
    grid: tuple | None  # None: nobody knows
    flops: int | None  # None: the kernel does not declare it
    bytes: int | None
    known: dict  # parameters (of arrays only the type), itemsize and gpu: what a space may ask for
    config: dict  # values of what the kernel's space names, or of its launch options where it has none
    key: str | None = None  # under which tables of tuned configurations are asked; None: they are not
    origin: str = "default"  # of the configuration: "given", "tuned" or "default"

    name = property(lambda self: self.kernel.name)
    constants = property(lambda self: self.specialisation.constants, doc="every constexpr by name")
    options = property(lambda self: self.specialisation.options, doc="num_warps, num_stages, …")
    target = property(lambda self: Target("cuda", self.arch), doc="what it is compiled for")
    gpu = property(lambda self: GPUS[self.arch], doc="`Properties` of a GPU of that architecture")

    @property
    def programs(self) -> int:
        """How many programs the grid has; 0 if that is not known."""
        return math.prod(self.grid) if self.grid else 0

    def candidates(self) -> list[dict]:
        """The configurations of the kernel's space that make sense here; none where it declares no space."""
        return candidates(self.kernel, self.known)


def candidates(kernel, known) -> list[dict]:
    """The configurations that a kernel may take: its `Space`, or the list that it was given."""
    space = kernel.space
    if space is None:
        return []
    return space.candidates(known) if isinstance(space, Space) else [dict(config) for config in space]


def names_of(kernel) -> tuple[str, ...]:
    """What a configuration of the kernel gives values to; () where it declares no space."""
    space = kernel.space
    if space is None:
        return ()
    return space.names if isinstance(space, Space) else tuple(dict.fromkeys(name for c in space for name in c))


def choices_of(kernel) -> dict:
    """{name: the values that the kernel's space gives it}; {} for a list of configurations."""
    return kernel.space.choices if isinstance(kernel.space, Space) else {}


def arch_named(arch) -> int:
    """90 for 90, "90", "sm_90", "sm90", "9.0", or the name of a GPU that is known; Unknown for others."""
    text = str(arch).lower()
    digits = re.fullmatch(r"(?:sm_?)?(\d+)(?:\.(\d))?[a-z]?", text)
    if digits and int(digits[1] + (digits[2] or "")) in GPUS:
        return int(digits[1] + (digits[2] or ""))
    for number, gpu in GPUS.items():
        if text in gpu.name.lower().replace("-", " ").split():
            return number
    raise Unknown(f"unknown architecture {arch!r}: one of "
                  f"{', '.join(f'sm_{number} ({gpu.name})' for number, gpu in GPUS.items())}")


def launches(subject: Subject, dims: dict | None = None, dtype="float32", arch=90, config: dict | None = None) -> list:
    """Every launch of a subject in order, as `Planned`.

    dims: as `Subject.arrays` takes them. config: values for what the spaces of its kernels name; the rest of a
    kernel's configuration stays as it is without. Raises Unknown, saying what there is.
    """
    if hasattr(subject, "launches"):  # a kernel that is compiled from types alone
        return subject.launches(arch_named(arch), config)
    arch, dtype = arch_named(arch), dtype_named(dtype)
    if dtype.name not in subject.dtypes:
        raise Unknown(f"{subject.name} takes {', '.join(subject.dtypes)}, not {dtype.name}")
    found = _run(subject, dims, dtype, arch, {})
    if config:
        found = _run(subject, dims, dtype, arch, completed(subject, found, config))
    return [p for p in found if subject.only in (None, p.kernel)]


def completed(subject, found, config) -> dict:
    """{kernel: a whole configuration} with these values, the rest as in the launches `found`."""
    known, found = {}, [p for p in found if subject.only in (None, p.kernel)]
    for planned in found:
        if planned.kernel.space is not None:
            known.setdefault(planned.kernel, planned.config)
    names = {name for whole in known.values() for name in whole}
    if not known:
        raise Unknown(f"{subject.name} has no configuration to choose: its kernels "
                      f"({', '.join(dict.fromkeys(p.name for p in found))}) declare no space")
    if wrong := [name for name in config if name not in names]:
        told = "; ".join(f"{kernel.name} has {', '.join(f'{k}={v}' for k, v in whole.items())}"
                         for kernel, whole in known.items())
        close = difflib.get_close_matches(wrong[0].upper(), names, n=1)
        raise Unknown(f"{subject.name} has no {', '.join(wrong)} in its configuration"
                      f"{f' (did you mean {close[0]}?)' if close else ''}: {told}")
    if wrong := [f"{k}={v}" for k, v in config.items() if v is not None and not (isinstance(v, int) and (
            v > 0 or v is False or any(v in choices_of(kernel).get(k, ()) for kernel in known)))]:
        raise Unknown(f"{subject.name}: {', '.join(wrong)} cannot be: a configuration has positive numbers")
    return {kernel: whole | {k: v for k, v in config.items() if k in whole} for kernel, whole in known.items()}


def _run(subject, dims, dtype, arch, configs):
    found = []
    with contextlib.ExitStack() as stack:
        device = stack.enter_context(runtime.simulated(driver=DryDriver, arch=arch))
        for kernel, config in configs.items():
            stack.enter_context(tuning.forced(kernel, config))
        keys = stack.enter_context(tuning.asked())

        def note(launch):
            key = next((key for kernel, key in reversed(keys) if kernel is launch.kernel), None)
            tuned = key is not None and tuning.look_up(launch.kernel, device, key) is not None
            found.append(planned(launch, arch, key, "given" if launch.kernel in configs else
                                 "tuned" if tuned else "default"))

        try:
            inputs = subject.arrays(dims, dtype, device)
            with runtime.watching(note):
                subject.run(*inputs)
        except OutOfMemoryError:
            raise Unknown(f"{subject.name}: these sizes need more memory than the {device.total_memory >> 30} GiB of a "
                          f"{device.name}") from None
    return found


def planned(launch, arch, key=None, origin="default") -> Planned:
    """What is kept of a launch."""
    arrays = [value for value in launch.args if isinstance(value, DeviceArray)]
    known = {name: value.dtype if isinstance(value, DeviceArray) else value for name, value in launch.arguments.items()}
    known |= {"itemsize": arrays[0].itemsize, "gpu": GPUS[arch]}
    specialisation = launch.compiled.specialisation
    values = specialisation.constants | specialisation.options
    config = {name: values[name] for name in names_of(launch.kernel) or ("num_warps", "num_stages")}
    return Planned(launch.kernel, specialisation, arch, launch.grid, launch.flops, launch.bytes, known, config,
                   key, origin)
