"""What ptxas wrote into a binary about a kernel's needs, read without a tool: a cubin is an ELF file.

Its section .nv.info holds records (format, attribute, size, payload); those wanted here are pairs (symbol, value).
"""

from __future__ import annotations

import struct

HEADER = struct.Struct("<40xQ10xHHH")  # of an ELF64 file: where the table of sections is, its entries, the names' place
SECTION = struct.Struct("<I12x8xQQ24x")  # name, offset, size
SIZED = 4  # the format of records whose payload follows them
FRAME, REGISTERS = 0x11, 0x2F  # EIATTR_FRAME_SIZE, EIATTR_REGCOUNT


def usage(cubin: bytes) -> tuple[int, int]:
    """(registers, bytes of local memory) per thread of the one kernel in a cubin: the most that any function takes.

    Local memory holds what registers spill, arrays that are indexed, and what called functions keep.
    """
    info, most, at = _section(cubin, b".nv.info"), {FRAME: 0, REGISTERS: 0}, 0
    while at + 4 <= len(info):
        form, attribute, size = struct.unpack_from("<BBH", info, at)
        at += 4
        if form == SIZED:
            if attribute in most and size == 8:
                most[attribute] = max(most[attribute], struct.unpack_from("<4xI", info, at)[0])
            at += size
    return most[REGISTERS], most[FRAME]


def _section(elf, wanted) -> bytes:
    """The content of a section; ValueError if there is none of that name."""
    if elf[:4] != b"\x7fELF":
        raise ValueError(f"not a cubin: an ELF file begins with \\x7fELF, not with {elf[:4]!r}")
    table, entry, count, names = HEADER.unpack_from(elf)
    sections = [SECTION.unpack_from(elf, table + i * entry) for i in range(count)]
    start = sections[names][1]
    for name, offset, size in sections:
        if elf[start + name:elf.index(b"\0", start + name)] == wanted:
            return elf[offset:offset + size]
    raise ValueError(f"not the binary of a kernel: it has no section {wanted.decode()}")
