"""Stepping through one program of a kernel."""

import sys

import numpy as np
import pytest

pytest.importorskip("triton", reason="interprets Triton kernels")

from tests.kernels.lab import faulty_kernels as K
from tritonnet import kernels
from tritonnet.kernels.lab.variables import Pointers
from tritonnet.kernels.runtime import OutOfBounds
from tritonnet.kernels.softmax import softmax_kernel


def floats(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.fixture
def stepper():
    """Through the second program of x + y."""
    return kernels.step(K.add, (2,), floats(100), floats(100), np.zeros(100, "f4"), 100, BLOCK=64, program=1)


def test_forth_and_back(stepper):
    first = stepper.line
    assert [s.line and s.line - first for s in stepper] == [0, 1, 2, 3, 4, 0] and stepper[5].line == 0
    assert list(stepper.locals) == ["x_ptr", "y_ptr", "z_ptr", "n", "BLOCK"] and stepper.locals["BLOCK"] == 64
    assert stepper.next().line == first + 1 and list(stepper.changed) == ["at"]
    assert stepper.locals["at"].tolist() == list(range(64, 128))
    stepper.next()
    assert stepper.locals["inside"].dtype == bool and stepper.locals["inside"].sum() == 36
    assert "inside" not in stepper.back().locals and stepper.back(9).line == first
    assert stepper.next(99).line == 0 and stepper.position == len(stepper) - 1
    assert (stepper.arrays["z_ptr"][64:] != 0).all()


def test_run_to(stepper):
    assert stepper.run_to("tl.store").position == 4
    assert stepper.go(0).run_to(stepper[3].line).position == 3
    with pytest.raises(ValueError, match="does not come to line 'x = tl.load' after step 3"):
        stepper.run_to("x = tl.load")
    with pytest.raises(IndexError, match="6 steps"):
        stepper.go(6)


def test_nothing_is_changed():
    x, z = floats(16), np.zeros(16, "f4")
    before = sys.gettrace()
    s = kernels.step(K.with_helper, 1, x, z, BLOCK=16)
    assert (z == 0).all() and (s.arrays["y_ptr"] == x + x).all() and sys.gettrace() is before


def test_pointers_and_memory(stepper):
    assert isinstance(stepper.locals["x_ptr"], Pointers) and stepper.locals["x_ptr"].offsets == 0
    assert stepper.go(3).did[0].kind == "load" and "load of x_ptr[64:100] by 36 of 64 lanes" in repr(stepper)


def test_how_it_looks(stepper):
    stepper.go(2)
    text = repr(stepper)
    assert text.startswith("add, program (1, 0, 0), step 2 of 5")
    assert [line for line in text.splitlines() if line.startswith("→")][0].endswith(
        "x = tl.load(x_ptr + at, mask=inside)")
    assert "inside = bool[64]  36 of 64 true" in text
    page = stepper._repr_html_()
    assert "background" in page and "at &lt; n" in page and "<script" not in page
    assert "arguments" in stepper.go(0)._repr_html_() and "the end" in repr(stepper.go(-1))


def test_loops_and_statements_of_several_lines():
    s = kernels.step(K.product, (1,), floats(16, 64), floats(64, 16), np.zeros((16, 16), "f4"), 64, 64, 16, N=16,
                     BLOCK_K=16)
    at = [step.line for step in s]
    dot = s.run_to("tl.dot").line
    assert at.count(dot) == 4 and dot + 1 not in at
    assert [int(np.asarray(s[i].locals["k"])) for i, line in enumerate(at) if line == dot] == [0, 16, 32, 48]
    assert s.next().did.dots[0].result.shape == (16, 16) and "acc" in s.changed


def test_into_helpers():
    x, y = floats(8), np.zeros(8, "f4")
    assert {s.code.co_name for s in kernels.step(K.with_helper, (1,), x, y, BLOCK=8)} == {"with_helper"}
    s = kernels.step(K.with_helper, (1,), x, y, BLOCK=8, into=True)
    inside = [step for step in s if step.code.co_name == "twice"]
    assert len(inside) == 2 and inside[1].depth == 1 and (inside[1].locals["half"] == x / 2).all()
    s.run_to("half = x * 0.5")
    assert "def twice(x)" in repr(s)


def test_our_own_kernels():
    x, y = floats(3, 50), np.zeros((3, 50), np.float32)
    s = kernels.step(softmax_kernel, (1,), x, y, 3, 50, 0, 50, None, 0, 50, None, LOG=False,
                     ACC=np.dtype("f4"), ROWS=4, BLOCK=64, LOOP=False)
    assert len(s) > 5 and "softmax_kernel" in repr(s)
    np.testing.assert_allclose(s.arrays["y"].sum(axis=1), 1, rtol=1e-5)


def test_an_error_is_the_last_step():
    s = kernels.step(K.one_too_many, (2,), floats(100), np.zeros(100, "f4"), 100, BLOCK=64, program=(1,))
    assert isinstance(s.error, OutOfBounds) and "OutOfBounds" in repr(s.go(-1)) and "tl.store" in repr(s)
    assert s.line == s[-1].line and s.locals["at"][36] == 100
    with pytest.raises(IndexError, match=r"program \(2, 0, 0\) is not in the grid"):
        kernels.step(K.add, (2,), floats(4), floats(4), floats(4), 4, BLOCK=4, program=2)


def test_the_widget(stepper):
    pytest.importorskip("ipywidgets", reason="an extra: tritonnet[notebook]")
    box = stepper.widget()
    slider, back, forth = box.children[0].children
    slider.value = 3
    assert stepper.position == 3 and "step 3 of 5" in box.children[1].value
    forth.click()
    assert stepper.position == 4 and (back.click() or stepper.position == 3)


def test_the_widget_needs_ipywidgets(stepper, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(ImportError, match=r"tritonnet\[notebook\]"):
        stepper.widget()
