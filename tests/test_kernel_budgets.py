"""The table of budgets: how it is read, and what counts as worse."""

import pytest

from tests import kernel_budgets
from tests.kernel_budgets import Budget, Row, read, widest, worse, write

KNOWN = Budget("a product", 96, 0, 0, 1024, 128, 5, "registers", "HGMMA", 128, 128)


@pytest.mark.parametrize("changed, said", [
    ({}, None), ({"registers": 92}, None), ({"registers": 97}, "registers: 97, 96 in the table"),
    ({"spills": 4}, "spills: 4, 0"), ({"stack": 8}, "stack: 8, 0"), ({"shared": 2048}, "shared: 2048, 1024"),
    ({"blocks": 4}, "resident: 4 blocks of 128 threads"), ({"tensor": "HMMA"}, "tensor cores: HMMA, HGMMA"),
    ({"tensor": ""}, "tensor cores: none, HGMMA"), ({"load": 64}, "widest load: 64 bits, 128"),
    ({"store": 32}, "widest store: 32 bits, 128"), ({"load": 256, "blocks": 6, "shared": 0}, None)])
def test_what_is_worse(changed, said):
    found = worse(KNOWN._replace(**changed), KNOWN)
    assert not found if said is None else len(found) == 1 and found[0].startswith(said)


def test_registers_are_given_out_by_eights():
    assert not worse(KNOWN._replace(registers=96), KNOWN._replace(registers=89))


def test_the_widest_access():
    sass = ["LDG.E.U16", "LDG.E.64.CONSTANT", "LDGSTS.E.BYPASS.LTC128B.128", "STG.E", "STG.E.U8", "LDS.128"]
    assert (widest(sass, "LDG(STS)?"), widest(sass, "STG"), widest(sass, "RED")) == (128, 32, 0)
    assert widest(sass[:1], "LDG") == 16 and widest(sass[:2], "LDG") == 64 and widest(sass[4:5], "STG") == 8
    assert widest(["LDG.E.ENL2.256"], "LDG") == 256 and widest(["LDGSTS.E.LTC128B"], "LDG(STS)?") == 32


def test_a_table_is_read_as_it_was_written(tmp_path, monkeypatch):
    monkeypatch.setattr(kernel_budgets, "PATH", tmp_path / "table.json")
    monkeypatch.setattr(kernel_budgets, "PAGE", tmp_path / "table.md")
    budgets = {Row("matmul.gemm", "gemm_kernel", "half", 90): KNOWN,
               Row("elementwise", "add_kernel", "float32", 80): KNOWN._replace(spills=8, tensor="", threads=256)}
    write("3.9.0", budgets)
    assert read() == ("3.9.0", budgets)
    page = (tmp_path / "table.md").read_text()
    assert "| matmul.gemm.gemm_kernel | half |" in page and "96, 8 spilled | 1024 | 5x8/64 | registers |" in page
