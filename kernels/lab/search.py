"""Tuning: which configuration of a kernel is fastest for given shapes.

    found = tune("matmul", "4096x4096x4096", dtype="float16")      # on the GPU; without one: predicted
    print(found[0]); found[0].best.config
    found[0].store()

1. Every configuration in the kernel's declared space is ranked by `prediction`, and the most promising are compiled,
   in parallel: what spills, or does not fit into shared memory, is out.
2. A candidate must give the mirror's numbers at sizes that cover its tiles' edges before it may win: on the GPU, or on
   the simulated device.
3. On a GPU candidates are timed in turns, as graphs that rotate over inputs larger than the L2 cache; rounds in which
   the GPU was throttled are dropped; who is slower than the best by more than both intervals allow leaves early.
   Without a GPU the prediction decides, and everything says so.
"""

from __future__ import annotations

import itertools
import math
import statistics

import numpy as np

from tritonnet.kernels import runtime, tuning
from tritonnet.kernels.arrays import DeviceArray, to_host
from tritonnet.kernels.dtypes import is_float
from tritonnet.kernels.lab import provenance
from tritonnet.kernels.lab.candidates import Candidate, Tuning
from tritonnet.kernels.lab.compiling import warm
from tritonnet.kernels.lab.declared import TOLERANCE
from tritonnet.kernels.lab.device_timing import CLOCK_TOLERANCE, Replays, calls_for, eager_us
from tritonnet.kernels.lab.plan import arch_named, launches
from tritonnet.kernels.lab.subjects import Unknown, dtype_named, every_subject, subject
from tritonnet.kernels.lab.telemetry import SLOWDOWNS, watching
from tritonnet.kernels.runtime.compiler import triton_version
from tritonnet.kernels.runtime.simulation.dry import GPUS

COMPILED = 32  # candidates that are compiled, at most
ROUNDS, SAMPLES = 12, 4  # of timing; samples per candidate in each round
HOPELESS = 1.5  # times as slow as the best in the first round: out at once
TIE = 0.01  # the default stays where what is predicted for another is not better by more
MOST_COPIES = 16  # of the inputs
MOST_PROGRAMS = 64  # over rows, where a candidate is validated
TILES = "BLOCK", "ROWS", "COLS", "BN", "BC", "BL", "QUADS"  # how the sizes of tiles begin


def tune(name, shapes=None, dtype="float32", arch=None, device=None, compiled=COMPILED, rounds=ROUNDS, progress=None,
         config=None) -> list[Tuning]:
    """Tune every kernel of a subject that declares a space, for each shape; a `Tuning` for each.

    name: a subject, its name, or a kernel. shapes: as `Subject.shapes`. arch: predict for it, also where a GPU is
    there. device: which GPU (default: the current one, where there is one). progress: called with a text when something
    is done.
    """
    chosen = subject(name)
    if device is None and arch is None and runtime.is_available() and not runtime.current_device().simulated:
        device = runtime.current_device()
    number = arch_named(arch or (90 if device is None else device.driver.target.arch))
    tell = progress or (lambda text: None)
    dims_wanted = [chosen.dims | shapes] if isinstance(shapes, dict) else chosen.shapes(shapes)
    return [_tune_one(chosen, dims, dtype_named(dtype), number, device, kernel, compiled, rounds, tell, config or {})
            for dims in dims_wanted for kernel in _tunable(chosen, dims, dtype, number)]


def _tunable(chosen, dims, dtype, arch) -> list:
    """The kernels of a subject that declare a space."""
    found = launches(chosen, dims, dtype, arch)
    kernels = list(dict.fromkeys(p.kernel for p in found if p.kernel.space is not None))
    if not kernels:
        raise Unknown(f"{chosen.name} has nothing to tune: its kernels "
                      f"({', '.join(dict.fromkeys(p.name for p in found))}) declare no space of configurations")
    return kernels


