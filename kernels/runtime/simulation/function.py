"""Launches on the simulated device: parameter blocks decoded, kernels interpreted on its memory."""

from __future__ import annotations

import ctypes
import math
import struct

from tritonnet.kernels.runtime.errors import DeviceError
from tritonnet.kernels.runtime.signature import CODES
from tritonnet.kernels.runtime.source import real

SCRATCH_ALIGNMENT = 128  # bytes: what Triton asks for


class Function:
    """A loaded kernel: what is needed to decode its parameter block and to interpret it."""

    def __init__(self, specialisation, threads, scratch=0):
        self.scratch = scratch  # bytes per program
        self.kernel, self.threads, self.constants = specialisation.kernel, threads, specialisation.constants
        self.name = specialisation.kernel.name
        self.params = [(name, ty, name in specialisation.divisible)
                       for name, ty in specialisation.signature.items() if ty != "constexpr"]

    def decode(self, block):
        """The argument values in a packed parameter block, held against what the specialisation promises."""
        values, addresses = {}, (ctypes.c_void_p * (len(self.params) + 2)).from_address(block)
        for (name, ty, divisible), address in zip(self.params, addresses):
            code = "@Q" if ty[0] == "*" else "@" + CODES[ty]
            values[name], = struct.unpack(code, ctypes.string_at(address, struct.calcsize(code)))
            if divisible and values[name] % 16:
                raise DeviceError(f"{self.name}: {name} = {values[name]:#x} is not divisible by 16, but the "
                                  f"specialisation launched says so")
        scratch, of_profiles = (ctypes.c_uint64.from_address(address).value for address in addresses[-2:])
        if of_profiles or scratch and not self.scratch:
            raise DeviceError(f"{self.name}: scratch pointers are not null")
        return values

    def check_scratch(self, block, grid, heap):
        """Raise unless the memory for tensor descriptors is there, aligned, and enough for all programs."""
        addresses = (ctypes.c_void_p * (len(self.params) + 2)).from_address(block)
        needed = self.scratch * math.prod(grid)
        pointer = ctypes.c_uint64.from_address(addresses[-2]).value
        memory = heap.find(pointer)
        if pointer % SCRATCH_ALIGNMENT or memory is None or memory.freed or (
                pointer + needed > memory.base + memory.nbytes):
            raise DeviceError(f"{self.name}: no {needed} bytes of scratch memory at {pointer:#x}")

    def interpret(self, grid, values, heap, races=False):
        """Run the programs of a grid on the memory of a device. races: raise Race where programs race;
        lanes masked off without `other` hold garbage, as on a GPU, not 0."""
        import triton.language as tl

        from tritonnet.kernels.runtime.interpret import BY_SIGNATURE, run, scalar
        from tritonnet.kernels.runtime.simulation.memory import LaunchMemory

        seen = {name: scalar(values[name], tl.pointer_type(BY_SIGNATURE[ty[1:]]) if ty[0] == "*" else BY_SIGNATURE[ty])
                for name, ty, _ in self.params}
        pointers = {name: values[name] for name, ty, _ in self.params if ty[0] == "*"}
        constants = {name: real(value) for name, value in self.constants.items()}
        memory = LaunchMemory(self.name, heap, pointers)
        if races:
            from tritonnet.kernels.runtime.interpret.fresh import garbage
            from tritonnet.kernels.runtime.interpret.races import Races

            memory.watchers.append(Races(memory))
            memory.undefined = garbage
        run(self.kernel.triton, grid, constants | seen, memory)
