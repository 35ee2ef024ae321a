"""How many blocks of a kernel are resident on a multiprocessor at once, and what limits them. No GPU is needed.

    blocks = min(most blocks,
                 floor(most warps / w),                                           w = warps per block
                 floor(4 floor(registers / 4 / ceil256(32 r)) / w),               r = registers per thread
                 floor(shared memory / ceil128(bytes per block + 1024)))

Registers are given to whole warps, 256 at a time, out of one of four partitions each; shared memory by 128 bytes, and
the system keeps 1 KB of each block's. Memory-bound code wants many warps in flight, products with deep pipelines are
fast with few. What is resident in fact is less when the grid is small. Tensor memory (sm_100) is not counted.

Sources: CUDA Programming Guide, "Compute Capabilities" (technical specifications per compute capability); the register
rule is that of cuda_occupancy.h in the CUDA toolkit.
"""

from __future__ import annotations

import dataclasses
import typing

KB = 1 << 10
WARP, PARTITIONS = 32, 4  # threads of a warp; partitions of a multiprocessor
REGISTER_UNIT, SHARED_UNIT, SYSTEM_SHARED = 256, 128, KB  # registers per warp and bytes per block come in such pieces
MOST_THREADS, MOST_REGISTERS = 1024, 255  # of a block, of a thread


class Limits(typing.NamedTuple):
    """What one multiprocessor holds."""

    warps: int
    blocks: int
    shared: int  # bytes
    shared_block: int  # bytes that one block may ask for
    registers: int = 65536


LIMITS = {  # compute capability, as in sm_80
    80: Limits(64, 32, 164 * KB, 163 * KB),
    86: Limits(48, 16, 100 * KB, 99 * KB),
    89: Limits(48, 24, 100 * KB, 99 * KB),
    90: Limits(64, 32, 228 * KB, 227 * KB),
    100: Limits(64, 32, 228 * KB, 227 * KB),
    120: Limits(48, 24, 100 * KB, 99 * KB),
}


@dataclasses.dataclass(frozen=True)
class Occupancy:
    """Resident at once on one multiprocessor."""

    blocks: int  # 0: such a block cannot be launched
    warps: int
    most_warps: int
    allowed: dict[str, int]  # blocks that each resource would allow: "registers", "shared memory", "warps", "blocks"

    @property
    def fraction(self) -> float:
        """Resident warps, of the most there can be."""
        return self.warps / self.most_warps

    @property
    def limited_by(self) -> list[str]:
        """The resources that allow no more blocks; of "blocks" and "warps", which cost nothing, only if alone."""
        tight = [name for name, blocks in self.allowed.items() if blocks == self.blocks]
        return [name for name in tight if name in ("registers", "shared memory")] or tight

    def __str__(self):
        blocks = f"{self.blocks} block{'s' * (self.blocks != 1)}"
        return (f"{blocks}, {self.warps} of {self.most_warps} warps ({100 * self.fraction:.0f} %), limited by "
                f"{' and '.join(self.limited_by)}")


def occupancy(registers: int, shared: int, threads: int, arch: int) -> Occupancy:
    """Of a kernel that takes `registers` per thread, `shared` bytes and `threads` per block, on sm_`arch`.

    An architecture that is not in `LIMITS`, or a block of no or more than 1024 threads, raises ValueError.

    >>> print(occupancy(registers=108, shared=98304, threads=256, arch=90))
    2 blocks, 16 of 64 warps (25 %), limited by registers and shared memory
    """
    limits = LIMITS.get(arch)
    if limits is None:
        raise ValueError(f"occupancy: nothing is known of sm_{arch}; known: {', '.join(f'sm_{a}' for a in LIMITS)}")
    if not 0 < threads <= MOST_THREADS:
        raise ValueError(f"occupancy: a block has 1 to {MOST_THREADS} threads, not {threads}")
    warps = -(-threads // WARP)
    per_warp = -(-max(registers, 1) * WARP // REGISTER_UNIT) * REGISTER_UNIT
    by_registers = PARTITIONS * (limits.registers // PARTITIONS // per_warp) // warps
    if registers > MOST_REGISTERS or per_warp * -(-warps // PARTITIONS) * PARTITIONS > limits.registers:
        by_registers = 0
    per_block = -(-(shared + SYSTEM_SHARED) // SHARED_UNIT) * SHARED_UNIT
    by_shared = limits.shared // per_block if shared <= limits.shared_block else 0
    allowed = {"registers": by_registers, "shared memory": by_shared, "warps": limits.warps // warps,
               "blocks": limits.blocks}
    blocks = min(allowed.values())
    return Occupancy(blocks, blocks * warps, limits.warps, allowed)


def occupancy_of(found) -> Occupancy:
    """Of what `runtime.resources.resources` found out about a kernel."""
    return occupancy(found.registers, found.shared, found.threads, found.arch)
