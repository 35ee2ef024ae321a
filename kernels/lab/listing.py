"""A kernel's source, TTIR, TTGIR, PTX and SASS, joined by source line.

    listing = inspect("softmax")[0].listing
    print(listing.show("all"))                   # each source line, and below it the SASS that it became
    listing.lines("ptx")                         # [Line(text, where)], where = (file, line) or None

The source is the kernel's text and those of the functions that it calls; an instruction belongs to the innermost of
its lines that is part of it (Triton's own functions are inlined, and count for the line that calls them).
Compilers move instructions: their order is that of the code, not that of the source.
"""

from __future__ import annotations

import dataclasses
import inspect
import linecache
import re
import typing

from tritonnet.kernels.lab.relining import annotated, relined
from tritonnet.kernels.runtime.source import outer_values

SHOWN = ("source", "ttir", "ttgir", "ptx", "sass")


class Line(typing.NamedTuple):
    """A line of a stage, and which source line it came from."""

    text: str
    where: tuple[str, int] | None


@dataclasses.dataclass
class Listing:
    """The stages of one launch."""

    source: list[tuple[str, int, str]]  # (file, number, text); functions follow one another
    stages: dict[str, list[Line]]

    @classmethod
    def of(cls, found):
        """The listing of an `Inspection`."""
        source = source_of(found.planned.kernel)
        known = {(file, number) for file, number, _ in source}
        ptx = found.stages["ptx"]
        sass = annotated(found.resources, ptx, found.planned.options.get("enable_fp_fusion", True))
        return cls(source, {
            "ttir": of_mlir(found.stages["ttir"], known), "ttgir": of_mlir(found.stages["ttgir"], known),
            "ptx": of_ptx(relined(ptx), known), "sass": of_sass(sass, known)})

    def lines(self, stage: str) -> list[Line]:
        """The lines of a stage."""
        if stage == "source":
            return [Line(text, (file, number)) for file, number, text in self.source]
        return self.stages[stage]

    def show(self, stage: str = "all", below: str = "sass") -> str:
        """A stage as text, each line with the number of its source line; "all": source with `below` interleaved."""
        if stage == "all":
            return self.interleaved(below)
        if stage not in SHOWN:
            raise ValueError(f"no stage {stage!r}: one of {', '.join((*SHOWN, 'all'))}")
        return "\n".join(f"{line.where[1] if line.where else '':>5}  {line.text}" for line in self.lines(stage))

    def interleaved(self, below: str = "sass") -> str:
        """Each source line, and below it the lines of a stage that it became, in their order."""
        became: dict = {}
        for line in self.stages[below]:
            if line.where:
                became.setdefault(line.where, []).append(line.text)
        out = []
        for file, number, text in self.source:
            out.append(f"{number:>5}  {text}")
            out += [f"       |    {made.strip()}" for made in became.get((file, number), ())]
        lost = sum(line.where is None for line in self.stages[below])
        return "\n".join(out + ([f"       ({lost} lines of {below.upper()} belong to no source line)"] if lost else []))


def source_of(kernel) -> list[tuple[str, int, str]]:
    """(file, number, text) of the kernel and of every function that it reaches, but for Triton's own."""
    found, todo, seen = [], [kernel.fn], set()
    while todo:
        fn = todo.pop(0)
        code = fn.__code__
        if code in seen:
            continue
        seen.add(code)
        lines = linecache.getlines(code.co_filename, fn.__globals__)
        first = code.co_firstlineno
        block = inspect.getblock(lines[first - 1:])
        begin = next((i for i, text in enumerate(block) if text.lstrip().startswith("def ")), 0)  # after decorators
        found += [(code.co_filename, first + i, text.rstrip()) for i, text in enumerate(block)][begin:]
        for value in outer_values(fn).values():
            inner = getattr(value, "fn", None)
            if hasattr(inner, "__code__") and not (inner.__module__ or "").startswith("triton."):
                todo.append(inner)
    return found


def chosen(frames, known):
    """The innermost of (file, line) frames that is part of the source."""
    return next((frame for frame in frames if frame in known), None)


