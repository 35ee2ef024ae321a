"""Pictures of tuning: a heat map over two parameters, and candidates under the roof. matplotlib (extra `plot`)."""

from __future__ import annotations

import math

import numpy as np

INK, MUTED, BLUE, ORANGE = "#1f2933", "#7b8794", "#2f6fb2", "#d9822b"


def figure(width, height):
    """An empty figure, without pyplot's global state. Raises ImportError saying what to install."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("pictures need matplotlib: pip install 'tritonnet[plot]'") from None
    return Figure(figsize=(width, height), layout="constrained")


def heat_map(tuning, x: str | None = None, y: str | None = None):
    """A Figure: the best time over two parameters of the configuration (default: the two that matter most).

    Each cell is the fastest candidate with these two values. Of a prediction it shows also what was not compiled; what
    is out for its spills, or was not timed, leaves its cell empty.
    """
    x, y = _axes(tuning, x, y)
    rows, columns = (sorted({c.config[name] for c in tuning.candidates}) for name in (y, x))
    times = np.full((len(rows), len(columns)), np.nan)
    for c in _shown(tuning):
        at = rows.index(c.config[y]), columns.index(c.config[x])
        times[at] = np.nanmin([times[at], c.score])
    made = figure(1.6 + 1.05 * len(columns), 1.7 + 0.62 * len(rows))
    axes = made.subplots()
    best = np.nanmin(times)
    worst = min(3, max(1.5, np.nanmax(times) / best))  # a few hundredths are no difference to see
    shown = axes.imshow(times / best, cmap="viridis_r", aspect="auto", vmin=1, vmax=worst)
    for (i, j), t in np.ndenumerate(times):
        if not math.isnan(t):
            dark = shown.norm(t / best) > 0.45
            axes.text(j, i, _us(t), ha="center", va="center", fontsize=9, color="white" if dark else INK,
                      fontweight="bold" if t == best else "normal")
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, colors=INK)
    bar = made.colorbar(shown, ax=axes, pad=0.02)
    bar.set_label("time / best (numbers: microseconds)", color=INK)
    bar.outline.set_visible(False)
    _title(made, tuning)
    return made


def roofline_of(tuning):
    """A Figure: every compiled candidate's rate over its intensity, under the roofs of the data sheet."""
    first = tuning.ranked[0].planned
    made, axes, intensity = _roofs(first)
    reached = [first.flops / c.score / 1e6 for c in tuning.ranked]
    axes.plot([intensity] * len(reached), reached, "o", color=BLUE, alpha=0.45, markersize=6, markeredgewidth=0)
    axes.annotate(f"best: {max(reached):.0f} TFLOP/s", (intensity, max(reached)), textcoords="offset points",
                  xytext=(9, -4), color=INK)
    _title(made, tuning)
    return made


def explored(face):
    """A Figure of an `Explorer`: the present configuration's rate under the roofs, earlier ones' in grey."""
    now = face.candidate
    made, axes, intensity = _roofs(now.planned, height=3.6)
    for c in face.history:
        if c.usable and math.isfinite(c.predicted_us):
            x = c.planned.flops / c.planned.bytes
            colour, size = (BLUE, 9) if c is now else ("#c3cad3", 6)
            axes.plot([x], [c.planned.flops / c.predicted_us / 1e6], "o", color=colour, markersize=size,
                      markeredgewidth=0, zorder=3 if c is now else 2)
    if now.usable and math.isfinite(now.predicted_us):
        reached = now.planned.flops / now.predicted_us / 1e6
        axes.annotate(f"{reached:.3g} TFLOP/s", (intensity, reached), textcoords="offset points", xytext=(10, -4),
                      color=INK)
    made.suptitle(f"{face.title}\nPREDICTED, not measured", fontsize=9, color=INK)
    return made


def _roofs(planned, height=4.6):
    """(Figure, axes, flops per byte) with the roofs of the data sheet over what a launch has to do."""
    from tritonnet.kernels.lab.prediction import unit
    from tritonnet.kernels.lab.roofline import CEILINGS

    if not planned.flops or not planned.bytes:
        raise ValueError(f"{planned.name} declares no flops or no bytes: it has no place under a roofline")
    rates = CEILINGS[planned.arch]
    peak = rates.peak(unit(planned))
    intensity, ridge = planned.flops / planned.bytes, peak / rates.bandwidth
    made = figure(7.5, height)
    axes = made.subplots()
    ends = np.array([min(intensity, ridge) / 8, max(intensity, ridge) * 8])
    line = np.geomspace(*ends, 200)
    axes.loglog(line, np.minimum(line * rates.bandwidth, peak) / 1e12, color=ORANGE, linewidth=1.8)
    axes.annotate(f"{peak / 1e12:.0f} TFLOP/s", (ends[1], peak / 1e12), ha="right", va="bottom", color=MUTED,
                  textcoords="offset points", xytext=(0, 3))
    axes.annotate(f"{rates.bandwidth / 1e12:.2g} TB/s", (ends[0], ends[0] * rates.bandwidth / 1e12), va="bottom",
                  color=MUTED, textcoords="offset points", xytext=(26, 4))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.yaxis.get_minor_locator().set_params(subs=(2, 5))
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.set_xlabel("flops per byte")
    axes.set_ylabel("TFLOP/s")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(which="major", color="#e4e7eb")
    axes.tick_params(colors=INK)
    return made, axes, intensity


def _shown(tuning) -> list:
    """The candidates of a heat map."""
    if not tuning.predicted:
        return tuning.ranked
    return [c for c in tuning.candidates if math.isfinite(c.score) and not c.state.startswith(("out", "does", "WRONG",
                                                                                              "fails"))]


def _axes(tuning, x, y) -> tuple[str, str]:
    """The two names, checked; by default those whose values change the time most."""
    names = [n for n in tuning.candidates[0].config if len({c.config[n] for c in _shown(tuning)}) > 1]
    for name in (x, y):
        if name is not None and name not in tuning.candidates[0].config:
            raise ValueError(f"{tuning.kernel.name} has no {name} in its configuration: "
                             f"{', '.join(tuning.candidates[0].config)}")
    order = sorted(names, key=lambda n: -_spread(tuning, n)) or list(tuning.candidates[0].config)
    free = [n for n in (*order, *tuning.candidates[0].config) if n not in (x, y)]
    x = x or free.pop(0)
    return x, y or next((n for n in free if n != x), x)


def _spread(tuning, name) -> float:
    """How much the best time depends on a parameter."""
    best: dict = {}
    for c in _shown(tuning):
        best[c.config[name]] = min(best.get(c.config[name], math.inf), c.score)
    return max(best.values()) / min(best.values()) + 1e-3 * len(best)


def _title(made, tuning):
    arrays = [f"{k} " + "x".join(map(str, v)) for k, v in tuning.dims.items() if isinstance(v, tuple)]
    sizes = ", ".join(arrays) or " x ".join(str(v) for k, v in tuning.dims.items() if k[0].isupper())
    how = "PREDICTED, not measured" if tuning.predicted else f"measured {tuning.about['date']}"
    name = tuning.subject if tuning.subject == tuning.kernel.name else f"{tuning.kernel.name}, {tuning.subject}"
    made.suptitle(f"{name} {sizes} in {tuning.dtype}\n{tuning.about['device']}, {how}",
                  fontsize=11, color=INK)


def _us(t) -> str:
    return f"{t:.1f}" if t < 100 else f"{t:.0f}"