def _tune_one(chosen, dims, dtype, arch, device, kernel, compiled, rounds, tell, fixed):
    """One kernel, one shape."""
    default = next(p for p in launches(chosen, dims, dtype, arch) if p.kernel is kernel)
    whole_space = default.candidates()
    space = [c for c in whole_space if fixed.items() <= c.items()]
    if wrong := [name for name in fixed if whole_space and name not in whole_space[0]]:
        raise Unknown(f"{kernel.name} has no {', '.join(wrong)} in its space, which names {', '.join(whole_space[0])}")
    if not space:
        raise Unknown(f"{kernel.name}: no configuration of its space fits {dims}" +
                      (f" with {fixed}" if fixed else ""))
    whole = default.config if set(default.config) == set(space[0]) else None
    ranked = [Candidate(config) for config in space]
    for candidate in ranked:
        candidate.plan(chosen, dims, dtype, arch, kernel)
    ranked = [candidate for candidate in ranked if candidate.taken]
    ranked.sort(key=lambda c: (c.predicted_us, sorted(c.config.items())))
    tell(f"{kernel.name}: {len(space)} configurations ranked")
    first = ranked[:compiled]
    if whole and not any(c.config == whole for c in first):
        mine = Candidate(dict(whole))
        mine.plan(chosen, dims, dtype, arch, kernel)
        first.append(mine)
    _compile(chosen, dims, dtype, arch, kernel, first, tell)
    for candidate in ranked[compiled:]:
        candidate.state = "not compiled: others promise more"
    usable = [c for c in first if c.usable]
    usable.sort(key=lambda c: (c.predicted_us * (1 - TIE if c.config == whole else 1), sorted(c.config.items())))
    if device is None:
        best = _first_valid(chosen, dims, dtype, kernel, usable, tell)
        about = provenance.machine() | {"device": GPUS[arch].name, "predicted": True}
    else:
        valid = [c for c in usable if validate(chosen, dims, dtype, kernel, c, device)]
        tell(f"{kernel.name}: {len(valid)} of {len(usable)} give the mirror's numbers")
        clocks = _time(chosen, dims, dtype, kernel, valid, device, rounds, tell) if valid else None
        best = min((c for c in valid if c.us), key=lambda c: c.us, default=None)
        about = provenance.about(device) | {"predicted": False, "clocks": clocks}
    everything = [*first, *[c for c in ranked[compiled:] if c not in first]]
    return Tuning(chosen.name, kernel, dims, dtype.name, arch, everything, best, whole, about,
                  _key(chosen, dims, dtype, arch, kernel), device)


def _key(chosen, dims, dtype, arch, kernel) -> str:
    """What the launch asks the tables for."""
    with tuning.asked() as seen:
        launches(chosen, dims, dtype, arch)
    return next(key for asking, key in seen if asking is kernel)


def _compile(chosen, dims, dtype, arch, kernel, candidates, tell):
    """Compile all, in parallel where other processes find the kernel; note what came out. DeviceError: no Triton."""
    triton_version()
    if len(candidates) > 1 and _importable(chosen):
        warm(chosen.name, dims, dtype.name, arch, kernel.name, [c.config for c in candidates],
             lambda n: tell(f"{kernel.name}: {n} of {len(candidates)} compiled"))
    for candidate in candidates:
        candidate.compile()


def _importable(chosen) -> bool:
    """Whether another process finds a subject by its name: not what a notebook or a main program defined."""
    return every_subject().get(chosen.name) is chosen or chosen.only is not None or ":" in chosen.name


def _first_valid(chosen, dims, dtype, kernel, usable, tell):
    """The best predicted candidate that gives the mirror's numbers on the simulated device."""
    for candidate in usable:
        with runtime.simulated(own_blocks=True) as device:
            tell(f"{kernel.name}: validating {candidate}")
            if validate(chosen, dims, dtype, kernel, candidate, device):
                return candidate
    return None


def validate(chosen, dims, dtype, kernel, candidate, device) -> bool:
    """Whether a candidate gives the mirror's numbers at sizes that cover the edges of its tiles."""
    small = edges(chosen, dims, candidate.config)
    try:
        expected = chosen.run(*chosen.arrays(small, dtype))
        with tuning.forced(kernel, candidate.config):
            found = chosen.run(*chosen.arrays(small, dtype, device))
        candidate.valid = all(alike(f, e) for f, e in zip(_arrays(found), _arrays(expected), strict=True))
        if not candidate.valid:
            candidate.state = f"WRONG numbers at {small}"
    except Exception as error:
        candidate.valid = False
        candidate.state = f"fails at {small}: {type(error).__name__}: {str(error).splitlines()[0][:120]}"
    return candidate.valid


def edges(chosen, dims, config) -> dict:
    """Small sizes at which a configuration has both whole tiles and rests, in every direction."""
    tile = {k: 4 * v if k == "QUADS" else v for k, v in config.items() if k.startswith(TILES)}
    most = max(tile.values(), default=16)
    rest = 8 if config.get("DESCRIPTORS") else 3  # of 16 bytes, in the narrowest of types
    room = dict.fromkeys(dims, most + rest)
    if config.get("RESIDENT") and "N" in dims:  # more tiles than multiprocessors are simulated
        room["N"] = 3 * most + rest
    if {"H", "W"} <= dims.keys():  # images: their pixels fill the tiles together
        room |= {"H": 9, "W": 11, "N": 3}
    elif {"N", "C"} <= dims.keys():  # rows: not more of them than some dozens of programs take
        rows = MOST_PROGRAMS * math.prod(tile.values()) // min(dims["C"], room["C"])
        room["N"] = min(most, max(rows, 2 * config.get("ROWS", 1))) + rest
    if "B" in dims:
        room["B"] = 2
    grouped = dims.get("groups", 1) > 1
    if any(isinstance(size, tuple) for size in dims.values()):  # the arrays that a kernel of one's own takes
        return {name: tuple(min(n, most + 3) for n in size) if isinstance(size, tuple) else size
                for name, size in dims.items()}
    return {name: size if not name[0].isupper() or name in "RS" or (grouped and name in "CO") else
            min(size, room[name]) for name, size in dims.items()}


