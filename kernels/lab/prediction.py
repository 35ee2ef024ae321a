"""How long a configuration of a kernel will take, predicted: what ranks candidates before, or instead of, measuring.

    busy      = max(flops pad / peak, bytes / bandwidth, traffic / l2)
    filled    = programs / (waves slots)    slots = multiprocessors x resident blocks, waves = ceil(programs / slots)
                (of programs that walk over tiles: tiles / (waves programs), waves = ceil(tiles / programs), where
                all are resident; tiles / programs, where they share the last ones)
    hidden    = min(1, bytes in flight / (bandwidth latency))                     (Little's law, per multiprocessor)
    seconds   = LAUNCH + (busy / (filled hidden) + waves steps STEP + begun LATENCY) (1 + spills / 64)

in flight: of a product what its buffers hold, of other kernels what all loads of the compiled code move: narrow ones
hide little latency. pad: how much larger the tiles are than what they cover. traffic: what the tiles of a product read
through L2; else the bytes. begun: how often a product waits for its first loads while nothing else runs: once per wave,
or once where programs walk, over the resident blocks. STEP is smaller where descriptors do the addresses. An operation
takes the sum over its launches: of a product in parts, their sum is a second one. All rates are those of data sheets
(`roofline`); L2 is taken to give four times the bandwidth of memory. The model knows nothing of bank conflicts,
instruction scheduling or clocks: it orders candidates, it times nothing.
"""

from __future__ import annotations

import math
import typing

from tritonnet.kernels.lab.inspection import width
from tritonnet.kernels.lab.occupancy import occupancy
from tritonnet.kernels.lab.roofline import CEILINGS

LAUNCH = 2e-6  # seconds
LATENCY = 7e-7  # seconds from a load's issue to its data, memory being busy
L2 = 4  # bandwidth of the L2 cache, in that of memory
STEP = 5e-8  # seconds that a step of a product's loop takes beside loads and products: barriers, addresses
STEP_DESCRIBED = 2e-8  # the same where one thread asks for whole blocks
LOAD = 32  # bytes that a thread of a kernel without a pipeline has under way, nothing being compiled: two 16-byte loads
BLOCK_REGISTERS = 96  # per thread, where nothing was compiled yet


class Prediction(typing.NamedTuple):
    """Of one launch in one configuration."""

    seconds: float
    floor: float  # what flops and bytes take at least, however it is configured
    limit: str  # "flops", "bytes" or "l2": what `busy` comes from


