"""Configurations under sliders, without a browser."""

import base64
import dataclasses
import sys

import pytest

from tritonnet.kernels.lab import explore
from tritonnet.kernels.lab.plan import launches
from tritonnet.kernels.lab.subjects import Unknown, subject

pytest.importorskip("triton", reason="explores what Triton's compiler makes of a kernel")
SMALL = "256x256x256"


def test_begins_with_the_default_and_follows_changes():
    face = explore("matmul", SMALL)
    default = launches(subject("matmul"), {"M": 256, "N": 256, "K": 256}, "float16", 90)[0].config
    assert face.candidate.config == face.default == default and "(default)" in str(face)
    assert face.resources.registers == face.candidate.registers and "PREDICTED, not measured" in str(face)
    before = face.candidate
    assert face.set(BLOCK_M=128) is face and face.candidate.config == default | {"BLOCK_M": 128}
    assert face.history == [before, face.candidate] and face.candidate.shared > before.shared
    assert face.reset().candidate.config == default


def test_another_type_or_architecture_begins_a_new_history():
    face = explore("matmul", {"M": 256, "N": 256, "K": 256}, arch="sm_90")
    face.set(arch="sm_80")
    assert len(face.history) == 1 and face.resources.arch == 80 and "sm_80 (NVIDIA A100" in str(face)
    assert "x HMMA" in str(face)
    assert "in float32 on sm_90" in str(face.set(dtype="float32", arch=90)) and len(face.history) == 1


def test_what_cannot_be_says_so():
    with pytest.raises(Unknown, match="close: matmul"):
        explore("matmull")
    with pytest.raises(Unknown, match="nothing to explore"):
        explore("transpose_kernel")
    with pytest.raises(Unknown, match="matmul has no dimension X"):
        explore("matmul", {"X": 1})
    face = explore("matmul", SMALL)
    with pytest.raises(Unknown, match="gemm_kernel has no BLOCK_Q in its configuration: BLOCK_M"):
        face.set(BLOCK_Q=1)
    with pytest.raises(Unknown, match="unknown dtype 'float8'"):
        face.set(dtype="float8")
    with pytest.raises(Unknown, match="softmax takes float16, not float32"):
        explore(dataclasses.replace(subject("softmax"), dtypes=("float16",))).set(dtype="float32")
    assert len(face.history) == 1


def test_what_does_not_fit_is_told_not_timed():
    face = explore("matmul", SMALL, "float16").set(BLOCK_M=128, BLOCK_N=256, BLOCK_K=128, num_warps=8, num_stages=4)
    assert "state" in dict(face.rows()) and "time" not in dict(face.rows()) and not face.candidate.usable
    refused = face.set(num_warps=3)  # not a power of two
    assert refused.resources is None and dict(face.rows())["state"].startswith("does not compile")
    pytest.importorskip("matplotlib", reason="an extra: tritonnet[plot]")
    assert face.png()


def test_the_picture_has_a_dot_per_configuration():
    pytest.importorskip("matplotlib", reason="an extra: tritonnet[plot]")
    face = explore("matmul", SMALL).set(BLOCK_M=32).set(BLOCK_M=128)
    drawn = face.picture().axes[0]
    dots = [line for line in drawn.lines if line.get_marker() == "o"]
    assert [float(line.get_ydata()[0]) for line in dots] == pytest.approx(
        [2 * 256**3 / c.predicted_us / 1e6 for c in face.history])
    assert "PREDICTED, not measured" in drawn.figure.get_suptitle()


def test_the_sliders():
    pytest.importorskip("ipywidgets", reason="an extra: tritonnet[notebook]")
    pytest.importorskip("matplotlib", reason="an extra: tritonnet[plot]")
    face = explore("matmul", SMALL)
    above, picture = face.widget().children
    controls = {c.description: c for c in above.children[0].children}
    assert controls["BLOCK_M"].value == face.default["BLOCK_M"] and "GROUP_M" not in controls, "one value: no slider"
    assert face.default["num_stages"] in controls["num_stages"].options
    before = picture.value
    controls["BLOCK_M"].value = 128
    assert face.candidate.config["BLOCK_M"] == 128 and "BLOCK_M=128" in above.children[1].value
    assert picture.value != before and picture.value[:4] == b"\x89PNG"
    controls["arch"].value = 80
    assert face.arch == 80 and "sm_80" in above.children[1].value
    controls["default"].click()
    assert face.candidate.config == face.default and controls["BLOCK_M"].value == face.default["BLOCK_M"]


def test_a_notebook_shows_sliders_picture_and_text():
    pytest.importorskip("ipywidgets", reason="an extra: tritonnet[notebook]")
    pytest.importorskip("matplotlib", reason="an extra: tritonnet[plot]")
    face = explore("softmax", "64x128")
    shown = face._repr_mimebundle_()
    assert shown["text/plain"] == str(face) and "application/vnd.jupyter.widget-view+json" in shown
    assert base64.b64decode(shown["image/png"])[:4] == b"\x89PNG"


def test_the_sliders_need_ipywidgets(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(ImportError, match=r"tritonnet\[notebook\]"):
        explore("softmax", "64x128").widget()
