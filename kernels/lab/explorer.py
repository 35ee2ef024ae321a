"""A kernel's configuration under sliders: what each value does to registers, occupancy and the predicted time.

    explore("matmul", "4096x4096x4096", "float16")      # at the end of a notebook's cell: sliders, figures, roofline
    face = explore("softmax")
    face.set(num_warps=8, arch="sm_80"); print(face); face.picture()      # the same from a program

No GPU is needed: every configuration is compiled, its time is predicted (`prediction`). The sliders need ipywidgets,
the picture Matplotlib: pip install 'tritonnet[notebook]'.
"""

from __future__ import annotations

import base64
import html
import io
import math

from tritonnet.kernels.lab.candidates import Candidate
from tritonnet.kernels.lab.occupancy import LIMITS, occupancy_of
from tritonnet.kernels.lab.plan import arch_named, launches, names_of
from tritonnet.kernels.lab.subjects import Unknown, dtype_named, subject
from tritonnet.kernels.lab.wording import amount
from tritonnet.kernels.runtime.resources import TENSOR_CORES
from tritonnet.kernels.runtime.simulation.dry import GPUS
from tritonnet.kernels.space import Space


def explore(what, shapes=None, dtype="float16", arch=90) -> Explorer:
    """A subject's first kernel that can be configured, under sliders; begins with the default configuration.

    what: a name, a `Subject`, or a kernel (`subjects.subject`).  shapes: text, a dict, or None for the defaults; the
    first counts.
    Raises Unknown, saying what there is.
    """
    found = subject(what)
    dims = found.dims | found.checked(dict(shapes)) if isinstance(shapes, dict) else found.shapes(shapes)[0]
    return Explorer(found, dims, dtype, arch)