# --- Triton's intermediate languages: `#loc5 = loc(callsite(#loc1 at #loc2))` ---

def of_mlir(text: str, known) -> list[Line]:
    """The operations, without the locations that they carry."""
    table = dict(re.findall(r"^(#loc\w*) = loc\((.*)\)$", text, re.MULTILINE))

    def frames(what) -> list:
        """Innermost first."""
        what = what.strip()
        if place := re.match(r'"([^"]*)":(\d+):\d+', what):
            return [(place[1], int(place[2]))]
        if call := re.match(r"callsite\((.*) at (.*)\)$", what):
            return frames(call[1]) + frames(call[2])
        if named := re.match(r'"[^"]*"\((.*)\)$', what):
            return frames(named[1])
        if fused := re.match(r"fused(?:<.*>)?\[(.*)\]$", what):
            return [frame for part in fused[1].split(",") for frame in frames(part)]
        return frames(table[what]) if what in table else []

    found = []
    for line in text.splitlines():
        if line.startswith("#loc"):
            continue
        places = re.findall(r" loc\((#loc\w*|\"[^\"]*\"\(#loc\w*\))\)", line)
        bare = re.sub(r" loc\((?:#loc\w*|\"[^\"]*\"\(#loc\w*\))\)", "", line)
        found.append(Line(bare, chosen(frames(places[-1]), known) if places else None))
    return found


# --- PTX: `.loc 2 43 13, function_name $L, inlined_at 1 130 34` ---

def of_ptx(text: str, known) -> list[Line]:
    """The instructions of the kernel, without debug information."""
    files = {}
    for number, folder, name in re.findall(r'^\s*\.file\s+(\d+)\s+"([^"]*)"(?:\s+"([^"]*)")?', text, re.MULTILINE):
        files[number] = f"{folder}/{name}" if name else folder
    callers: dict = {}  # (file, line, column) -> where that was inlined
    found, where, inside = [], None, False
    for line in text.splitlines():
        if line.startswith((".version", ".target", ".address_size")):
            found.append(Line(line, None))
            continue
        inside = inside or ".entry" in line
        if not inside:
            continue
        place = re.match(r"\s*\.loc\s+(\d+) (\d+) (\d+)(?:.*inlined_at (\d+) (\d+) (\d+))?", line)
        if place:
            at = place.group(1, 2, 3)
            callers[at] = place.group(4, 5, 6) if place[4] else None
            frames, steps = [], 0
            while at and steps < 64:
                frames.append((files.get(at[0], ""), int(at[1])))
                at, steps = callers.get(at), steps + 1
            where = chosen(frames, known)
            continue
        bare = line.split("//")[0].rstrip()
        if not bare or re.match(r"\$L__(tmp|func_|info)\w*:", bare):
            continue
        found.append(Line(bare.replace("\t", "    "), where))
        if bare == "}":
            break
    return found


# --- SASS: `//## File "rows.py", line 106 inlined at "softmax.py", line 133`, innermost first ---

def of_sass(text: str, known) -> list[Line]:
    """The instructions of the kernel with their addresses."""
    found: list[Line] = []
    frames, where, fresh = [], None, True
    start = re.search(r"^\.text\.", text, re.MULTILINE)
    for line in text[start.start() if start else 0:].splitlines()[1:]:
        place = re.match(r'\s*//## File "([^"]*)", line (\d+)', line)
        if place:
            if fresh:
                frames, fresh = [], False
            frames.append((place[1], int(place[2])))
            where = chosen(frames, known)
            continue
        if instruction := re.match(r"\s*/\*([0-9a-f]{4,})\*/\s+(.*?)\s*;", line):
            found.append(Line(f"{instruction[1]}  {instruction[2]}", where))
            fresh = True
        elif label := re.match(r"(\.L\w+):", line):
            found.append(Line(f"{label[1]}:", None))
        elif line.startswith("//-----") or line.lstrip().startswith(".section"):
            break
    while found and found[-1].text.endswith(("NOP", ":")):  # what fills up the last 128 bytes
        found.pop()
    return found
