"""Run the notebooks in notebooks/ from a clean kernel.

    python -m tests.notebooks                 # run all, store their outputs
    python -m tests.notebooks 03_debug        # those whose names begin so

tests/test_notebooks.py runs them and compares: a stored output must be what comes out today, but for cells that are
tagged "varies" (times, say).
"""

from __future__ import annotations

import copy
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
VARIES = "varies"  # a cell's tag: its output is not the same every time
TIMEOUT = 120  # seconds per cell
LARGEST = 400_000  # bytes of a notebook with its outputs


def read(path):
    """A notebook as it is stored."""
    import nbformat

    return nbformat.read(path, as_version=4)


def executed(notebook):
    """A copy, run from a clean kernel in an empty folder; raises CellExecutionError where a cell raises."""
    import nbclient

    result = copy.deepcopy(notebook)
    for cell in result.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    with tempfile.TemporaryDirectory() as folder:
        client = nbclient.NotebookClient(result, timeout=TIMEOUT, kernel_name="python3", allow_errors=False,
                                         resources={"metadata": {"path": folder}})
        client.execute(env=os.environ | {"PYTHONPATH": os.pathsep.join(paths),
                                         "MPLBACKEND": "module://matplotlib_inline.backend_inline"})
    for cell in result.cells:
        cell.metadata.pop("execution", None)  # times of day
    result.metadata.pop("language_info", None)  # of this machine's Python
    return result


def texts(cell) -> list[str]:
    """What a cell printed or returned, as text; streams that arrived in parts are joined."""
    found, streams = [], {}
    for output in cell.outputs:
        if output.output_type == "stream":
            streams[output.name] = streams.get(output.name, "") + output.text
        else:
            found.append(output.get("data", {}).get("text/plain", ""))
    return [f"{name}: {text}" for name, text in sorted(streams.items())] + found


def main(names):
    """Run and store."""
    import nbformat

    for path in NOTEBOOKS:
        if not names or path.name.startswith(tuple(names)):
            nbformat.write(executed(read(path)), path)
            print(f"{path.relative_to(ROOT)}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
