"""Kernels of one's own as subjects: found in modules and files, compiled from types, or declared with shapes."""

import sys
import textwrap

import pytest

from tritonnet.kernels.lab import Unknown, launches, subject

TEXT = """
    import numpy as np
    import triton
    import triton.language as tl
    import tritonnet

    @triton.jit
    def twice(v):
        return v + v

    @triton.jit
    def scaled(x, y, n, BLOCK: tl.constexpr):
        at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        tl.store(y + at, twice(tl.load(x + at, mask=at < n)), mask=at < n)

    tuned = triton.autotune([triton.Config({"BLOCK": 256}, num_warps=2), triton.Config({"BLOCK": 512}, num_warps=4)],
                            key=["n"])(scaled)

    @tritonnet.kernel(mirror=lambda x, factor=2.0: x * factor, arguments={"n": lambda x: x.size},
                      grid=lambda n, BLOCK: -(-n // BLOCK), flops=lambda n: n,
                      bytes=lambda x, y: x.nbytes + y.nbytes, tune={"BLOCK": [256, 1024], "num_warps": [4, 8]})
    def times(x, y, factor, n, BLOCK: tl.constexpr):
        at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        tl.store(y + at, tl.load(x + at, mask=at < n) * factor, mask=at < n)

    number = 3
"""


@pytest.fixture
def place(tmp_path):
    """A file with kernels, as one names it."""
    path = tmp_path / "own_kernels_of_a_test.py"
    path.write_text(textwrap.dedent(TEXT))
    return str(path)


def test_a_plain_kernel_is_compiled_from_types(place):
    found = subject(f"{place}:scaled", signature="*fp32, *fp32, i32:16")
    (planned,) = launches(found, config={"BLOCK": 512, "num_warps": 2}, arch=80)
    assert planned.specialisation.signature == {"x": "*fp32", "y": "*fp32", "n": "i32", "BLOCK": "constexpr"}
    assert planned.specialisation.divisible == ("x", "y", "n") and planned.constants == {"BLOCK": 512}
    assert planned.config == {"BLOCK": 512, "num_warps": 2, "num_stages": 3} and planned.programs == 0


def test_a_kernel_itself_will_do(place):
    """In a notebook it is in no file."""
    from tritonnet.kernels.lab import inspect, tune
    from tritonnet.kernels.lab.own import loaded

    scaled, times = (loaded(f"{place}:{name}") for name in ("scaled", "times"))
    typed = subject(scaled, signature="*fp32,*fp32,i32")
    assert typed.name == "scaled" and subject(typed) is typed
    assert launches(typed, config={"BLOCK": 512})[0].constants == {"BLOCK": 512}
    (planned,) = launches(subject(times), {"x": (3, 100)})
    assert planned.name == "times" and planned.grid == (2,)
    assert inspect(times, {"x": (3, 100)})[0].subject == "times"
    assert tune(times, "x=64x64", arch=90)[0].best.valid
    with pytest.raises(Unknown, match="int, no kernel"):
        subject(3)


def test_numbers_and_none_stand_for_their_types(place):
    found = subject(f"{place}:scaled", signature="None,*bf16,1000")
    (planned,) = launches(found, config={"BLOCK": 512})
    assert planned.specialisation.signature["n"] == "i32" and planned.constants == {"BLOCK": 512, "x": None}
    assert planned.specialisation.divisible == ("y",)


def test_an_autotuned_kernel_brings_its_space(place):
    found = subject(f"{place}:tuned", signature="*fp32,*fp32,i32")
    (planned,) = launches(found)
    assert planned.config["BLOCK"] == 256
    assert [c["BLOCK"] for c in planned.candidates()] == [256, 512]


@pytest.mark.parametrize("signature, config, told", [
    (None, {}, r"values for BLOCK \(--config BLOCK=…\) and the types of x, y, n .*3 of them, 0 given"),
    ("*fp32,*fp32", {"BLOCK": 1}, "the types of x, y, n .*2 given"),
    ("(*fp32,*fp32),i32", {"BLOCK": 1}, "has a tuple; kernels are compiled from types of single parameters"),
    ("*float,*fp32,i32", {"BLOCK": 1}, r"type '\*float' of x: expected a pointer"),
    ("*fp32,*fp32,i32", {"BLOK": 1}, "no BLOK to configure: it has BLOCK, num_warps, num_stages"),
])
def test_what_is_missing_is_named(place, signature, config, told):
    with pytest.raises(Unknown, match=told):
        launches(subject(f"{place}:scaled", signature=signature), config=config)


def test_a_declared_kernel_takes_shapes(place):
    found = subject(f"{place}:times")
    (dims,) = found.shapes("x=1000x3")
    (planned,) = launches(found, dims, "float16")
    assert planned.grid == (12,) and planned.flops == 3000 and planned.bytes == 12000
    assert planned.config == {"BLOCK": 256, "num_warps": 4} and len(planned.candidates()) == 4
    (forced,) = launches(found, dims, config={"BLOCK": 1024})
    assert forced.grid == (3,) and forced.config["num_warps"] == 4
    expected = found.run(*found.arrays({"x": (7,), "factor": 3.0}))
    assert expected.shape == (7,)


def test_a_declared_kernel_says_which_shapes_it_needs(place):
    found = subject(f"{place}:times")
    with pytest.raises(Unknown, match="needs x: --shapes x=4096x1024"):
        found.shapes(None)
    with pytest.raises(Unknown, match="'z=3' names none of x, factor"):
        found.shapes("z=3")
    with pytest.raises(Unknown, match="'x=3xa' is neither a shape"):
        found.shapes("x=3xa")


@pytest.mark.parametrize("name, told", [
    ("{place}:scale", r"has no 'scale' \(did you mean scaled\?\); its kernels: twice, scaled, tuned, times"),
    ("{place}:number", "is a int, no kernel"), ("no.such.module:f", "cannot be imported: ModuleNotFoundError"),
    ("nowhere.py:f", "cannot be imported: FileNotFoundError"), ("json:loads", "is no kernel: .* fixed list"),
    ("{place}", r"expected .*\.py:KERNEL; its kernels: twice, scaled, tuned, times"),
])
def test_names_that_lead_nowhere(place, name, told):
    with pytest.raises(Unknown, match=told):
        subject(name.format(place=place))


def test_a_file_imports_its_neighbours_and_one_that_ends_the_program_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "neighbour_of_mine.py").write_text("import triton\n@triton.jit\ndef half(x):\n    return x * 0.5\n")
    (tmp_path / "mine_with_neighbour.py").write_text("from neighbour_of_mine import half\n")
    assert subject(f"{tmp_path}/mine_with_neighbour.py:half").kernel.name == "half"
    (tmp_path / "ends_it_all.py").write_text("raise SystemExit(4)\n")
    with pytest.raises(Unknown, match="cannot be imported: SystemExit: 4"):
        subject(f"{tmp_path}/ends_it_all.py:f")
    assert "ends_it_all" not in sys.modules


def test_a_module_is_found_by_its_name():
    found = subject("tritonnet.kernels.softmax:softmax_kernel", signature="*fp32")
    with pytest.raises(Unknown, match="softmax_kernel is compiled from types"):
        launches(found)