def predicted(planned, found=None) -> Prediction | None:
    """Of a `Planned` launch; found: its compiled `Resources`, if there are any. None where it declares no bytes."""
    if planned.bytes is None:
        return None
    rates, known = CEILINGS[planned.arch], planned.known | planned.constants
    peak = rates.peak(unit(planned))
    flops, bytes_ = planned.flops or 0, planned.bytes
    times = {"flops": flops * padding(known) / peak, "bytes": bytes_ / rates.bandwidth,
             "l2": traffic(known, planned) / (L2 * rates.bandwidth)}
    limit = max(times, key=times.get)
    gpu = planned.gpu
    warps = planned.options.get("num_warps", 4)
    blocks = _resident(planned, found, warps)
    if not blocks:
        return Prediction(math.inf, max(flops / peak, times["bytes"]), limit)
    slots = gpu.multi_processor_count * blocks
    programs = max(1, planned.programs)
    waves = -(-programs // slots)
    filled = programs / (waves * slots)
    active = min(blocks, max(1.0, programs / gpu.multi_processor_count))  # blocks per multiprocessor that has any
    under_way = active * _in_flight(known, planned, found, warps)
    hidden = min(1.0, under_way * gpu.multi_processor_count / (rates.bandwidth * LATENCY))
    if slots >= programs:  # one wave: multiprocessors without a program idle, the others are no slower for it
        filled = min(1.0, programs / gpu.multi_processor_count)
    if tiles := _walked(known):  # by as many programs as stay resident
        waves = -(-tiles // programs) * -(-programs // slots)
        if known.get("STREAM"):
            steps = max(1, _steps(known, planned))
            waves = -(-tiles * steps // programs) / steps * -(-programs // slots)
        filled = min(1.0, programs / gpu.multi_processor_count) * tiles / (waves * min(programs, slots))
    spilled = 1 + (found.spills if found else 0) / 64
    seconds = times[limit] / (filled * hidden)
    if steps := _steps(known, planned):
        seconds += waves * steps * (STEP_DESCRIBED if known.get("DESCRIPTORS") else STEP)
        seconds += LATENCY * (1 if known.get("RESIDENT") else waves) / active
    return Prediction(LAUNCH + seconds * spilled, max(flops / peak, times["bytes"]), limit)


def of_operation(main, found, others) -> Prediction | None:
    """Of all launches of an operation: `main`, of which `found` tells what was compiled, and the others as they are
    planned. Its limit is the main launch's. None where that declares no bytes; others that do not count as launches."""
    first = predicted(main, found)
    if first is None:
        return None
    rest = [predicted(p) or Prediction(LAUNCH, 0.0, "") for p in others]
    return Prediction(first.seconds + sum(p.seconds for p in rest), first.floor + sum(p.floor for p in rest),
                      first.limit)


def unit(planned) -> str:
    """What will do the operations, by types and precision."""
    types = {t for t in planned.specialisation.signature.values() if t.startswith("*")}
    if "*fp64" in types:
        return "double_tensor" if is_product(planned) else "double"
    if not is_product(planned):
        return "single"
    if types & {"*fp16", "*bf16"}:
        return "half"
    precision = str(planned.constants.get("PRECISION", "ieee"))
    return precision if precision in ("tf32", "tf32x3") else "single"


def is_product(planned) -> bool:
    """Whether the kernel multiplies tiles."""
    return planned.kernel.multiplies


def padding(known) -> float:
    """How much larger tiles are than what they cover: of each BLOCK_X that tiles a size X."""
    factor = 1.0
    for name, block in known.items():
        size = known.get(name.removeprefix("BLOCK_")) if name.startswith("BLOCK_") else None
        if isinstance(size, int) and isinstance(block, int) and size > 0 and block > 0:
            factor *= -(-size // block) * block / size
    return factor


def traffic(known, planned) -> float:
    """Bytes that tiles read through L2: each row of tiles reads the other operand anew."""
    sizes = [known.get(n) for n in ("M", "N", "K", "BLOCK_M", "BLOCK_N")]
    if not is_product(planned) or not all(isinstance(s, int) and s > 0 for s in sizes):
        return planned.bytes
    M, N, K, m, n = sizes
    batch = known.get("batch") if isinstance(known.get("batch"), int) else 1
    return batch * K * (M * -(-N // n) + N * -(-M // m)) * known["itemsize"]


def _walked(known) -> int:
    """Over how many tiles the programs of a product walk; 0: each has one."""
    sizes = [known.get(n) for n in ("batch", "M", "N", "BLOCK_M", "BLOCK_N")]
    if not known.get("RESIDENT") or not all(isinstance(s, int) and s > 0 for s in sizes):
        return 0
    batch, M, N, m, n = sizes
    return batch * -(-M // m) * -(-N // n)


def _steps(known, planned) -> int:
    """How often a product's loop runs in one program."""
    K, k, split = (known.get(n) for n in ("K", "BLOCK_K", "SPLIT"))
    if not is_product(planned) or not isinstance(K, int) or not isinstance(k, int):
        return 0
    return -(-K // (k * (split if isinstance(split, int) else 1)))


def _resident(planned, found, warps) -> int:
    """Blocks per multiprocessor; by a guess where nothing was compiled."""
    if found is not None:
        return occupancy(found.registers, found.shared, found.threads, planned.arch).blocks
    known = planned.known | planned.constants
    shared = _tile_bytes(known) * max(1, planned.options.get("num_stages", 1) - 1) if is_product(planned) else 0
    sums = known.get("BLOCK_M", 0) * known.get("BLOCK_N", 0) // (32 * warps) if is_product(planned) else 0
    registers = min(255, max(BLOCK_REGISTERS, sums + 40))
    if shared > planned.gpu.max_shared:
        return 0
    return occupancy(registers, shared, 32 * warps, planned.arch).blocks


def _tile_bytes(known) -> int:
    """Of both operands' tiles in one step of a product."""
    m, n, k = (known.get(f"BLOCK_{x}") for x in "MNK")
    if not all(isinstance(b, int) for b in (m, n, k)):
        return 0
    return (m + n) * k * known["itemsize"]


def _in_flight(known, planned, found, warps) -> float:
    """Bytes that one block has under way: without a pipeline, what its loads move once."""
    if is_product(planned) and (tile := _tile_bytes(known)):
        return tile * max(1, planned.options.get("num_stages", 1) - 1)
    loaded = found and sum(width(name) // 8 for name in found.sass if name.startswith("LDG."))
    return 32 * warps * (loaded or LOAD)
