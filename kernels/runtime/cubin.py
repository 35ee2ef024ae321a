"""What ptxas wrote into a binary about a kernel's needs, read without a tool: a cubin is an ELF file.

Its section .nv.info holds records (format, attribute, size, payload); those wanted here are pairs (symbol, value).
"""

from __future__ import annotations

import struct
import typing

HEADER = struct.Struct("<40xQ10xHHH")  # of an ELF64 file: where the table of sections is, its entries, the names' place
SECTION = struct.Struct("<I12x8xQQ24x")  # name, offset, size
SIZED = 4  # the format of records whose payload follows them
FRAME, REGISTERS = 0x11, 0x2F  # EIATTR_FRAME_SIZE, EIATTR_REGCOUNT


def usage(cubin: bytes) -> tuple[int, int]:
    """(registers, bytes of local memory) per thread of the one kernel in a cubin: the most that any function takes.

    Local memory holds what registers spill, arrays that are indexed, and what called functions keep.
    """
    info = next((content for name, content in _sections(cubin) if name == b".nv.info"), None)
    if info is None:
        raise ValueError("not the binary of a kernel: it has no section .nv.info")
    most, at = {FRAME: 0, REGISTERS: 0}, 0
    while at + 4 <= len(info):
        form, attribute, size = struct.unpack_from("<BBH", info, at)
        at += 4
        if form == SIZED:
            if attribute in most and size == 8:
                most[attribute] = max(most[attribute], struct.unpack_from("<4xI", info, at)[0])
            at += size
    return most[REGISTERS], most[FRAME]


def code(cubin: bytes) -> bytes:
    """The instructions of all functions, 16 bytes each."""
    return b"".join(content for name, content in _sections(cubin) if name.startswith(b".text."))


def _sections(elf) -> typing.Iterator[tuple[bytes, bytes]]:
    """(name, content) of every section."""
    if elf[:4] != b"\x7fELF":
        raise ValueError(f"not a cubin: an ELF file begins with \\x7fELF, not with {elf[:4]!r}")
    table, entry, count, names = HEADER.unpack_from(elf)
    sections = [SECTION.unpack_from(elf, table + i * entry) for i in range(count)]
    start = sections[names][1]
    for name, offset, size in sections:
        yield elf[start + name:elf.index(b"\0", start + name)], elf[offset:offset + size]
