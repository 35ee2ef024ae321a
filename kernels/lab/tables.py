"""Tables of strings, for terminals and for notebooks."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

WIDEST = 60  # characters of a column


def text_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A title, and rows under their columns.

    >>> print(text_table("two", ("line", "does"), [("a.py:3", "load")]))
    two
      line    does
      a.py:3  load
    """
    lines = [[_short(cell) for cell in row] for row in [columns, *rows]]
    widths = [max(len(row[i]) for row in lines) for i in range(len(columns))]
    return "\n".join([title, *("  " + "  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in lines)])


def html_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], code: Sequence[int] = ()) -> str:
    """The same for notebooks; `code`: the columns that hold source."""
    def row(cells, tag):
        marked = (f"<code>{html.escape(c)}</code>" if i in code and tag == "td" else html.escape(c)
                  for i, c in enumerate(cells))
        return "<tr>" + "".join(f'<{tag} style="text-align:left">{c}</{tag}>' for c in marked) + "</tr>"

    body = "".join(row(cells, "td") for cells in rows)
    return f"<table><caption>{html.escape(title)}</caption>{row(columns, 'th')}{body}</table>"


def _short(cell: str) -> str:
    return cell if len(cell) <= WIDEST else cell[:WIDEST - 1] + "…"
