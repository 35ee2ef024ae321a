"""Inspection: facts about compiled launches, read from what the compiler made; no GPU is needed."""

import dataclasses
import functools
import importlib.util
import json
import re
import shutil
import subprocess

import pytest

from tritonnet.kernels.lab import Comparison, NotCompiled, Unknown, inspect, relining
from tritonnet.kernels.lab.inspection import width
from tritonnet.kernels.lab.listing import of_mlir, of_ptx, of_sass
from tritonnet.kernels.lab.page import page
from tritonnet.kernels.lab.relining import relined
from tritonnet.kernels.lab.roofline import CEILINGS, Roofline
from tritonnet.kernels.lab.wording import amount, duration, ratio
from tritonnet.kernels.runtime.compiler import triton_version
from tritonnet.kernels.runtime.simulation.dry import GPUS

needs_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="compiles: needs Triton")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SMALL = {"BLOCK_M": 64, "BLOCK_N": 64, "BLOCK_K": 32, "SPLIT": 1, "num_warps": 4, "num_stages": 3}


@functools.cache
def product(arch):
    """A product of halves in small tiles."""
    return inspect("matmul", "1024x1024x1024", "float16", arch, SMALL)


@functools.cache
def rows():
    """A softmax."""
    return inspect("softmax", "8192x1024", "float16", "sm_90")


@needs_triton
@pytest.mark.parametrize("arch, instruction, words", [
    (80, "HMMA", "mma.sync"), (90, "HGMMA", "wgmma"), (100, "UTCHMMA", "tcgen05")])
def test_a_product(arch, instruction, words):
    (found,) = product(arch)
    assert found.kernel == "gemm_kernel" and found.config == found.config | SMALL
    assert 0 < found.registers <= 255 and found.spills == 0 and found.threads == 128
    assert found.census[instruction] > 0 and any(what.startswith(words) for what in found.tensor_cores)
    assert found.pipelining["LDGSTS"] > 0 and found.pipelining["buffers"] in (2, 3)
    assert set(found.accesses["async copies"]) == {128} and set(found.accesses["global stores"]) == {128}
    assert found.shared >= found.pipelining["buffers"] * (64 + 64) * 32 * 2
    assert found.occupancy.blocks >= 2 and 0.0 < found.compile_seconds < 120
    assert found.waves == pytest.approx(256 / (GPUS[arch].multi_processor_count * found.occupancy.blocks))
    line = found.roofline
    assert (line.flops, line.bytes, line.unit) == (2 << 30, 3 * 2 << 20, "half")
    assert line.bound == "compute" and line.seconds == pytest.approx((2 << 30) / CEILINGS[arch].half)


@needs_triton
def test_a_kernel_of_rows():
    (found,) = rows()
    assert found.tensor_cores == {} and found.pipelining == {} and found.roofline.unit == "single"
    assert found.accesses["global loads"] == {128: 4} and found.roofline.bound == "memory"
    assert found.roofline.seconds == pytest.approx(2 * 8192 * 1024 * 2 / 4.8e12)


@needs_triton
@pytest.mark.parametrize("precision, unit", [("tf32", "tf32"), ("tf32x3", "tf32x3"), ("ieee", "single")])
def test_units_of_float32_products(precision, unit):
    from tritonnet.kernels.matmul import get_matmul_precision, set_matmul_precision

    before = get_matmul_precision()
    set_matmul_precision(precision)
    try:
        (found,) = inspect("matmul", "512x512x512", config=SMALL)
    finally:
        set_matmul_precision(before)
    assert found.roofline.unit == unit and bool(found.tensor_cores) == (unit != "single")


@needs_triton
def test_the_report_says_all_of_it():
    text = str(product(90))
    for part in ("matmul M=1024 N=1024 K=1024 float16: gemm_kernel on sm_90", "BLOCK_M=64,BLOCK_N=64,BLOCK_K=32",
                 "per thread, none spilled", "blocks", "limited by", "wgmma (HGMMA)", "LDGSTS through",
                 "s without caches", "ridge at 206", "bound by compute (predicted from data sheets)"):
        assert part in text, part


@needs_triton
def test_as_json():
    found = json.loads(json.dumps(product(90).as_dict()))
    (launch,) = found["launches"]
    assert launch["registers"] == product(90)[0].registers and launch["roofline"]["predicted"] is True
    assert found["about"]["device"] is None and found["about"]["triton"] and found["about"]["date"]


