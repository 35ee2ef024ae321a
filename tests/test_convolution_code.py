"""Convolutions of halves, as compiled: tensor cores compute, and memory is read 16 bytes at a time.

Channels last and a multiple of eight: then every step's tiles of pixels and of weights are copied to shared memory by
wide asynchronous copies. What else is loaded is the bias. A depthwise layer has no product, and all of it is wide.
"""

import re

import numpy as np
import pytest

from tests.dry_runs import dry_device
from tests.oracles import DTYPES
from tritonnet.kernels import runtime
from tritonnet.kernels.arrays import empty
from tritonnet.kernels.conv import conv2d, conv2d_backward
from tritonnet.kernels.runtime.driver import Target
from tritonnet.kernels.runtime.resources import resources

pytestmark = pytest.mark.slow  # compiles

TENSOR_CORES = {80: "HMMA", 90: "HGMMA", 100: "UTCHMMA"}
LAYERS = {  # x, w, padding, groups
    "ResNet": ((64, 64, 56, 56), (64, 64, 3, 3), (1, 1), 1),
    "MNIST": ((64, 32, 26, 26), (64, 32, 3, 3), (0, 0), 1),
    "two groups": ((64, 128, 28, 28), (128, 64, 3, 3), (1, 1), 2),
}
DEPTHWISE = (32, 96, 56, 56), (96, 1, 3, 3), (1, 1), 96


def compiled(layer, dtype, arch):
    """{(kernel, first or second launch of it): Resources} of a layer, forward and backward, as a GPU would ask."""
    (N, C, H, W), w_shape, padding, groups = layer
    with dry_device(arch) as device:
        x, w = empty((N, H, W, C), dtype, device).transpose(0, 3, 1, 2), empty(w_shape, dtype, device)
        seen = []
        with runtime.watching(seen.append):
            y = conv2d(x, w, empty(w_shape[:1], dtype, device), (1, 1), padding, (1, 1), groups)
            conv2d_backward(y, x, w, (1, 1), padding, (1, 1), groups)
    found = [resources(launch.compiled.specialisation, Target("cuda", arch)) for launch in seen]
    return {(made.kernel, i): made for i, made in enumerate(found) if not made.kernel.startswith(("transp", "copy"))}


def narrow(sass, pattern):
    """How many of these instructions move less than 16 bytes per thread."""
    return sum(1 for name in sass if re.match(pattern, name) and not name.endswith(".128"))


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("arch", TENSOR_CORES)
def test_products_are_wide_and_on_tensor_cores(arch, dtype, layer):
    kernels = compiled(LAYERS[layer], DTYPES[dtype], arch)
    names = [name for name, _ in kernels]
    assert names == ["conv2d_kernel", "conv2d_kernel", "conv2d_weight_kernel", "sum_parts_kernel"]
    *products, _ = kernels.values()
    for found in products:
        assert TENSOR_CORES[arch] in found.instructions, found
        assert found.instructions["LDGSTS"] and not narrow(found.sass, "LDGSTS"), found
        assert found.spills == 0, found
    forward, input_gradient, weight_gradient = products
    assert not narrow(input_gradient.sass, r"LDG\.") and not narrow(weight_gradient.sass, r"LDG\.")
    assert not narrow(forward.sass, r"STG\.") and not narrow(input_gradient.sass, r"STG\.")


@pytest.mark.parametrize("arch", TENSOR_CORES)
def test_depthwise_kernels_are_wide(arch):
    kernels = compiled(DEPTHWISE, np.dtype(np.float16), arch)
    names = [name for name, _ in kernels]
    assert names == ["depthwise_kernel", "depthwise_input_kernel", "depthwise_weight_kernel", "sum_parts_kernel"]
    forward, input_gradient, weight_gradient, _ = kernels.values()
    for found in (forward, input_gradient):
        assert found.instructions["LDG.128"] and not narrow(found.sass, r"(LDG|STG)\."), found
    assert weight_gradient.instructions["LDG.128"] and narrow(weight_gradient.sass, r"LDG\.") <= 1  # dy: a small tile
    assert all(found.spills == 0 for found in kernels.values())
