"""Go through one program of a kernel line by line, back and forth.

    s = kernels.step(add, (2,), x, y, z, 100, BLOCK=64, program=(1, 0))
    s.next()                          # or s.run_to(12), s.back(), s[5]
    s.locals["inside"]                # as NumPy arrays
    s.widget()                        # a slider over the steps, in a notebook

The program runs once, on copies of the arrays; a step is what was there before a line ran.
"""

from __future__ import annotations

import contextlib
import sys
import types
import typing

from tritonnet.kernels.lab import listings
from tritonnet.kernels.lab.traces import LIMIT, Recorder, Trace
from tritonnet.kernels.lab.undefined import contents, put_back
from tritonnet.kernels.lab.variables import same, seen
from tritonnet.kernels.runtime.interpret import interpreter, prepare, run
from tritonnet.kernels.runtime.interpret.places import NOT_KERNELS

MOST_STEPS = 20_000


class Step(typing.NamedTuple):
    """A moment: the line about to run, and what every name holds."""

    line: int  # in its file; 0: the program has ended
    depth: int  # 0: the kernel itself; a helper called from it: 1
    code: types.CodeType  # of the function
    locals: dict[str, typing.Any]  # tensors as arrays, pointers as `variables.Pointers`
    changed: list[str]  # names that the line before set or changed
    records: int  # of the trace, when this line began


class Stepper:
    """The steps of one program; it stands at one of them. Printing it shows the source, a marker, and what changed.

    program: three ints. trace: what the program did (loads, stores, …). arrays: the arguments after it ran, copies.
    error: the exception that ended the program, or None; the last step is then the line that raised it.
    """

    def __init__(self, name, program, steps, trace, arrays, error):
        self.name, self.program, self.steps, self.trace = name, program, steps, trace
        self.arrays, self.error, self.position = arrays, error, 0

    def __len__(self):
        return len(self.steps)

    def __iter__(self) -> typing.Iterator[Step]:
        return iter(self.steps)

    def __getitem__(self, i: int) -> Step:
        return self.steps[i]

    now = property(lambda self: self.steps[self.position], doc="The step at which it stands.")
    locals = property(lambda self: self.now.locals, doc="What every name holds here, by name.")
    line = property(lambda self: self.now.line, doc="The line about to run; 0 after the last one.")
    changed = property(lambda self: {n: self.locals[n] for n in self.now.changed},
                       doc="The names that the line before set or changed, with their values.")

    @property
    def did(self) -> Trace:
        """What the line before did: its loads, stores, dots."""
        start = self.steps[self.position - 1].records if self.position else 0
        return self.trace[start:self.now.records]

    def go(self, position: int) -> Stepper:
        """Stand at a step; negative ones count from the end."""
        n = len(self.steps)
        if not -n <= position < n:
            raise IndexError(f"step {position}: program {self.program} of {self.name} has {n} steps")
        self.position = position % n
        return self

    def next(self, n: int = 1) -> Stepper:
        """Run a line, or n; at the end it stays there."""
        return self.go(min(self.position + n, len(self.steps) - 1))

    def back(self, n: int = 1) -> Stepper:
        """Take a line back, or n; at the start it stays there."""
        return self.go(max(self.position - n, 0))

    def run_to(self, line: int | str) -> Stepper:
        """On to the next time that a line (its number, or a part of its text) is about to run."""
        for position in range(self.position + 1, len(self.steps)):
            at = self.steps[position]
            if at.line == line or (isinstance(line, str) and line in listings.text(at)):
                return self.go(position)
        lines = ", ".join(map(str, sorted({s.line for s in self.steps if s.line})))
        raise ValueError(f"{self.name}: program {self.program} does not come to line {line!r} after step "
                         f"{self.position} (lines it runs: {lines})")

    def __repr__(self):
        return listings.as_text(self)

    def _repr_html_(self):
        return listings.as_html(self)

    def widget(self):
        """A slider over the steps, for notebooks: needs ipywidgets (`pip install tritonnet[notebook]`)."""
        try:
            import ipywidgets
        except ImportError as error:
            raise ImportError("Stepper.widget() needs ipywidgets: pip install 'tritonnet[notebook]'") from error
        shown = ipywidgets.HTML(self._repr_html_())
        slider = ipywidgets.IntSlider(value=self.position, min=0, max=len(self.steps) - 1, description="step",
                                      layout=ipywidgets.Layout(width="60%"))

        def moved(change):
            self.go(change["new"])
            shown.value = self._repr_html_()

        slider.observe(moved, names="value")
        buttons = [ipywidgets.Button(description=name, layout=ipywidgets.Layout(width="6em"))
                   for name in ("back", "next")]
        for button, by in zip(buttons, (-1, 1)):
            button.on_click(lambda _, by=by: setattr(slider, "value", slider.value + by))
        return ipywidgets.VBox([ipywidgets.HBox([slider, *buttons]), shown])