class Explorer:
    """A configuration that can be changed, and what is known of it: `candidate`, `resources`, `str()`, `picture()`.

    history: every `Candidate` that was looked at for the present type and architecture.
    """

    def __init__(self, subject, dims, dtype="float16", arch=90):
        self.subject, self.dims, self.dtype, self.arch = subject, dims, dtype_named(dtype).name, arch_named(arch)
        tunable = [p for p in launches(subject, dims, self.dtype, self.arch) if p.kernel.space is not None]
        if not tunable:
            raise Unknown(f"{subject.name} has nothing to explore: its kernels declare no space of configurations")
        self.kernel, self.history = tunable[0].kernel, []
        self.reset()

    @property
    def default(self) -> dict:
        """The configuration that a launch takes by itself."""
        return next(p.config for p in launches(self.subject, self.dims, self.dtype, self.arch)
                    if p.kernel is self.kernel)

    @property
    def choices(self) -> dict[str, list[int]]:
        """The values that each name may take: those of the kernel's space, and the default's."""
        space, default = self.kernel.space, self.default
        declared = space.choices if isinstance(space, Space) else {
            name: [config[name] for config in space if name in config] for name in names_of(self.kernel)}
        return {name: sorted({*values, default[name]} if name in default else {*values})
                for name, values in declared.items()}

    def reset(self):
        """Back to the default configuration."""
        return self.set(**self.default)

    def set(self, dtype=None, arch=None, **values):
        """Change type, architecture or values of the configuration, compile, predict; returns itself."""
        if wrong := [name for name in values if name not in names_of(self.kernel)]:
            raise Unknown(f"{self.kernel.name} has no {', '.join(wrong)} in its configuration: "
                          f"{', '.join(names_of(self.kernel))}")
        dtype = self.dtype if dtype is None else dtype_named(dtype).name
        arch = self.arch if arch is None else arch_named(arch)
        before = self.candidate.config if self.history else {}
        if (dtype, arch) != (self.dtype, self.arch):
            if dtype not in self.subject.dtypes:
                raise Unknown(f"{self.subject.name} takes {', '.join(self.subject.dtypes)}, not {dtype}")
            self.dtype, self.arch, self.history = dtype, arch, []
        candidate = Candidate(before | values)
        candidate.plan(self.subject, self.dims, dtype_named(dtype), arch, self.kernel)
        self.resources = candidate.compile()
        self.history.append(candidate)
        return self

    @property
    def candidate(self) -> Candidate:
        """The present configuration, with what is known of it."""
        return self.history[-1]

    @property
    def title(self) -> str:
        """What is explored, in a line."""
        sizes = ", ".join(f"{name}={size}" for name, size in self.dims.items())
        return (f"{self.kernel.name} for {self.subject.name} {sizes} in {self.dtype} on sm_{self.arch} "
                f"({GPUS[self.arch].name})")

    def rows(self) -> list[tuple[str, str]]:
        """(name, text) of each figure."""
        c, found = self.candidate, self.resources
        told = [("configuration", str(c) + (" (default)" if c.config == self.default else "")),
                ("programs", str(c.planned.programs))]
        if found is None:
            return [*told, ("state", c.state)]
        used = ", ".join(f"{n} x {name}" for name, n in found.instructions.items() if name in TENSOR_CORES)
        told += [("registers", f"{found.registers} per thread, {found.threads} threads" + (
                     f", {found.spills} B SPILLED" if found.spills else "")),
                 ("shared memory", f"{amount(found.shared)}B per block of {amount(c.planned.gpu.max_shared)}B"),
                 ("occupancy", str(occupancy_of(found))), ("tensor cores", used or "not used")]
        if not c.usable:
            return [*told, ("state", c.state)]
        if math.isfinite(c.predicted_us):
            told += [("time", f"{c.predicted_us:.1f} us PREDICTED, not measured; bound by {c.limit}"),
                     ("at least", f"{c.floor_us:.1f} us by the data sheet, however it is configured")]
        return told

    def __str__(self):
        rows = self.rows()
        wide = max(len(name) for name, _ in rows)
        return "\n".join([self.title, *(f"  {name:<{wide}}  {text}" for name, text in rows)])

    def as_html(self) -> str:
        """The figures as a table."""
        body = "".join(f'<tr><td style="padding-right:1em;color:#7b8794">{html.escape(name)}</td>'
                       f'<td>{html.escape(text)}</td></tr>' for name, text in self.rows())
        return f'<div style="line-height:1.4"><b>{html.escape(self.title)}</b><table>{body}</table></div>'

    def picture(self):
        """A Figure: the present configuration under the roofs of the data sheet, those looked at before in grey.

        ImportError without Matplotlib; ValueError for a kernel that declares no flops or no bytes.
        """
        from tritonnet.kernels.lab.pictures import explored

        return explored(self)

    def png(self) -> bytes:
        """The picture as a file; b"" where the kernel has no place under a roofline."""
        planned, made = self.candidate.planned, io.BytesIO()
        if planned.flops and planned.bytes:
            self.picture().savefig(made, format="png", dpi=72)
        return made.getvalue()

    def widget(self):
        """Sliders over the configuration, its figures and its place under the roofline: needs ipywidgets."""
        try:
            import ipywidgets
        except ImportError as error:
            raise ImportError("explore(…).widget() needs ipywidgets: pip install 'tritonnet[notebook]'") from error
        return _widget(self, ipywidgets)

    def _repr_mimebundle_(self, include=None, exclude=None):
        """In a notebook: the sliders, and where no kernel runs, the figures and the picture."""
        shown = {"text/plain": str(self)}
        if png := self.png():
            shown["image/png"] = base64.b64encode(png).decode()
        return self.widget()._repr_mimebundle_() | shown


def _widget(face, ipywidgets):
    """The sliders of an `Explorer`."""
    facts, picture = ipywidgets.HTML(), ipywidgets.Image(format="png")
    wide = ipywidgets.Layout(width="24em")
    sliders = {name: ipywidgets.SelectionSlider(options=values, value=face.candidate.config[name], description=name,
                                                continuous_update=False, layout=wide)
               for name, values in face.choices.items() if len(values) > 1}
    dtype = ipywidgets.Dropdown(options=face.subject.dtypes, value=face.dtype, description="dtype", layout=wide)
    arch = ipywidgets.Dropdown(options=[(f"sm_{n}  {GPUS[n].name}", n) for n in LIMITS], value=face.arch,
                               description="arch", layout=wide)
    default = ipywidgets.Button(description="default")
    quiet = []  # while sliders are moved by the program

    def show():
        facts.value, picture.value = face.as_html(), face.png()

    def moved(change):
        if not quiet:
            face.set(dtype=dtype.value, arch=arch.value, **{name: s.value for name, s in sliders.items()})
            show()

    def reset(_):
        face.reset()
        quiet.append(True)
        for name, slider in sliders.items():
            slider.options = face.choices[name]
            slider.value = face.candidate.config[name]
        quiet.clear()
        show()

    for control in (*sliders.values(), dtype, arch):
        control.observe(moved, names="value")
    default.on_click(reset)
    show()
    controls = ipywidgets.VBox([*sliders.values(), dtype, arch, default])
    return ipywidgets.VBox([ipywidgets.HBox([controls, facts]), picture])
