"""Every notebook runs from a clean kernel, and shows what comes out today."""

import pytest

from tests.notebooks import LARGEST, NOTEBOOKS, VARIES, executed, read, texts

pytest.importorskip("triton", reason="the notebooks interpret Triton kernels")
for package in ("nbclient", "ipykernel", "matplotlib", "ipywidgets"):
    pytest.importorskip(package, reason="runs notebooks: in the extra tritonnet[test]")
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_and_shows_what_it_stored(path):
    stored = read(path)
    found = executed(stored)
    for old, new in zip(stored.cells, found.cells):
        if old.cell_type == "code" and VARIES not in old.metadata.get("tags", ()):
            assert texts(new) == texts(old), f"stored output is out of date (python -m tests.notebooks):\n{old.source}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_stored_executed_and_small(path):
    cells = [cell for cell in read(path).cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells) and path.stat().st_size < LARGEST
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), "not from a clean kernel"


def test_there_are_notebooks():
    assert NOTEBOOKS
