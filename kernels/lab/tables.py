"""Tables of strings, for terminals and for notebooks."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable, Sequence

WIDEST = 60  # characters of a column


def text_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A title, and rows under their columns.

    >>> print(text_table("two", ("line", "does"), [("a.py:3", "load")]))
    two
      line    does
      a.py:3  load
    """
    lines = [[shortened(cell, WIDEST) for cell in row] for row in [columns, *rows]]
    widths = [max(wide(row[i]) for row in lines) for i in range(len(columns))]
    return "\n".join([title, *("  " + "  ".join(padded(c, w) for c, w in zip(row, widths)).rstrip() for row in lines)])


def html_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], code: Sequence[int] = ()) -> str:
    """The same for notebooks; `code`: the columns that hold source."""
    def row(cells, tag):
        marked = (f"<code>{html.escape(c)}</code>" if i in code and tag == "td" else html.escape(c)
                  for i, c in enumerate(cells))
        return "<tr>" + "".join(f'<{tag} style="text-align:left">{c}</{tag}>' for c in marked) + "</tr>"

    body = "".join(row(cells, "td") for cells in rows)
    return f"<table><caption>{html.escape(title)}</caption>{row(columns, 'th')}{body}</table>"


def wide(text: str) -> int:
    """The columns of a terminal that a text takes: two for a wide character, none for a combining one.

    >>> wide("load"), wide("損失"), wide("e\N{COMBINING ACUTE ACCENT}")
    (4, 4, 1)
    """
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def padded(text: str, width: int, left: bool = True) -> str:
    """Text with spaces up to a width in columns, behind it (`left`: the text is) or before."""
    spaces = " " * max(0, width - wide(text))
    return text + spaces if left else spaces + text


def shortened(text: str, width: int) -> str:
    """Text of at most so many columns."""
    if wide(text) <= width:
        return text
    while wide(text) >= width:
        text = text[:width - 1] if len(text) >= width else text[:-1]
    return text + "…"
