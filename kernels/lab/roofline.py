"""How fast a kernel can be at best on a GPU: by the bytes it must move, or by the operations it must do.

    intensity = flops / bytes      ridge = peak flop/s / bandwidth      time >= max(flops / peak, bytes / bandwidth)

Everything here is predicted from data sheets, at the boost clocks that those assume, and each byte is taken to move
once: what a kernel reaches, only a measurement tells.

Sources: NVIDIA's data sheets of A100 80GB, H200 SXM and B200 (HGX), and the white papers of GA102, Ada and RTX
Blackwell for the RTX 3090, 4090 and 5090. Without sparsity; half types and fp8 with sums in float32.
"""

from __future__ import annotations

import dataclasses
import typing

from tritonnet.kernels.runtime.simulation.dry import GPUS


class Ceilings(typing.NamedTuple):
    """What a GPU can do: bytes per second, and operations per second of each unit."""

    bandwidth: float
    half: float  # tensor cores on float16 and bfloat16
    tf32: float
    single: float  # FFMA, outside tensor cores
    double: float  # DFMA
    double_tensor: float  # DMMA
    fp8: float | None

    def peak(self, unit: str) -> float | None:
        """Operations per second of a unit in `UNITS`."""
        return self.tf32 / 3 if unit == "tf32x3" else getattr(self, unit)


UNITS = {  # as peaks are named -> in words
    "half": "16-bit tensor cores", "tf32": "tf32 tensor cores", "tf32x3": "tf32 tensor cores, three products each",
    "single": "float32 FMA", "double": "float64 FMA", "double_tensor": "float64 tensor cores",
    "fp8": "8-bit tensor cores",
}
T = 1e12
CEILINGS = {  # compute capability -> the same GPU as in simulation.dry.GPUS
    80: Ceilings(2.039 * T, 312 * T, 156 * T, 19.5 * T, 9.7 * T, 19.5 * T, None),
    86: Ceilings(0.936 * T, 71 * T, 35.6 * T, 35.6 * T, 0.556 * T, 0.556 * T, None),
    89: Ceilings(1.008 * T, 165.2 * T, 82.6 * T, 82.6 * T, 1.29 * T, 1.29 * T, 330.3 * T),
    90: Ceilings(4.8 * T, 989.5 * T, 494.7 * T, 67 * T, 34 * T, 67 * T, 1979 * T),
    100: Ceilings(8 * T, 2250 * T, 1125 * T, 75 * T, 37 * T, 37 * T, 4500 * T),
    120: Ceilings(1.792 * T, 209.5 * T, 104.8 * T, 104.8 * T, 1.64 * T, 1.64 * T, 419 * T),
}


@dataclasses.dataclass(frozen=True)
class Roofline:
    """Where a launch stands. Predicted, see above."""

    arch: int
    flops: int | None  # None: not declared
    bytes: int
    unit: str  # of UNITS: what does the operations

    gpu = property(lambda self: GPUS[self.arch].name)
    bandwidth = property(lambda self: CEILINGS[self.arch].bandwidth, doc="bytes per second")
    peak = property(lambda self: CEILINGS[self.arch].peak(self.unit), doc="operations per second, None if unknown")

    @property
    def intensity(self) -> float | None:
        """Operations per byte."""
        return None if self.flops is None or not self.bytes else self.flops / self.bytes

    @property
    def ridge(self) -> float | None:
        """Operations per byte from which on the operations take longer than the bytes."""
        return None if self.peak is None else self.peak / self.bandwidth

    @property
    def seconds(self) -> float:
        """The least time there can be."""
        return max(self.bytes / self.bandwidth, (self.flops or 0) / self.peak if self.peak else 0)

    @property
    def bound(self) -> str:
        """What takes longer: "memory" or "compute"."""
        return "compute" if self.peak and (self.flops or 0) / self.peak > self.bytes / self.bandwidth else "memory"

    def as_dict(self) -> dict:
        """For JSON."""
        return {"predicted": True, "gpu": self.gpu, "flops": self.flops, "bytes": self.bytes,
                "intensity": self.intensity, "ridge": self.ridge, "unit": self.unit, "peak_flops": self.peak,
                "bandwidth": self.bandwidth, "bound": self.bound, "seconds": self.seconds}


def unit_of(found, signature: dict, ttir: str) -> str:
    """What does the operations of a kernel, as its instructions (`runtime.resources.Resources`) and types tell."""
    types = set(signature.values())
    if found.instructions.get("DMMA"):
        return "double_tensor"
    if found.tensor_core:
        if "*fp16" in types or "*bf16" in types:
            return "half"
        if any(t.startswith("*fp8") for t in types):
            return "fp8"
        return "tf32x3" if "tf32x3" in ttir else "tf32"
    return "double" if found.instructions.get("DFMA") or "*fp64" in types else "single"
