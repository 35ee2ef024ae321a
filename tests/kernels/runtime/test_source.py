"""What identifies a kernel's code, without Triton."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from tests.kernels.runtime import sample_kernels as K
from tritonnet.kernels.kernel import Kernel, jit, kernel, kernel_from_source, tl
from tritonnet.kernels.runtime.signature import MISSING
from tritonnet.kernels.runtime.source import describe, names_used

TEXT = "def k(x, N: tl.constexpr):\n    tl.store(x, helper(N) * FACTOR)\n"


def made(text=TEXT, helper="def h(x):\n    return x + 1\n", factor=2):
    inner = kernel_from_source("h", helper)
    return kernel_from_source("k", text, namespace={"helper": jit(inner.fn), "FACTOR": factor})


def test_the_key_follows_the_text_the_helpers_and_the_constants():
    assert made().key == made().key
    others = [made(TEXT + "    # more\n"), made(helper="def h(x):\n    return x + 2\n"), made(factor=3),
              made(factor=2.0)]
    assert len({made().key, *(k.key for k in others)}) == 5


def test_sources_begin_at_def():
    assert K.copy.source.startswith("def copy(x, y, n, BLOCK: tl.constexpr):\n") and "@" not in K.copy.source
    assert K.combines.key != K.copy.key and repr(K.copy).startswith("<kernel ") and repr(K.square).startswith("<jit ")


def test_parameters_are_read_from_annotations():
    params = {p.name: p for p in K.parameters.params}
    assert [p.type for p in params.values()] == ["", "", "", "i64", "", "", "fp64", ""]
    assert params["FACTOR"].constexpr and params["FACTOR"].default == 1 and params["y"].default is MISSING
    assert not {p.name: p for p in K.copy_unspecialised.params}["n"].specialise


def test_what_a_kernel_cannot_be():
    with pytest.raises(TypeError, match="annotation 'torch.Tensor' of x is neither"):
        kernel_from_source("f", "def f(x: torch.Tensor): pass")
    with pytest.raises(TypeError, match="fixed list of parameters"):
        kernel_from_source("f", "def f(*x): pass")
    with pytest.raises(TypeError, match="do_not_specialize names m, no parameter"):
        kernel(do_not_specialize=["m"])(lambda n: 0)
    scope = {}
    exec("def f(x): pass", scope)
    with pytest.raises(ValueError, match="compiled from their text"):
        _ = Kernel(scope["f"]).source


def test_constants_described_alike_in_every_process():
    assert describe((1, True, 1.0, None, "a", np.dtype("f4"))) == (
        "(int 1, bool True, float 1.0, NoneType None, str 'a', dtype float32,)")
    assert describe(K.square) == f"function {K.square.key}"
    assert describe(tl.float32) != describe(tl.float16) and describe(tl.constexpr(3)) == "int 3"
    with pytest.raises(TypeError, match="constants are numbers.*, not dict"):
        describe({})


def test_declaring_kernels_imports_nothing():
    code = ("import sys; import tests.kernels.runtime.sample_kernels as K; K.copy.key; K.combines.key; "
            "from tritonnet.kernels import runtime, arrays, strided; "
            "print([m for m in ('triton', 'cuda', 'torch', 'email') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stdout + done.stderr


def test_helpers_defined_inside_functions():
    @jit
    def local(x):
        return x + 1

    @kernel
    def uses_local(x):
        tl.store(x, local(tl.load(x)))

    array = np.zeros(1, np.float32)
    from tritonnet.kernels import interpret

    interpret(uses_local, (1,), array)
    assert array[0] == 1 and uses_local.key


def test_attributes_are_not_globals():
    names = names_used((lambda: tl.max(x, lambda: y.sum)).__code__)  # noqa: F821
    assert names == {"tl", "x", "y"}
