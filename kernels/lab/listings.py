"""A stepper's moment as text and as HTML: the source with a marker, what changed, what the line did to memory."""

from __future__ import annotations

import ast
import functools
import html
import inspect
import linecache

from tritonnet.kernels.lab.variables import in_a_line

MARK = "→"


def statement(file: str, line: int) -> tuple[int, bool]:
    """(the line on which the statement around a line begins, whether it has several lines)."""
    return _statements(file).get(line, (line, False))


@functools.lru_cache(maxsize=8)
def _parsed(text):
    found = {}
    try:
        tree = ast.parse(text)
    except SyntaxError:  # a notebook's cell with commands of its own
        return found
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            end = body[0].lineno - 1 if body and isinstance(body, list) else node.end_lineno
            for line in range(node.lineno, max(end, node.lineno) + 1):
                found[line] = node.lineno, end > node.lineno
    return found


def _statements(file):
    return _parsed("".join(linecache.getlines(file)))


def text(step) -> str:
    """The line about to run; "" at the end."""
    return linecache.getline(step.code.co_filename, step.line).strip() if step.line else ""


def source(step) -> list[tuple[int, str]]:
    """(number, text) of each line of the function that a step is in."""
    first = step.code.co_firstlineno
    lines = inspect.getblock(linecache.getlines(step.code.co_filename)[first - 1:])
    indent = len(lines[0]) - len(lines[0].lstrip())
    return [(first + i, line.rstrip()[indent:]) for i, line in enumerate(lines)]


def _title(stepper):
    where = f"{stepper.name}, program {stepper.program}, step {stepper.position} of {len(stepper) - 1}"
    if stepper.error is not None and stepper.position == len(stepper) - 1:
        return f"{where}: {type(stepper.error).__name__}: {stepper.error}"
    return where if stepper.line else f"{where}: the end"


def _shown(stepper) -> list[tuple[str, str]]:
    """(name, value) of what the line before changed; at the start, of all arguments."""
    names = stepper.now.changed if stepper.position else stepper.locals
    return [(name, in_a_line(stepper.locals[name])) for name in names]


def _deeds(stepper) -> list[str]:
    return [str(record).partition(" of program")[0] for record in stepper.did]


def as_text(stepper) -> str:
    """For terminals."""
    lines = [f"{MARK if number == stepper.line else ' '} {number:4}  {line}" for number, line in source(stepper.now)]
    width = max((len(name) for name, _ in _shown(stepper)), default=0)
    values = [f"    {name.ljust(width)} = {value}" for name, value in _shown(stepper)]
    return "\n".join([_title(stepper), *lines, *values, *(f"    {deed}" for deed in _deeds(stepper))])


def as_html(stepper) -> str:
    """For notebooks; no styles or scripts from elsewhere."""
    lines = "".join(
        f'<div style="{"background:#ffe08a;color:#000" if number == stepper.line else ""}">'
        f"{MARK if number == stepper.line else '&nbsp;'} {number:4}  {html.escape(line)}</div>"
        for number, line in source(stepper.now))
    rows = "".join(f'<tr><td style="text-align:left"><code>{html.escape(name)}</code></td>'
                   f'<td style="text-align:left"><code>{html.escape(value)}</code></td></tr>'
                   for name, value in _shown(stepper))
    deeds = "".join(f"<div>{html.escape(deed)}</div>" for deed in _deeds(stepper))
    head = "changed" if stepper.position else "arguments"
    return (f"<div><b>{html.escape(_title(stepper))}</b><pre>{lines}</pre>"
            f"<table><tr><th>{head}</th><th></th></tr>{rows}</table>{deeds}</div>")