@needs_triton
def test_comparison_tells_what_differs():
    shown = Comparison(product(80), product(90))
    (pair,) = shown.as_dict()["pairs"]
    differs = {row["name"]: row for row in pair["differs"]}
    assert differs["architecture"] == {"name": "architecture", "left": "sm_80", "right": "sm_90", "change": ""}
    assert differs["wgmma (HGMMA)"]["left"] == "-" and differs["mma.sync (HMMA)"]["right"] == "-"
    assert "BLOCK_M" not in differs and differs["at least (predicted)"]["change"].startswith("-")
    assert "wgmma" in str(shown) and "wgmma" in shown._repr_html_()
    assert "nothing differs" in str(Comparison(rows(), rows()))
    assert "only on one side: softmax" in str(Comparison(rows(), []))


@needs_triton
def test_what_does_not_compile_says_so():
    with pytest.raises(NotCompiled, match="gemm_kernel does not compile for sm_90 with BLOCK_M=7.*power of 2"):
        inspect("matmul", config={"BLOCK_M": 7})


@needs_triton
def test_what_is_larger_than_the_gpu_is_told():
    (found,) = inspect("matmul", "1024x1024x1024", arch="sm_86", config=SMALL | {"BLOCK_K": 128, "num_stages": 5})
    assert found.occupancy.blocks == 0 and found.waves is None and "MORE than" in str(found)


def test_without_triton(monkeypatch):
    from tritonnet.kernels.lab import inspection
    from tritonnet.kernels.runtime.errors import DeviceError

    def missing():
        raise DeviceError("Triton, which compiles kernels, is not installed")

    monkeypatch.setattr(inspection, "ready", missing)
    with pytest.raises(DeviceError, match="Triton.*is not installed"):
        inspect("softmax")


def test_names_that_do_not_exist_need_no_compiler():
    for arguments in (("softmx",), ("softmax", "C=1,Q=2"), ("softmax", None, "int8"), ("softmax", None, "float16", 70)):
        with pytest.raises(Unknown):
            inspect(*arguments)


# --- listings ---

@needs_triton
def test_stages_are_joined_by_source_line():
    (found,) = rows()
    listing = found.listing
    text = {(file, number): line.strip() for file, number, line in listing.source}
    at = {line: where for where, line in text.items()}
    of = lambda stage, begin: {text[line.where] for line in listing.stages[stage]
                               if line.where and begin in line.text}
    assert of("sass", "STG.E.128") == of("ptx", "st.global") == {"tl.store(y + walk(col, y_col), v, mask=inside)"}
    assert any("ex2.approx" in line.text and line.where == at["e = tl.exp(v)"] for line in listing.stages["ptx"])
    assert of("ttgir", "math.exp") == of("ttir", "math.exp") == {"e = tl.exp(v)"}
    assert "return index.to(tl.int64) * stride" in {text[line.where] for line in listing.stages["sass"] if line.where}
    older = triton_version() < "3.9"  # leaves more code without a line
    for stage, most in (("sass", 0.02), ("ptx", 0.1), ("ttgir", 0.2)):
        lines = listing.stages[stage]
        assert len(lines) > 30 and sum(line.where is None for line in lines) <= (0.5 if older else most) * len(lines)


@needs_triton
def test_show():
    (found,) = rows()
    assert re.search(r"^ *\d+  [0-9a-f]{4}  .*STG.E.128", found.show("sass"), re.MULTILINE)
    source = found.show("source")
    assert re.match(r" *\d+  def softmax_kernel\(", source) and "def walk" in source and "def tile_of" not in source
    both = found.show("all")
    assert re.search(r"tl\.store\(y \+ walk\(col, y_col\).*\n +\|    [0-9a-f]{4}  ", both)
    with pytest.raises(ValueError, match="no stage 'llir': one of source, ttir"):
        found.show("llir")


@needs_triton
def test_generated_kernels_have_their_source():
    (found,) = inspect("relu", "1048576")
    assert found.show("source").split()[1:3] == ["def", "relu_kernel(x_ptr,"]


@needs_triton
@pytest.mark.parametrize("arch", [80, 90, 100])
def test_masked_loads_belong_to_the_line_that_loads(arch):
    """LLVM says otherwise: see lab/relining.py."""
    (found,) = inspect("softmax", "8192x1024", arch=arch)
    text = {(file, number): line for file, number, line in found.listing.source}
    for stage, begin in (("ptx", "ld.global.v4"), ("sass", "LDG.E.128")):
        loads = [line for line in found.listing.stages[stage] if begin in line.text]
        assert loads and all("tl.load(x + walk(col, x_col)" in text[line.where] for line in loads), stage


