"""Traces: what they hold, how they narrow down, what they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("triton", reason="interprets Triton kernels")

from tests.kernels.lab import faulty_kernels as K
from tritonnet import kernels
from tritonnet.kernels.runtime import OutOfBounds
from tritonnet.kernels.runtime.interpret.memory import index_of
from tritonnet.kernels.softmax import softmax_kernel


def floats(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.fixture
def added():
    """A trace of x + y over 100 elements, two programs of 64 lanes."""
    x, y, z = floats(100), floats(100), np.zeros(100, np.float32)
    trace = kernels.interpret(K.add, (2,), x, y, z, 100, BLOCK=64, trace=True)
    return trace, x, y, z


def test_what_an_access_holds(added):
    trace, x, y, z = added
    assert [r.kind for r in trace] == ["load", "load", "store"] * 2 and len(trace) == 6
    assert (z == x + y).all()
    load = trace.loads.program(1).of("x_ptr")[0]
    assert load.program == (1, 0, 0) and load.argument == "x_ptr"
    assert load.place.text == "x = tl.load(x_ptr + at, mask=inside)" and load.place.function == "add"
    assert load.mask.shape == (64,) and load.mask.sum() == 36 and load.lanes.tolist() == [[i] for i in range(36)]
    assert load.indices[0].tolist() == list(range(64, 100))
    assert (load.values[load.mask] == x[load.indices]).all()
    store = trace.stores.program(1)[0]
    assert (store.values[store.mask] == z[64:]).all()
    assert "store of z_ptr[64:100] by 36 of 64 lanes of program (1, 0, 0)" in repr(store)


def test_filters(added):
    trace = added[0]
    line = trace.stores[0].place.line
    assert len(trace.line(line)) == 2 == len(trace.line("tl.store")) and len(trace.line(line + 1)) == 0
    assert len(trace.program(0)) == 3 and len(trace.of("y_ptr").program(1).loads) == 1
    assert len(trace[1:3]) == 2 and not len(trace.dots) and not len(trace.atomics)
    assert len(trace.where(lambda r: r.mask.all())) == 3
    with pytest.raises(IndexError, match=r"program \(2, 0, 0\) is not in the grid \(2, 1, 1\)"):
        trace.program(2)
    with pytest.raises(KeyError, match="no array 'w'; its arrays are x_ptr, y_ptr, z_ptr"):
        trace.of("w")


def test_the_table(added):
    text = repr(added[0])
    assert text.startswith("add over the grid (2, 1, 1): 6 records of 2 programs")
    assert "tl.store(z_ptr + at, x + y, mask=inside)" in text and "100 of 100" in text
    assert "<table>" in added[0]._repr_html_() and "&lt;" not in added[0]._repr_html_().partition("<td")[0]


def test_coverage():
    x, z = floats(4, 6), np.zeros((4, 6), np.float32)
    trace = kernels.interpret(K.with_helper, (2,), x, z, BLOCK=16, trace=True)
    assert trace.writes("y_ptr").shape == (4, 6) and trace.writes("y_ptr").sum() == 32
    assert trace.never_written("y_ptr").tolist() == [[2, 4], [2, 5]] + [[3, i] for i in range(6)]
    assert (trace.reads("x_ptr") == trace.writes("y_ptr")).all() and len(trace.never_read("x_ptr")) == 8
    assert trace.program(1).writes("y_ptr").max() == 1 and trace.writes("y_ptr").max() == 2


@pytest.mark.parametrize("view", [lambda x: x.T, lambda x: x[::-1, ::2], lambda x: x[1:, ::-1], lambda x: x])
def test_indices_of_views(view):
    """Whatever the strides, x[indices] is what was loaded."""
    x = view(floats(8, 16))
    y = np.zeros(1, np.float32)
    stride = x.strides[0] // 4
    trace = kernels.interpret(K.product, (1,), x, np.zeros((1, 1), "f4"), y, 1, stride, 0, N=1, BLOCK_K=1, trace=True)
    load = trace.of("a_ptr")[0]
    assert x[load.indices].tolist() == load.values[load.mask].tolist() == [x[0, 0]]


@settings(deadline=None)  # other processes may slow it down
@given(st.data())
def test_elements_by_their_offsets(data):
    """index_of undoes what strides do, for every view that shows each element once."""
    shape = data.draw(st.lists(st.integers(1, 5), min_size=0, max_size=4))
    x = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    x = x.transpose(data.draw(st.permutations(range(x.ndim))))
    x = x[tuple(slice(None, None, data.draw(st.sampled_from([1, 2, -1, -3]))) for _ in x.shape)]
    first = x[(0,) * x.ndim]
    offsets = (np.asarray(x).reshape(-1) - first) * x.itemsize
    assert (x[index_of(x, offsets)] == x.reshape(-1)).all()


def test_descriptors():
    x, y = floats(10, 16), kernels.uninitialised((10, 16))
    trace = kernels.interpret(K.copy_through_descriptors, (3,), x, y, 10, 16, ROWS=4, COLS=16, trace=True, races=True)
    assert (np.asarray(y) == x).all() and trace.stores.program(2)[0].mask.sum() == 32
    assert (trace.writes("y_ptr") == 1).all()


def test_dots_and_reductions():
    a, b, c = floats(16, 32), floats(32, 16), np.zeros((16, 16), np.float32)
    trace = kernels.interpret(K.product, (1,), a, b, c, 32, 32, 16, N=16, BLOCK_K=16, trace=True)
    assert len(trace.dots) == 2 and trace.dots[0].flops == 2 * 16 ** 3
    assert (trace.dots[0].a == a[:, :16]).all() and (trace.dots[1].acc == trace.dots[0].result).all()
    assert (trace.dots[1].result == c).all() and "float32[16, 16] @ float32[16, 16]" in repr(trace.dots[0])
    x, total = floats(100), np.zeros(1, np.float32)
    trace = kernels.interpret(K.add_atomically, (2,), x, total, 100, BLOCK=64, trace=True)
    assert [r.combine for r in trace.reductions] == ["_sum_combine"] * 2
    assert trace.reductions[0].outputs[0] == pytest.approx(x[:64].sum(), rel=1e-5)
    assert trace.reads("total_ptr") == trace.writes("total_ptr") == 2 and len(trace.atomics) == 2


def test_our_own_kernels():
    x, y = floats(3, 50), np.zeros((3, 50), np.float32)
    trace = kernels.interpret(softmax_kernel, (1,), x, y, 3, 50, 0, 50, None, 0, 50, None, LOG=False,
                              ACC=np.dtype("f4"), ROWS=4, BLOCK=64, LOOP=False, trace=True)
    assert (trace.writes("y") == 1).all() and {r.combine for r in trace.reductions}
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-5)


def test_some_programs_only(added):
    x, y, z = added[1:]
    trace = kernels.interpret(K.add, (2,), x, y, z, 100, BLOCK=64, trace=[1])
    assert {r.program for r in trace} == {(1, 0, 0)} and trace.writes("z_ptr").sum() == 100
    with pytest.raises(ValueError, match="is not in the grid"):
        kernels.interpret(K.add, (2,), x, y, z, 100, BLOCK=64, trace=[(0, 1)])


def test_bounded_memory(added):
    x, y, z = added[1:]
    with pytest.warns(UserWarning, match="3 of 6 records fit into trace_limit=.* bytes; trace=\\[programs\\]"):
        trace = kernels.interpret(K.add, (2,), x, y, z, 100, BLOCK=64, trace=True, trace_limit=4500)
    assert not trace.complete and len(trace) == 3 and trace.writes("z_ptr").sum() == 100
    assert "the limit was reached" in repr(trace)


def test_errors_carry_the_trace():
    x, z = floats(100), np.zeros(100, np.float32)
    with pytest.raises(OutOfBounds) as caught:
        kernels.interpret(K.one_too_many, (2,), x, z, 100, BLOCK=64, trace=True)
    assert len(caught.value.trace) == 3 and "faulty_kernels.py:" in str(caught.value)
    assert "tl.store(z_ptr + at, x, mask=at <= n)" in str(caught.value)


@pytest.mark.parametrize("call, error, words", [
    (lambda x: kernels.interpret(print, (1,), x), TypeError, "is no kernel"),
    (lambda x: kernels.interpret(K.add, (1,), x, x, x, 4), TypeError, "missing a required argument: 'BLOCK'"),
    (lambda x: kernels.interpret(K.add, (1,), x, x, x, 4, BLOK=4), TypeError, "no parameter BLOK; it takes"),
    (lambda x: kernels.interpret(K.add, (1, 1, 1, 1), x, x, x, 4, BLOCK=4), ValueError, "grid"),
    (lambda x: kernels.interpret(K.add, (1.5,), x, x, x, 4, BLOCK=4), ValueError, "one to three ints"),
    (lambda x: kernels.interpret(K.add, (-1,), x, x, x, 4, BLOCK=4), ValueError, "none negative"),
    (lambda x: kernels.interpret(K.add, (1,), x, [1.0], x, 4, BLOCK=4), TypeError, "y_ptr is a list"),
    (lambda x: kernels.interpret(K.add, (1,), x, (x, x), x, 4, BLOCK=4), TypeError, "y_ptr is a tuple of arrays"),
    (lambda x: kernels.interpret(K.add, (1,), x, x.astype("c8"), x, 4, BLOCK=4), TypeError, "complex64"),
    (lambda x: kernels.interpret(K.add, (1,), x, x, x, 2**40, BLOCK=4), OverflowError, "n = 1099511627776"),
    (lambda x: kernels.interpret(K.add, (1,), x, x, x, 4, BLOCK=4, races="maybe"), ValueError, "same-value-ok"),
    (lambda x: kernels.interpret(K.add, (1,), x, x, x, 4, BLOCK=4, uninitialised="n"), ValueError, "arrays are x_ptr"),
])
def test_bad_calls(call, error, words):
    with pytest.raises(error, match=words):
        call(floats(4))
    kernels.interpret(K.add, 1, floats(4), floats(4), floats(4), 4, BLOCK=4, num_warps=8)  # all right
