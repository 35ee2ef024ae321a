"""What a compiled call fused, and what it did not and why: noted during a call, printed by `explain()`.

Where Triton is there, that call is one of a copy of the model on a device that computes nothing, so that whatever
machine this is, it is told what a GPU would do: launches, and bytes by the kernels' own declarations.
"""

from __future__ import annotations

import dataclasses
import sys

from tritonnet.autograd.tape import Output
from tritonnet.fusion.pending import apart, run
from tritonnet.fusion.savings import Like, counted, mapped
from tritonnet.nn.modules.module import Module
from tritonnet.tensor.core import Tensor

HELD = "the value before it is held (by a variable, a list, a hook)"


@dataclasses.dataclass
class Row:
    """One head or single operation of a call. where: the module that owns its weight, as far as there is one."""

    where: str
    fused: str  # what was computed at once
    alone: str = ""  # what came after it by itself
    why: str = ""


@dataclasses.dataclass(repr=False)
class Explanation:
    """The rows of a call, and (launches, bytes) of forward and backward, plain and compiled, or why there are none."""

    rows: list[Row]
    before: tuple | None = None
    after: tuple | None = None
    uncounted: str = ""

    def __str__(self):
        columns = list(zip(("module", "computed at once", "by itself", "why"),
                           *((row.where, row.fused, row.alone, row.why) for row in self.rows)))
        widths = [max(map(len, column)) for column in columns]
        lines = ["  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() for line in zip(*columns)]
        lines.insert(1, "  ".join("-" * width for width in widths))
        if self.before is None:
            return "\n".join([*lines, f"Launches and bytes were not counted: {self.uncounted}."])
        (launches, moved), (fewer, less) = self.before, self.after
        return "\n".join([*lines, f"On a GPU, forward and backward: {fewer} launches instead of {launches}, "
                                  f"{less / 1e6:.3g} MB instead of {moved / 1e6:.3g} MB read and written."])

    def __repr__(self):
        return f"<Explanation of {len(self.rows)} operations>"


def reader():
    """The operation that reads a tensor just now, by the frames of the call; "" where it is none of ours."""
    frame = sys._getframe(2)
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith("<apply of "):
            return name.removeprefix("<apply of ").removesuffix(">").strip("_").lower()
        frame = frame.f_back
    return ""


class Notes:
    """The rows of one call."""

    def __init__(self, model):
        self.rows, self.owners = [], {}
        if model is not None:
            self.owners = {id(p): name.rpartition(".")[0] for name, p in model.named_parameters()}

    def note(self, link, held, fused):
        """A chain is computed: from its head, of whose followers `fused` were taken along, or (held is not None) from
        the value before follower number `held`."""
        names = link.names
        row = Row(link.head.where, link.head.op.__name__.lower())
        if held is not None:
            row.fused, row.alone, row.why = "", " + ".join(names[held:]), HELD
        else:
            row.fused = " + ".join((row.fused, *names[:fused]))
            row.alone = " + ".join(names[fused:])
            if not names:
                found = reader()
                row.why = f"followed by {found}" if found else "nothing follows in the call"
        self.rows.append(row)

    def alone(self, op, x):
        """An operation that heads take along follows none, or one that does not take it."""
        node = x.node if isinstance(x, Tensor) else None
        made_by = type(node.parents[0] if isinstance(node, Output) else node).__name__.strip("_").lower()
        self.rows.append(Row("", "", op.__name__.strip("_").lower(), "follows nothing that takes it along"
                             if node is None else f"follows {made_by}"))

    def where(self, args):
        """The module that owns one of these, or ""."""
        return next((self.owners[id(t)] for t in args if id(t) in self.owners), "")


class Report:
    """Calls a model or function, fused, and remembers what the first call did. fuses: False for a plain call."""

    def __init__(self, subject, fuses):
        self.subject, self.fuses, self.notes, self.last = subject, fuses, None, None

    def __call__(self, *args, **kwargs):
        if not self.fuses:
            with apart():  # also within a compiled call
                return self.subject(*args, **kwargs)
        if self.notes is not None:
            return run(self.subject, None, args, kwargs)
        self.notes, self.last = Notes(self.model()), mapped(Like.of, (args, kwargs))
        return run(self.subject, self.notes, args, kwargs)

    def model(self):
        """The model, if it is one, or one's forward."""
        owner = getattr(self.subject, "__self__", self.subject)
        return owner if isinstance(owner, Module) else None

    def explain(self, *args, **kwargs):
        """Print what was fused in the first call, or in one with these arguments; returns the Explanation.

        With arguments the model is called. RuntimeError where there was no call and no arguments are given.
        """
        if not self.fuses:
            raise RuntimeError("explain: nothing is fused, as compile was told by backend= or disable=")
        if args or kwargs:
            self.notes = None
            self(*args, **kwargs)
        if self.notes is None:
            raise RuntimeError("explain: call the compiled model first, or give explain() the arguments of a call")
        dry = []

        def noted(model):
            dry.append(Notes(model))
            return dry[-1]

        try:
            counts = counted(self.model(), self.last, noted)
            explanation = Explanation(dry[-1].rows, *counts)
        except RuntimeError as error:
            explanation = Explanation(self.notes.rows, uncounted=str(error))
        print(explanation)
        return explanation