def test_lines_of_inline_assembly():
    text = """
\t.loc\t1 10 3
\tmov.b32 %r5, 0;
\t// begin inline asm
\t.loc\t1 10 3
\t.loc\t2 4 1, inlined_at 1 10 3
\tmov.u32 %r1, %r5;
\t.loc\t1 11 3
\t@%p1 ld.global.b32 { %r1 }, [ %rd1 + 0 ];

\t// end inline asm
\tadd.s32 %r2, %r1, 1;
"""
    kept = [line.strip() for line in relined(text).splitlines()]
    assert kept == ["", ".loc\t1 10 3", "mov.b32 %r5, 0;", "// begin inline asm", ".loc\t1 10 3",
                    ".loc\t2 4 1, inlined_at 1 10 3", "mov.u32 %r1, %r5;", "@%p1 ld.global.b32 { %r1 }, [ %rd1 + 0 ];",
                    "", "// end inline asm", ".loc\t1 10 3", ".loc\t2 4 1, inlined_at 1 10 3", "add.s32 %r2, %r1, 1;"]


@needs_triton
def test_what_cannot_be_assembled_again_keeps_its_lines():
    (found,) = rows()
    assert relining.assembled("no PTX at all", 90, True) is None
    assert relining.annotated(found.resources, found.stages["ptx"].replace("mul.f32", "mul.f99")) == (
        found.resources.annotated)


FILE = "/k.py"
KNOWN = {(FILE, 10), (FILE, 11), (FILE, 20)}


def test_locations_of_mlir():
    text = '''#loc = loc("/k.py":10:0)
module {
  %0 = a loc(#loc5)
  %1 = b loc(#loc6)
  %2 = c loc("named"(#loc2))
  %3 = d loc(#loc7)
}
#loc1 = loc("/triton/standard.py":5:1)
#loc2 = loc("/k.py":11:4)
#loc3 = loc("/k.py":20:4)
#loc5 = loc(callsite(#loc1 at #loc2))
#loc6 = loc(callsite(#loc3 at #loc2))
#loc7 = loc(fused[#loc1, #loc3])
'''
    assert [tuple(line) for line in of_mlir(text, KNOWN)] == [
        ("module {", None), ("  %0 = a", (FILE, 11)), ("  %1 = b", (FILE, 20)), ("  %2 = c", (FILE, 11)),
        ("  %3 = d", (FILE, 20)), ("}", None)]


def test_locations_of_ptx():
    text = '''.version 9.4
.visible .entry k(
)
{
\t.loc\t1 10 3                         // k.py:10:3
\tmov.u32 \t%r1, 1;
$L__tmp0:
\t.loc\t1 11 3
\t.loc\t2 5 1, function_name $L__info_string0, inlined_at 1 11 3
\tadd.s32 \t%r2, %r1, 1;
\t.loc\t2 6 1, function_name $L__info_string0, inlined_at 2 5 1
\tmul.lo.s32 \t%r3, %r2, 1;
\tret;
}
\t.file\t1 "/" "k.py"
\t.file\t2 "/triton" "standard.py"
\t.section\t.debug_str
'''
    found = [(line.text.split()[0], line.where) for line in of_ptx(text.replace('"/" ', '"" ').replace(
        '"k.py"', '"/k.py"').replace('"" "/k.py"', '"/k.py"'), KNOWN)]
    assert found == [(".version", None), (".visible", None), (")", None), ("{", None), ("mov.u32", (FILE, 10)),
                     ("add.s32", (FILE, 11)), ("mul.lo.s32", (FILE, 11)), ("ret;", (FILE, 11)), ("}", (FILE, 11))]


def test_locations_of_sass():
    text = '''.text.k:
\t//## File "/triton/standard.py", line 5 inlined at "/k.py", line 11
\t//## File "/k.py", line 11
        /*0000*/                   LDC R1, c[0x0][0x28] ;
        /*0010*/               @P0 FADD R1, R1, R2 ;
.L_x_1:
\t//## File "/k.py", line 20 inlined at "/k.py", line 10
\t//## File "/k.py", line 10
        /*0020*/                   EXIT ;
        /*0030*/                   NOP;
//--------------------- .nv.shared
        /*0040*/                   LDC ;
'''
    assert [tuple(line) for line in of_sass(text, KNOWN)] == [
        ("0000  LDC R1, c[0x0][0x28]", (FILE, 11)), ("0010  @P0 FADD R1, R1, R2", (FILE, 11)), (".L_x_1:", None),
        ("0020  EXIT", (FILE, 20))]


