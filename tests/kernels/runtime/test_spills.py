"""Kernels are compiled again, with more registers, where ptxas spills though registers remain; a binary says so."""

import types

import pytest

from tests.kernels.runtime import sample_kernels as K
from tritonnet.kernels.runtime import spills
from tritonnet.kernels.runtime.compiler import compile_fully
from tritonnet.kernels.runtime.cubin import usage
from tritonnet.kernels.runtime.driver import Target
from tritonnet.kernels.runtime.signature import Specialisation
from tritonnet.kernels.runtime.spills import limits, spilled, without_spills

OPTIONS = {"num_warps": 4, "num_stages": 3, "enable_fp_fusion": True}
INDEXED = """
.version 8.4
.target sm_90
.address_size 64
.visible .entry indexed(.param .u64 p, .param .u32 i) .maxntid 128 {
    .local .align 16 .b8 kept[64];
    .reg .b64 %a<9>; .reg .b32 %r<5>;
    ld.param.u64 %a1, [p]; ld.param.u32 %r1, [i];
    cvta.to.global.u64 %a2, %a1;
    and.b32 %r2, %r1, 15; mul.wide.u32 %a3, %r2, 4;
    mov.u64 %a4, kept; add.u64 %a5, %a4, %a3;
    st.local.u32 [kept], %r1; st.local.u32 [kept+32], %r2;
    ld.local.u32 %r3, [%a5]; st.global.u32 [%a2], %r3;
    ret;
}
"""


def copy(**options):
    return Specialisation(K.copy, {"x": "*fp32", "y": "*fp32", "n": "i32", "BLOCK": "constexpr"}, {"BLOCK": 8192},
                          ("n", "x", "y"), OPTIONS | options)


@pytest.mark.parametrize("arch", [80, 86, 90, 100, 120])
def test_a_binary_says_what_it_takes(arch):
    binary, spilt = compile_fully(copy(), Target("cuda", arch))
    registers, stack = usage(binary.asm["cubin"])
    assert 16 <= registers <= 255 and stack == spilt == 0 and spilled(binary.asm["ptx"], arch) == 0


def test_what_is_no_cubin():
    with pytest.raises(ValueError, match="not a cubin: an ELF file begins with"):
        usage(b"PK" + bytes(100))


def test_a_limit_that_was_asked_for_stays():
    binary, spilt = compile_fully(copy(maxnreg=24), Target("cuda", 90))
    registers, stack = usage(binary.asm["cubin"])
    assert registers <= 24 and spilt > 0 and stack > 0


def test_an_indexed_array_is_no_spill():
    assert spilled(INDEXED, 90) == 0


def test_what_each_limit_gives_up():
    assert limits(48, 4) == [56, 64, 72, 80, 96, 128, 168, 255]
    assert limits(128, 4) == [168, 255] and limits(128, 16) == [] and limits(255, 8) == [255]


@pytest.mark.parametrize("needs, tried, registers", [(100, [None, 80, 128], 128), (64, [None], 64), (300, [
    None, 80, 128, 255], 64)])
def test_blocks_are_given_up_one_by_one(needs, tried, registers, monkeypatch):
    """`needs` registers; ptxas takes 64 at first."""
    seen = []

    def compile(options):
        limit = options.get("maxnreg")
        seen.append(limit)
        return types.SimpleNamespace(asm={"cubin": limit or 64, "ptx": limit or 64},
                                     metadata=types.SimpleNamespace(num_warps=8))

    monkeypatch.setattr(spills, "usage", lambda cubin: (cubin, max(0, needs - cubin)))
    monkeypatch.setattr(spills, "spilled", lambda ptx, arch: max(0, needs - ptx))
    binary, spilt = without_spills(compile, {}, 90)
    assert seen == tried and binary.asm["cubin"] == registers and spilt == max(0, needs - (255 if needs < 255 else 64))
