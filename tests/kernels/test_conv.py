"""Convolution: each road of the host against the sum as it is written, the kernels' axes, layouts and launches."""

import itertools

import numpy as np
import pytest

from tritonnet.kernels import runtime
from tritonnet.kernels.arrays import to_device
from tritonnet.kernels.conv import (
    adjoint,
    banded,
    col2im,
    columns,
    conv2d,
    conv2d_backward,
    im2col,
    laid_out,
    mirror,
    output_size,
    tiles,
    windows,
    winograd,
)
from tritonnet.kernels.conv.implicit import conv2d_kernel, forward_axis, gradient_phases
from tritonnet.kernels.matmul import set_matmul_precision
from tritonnet.kernels.runtime import host


def reference(x, w, bias, stride, padding, dilation, groups):
    """The definition, one tap at a time."""
    (O, C, R, S), (ph, pw) = w.shape, padding
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    P, Q = ((n - (k - 1) * d - 1) // s + 1 for n, k, s, d in zip(x.shape[2:], (R, S), stride, dilation))
    x, w = x.reshape(len(x), groups, C, *x.shape[2:]), w.reshape(groups, O // groups, C, R, S)
    y = np.zeros((len(x), groups, O // groups, P, Q), x.dtype)
    for r, s in itertools.product(range(R), range(S)):
        rows, cols = (slice(k * d, k * d + (n - 1) * t + 1, t)
                      for k, d, n, t in zip((r, s), dilation, (P, Q), stride))
        y += np.einsum("ngcpq,goc->ngopq", x[..., rows, cols], w[..., r, s])
    y = y.reshape(len(x), O, P, Q)
    return y if bias is None else y + bias[:, None, None]


def check(shape, w_shape, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    """Forward against the reference; gradients by adjointness: both are linear, so <dy, y(x')> = <dx, x'>."""
    rng = np.random.default_rng(0)
    x, w, b = rng.standard_normal(shape), rng.standard_normal(w_shape), rng.standard_normal(w_shape[0])
    arguments = stride, padding, dilation, groups
    y = conv2d(x, w, b, *arguments)
    np.testing.assert_allclose(y, reference(x, w, b, *arguments), rtol=1e-9, atol=1e-9)
    dy, x2, w2 = rng.standard_normal(y.shape), rng.standard_normal(shape), rng.standard_normal(w_shape)
    dx, dw, db = conv2d_backward(dy, x, w, *arguments)
    assert dx.shape == x.shape and dw.shape == w.shape and db.shape == b.shape
    np.testing.assert_allclose((dx * x2).sum(), (dy * reference(x2, w, None, *arguments)).sum(), rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose((dw * w2).sum(), (dy * reference(x, w2, None, *arguments)).sum(), rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(db, dy.sum(axis=(0, 2, 3)), rtol=1e-9, atol=1e-9)
    for needs in ((True, False, False), (False, True, False), (False, False, True), (True, False, True)):
        found = conv2d_backward(dy, x, w, *arguments, needs)
        assert [g is not None for g in found] == list(needs)
        for g, whole in zip(found, (dx, dw, db)):
            if g is not None:
                np.testing.assert_allclose(g, whole, rtol=1e-9, atol=1e-9)


GEOMETRIES = [
    ((3, 4, 9, 11), (6, 4, 3, 3), {}),
    ((3, 4, 9, 11), (6, 4, 3, 3), {"padding": (1, 1)}),
    ((2, 4, 8, 7), (4, 4, 5, 3), {"padding": (4, 2)}),                   # as much border as fits
    ((2, 4, 8, 7), (4, 4, 2, 3), {"padding": (2, 1)}),                   # more: the general road
    ((2, 4, 9, 8), (6, 2, 3, 2), {"padding": (1, 0), "dilation": (2, 3), "groups": 2}),
    ((2, 4, 9, 8), (6, 2, 3, 2), {"stride": (2, 3), "padding": (1, 0), "groups": 2}),
    ((2, 6, 6, 6), (6, 1, 3, 3), {"padding": (1, 1), "groups": 6}),
    ((5, 3, 6, 5), (4, 3, 1, 1), {}),
    ((5, 3, 6, 5), (4, 3, 1, 1), {"stride": (2, 2)}),
    ((1, 1, 3, 3), (1, 1, 3, 3), {}),                                    # one pixel
]


@pytest.mark.parametrize("memory", [1 << 20, 4000, 500], ids=lambda n: f"blocks of {n} bytes")
@pytest.mark.parametrize("shape, w_shape, options", GEOMETRIES)
def test_host_agrees_with_the_definition(shape, w_shape, options, memory, monkeypatch):
    monkeypatch.setattr(columns, "BLOCK", memory)
    monkeypatch.setattr(windows, "BLOCK", memory)
    check(shape, w_shape, **options)


@pytest.mark.parametrize("memory", [1 << 20, 6000, 500], ids=lambda n: f"blocks of {n} bytes")
@pytest.mark.parametrize("shape, w_shape, options", [
    ((3, 4, 9, 11), (6, 4, 3, 3), {}),
    ((3, 4, 9, 10), (6, 4, 3, 3), {"padding": (1, 1)}),                  # an odd number of rows
    ((3, 4, 8, 10), (6, 4, 3, 5), {"padding": (2, 1), "dilation": (1, 2)}),
    ((2, 3, 3, 5), (4, 3, 3, 1), {}),                                    # one row
    ((5, 33, 6, 5), (35, 33, 3, 3), {"padding": (0, 1)}),
])
def test_winograd_agrees_with_the_definition(shape, w_shape, options, memory, monkeypatch):
    monkeypatch.setattr(winograd, "LEAST", 1)
    monkeypatch.setattr(winograd, "MEMORY", memory)
    check(shape, w_shape, **options)


@pytest.mark.parametrize("memory", [1 << 20, 4000, 500], ids=lambda n: f"blocks of {n} bytes")
@pytest.mark.parametrize("shape, w_shape, options", [g for g in GEOMETRIES if "stride" not in g[2]])
def test_adjoint_agrees_with_the_definition(shape, w_shape, options, memory, monkeypatch):
    monkeypatch.setattr(banded, "pays", lambda shape: False)
    monkeypatch.setattr(adjoint, "pays", lambda shape: True)
    monkeypatch.setattr(columns, "BLOCK", memory)
    check(shape, w_shape, **options)


@pytest.mark.parametrize("memory", [1 << 20, 4000, 500], ids=lambda n: f"blocks of {n} bytes")
@pytest.mark.parametrize("shape, w_shape, options", [
    *(g for g in GEOMETRIES if not g[2].keys() & {"stride", "groups"}),
    ((2, 4, 9, 8), (6, 4, 3, 2), {"padding": (1, 2), "dilation": (2, 3)}),
])
def test_banded_agrees_with_the_definition(shape, w_shape, options, memory, monkeypatch):
    monkeypatch.setattr(banded, "pays", lambda shape: True)
    monkeypatch.setattr(banded, "BLOCK", memory)
    check(shape, w_shape, **options)


@pytest.mark.parametrize("special", [np.inf, -np.inf, np.nan, 3e38])
@pytest.mark.parametrize("road, x_shape, w_shape", [
    (winograd, (3, 32, 9, 7), (32, 32, 3, 3)),
    (columns, (3, 8, 9, 7), (8, 8, 3, 3)),
    (adjoint, (3, 2, 9, 16), (80, 2, 5, 5)),
    (banded, (3, 2, 9, 12), (4, 2, 5, 5)),
])
def test_infinities_are_left_as_by_the_plain_sum(road, x_shape, w_shape, special, monkeypatch):
    rng = np.random.default_rng(3)
    x, w, bias = (rng.standard_normal(shape, dtype=np.float32) for shape in (x_shape, w_shape, w_shape[:1]))
    dy = np.ones((3, w_shape[0], x_shape[2] - w_shape[2] + 1, x_shape[3] - w_shape[3] + 1), np.float32)
    x[1, 1, 4, 3] = dy[2, 3, 0, 1] = special
    taken = []
    for name in ("forward", "backward"):
        if hasattr(road, name):
            function = getattr(road, name)
            monkeypatch.setattr(road, name, lambda *args, f=function: (taken.append(road), f(*args)))
    found = conv2d(x, w, bias), *conv2d_backward(dy, x, w)
    assert road in taken
    expected = reference(x, w, bias, (1, 1), (0, 0), (1, 1), 1)
    np.testing.assert_allclose(found[0], expected, rtol=1e-3, atol=1e-3)
    monkeypatch.setattr(mirror, "_fast", lambda shape, stride: None)
    for f, e in zip(found[1:], conv2d_backward(dy, x, w)):
        np.testing.assert_allclose(f, e, rtol=1e-3, atol=1e-3)


def test_which_road_is_taken():
    shape = lambda C, O, R, padding=(0, 0), groups=1: columns.Shape(C, 9, 9, O, R, R, padding, (1, 1), groups)
    assert winograd.pays(shape(32, 64, 3)) and not winograd.pays(shape(32, 64, 5))
    assert not winograd.pays(shape(1, 64, 3)) and not winograd.pays(shape(64, 64, 3, groups=2))
    assert adjoint.pays(shape(4, 8, 5)) and not adjoint.pays(shape(4, 64, 3)) and not adjoint.pays(shape(8, 4, 5))
    assert banded.pays(shape(4, 8, 5)) and not banded.pays(shape(64, 64, 5)) and not banded.pays(shape(4, 8, 3))
    assert not banded.pays(shape(4, 8, 5, padding=(4, 4))) and not banded.pays(shape(4, 8, 5, groups=2))
    assert columns.fits(shape(4, 4, 3, (2, 2))) and not columns.fits(shape(4, 4, 3, (3, 0)))


def test_float32_by_winograd_is_as_accurate_as_the_plain_sum():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 64, 12, 12)), rng.standard_normal((64, 64, 3, 3))
    exact = reference(x, w, None, (1, 1), (1, 1), (1, 1), 1)
    found = conv2d(x.astype(np.float32), w.astype(np.float32), None, (1, 1), (1, 1))
    assert np.abs(found - exact).max() < 3e-6 * np.sqrt(64 * 9) * np.abs(exact).std()


def test_images_are_split_over_threads(monkeypatch):
    monkeypatch.setattr(host, "_team", host.Team(2))
    monkeypatch.setattr(host, "SPLIT", 2)
    check((5, 4, 9, 8), (6, 4, 3, 3), padding=(1, 1))
    check((5, 4, 9, 8), (6, 4, 3, 3), stride=(2, 2))
    assert host._team.workers


@pytest.mark.parametrize("size, kernel, stride, padding, dilation", list(itertools.product(
    (5, 8), (1, 2, 3), (1, 2, 3), (0, 1, 3), (1, 2))))
def test_phases_of_the_input_gradient_reach_every_pair_once(size, kernel, stride, padding, dilation):
    outputs = output_size(size, kernel, stride, padding, dilation)
    if outputs < 1:
        return
    expected = {(p * stride + r * dilation - padding, p, r) for p in range(outputs) for r in range(kernel)
                if 0 <= p * stride + r * dilation - padding < size}
    found = []
    for phase in gradient_phases(size, outputs, kernel, stride, padding, dilation):
        for i, a in itertools.product(range(phase["count"]), range(phase["taps"])):
            p = phase["STEP"] * i + phase["OFF"] + phase["TAP"] * a
            assert phase["check"] or 0 <= p < outputs
            if 0 <= p < outputs:
                found.append((phase["Y_STEP"] * i + phase["Y_OFF"], p, phase["first"] + a * phase["every"]))
    assert sorted(found) == sorted(expected)
    assert forward_axis(size, kernel, stride, padding, dilation)["count"] == outputs


def arrays_on(device, *shapes):
    rng = np.random.default_rng(0)
    return [to_device(rng.standard_normal(s).astype(np.float32), device) for s in shapes]


def test_results_are_channels_last_and_such_inputs_are_not_copied(simulated):
    x, w = arrays_on(simulated, (2, 4, 4, 16), (8, 16, 3, 3))
    x = x.transpose(0, 3, 1, 2)
    seen = []
    with runtime.watching(seen.append):
        y = conv2d(x, w, None, (1, 1), (1, 1))
    assert y.shape == (2, 8, 4, 4) and y.transpose(0, 2, 3, 1).contiguous
    assert [one.name for one in seen].count("conv2d_kernel") == 1
    assert len(seen) == 2                                # the other one lays the weights out
    assert seen[-1].flops == 2 * 2 * 16 * 8 * 16 * 9


def test_few_channels_take_the_direct_kernels(simulated):
    x, w, b, dy = arrays_on(simulated, (2, 1, 6, 6), (8, 1, 3, 3), (8,), (2, 8, 4, 4))
    seen = []
    with runtime.watching(seen.append):
        conv2d(x, w, b)
        conv2d_backward(dy, x, w, needs=(False, True, True))
    names = [one.name for one in seen if not one.name.startswith(("transpose", "copy"))]
    assert names == ["conv2d_direct_kernel", "conv2d_direct_weight_kernel", "sum_parts_kernel"]
    assert seen[0].flops == 2 * 2 * 16 * 8 * 9


def test_few_channels_with_many_taps_are_gathered(simulated):
    x, w, b, dy = arrays_on(simulated, (2, 3, 8, 8), (8, 3, 5, 5), (8,), (2, 8, 4, 4))
    seen = []
    with runtime.watching(seen.append):
        conv2d(x, w, b)
        conv2d_backward(dy, x, w, needs=(False, True, True))
    names = [one.name for one in seen if not one.name.startswith(("transpose", "copy"))]
    assert names == ["conv2d_gathered_kernel", "conv2d_direct_weight_kernel", "sum_parts_kernel"]
    assert seen[0].flops == 2 * 2 * 16 * 8 * 75 and seen[-2].grid[2] == 2, "76 rows with the bias, 64 per program"


def test_depthwise_layers_take_kernels_of_their_own(simulated):
    x, w, b, dy = arrays_on(simulated, (2, 6, 6, 6), (12, 1, 3, 3), (12,), (2, 12, 4, 4))
    (_, w), seen = laid_out(x, w, 6), []
    with runtime.watching(seen.append):
        conv2d(x, w, b, groups=6)
        conv2d_backward(dy, x, w, groups=6)
    names = [one.name for one in seen if not one.name.startswith(("transpose", "copy"))]
    assert names == ["depthwise_kernel", "depthwise_input_kernel", "depthwise_weight_kernel", "sum_parts_kernel"]
    assert [one.flops for one in seen if one.name in names[:3]] == 3 * [2 * 2 * 16 * 12 * 9]


@pytest.mark.parametrize("w_shape, groups", [((8, 9, 3, 3), 1), ((8, 1, 3, 3), 4), ((8, 1, 3, 3), 1)])
def test_what_is_laid_out_once_serves_both_directions(simulated, w_shape, groups):
    x, w = arrays_on(simulated, (2, w_shape[1] * groups, 5, 5), w_shape)
    y = conv2d(x, w, groups=groups)
    expected, seen = conv2d_backward(y, x, w, groups=groups), []
    laid = laid_out(x, w, groups)
    with runtime.watching(seen.append):
        found = conv2d(*(laid or (x, w)), groups=groups), *conv2d_backward(y, *(laid or (x, w)), groups=groups)
    for f, e in zip(found, (y, *expected)):
        np.testing.assert_array_equal(f.numpy(), e.numpy())
    assert bool(laid) == (w_shape[1] * groups > 1), "one channel lies either way"
    assert laid_out(*(laid or (x, w)), groups) == ()
    assert not [one for one in seen if one.name.startswith(("copy", "transpose"))]


def test_nothing_is_laid_out_on_the_host():
    assert laid_out(np.zeros((2, 5, 6, 6)), np.zeros((8, 5, 3, 3))) == ()


def test_pixels_that_no_result_reads_are_filled_not_computed(simulated):
    x, w, dy = arrays_on(simulated, (2, 4, 5, 5), (6, 4, 1, 1), (2, 6, 3, 3))
    seen, before = [], simulated.driver.counts["fill"]
    with runtime.watching(seen.append):
        dx, _, _ = conv2d_backward(dy, x, w, (2, 2), needs=(True, False, False))
    assert [one.name for one in seen].count("conv2d_kernel") == 1 and simulated.driver.counts["fill"] == before + 1
    assert np.count_nonzero(dx.numpy()) == 2 * 4 * 9


def test_weight_gradients_are_the_same_in_every_run(simulated):
    x, w, dy = arrays_on(simulated, (6, 5, 20, 20), (4, 5, 3, 3), (6, 4, 18, 18))
    first = conv2d_backward(dy, x, w)
    again = conv2d_backward(dy, x, w)
    for a, b in zip(first, again):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_precision_reaches_the_kernel(simulated):
    x, w = arrays_on(simulated, (1, 9, 4, 4), (4, 9, 3, 3))
    try:
        set_matmul_precision("tf32")
        seen = []
        with runtime.watching(seen.append):
            conv2d(x, w)
        assert seen[-1].kernel is conv2d_kernel and seen[-1].arguments["PRECISION"] == "tf32"
    finally:
        set_matmul_precision(None)


def test_columns_are_each_others_transpose():
    rng = np.random.default_rng(0)
    options = (2, 3), (1, 2), (1, 1), (2, 1)
    x = rng.standard_normal((2, 3, 7, 6))
    cols = im2col(x, *options)
    other = rng.standard_normal(cols.shape)
    np.testing.assert_allclose((cols * other).sum(), (x * col2im(other, (7, 6), *options)).sum())


def test_convolution_is_weights_times_columns():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 3, 7, 6)), rng.standard_normal((4, 3, 3, 2))
    options = (2, 1), (1, 1), (1, 2)
    y = (w.reshape(4, -1) @ im2col(x, (3, 2), *options)).reshape(2, 4, *(
        output_size(*axis) for axis in zip((7, 6), (3, 2), *options)))
    np.testing.assert_allclose(conv2d(x, w, None, *options), y, rtol=1e-12)


def test_tiles_fit_the_layer():
    assert tiles.few_channels((32, 1, 3, 3), 1) and tiles.few_channels((32, 3, 3, 3), 1)
    assert not tiles.few_channels((64, 8, 3, 3), 1) and not tiles.few_channels((32, 1, 3, 3), 32)
    assert tiles.direct((32, 3, 3, 3)) and not tiles.direct((64, 3, 7, 7)) and not tiles.direct((64, 4, 1, 1))
    assert tiles.depthwise((32, 1, 3, 3), 32) and tiles.depthwise((64, 1, 3, 3), 32)
    assert not tiles.depthwise((32, 1, 3, 3), 1) and not tiles.depthwise((32, 2, 3, 3), 16)


@pytest.mark.parametrize("x, w, groups, kernel", [
    ((2, 16, 9, 9), (8, 16, 3, 3), 1, "conv2d_kernel"), ((2, 1, 9, 9), (8, 1, 3, 3), 1, "conv2d_direct_kernel"),
    ((2, 3, 9, 9), (8, 3, 5, 5), 1, "conv2d_gathered_kernel"), ((2, 8, 9, 9), (8, 1, 3, 3), 8, "depthwise_kernel")])
def test_a_relu_goes_along_in_the_same_launch(x, w, groups, kernel, simulated):
    arrays = [np.random.default_rng(i).standard_normal(shape).astype("f4") for i, shape in enumerate((x, w, w[:1]))]
    arguments = ((1, 1), (1, 1), (1, 1), groups)
    expected = np.maximum(conv2d(*arrays, *arguments), 0)
    np.testing.assert_array_equal(conv2d(*arrays, *arguments, activation="relu"), expected)
    on_device = [to_device(a, simulated) for a in arrays]
    with runtime.watching((seen := []).append):
        found = conv2d(*on_device, *arguments, activation="relu")
    assert [one.name for one in seen if "conv" in one.name or "depthwise" in one.name] == [kernel]
    assert not [one.name for one in seen if "relu" in one.name]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-5)
    for place in (arrays, on_device):
        with pytest.raises(ValueError, match="conv2d: activation 'gelu' is neither None nor 'relu'"):
            conv2d(*place, *arguments, activation="gelu")