# --- the page ---

@needs_triton
def test_the_page_is_complete_in_itself(tmp_path):
    both = product(90) + rows()
    assert not re.search(r"(https?:|src=|<link|@import|url\()", page(both))
    rows().save_html(tmp_path / "found.html")
    text = (tmp_path / "found.html").read_text()
    assert text.count("<section") == 1 and all(f"data-stage='{s}'" in text for s in ("source", "ptx", "sass", "ttgir"))
    for number in set(re.findall(r"data-l='(\d+)'", text.partition("data-stage='sass'")[2])):
        assert f"data-l='{number}'" in text.partition("data-stage='ptx'")[0], "SASS of a line that is not shown"
    assert "<table>" in rows()._repr_html_() and "128 bit" in rows()[0]._repr_html_()


@needs_triton
def test_the_page_in_a_notebook():
    shown = rows().side_by_side(height=321)._repr_html_()
    assert shown.startswith('<iframe srcdoc="&lt;!doctype html&gt;') and "height='321'" in shown
    assert shown.count('"') == 2, "what is inside would end the attribute"


@needs_triton
@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_a_browser_lights_up_what_became_of_a_line(tmp_path):
    (rows() + product(90)).save_html(tmp_path / "page.html")
    listing = rows()[0].listing
    number = next(i for i, line in enumerate(listing.source) if "e = tl.exp(v)" in line[2])
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-component-update",
               "--disable-background-networking", f"--user-data-dir={tmp_path}/profile", "--enable-logging=stderr",
               "--v=0", "--virtual-time-budget=3000", "--dump-dom", f"file://{tmp_path}/page.html#l{number}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert "Uncaught" not in done.stderr, done.stderr[-2000:]
    sections = done.stdout.split("<section")
    assert len(sections) == 3 and "hidden" in sections[2].partition(">")[0]
    lit = re.findall(r"""<div class="line on" data-l="(\d+)\"""", sections[1])
    made = sum(line.where == listing.source[number][:2] for stage in ("ptx", "sass") for line in listing.stages[stage])
    assert set(lit) == {str(number)} and len(lit) == 1 + made
    assert '<button data-stage="sass" class="shown">' in done.stdout


# --- figures ---

@pytest.mark.parametrize("arch", CEILINGS)
def test_ceilings(arch):
    ceilings = CEILINGS[arch]
    assert arch in GPUS and 0.5e12 < ceilings.bandwidth < 1e13
    assert ceilings.half >= ceilings.tf32 > 0 and ceilings.peak("tf32x3") == ceilings.tf32 / 3


def test_rooflines():
    line = Roofline(90, flops=10**12, bytes=10**6, unit="half")
    assert line.bound == "compute" and line.seconds == pytest.approx(1e12 / 989.5e12) and line.intensity == 1e6
    line = dataclasses.replace(line, flops=None, bytes=4_800_000)
    assert line.bound == "memory" and line.seconds == pytest.approx(1e-6) and line.intensity is None
    assert Roofline(80, 1, 1, "fp8").ridge is None


@pytest.mark.parametrize("name, bits", [("LDG.E.128", 128), ("LDG.E.U16.CONSTANT", 16), ("LDG.E", 32), ("LDG.E.64", 64),
                                        ("LDGSTS.E.BYPASS.LTC128B.128", 128), ("LDGSTS.E.LTC128B", 32),
                                        ("STG.E.U8", 8), ("LDG.E.ENL2.256", 256)])
def test_widths(name, bits):
    assert width(name) == bits


def test_ratios():
    assert [ratio(x) for x in (0.625, 14.04, 206.1, 1365.3)] == ["0.625", "14", "206", "1365"]


def test_amounts():
    assert [amount(n) for n in (0, 1023, 1024, 1536, 228 << 10)] == ["0 ", "1023 ", "1 Ki", "1.5 Ki", "228 Ki"]
    assert amount(137.4e9, 1000) == "137.4 G"
    assert [duration(s) for s in (3.98e-7, 1.5e-5, 0.002, 3)] == ["398 ns", "15 us", "2 ms", "3 s"]
