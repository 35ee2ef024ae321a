"""The benchmark suite: every program runs, gives the peers' numbers, and is counted."""

import numpy as np
import pytest

from tritonnet.bench.cases import CASES, programs
from tritonnet.bench.peers import NAMES, Unable, inputs_of, installed, peer
from tritonnet.bench.runner import alike, row_of

PROGRAMS = programs(tiny=True)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.label)
def test_every_case_runs_and_agrees_with_numpy(program):
    row = row_of(program, [peer("tritonnet"), peer("numpy")], rounds=2, seconds=1e-4)
    assert row["error"] is None and row["agrees"] in ("yes", "not compared")
    assert (row["agrees"] == "yes") == (program.case.arrays is not None and program.case.rtol is not None)
    assert len(row["peers"]["tritonnet"]["samples"]) == 2 and row["again_us"] > 0
    assert row["bytes"] > 0 and (row["launches"] > 0 or program.case.moved)


def test_pytorch_agrees(torch):
    rows = [row_of(p, [peer("tritonnet"), peer("torch")], rounds=1, seconds=1e-4) for p in PROGRAMS]
    assert [row["case"] for row in rows if row["agrees"] == "no"] == []


def test_every_group_of_the_issue_is_there():
    groups = {case.group for case in CASES.values()}
    assert {"matmul", "conv", "softmax", "norm", "loss", "optimizer", "attention", "elementwise", "training"} <= groups


def test_choosing():
    assert {p.case.group for p in programs("softmax,norm")} == {"softmax", "norm"}
    assert {p.dtype for p in programs("matmul", on_device=True)} == {"float32", "float16", "bfloat16"}
    assert {p.dtype for p in programs("matmul", on_device=True, dtype="float16")} == {"float16"}
    assert programs("no such case") == []


def test_array_libraries_get_the_same_inputs():
    program = next(p for p in PROGRAMS if p.case.name == "linear + bias + relu")
    x, w, b = inputs_of(program)
    assert [a.shape for a in (x, w, b)] == [(8, 8), (8, 8), (8,)] and np.abs(x).max() <= 1


def test_peers_that_are_not_there(monkeypatch):
    assert "tritonnet" in installed() and set(installed()) <= set(NAMES)
    with pytest.raises(ValueError, match="unknown peer 'tensorflow'"):
        peer("tensorflow")
    monkeypatch.setattr("importlib.import_module", lambda name: __import__("no_such_package_here"))
    with pytest.raises(Unable, match="cupy"):
        peer("cupy")


def test_errors_become_part_of_the_row():
    def broken(torch, make, *sizes):
        raise RuntimeError("does not work")

    program = PROGRAMS[0]._replace(case=PROGRAMS[0].case._replace(make=broken))
    row = row_of(program, [peer("tritonnet")], rounds=1, seconds=1e-4)
    assert row["error"] == "RuntimeError: does not work" and row["agrees"] == "no"


def test_results_that_differ_are_noticed():
    assert alike([np.ones(3)], [np.ones(3) * 1.001], 1e-2) and not alike([np.ones(3)], [np.zeros(3)], 1e-2)
    assert not alike([np.ones(3)], [np.ones(4)], 1e-2)
    assert not alike([np.array([np.nan])], [np.ones(1)], 1e-2)
