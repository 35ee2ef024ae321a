"""tests/kernel_matrix.md is what the samples say, and no kernel is held against nothing."""

import pytest

from tests.kernel_matrix import PATH, coverage, parsed, table

ANY = {"float32", "float16", "bfloat16"}


@pytest.fixture(scope="module")
def found():
    return coverage()


@pytest.mark.slow
def test_the_page_is_up_to_date(found):
    written, _, _ = parsed(PATH.read_text())
    changed = sorted(row for row in found.keys() | written.keys() if found.get(row) != written.get(row))
    shown = [f"{row.family}.{row.name}: page {sorted(written.get(row, ()))}, samples {sorted(found.get(row, ()))}"
             for row in changed[:20]]
    assert not changed, ("tests/kernel_matrix.md is out of date: run `python -m tests.kernel_matrix` "
                         "(or --coverage-only, which takes seconds)\n" + "\n".join(shown))


@pytest.mark.slow
def test_every_kernel_is_held_against_its_mirror(found):
    alone = [f"{row.family}.{row.name}" for row, checks in found.items() if not checks & ANY]
    assert not alone, f"launched by no sample or exercise on the simulated device: {', '.join(sorted(alone))}"


def test_a_page_is_read_as_it_was_written():
    checks, registers, version = parsed(PATH.read_text())
    assert table(checks, registers, version) == PATH.read_text()