def step(kernel, grid, *args, program=(0, 0, 0), into=False, reachable=(), debug=False, emulate_tf32=False,
         uninitialised=(), **kwargs) -> Stepper:
    """Run one program of a kernel on copies of its arrays and note every line: a Stepper.

    Parameters as `kernels.interpret`; program: one to three ints within the grid. into: also go through the helpers
    that the kernel calls (not Triton's own). An exception in the kernel ends the steps and becomes `Stepper.error`.
    """
    call = prepare(kernel, grid, args, kwargs, reachable,
                   [uninitialised] if isinstance(uninitialised, str) else uninitialised)
    program = (*((program,) if isinstance(program, int) else program), 0, 0)[:3]
    if not all(0 <= i < n for i, n in zip(program, call.grid)):
        raise IndexError(f"program {program} is not in the grid {call.grid}")
    recorder = Recorder(call, None, LIMIT)
    call.memory.watchers = [recorder]
    interpreter()[0].forget()
    noted, error, before = Noted(call, recorder, into), None, contents(call)
    try:
        with noted.listening():
            run(call.jit_fn, call.grid, call.values, call.memory, debug, emulate_tf32, programs=[program])
    except Exception as raised:
        if not noted.steps or noted.full:
            raise
        error = raised
    finally:
        arrays = {block.name: block.array.copy() for block in call.memory.blocks}
        put_back(call, before)
    return Stepper(call.jit_fn.__name__, program, noted.steps, recorder.trace(), arrays, error)


class Noted:
    """Notes steps while a program runs, through sys.settrace."""

    def __init__(self, call, recorder, into):
        self.call, self.recorder, self.into = call, recorder, into
        self.file, self.name = call.jit_fn.fn.__code__.co_filename, call.jit_fn.__name__
        self.steps, self.frames, self.raised, self.full = [], [], False, False

    @contextlib.contextmanager
    def listening(self):
        """Trace this thread meanwhile."""
        before = sys.gettrace()
        sys.settrace(self.called)
        try:
            yield
        finally:
            sys.settrace(before)

    def called(self, frame, event, argument):
        """A function begins: follow it if it is the kernel, or one of its helpers."""
        code = frame.f_code
        kernel = not self.frames and code.co_name == self.name and code.co_filename == self.file
        helper = self.into and self.frames and not code.co_filename.startswith(NOT_KERNELS) and any(
            twin.__code__ is code for _, twin in interpreter()[0].functions.values())
        if not kernel and not helper:
            return None
        self.frames.append(frame)
        return self.happened

    def happened(self, frame, event, argument):
        """A line is about to run, or the function returns."""
        depth = len(self.frames) - 1
        if event == "line":
            line, several = listings.statement(frame.f_code.co_filename, frame.f_lineno)
            if not (several and self.steps and self.steps[-1][:2] == (line, depth)):
                self.note(frame, line, depth)
        elif event == "exception":
            self.raised = True
        elif event == "return":
            if depth == 0 and not self.raised:
                self.note(frame, 0, depth)
            self.frames.pop()
        return self.happened

    def note(self, frame, line, depth):
        """One step."""
        if len(self.steps) >= MOST_STEPS:
            self.full = True
            raise RuntimeError(f"{self.name}: more than {MOST_STEPS} steps; choose smaller arguments or bigger blocks")
        here = {name: seen(value, self.call.memory) for name, value in frame.f_locals.items()}
        before = next((s.locals for s in reversed(self.steps) if s.depth == depth), here)
        changed = [name for name, value in here.items() if name not in before or not same(value, before[name])]
        self.steps.append(Step(line, depth, frame.f_code, here, changed, len(self.recorder.records)))
