"""Inspections as HTML: a table for notebooks, and a page with source, PTX and SASS side by side.

The page is one file that asks the network for nothing. Pointing at a line of any stage lights up what the others made
of the same source line, and scrolls there; a click holds it.
"""

from __future__ import annotations

import datetime
import functools
import html
from pathlib import Path

from tritonnet.kernels.lab.wording import rows, title

ASSETS = Path(__file__).parent / "assets"
BELOW = ("ptx", "ttgir", "ttir")  # the stages between source and SASS, as the page offers them


@functools.cache
def asset(name: str) -> str:
    """A text that lies beside this module."""
    return (ASSETS / name).read_text(encoding="utf-8")


class Frame:
    """The page inside a notebook."""

    def __init__(self, inspections, height):
        self.inspections, self.height = inspections, height

    def _repr_html_(self):
        return (f"<iframe srcdoc=\"{html.escape(page(self.inspections))}\" style='border:0' width='100%' "
                f"height='{self.height}'></iframe>")


def table(inspections) -> str:
    """Figures by name, a column per launch."""
    columns = [dict(rows(found)) for found in inspections]
    names = list(dict.fromkeys(name for column in columns for name in column))
    head = "".join(f"<th style='text-align:left'>{html.escape(title(found))}</th>" for found in inspections)
    body = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
        + "".join(f"<td style='text-align:left'>{html.escape(column.get(name, ''))}</td>" for column in columns)
        + "</tr>" for name in names)
    return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table>"


def page(inspections) -> str:
    """The whole file."""
    sections = "".join(section(found, i) for i, found in enumerate(inspections))
    choice = "".join(f"<option value='{i}'>{html.escape(title(found))}</option>"
                     for i, found in enumerate(inspections))
    return asset("inspection.html").format(
        title=html.escape(title(inspections[0])), style=asset("inspection.css"), script=asset("inspection.js"),
        choice=choice, sections=sections, date=datetime.date.today().isoformat())


def section(found, number: int) -> str:
    """One launch: its figures and its stages."""
    listing = found.listing
    index = {(file, line): i for i, (file, line, _) in enumerate(listing.source)}
    made = [0] * len(listing.source)
    for line in listing.stages["sass"]:
        if line.where:
            made[index[line.where]] += 1
    most = max(made, default=0) or 1
    source, before = [], None
    for i, (file, at, text) in enumerate(listing.source):
        if file != before:
            source.append(f"<div class='file'>{html.escape(Path(file).name)}</div>")
            before = file
        bar = f"<i style='width:{100 * made[i] / most:.0f}%'></i>" if made[i] else ""
        source.append(f"<div class='line' data-l='{i}'{_hue(i) if made[i] else ''}><b>{at}</b>"
                      f"<s title='{made[i]} instructions'>{bar}</s>{html.escape(text) or ' '}</div>")
    panes = [_pane("source", "Python", "".join(source), True)]
    for stage in (*BELOW, "sass"):
        lines = "".join(_line(line, index) for line in listing.stages[stage])
        panes.append(_pane(stage, stage.upper(), lines, stage in ("ptx", "sass")))
    figures = "".join(f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd></div>"
                      for name, text in rows(found))
    return (f"<section data-n='{number}'><details open><summary>{html.escape(title(found))}</summary>"
            f"<dl>{figures}</dl></details><div class='panes'>{''.join(panes)}</div></section>")


def _pane(stage, name, lines, shown) -> str:
    return (f"<div class='pane' data-stage='{stage}'{'' if shown else ' hidden'}><h2>{name}</h2>"
            f"<div class='code'>{lines}</div></div>")


def _line(line, index) -> str:
    if line.where is None:
        return f"<div class='line'><b></b>{html.escape(line.text) or ' '}</div>"
    i = index[line.where]
    return f"<div class='line' data-l='{i}'{_hue(i)}><b>{line.where[1]}</b>{html.escape(line.text)}</div>"


def _hue(i: int) -> str:
    """A colour of its own for a source line; neighbours differ."""
    return f" style='--h:{i * 137 % 360}'"
