"""Two inspections side by side: what a configuration, a shape, a type or an architecture changes.

    print(Comparison(inspect("matmul", arch="sm_80"), inspect("matmul", arch="sm_90")))
"""

from __future__ import annotations

import html
import itertools
import typing

from tritonnet.kernels.lab.wording import amount, duration, pipelined, title


class Fact(typing.NamedTuple):
    """A figure of one launch."""

    group: int  # figures are shown by groups
    value: float | None  # None: a text
    text: str


ABSENT, CENSUS, MOST = Fact(-1, None, "-"), 6, 12


class Row(typing.NamedTuple):
    """One figure that differs."""

    name: str
    left: str
    right: str
    change: str  # "+25 %", or ""


class Comparison:
    """Launches of two inspections, paired in their order."""

    def __init__(self, left, right):
        self.left, self.right = list(left), list(right)
        self.pairs = list(zip(self.left, self.right))
        self.alone = list(itertools.chain(self.left[len(self.pairs):], self.right[len(self.pairs):]))

    def rows(self, left, right, brief=False) -> list[Row]:
        """What differs between two launches; brief: of the instructions only the MOST that differ most."""
        one, other = facts(left), facts(right)
        names = sorted(dict.fromkeys([*one, *other]), key=lambda name: (one.get(name) or other[name]).group)
        found, counts = [], {}
        for name in names:
            a, b = one.get(name, ABSENT), other.get(name, ABSENT)
            if a.text != b.text:
                found.append(Row(name, a.text, b.text, change(a.value, b.value)))
                if CENSUS in (a.group, b.group):
                    counts[name] = abs((a.value or 0) - (b.value or 0))
        if brief:
            kept = sorted(counts, key=counts.get, reverse=True)[:MOST]
            found = [row for row in found if row.name not in counts or row.name in kept]
        return found

    def __str__(self):
        parts = []
        for left, right in self.pairs:
            table = [Row("", "A", "B", "change"), *self.rows(left, right, brief=True)]
            wide = [max(len(row[i]) for row in table) for i in range(3)]
            lines = [f"A: {title(left)}", f"B: {title(right)}"]
            lines += [f"  {r.name:<{wide[0]}}  {r.left:>{wide[1]}}  {r.right:>{wide[2]}}  {r.change}".rstrip()
                      for r in table]
            parts.append("\n".join(lines if len(table) > 1 else [*lines[:2], "  nothing differs"]))
        parts += [f"only on one side: {title(found)}" for found in self.alone]
        return "\n\n".join(parts)

    def _repr_html_(self):
        parts = []
        for left, right in self.pairs:
            body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>"
                           for row in self.rows(left, right, brief=True))
            parts.append(f"<table><thead><tr><th></th><th>{html.escape(title(left))}</th>"
                         f"<th>{html.escape(title(right))}</th><th></th></tr></thead><tbody>{body}</tbody></table>")
        return "".join(parts + [f"<p>only on one side: {html.escape(title(found))}</p>" for found in self.alone])

    def as_dict(self) -> dict:
        """For JSON, with date and versions: both sides whole, and what differs."""
        from tritonnet.kernels.lab.provenance import machine

        return {"about": machine() | {"device": None, "driver": None},
                "pairs": [{"left": left.as_dict(), "right": right.as_dict(),
                           "differs": [row._asdict() for row in self.rows(left, right)]} for left, right in self.pairs],
                "alone": [found.as_dict() for found in self.alone]}


def facts(found) -> dict[str, Fact]:
    """Everything about a launch that can be compared, by name."""
    planned, line, occupied = found.planned, found.roofline, found.occupancy
    groups = [
        {"kernel": found.kernel, "architecture": f"sm_{found.arch}"} | {k: str(v) for k, v in found.config.items()},
        {"programs": planned.programs, "threads": found.threads, "registers": found.registers,
         "spilled bytes": found.spills, "shared bytes": found.shared, "blocks per SM": occupied.blocks,
         "warps per SM": occupied.warps, "most warps": occupied.most_warps,
         "limited by": " and ".join(occupied.limited_by)},
        {"waves": Fact(1, found.waves, f"{found.waves:.2f}")} if found.waves is not None else {},
        {f"{what}, {b} bit": n for what, bits in found.accesses.items() for b, n in bits.items()},
        found.tensor_cores,
        {"pipelining": pipelined(found.pipelining), "instructions": found.instructions},
        {f"  {name}": n for name, n in found.census.items()},
        {"compile time": f"{found.compile_seconds:.2f} s"},
        {} if line is None else {
            "bytes": Fact(0, line.bytes, f"{amount(line.bytes, 1000)}B"),
            "operations": Fact(0, line.flops, f"{amount(line.flops or 0, 1000)}FLOP"),
            "bound by (predicted)": line.bound,
            "at least (predicted)": Fact(0, line.seconds, duration(line.seconds))},
    ]
    told = {}
    for group, members in enumerate(groups):
        for name, value in members.items():
            told[name] = Fact(group, *value[1:]) if isinstance(value, Fact) else Fact(
                group, None if isinstance(value, str) else value, str(value))
    return told


def change(left, right) -> str:
    """By how much a number grows, in percent of the left one; "" where that says nothing."""
    numbers = isinstance(left, (int, float)) and isinstance(right, (int, float))
    return f"{100 * (right / left - 1):+.0f} %" if numbers and left else ""
