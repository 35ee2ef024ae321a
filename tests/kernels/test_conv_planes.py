"""Convolutions that read images as planes (NCHW), which only tuning chooses: the same numbers, and no copies."""

import contextlib

import numpy as np
import pytest

from tests.oracles import RTOL
from tritonnet.autograd.function import make
from tritonnet.autograd.ops.conv import Conv2d
from tritonnet.kernels import runtime, tuning
from tritonnet.kernels.arrays import to_device
from tritonnet.kernels.conv import conv2d, conv2d_backward, laid_out
from tritonnet.kernels.conv.implicit import conv2d_kernel
from tritonnet.kernels.conv.weights import conv2d_weight_kernel
from tritonnet.kernels.dtypes import bfloat16
from tritonnet.kernels.lab.plan import launches
from tritonnet.kernels.lab.subjects import subject

GEOMETRIES = [  # x, w, the rest
    ((2, 9, 7, 6), (5, 9, 3, 3), ((1, 1), (1, 1), (1, 1), 1)),
    ((2, 18, 9, 8), (6, 9, 3, 2), ((2, 1), (1, 0), (1, 2), 2)),
    ((3, 20, 5, 5), (4, 20, 1, 1), ((1, 1), (0, 0), (1, 1), 1)),         # 1 x 1: planes are rows of a matrix
    ((3, 20, 5, 5), (4, 20, 1, 1), ((2, 2), (0, 0), (1, 1), 1)),
]
TILES = {"BLOCK_M": 32, "BLOCK_N": 16, "BLOCK_K": 16, "GROUP_M": 2, "PLANES": 1, "num_warps": 4, "num_stages": 2}
WEIGHT_TILES = {"BLOCK_M": 32, "BLOCK_O": 16, "BLOCK_C": 16, "PLANES": 1, "num_warps": 4, "num_stages": 2}


@contextlib.contextmanager
def as_planes():
    with tuning.forced(conv2d_kernel, TILES), tuning.forced(conv2d_weight_kernel, WEIGHT_TILES):
        yield


def products(seen):
    return [(one.name, one.arguments["PLANES"]) for one in seen if "PLANES" in one.arguments]


@pytest.mark.parametrize("dtype", [np.float32, np.float16, bfloat16], ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("x, w, geometry", GEOMETRIES)
def test_planes_give_the_same_numbers(x, w, geometry, dtype, simulated):
    rng = np.random.default_rng(0)
    x, w, b = (rng.uniform(-1, 1, shape).astype(dtype) for shape in (x, w, w[:1]))
    y = conv2d(x, w, b, *geometry)
    dy = rng.uniform(-1, 1, y.shape).astype(dtype)
    expected = y, *conv2d_backward(dy, x, w, *geometry)
    dx, dw, db, dg = (to_device(a, simulated) for a in (x, w, b, dy))
    with as_planes(), runtime.watching((seen := []).append):
        found = conv2d(dx, dw, db, *geometry), *conv2d_backward(dg, dx, dw, *geometry)
    made = products(seen)
    assert made[0] == ("conv2d_kernel", 1) and made[-1] == ("conv2d_weight_kernel", 1)
    assert not any(planes for name, planes in made[1:-1]), "the gradient of the input reads dy, channels last"
    rtol = 8 * RTOL[np.dtype(dtype).name]
    for f, e in zip(found, expected):
        np.testing.assert_allclose(f.numpy().astype("f8"), e.astype("f8"), rtol=rtol, atol=rtol * np.abs(e).max())


def test_a_layer_copies_no_images(simulated):
    x, w = (make(to_device(np.ones(shape, np.float32), simulated)) for shape in ((2, 9, 6, 6), (4, 9, 3, 3)))
    w.requires_grad = True
    w.array = laid_out(x.array, w.array)[1]
    for chosen, copies in ((contextlib.nullcontext, 1), (as_planes, 0)):
        with chosen(), runtime.watching((seen := []).append):
            y = Conv2d.apply(x, w)
            y.backward(make(y.array))
        assert len([one for one in seen if one.name.startswith(("copy", "transpose"))]) == copies
    assert laid_out(x.array, w.array, 1, ((1, 1), (0, 0), (1, 1))), "by itself nothing reads planes"


def test_images_that_lie_otherwise_are_no_planes(simulated):
    x, w = (to_device(np.ones(shape, np.float32), simulated) for shape in ((2, 6, 6, 9), (4, 9, 3, 3)))
    with as_planes(), runtime.watching((seen := []).append):
        conv2d(x.transpose(0, 3, 1, 2), w)
    assert products(seen) == [("conv2d_kernel", 0)]


@pytest.mark.parametrize("name, kernel", [("conv2d_planes", conv2d_kernel),
                                          ("conv2d_planes_backward", conv2d_weight_kernel)])
def test_tuning_asks_for_planes_under_a_key_of_their_own(name, kernel):
    found = subject(name)
    dims = found.dims | {"N": 4}
    with tuning.asked() as seen:
        launches(found, dims, "float16", 90)
    keys = [key for asking, key in seen if asking is kernel]
    assert keys[0].endswith("x1024") and len(keys[0].split("x")) == 4, "the pixels of a plane come last"
    planned = next(p for p in launches(found, dims, "float16", 90) if p.kernel is kernel)
    assert planned.config["PLANES"] == 0 and {c["PLANES"] for c in planned.candidates()} == {0, 1}