def _arrays(result):
    """The arrays of a result, on the host."""
    if isinstance(result, (np.ndarray, DeviceArray)):
        return [to_host(result)]
    return [a for part in result for a in _arrays(part)] if isinstance(result, (tuple, list)) else []


def alike(found, expected) -> bool:
    """Whether a device's numbers are the mirror's: within the rounding of sums in another order."""
    if found.shape != expected.shape:
        return False
    if not is_float(expected.dtype):
        return bool(np.array_equal(found, expected))
    wide = expected.astype(np.float64)
    scale = np.abs(wide[np.isfinite(wide)]).max(initial=0) or 1.0
    allowed = 5 * TOLERANCE[np.dtype(expected.dtype)] * scale
    return bool(np.allclose(found.astype(np.float64), wide, rtol=0, atol=allowed, equal_nan=True))


def _time(chosen, dims, dtype, kernel, candidates, device, rounds, tell) -> dict | None:
    """Time in turns, dropping the hopeless; fills in us, low and high. Returns what the clocks were."""
    inputs = _rotating(chosen, dims, dtype, device)
    running = {}
    for candidate in candidates:
        with tuning.forced(kernel, candidate.config):
            turns = itertools.cycle(inputs)
            step = lambda turns=turns: chosen.run(*next(turns))
            calls = calls_for(eager_us(step, device.synchronize))
            running[id(candidate)] = candidate, Replays(device, step, -(-calls // len(inputs)) * len(inputs))
    with watching(device) as telemetry:
        for number in range(rounds):
            order = list(running.values())
            for candidate, replays in order if number % 2 == 0 else order[::-1]:
                mark = telemetry.mark()
                samples = [replays.sample() for _ in range(SAMPLES)]
                seen = telemetry.since(mark)
                candidate.samples.append((statistics.median(samples), seen["mhz"] if seen else None,
                                          bool(seen and seen["reasons"] & SLOWDOWNS)))
            settle([candidate for candidate, _ in running.values()])
            best = min((c for c, _ in running.values()), key=lambda c: c.us)
            for key, (candidate, _) in list(running.items()):
                if candidate.us > HOPELESS * best.us or (number >= 3 and candidate.low > best.high):
                    candidate.state = f"stopped after {number + 1} rounds: {candidate.us / best.us:.2f} times the best"
                    del running[key]
            tell(f"{kernel.name}: round {number + 1} of {rounds}, {len(running)} left, best {best.us:.1f} us")
            if len(running) == 1 and number >= 3:
                break
        return telemetry.since()


def settle(candidates):
    """Medians and 95 % intervals of what was sampled, without rounds in which the GPU was slowed down."""
    clocks = [mhz for c in candidates for _, mhz, _ in c.samples if mhz]
    usual = statistics.median(clocks) if clocks else None
    for c in candidates:
        good = sorted(us for us, mhz, slow in c.samples if not slow and (
            usual is None or mhz is None or abs(mhz - usual) <= CLOCK_TOLERANCE * usual)) or sorted(
                us for us, _, _ in c.samples)
        n, reach = len(good), math.ceil(0.98 * math.sqrt(len(good)))  # ranks beside the median: 95 % of a binomial
        c.us, c.low, c.high = (statistics.median(good), good[max(0, (n - 1) // 2 - reach)],
                               good[min(n - 1, n // 2 + reach)])
        c.state = "timed"


def _rotating(chosen, dims, dtype, device) -> list:
    """Copies of the inputs that together are at least twice the L2 cache, so that none is found there."""
    first = chosen.arrays(dims, dtype, device)
    size = sum(a.nbytes for a in first if isinstance(a, DeviceArray)) or 1
    room = device.memory_info()[0] // (4 * size)
    copies = min(MOST_COPIES, max(1, -(-2 * device.properties.l2_cache // size)), max(1, room))
    return [first, *[chosen.arrays(dims, dtype, device, seed=n) for n in range(1, copies)]]
