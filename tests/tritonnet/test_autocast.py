"""Autocast: the type of every listed operation beside PyTorch's, regions, the cache, gradients, a training program."""

import functools
import threading

import numpy as np
import pytest

import tritonnet as tn
from tritonnet import nn
from tritonnet.autograd.autocast import casting, local

ONE = [
    "exp", "expm1", "log", "log2", "log10", "log1p", "reciprocal", "rsqrt", "sinh", "cosh", "tan", "acos",
    "asin", "sin", "tanh", "sqrt", "sigmoid", "relu", "square", "sum", "mean", "prod", "var", "norm", "trace",
    "nansum", "softplus", "gelu", "silu", "elu", "normalize", "logsigmoid",
]
TWO = [
    "pow", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "kl_div", "binary_cross_entropy_with_logits",
    "cosine_similarity", "pairwise_distance", "matmul", "bmm", "add", "mul", "atan2", "dist",
]


def cases(t, device):
    """(name, function, arguments): of `t`, PyTorch or tritonnet."""
    F = t.nn.functional
    x = lambda *shape: t.full(shape, 0.25, device=device)
    classes = lambda *shape: t.zeros(*shape, dtype=t.int64, device=device)
    m, v, b, image, signs = x(4, 4), x(4), x(2, 4, 4), x(2, 3, 5, 5), t.ones(4, device=device)
    of = lambda name: getattr(t, name, None) or getattr(F, name)
    for name in ONE:
        yield name, of(name), (m,)
    for name in TWO:
        yield name, of(name), (b, b) if name == "bmm" else (m, m)
    yield "scalar ** x", lambda a: 2 ** a, (m,)
    for name in ("cumsum", "cumprod", "logsumexp", "softmax", "log_softmax", "logcumsumexp"):
        yield name, functools.partial(lambda f, a: f(a, 0), of(name)), (m,)
    yield "layer_norm", lambda a, w: F.layer_norm(a, (4,), w.float(), w.float()), (m, v)
    yield "group_norm", lambda a: F.group_norm(a, 3), (image,)
    yield "rms_norm", lambda a: F.rms_norm(a, (4,)), (m,)
    yield "max_pool2d", lambda a: F.max_pool2d(a, 2), (image,)
    yield "nll_loss", lambda a: F.nll_loss(a, classes(4)), (m,)
    yield "cross_entropy", lambda a: F.cross_entropy(a, classes(4)), (m,)
    yield "hinge_embedding_loss", lambda a: F.hinge_embedding_loss(a, signs), (m,)
    yield "cosine_embedding_loss", lambda a, c: F.cosine_embedding_loss(a, c, signs), (m, m)
    yield "margin_ranking_loss", lambda a, c: F.margin_ranking_loss(a, c, signs), (v, v)
    yield "poisson_nll_loss", F.poisson_nll_loss, (m, m)
    yield "soft_margin_loss", lambda a: F.soft_margin_loss(a, signs.expand(4, 4)), (m,)
    yield "triplet_margin_loss", F.triplet_margin_loss, (m, m, m)
    yield "multi_margin_loss", lambda a: F.multi_margin_loss(a, classes(4)), (m,)
    yield "linear", F.linear, (m, m, v)
    yield "matrix @ vector", t.matmul, (m, v)
    yield "addmm", t.addmm, (m, m, m)
    yield "baddbmm", t.baddbmm, (b, b, b)
    yield "vecdot", t.linalg.vecdot, (m, m)
    yield "einsum", lambda a, c: t.einsum("ij,jk->ik", a, c), (m, m)
    yield "prelu", F.prelu, (m, v)
    yield "conv1d", F.conv1d, (x(2, 3, 5), x(4, 3, 2))
    yield "conv2d", F.conv2d, (image, x(4, 3, 2, 2))
    yield "conv_transpose2d", F.conv_transpose2d, (image, x(3, 4, 2, 2))
    yield "attention", F.scaled_dot_product_attention, (x(1, 2, 4, 8),) * 3
    yield "interpolate", lambda a: F.interpolate(a, scale_factor=2), (image,)
    yield "cat", lambda a, c: t.cat([a, c]), (m, m)
    yield "stack", lambda a, c: t.stack([a, c]), (m, m)
    yield "where", lambda a, c: t.where(a > 0, a, c), (m, m)
    if device == "cpu":
        yield "binary_cross_entropy", F.binary_cross_entropy, (m, m)
        yield "grid_sample", lambda a, g: F.grid_sample(a, g, align_corners=False), (image, x(2, 4, 4, 2))
        yield "cdist", t.cdist, (m, m)
    else:
        for name in ("dot", "vdot"):
            yield name, of(name), (v, v)
        yield "mv", t.mv, (m, v)
        yield "addmv", t.addmv, (v, m, v)
        yield "addr", t.addr, (m, v, v)
        yield "inner", t.inner, (m, m)
        yield "tensordot", lambda a, c: t.tensordot(a, c, 1), (m, m)
        yield "bilinear", F.bilinear, (m, m, x(4, 4, 4))
        yield "cross", lambda a, c: t.cross(a, c, dim=1), (x(4, 3), x(4, 3))


def types(t, device, low):
    """name -> types of the result from float32, from the lower type, and from both."""
    found = {}
    for name, call, args in cases(t, device):
        found[name] = []
        for kind in ("float32", "lower", "mixed")[:3 if len(args) > 1 else 2]:
            given = [a.to(low) if kind == "lower" or kind == "mixed" and i else a for i, a in enumerate(args)]
            found[name].append(str(call(*given).dtype).rpartition(".")[2])
    return found


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")
def test_types_on_the_cpu_are_those_of_pytorch():
    torch = pytest.importorskip("torch", reason="oracle: compares with PyTorch where it is installed")
    with torch.autocast("cpu"):
        expected = types(torch, "cpu", torch.bfloat16)
    with tn.autocast("cpu"):
        assert types(tn, "cpu", tn.bfloat16) == expected


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")
def test_types_on_a_device_are_those_of_pytorch(simulated):
    torch = pytest.importorskip("torch", reason="oracle: compares with PyTorch where it is installed")
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():  # shapes and types of a GPU that need not be there; torch.autocast would refuse
        torch.set_autocast_enabled("cuda", True)
        try:
            expected = types(torch, "cuda", torch.float16)
        finally:
            torch.set_autocast_enabled("cuda", False)
    with tn.autocast("cuda"):
        assert types(tn, "cuda", tn.float16) == expected


def test_regions_nest_and_switch_off():
    x, w = tn.ones(2, 3), tn.ones(4, 3)
    kind = lambda: nn.functional.linear(x, w).dtype
    assert not tn.is_autocast_enabled("cpu") and tn.get_autocast_dtype("cpu") is tn.bfloat16
    with tn.autocast("cpu"):
        assert kind() is tn.bfloat16 and tn.is_autocast_enabled("cpu") and not tn.is_autocast_enabled("cuda")
        with tn.amp.autocast("cpu", enabled=False):
            assert kind() is tn.float32 and not tn.is_autocast_enabled("cpu")
            with tn.autocast("cpu", dtype=tn.float16):
                assert kind() is tn.float16 and tn.get_autocast_dtype("cpu") is tn.float16
        assert kind() is tn.bfloat16
        seen = []
        other = threading.Thread(target=lambda: seen.append(kind()))
        other.start()
        other.join()
        assert seen == [tn.float32], "a region is its thread's own"
        assert nn.functional.linear(x.double(), w.double()).dtype is tn.float64
        assert nn.functional.linear(x.to(tn.int32), w.to(tn.int32)).dtype is tn.int32
    assert tn.autocast("cpu")(kind)() is tn.bfloat16
    assert kind() is tn.float32 and not casting and not local.types
    with pytest.raises(ZeroDivisionError), tn.autocast("cpu"):
        _ = 1 / 0
    assert kind() is tn.float32


def test_old_names_and_wrong_arguments():
    with pytest.warns(FutureWarning, match="deprecated"), tn.cpu.amp.autocast():
        assert tn.is_autocast_enabled("cpu")
    with pytest.warns(UserWarning, match="not supported"), tn.autocast("cpu", dtype=tn.float64):
        assert not tn.is_autocast_enabled("cpu")
    with pytest.raises(ValueError, match="type `str`"):
        tn.autocast(1)
    with pytest.raises(RuntimeError, match="unsupported autocast device_type 'tpu'"):
        tn.autocast("tpu")
    with pytest.raises(RuntimeError, match="unknown device type"):
        tn.get_autocast_dtype("tpu")
    with pytest.raises(TypeError, match="requires a callable"):
        tn.autocast("cpu")(3)


def test_binary_cross_entropy_is_refused_on_devices(simulated):
    p = tn.full((3,), 0.5, device="cuda")
    with pytest.warns(FutureWarning), tn.cuda.amp.autocast(), pytest.raises(RuntimeError, match="unsafe to autocast"):
        nn.functional.binary_cross_entropy(p, p)


def test_parameters_are_cast_once_and_get_gradients_of_their_type():
    layer, x = nn.Linear(3, 2), tn.randn(5, 3)
    with tn.autocast("cpu"):
        total = layer(x).float() + layer(x).float()
        assert len(local.cache) == 2, "weight and bias"
        before = local.cache[id(layer.weight)][1]
        total.sum().backward()
        with tn.no_grad():
            layer.weight.mul_(2)
        layer(x)
        assert local.cache[id(layer.weight)][1] is not before, "changed in place: cast anew"
    assert not local.cache
    assert layer.weight.grad.dtype is tn.float32 and layer.bias.grad.tolist() == [10, 10]
    with tn.autocast("cpu", cache_enabled=False):
        layer(x)
        assert not local.cache


@pytest.mark.parametrize("cast", [None, "float32"])
def test_functions_of_ones_own(cast):
    seen = []

    class Product(tn.autograd.Function):
        @staticmethod
        @tn.amp.custom_fwd(device_type="cpu", cast_inputs=cast and getattr(tn, cast))
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            return a @ b

        @staticmethod
        @tn.amp.custom_bwd(device_type="cpu")
        def backward(ctx, dz):
            a, b = ctx.saved_tensors
            seen.append(tn.is_autocast_enabled("cpu"))
            return dz @ b.T, a.T @ dz

    a = tn.ones(2, 2, dtype=tn.bfloat16, requires_grad=True)
    with tn.autocast("cpu"):
        z = Product.apply(a, tn.ones(2, 2, dtype=tn.bfloat16))
    assert z.dtype is (tn.float32 if cast else tn.bfloat16)
    z.sum().backward()
    assert seen == [not cast] and a.grad.dtype is tn.bfloat16


def small_cnn(t):
    layers = t.nn
    return layers.Sequential(layers.Conv2d(1, 4, 3), layers.BatchNorm2d(4), layers.ReLU(), layers.MaxPool2d(2),
                             layers.Flatten(), layers.Linear(36, 10))


def train(t, model, data, steps, **region):
    x, y = data
    optimizer, losses = t.optim.SGD(model.parameters(), lr=0.2, momentum=0.5), []
    for _ in range(steps):
        optimizer.zero_grad()
        with t.autocast(**region):
            loss = t.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert {p.grad.dtype for p in model.parameters()} == {t.float32}
    return losses


def test_a_program_learns_as_with_pytorch():
    torch = pytest.importorskip("torch", reason="oracle: compares with PyTorch where it is installed")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(16, 1, 8, 8)).astype("f4"), rng.integers(0, 10, 16)
    mine, theirs = small_cnn(tn), small_cnn(torch)
    mine.load_state_dict({k: tn.from_numpy(v.numpy().copy()) for k, v in theirs.state_dict().items()})
    found = train(tn, mine, (tn.from_numpy(x), tn.from_numpy(y)), 12, device_type="cpu")
    expected = train(torch, theirs, (torch.from_numpy(x), torch.from_numpy(y)), 12, device_type="cpu")
    assert found[-1] < 0.3 * found[0]
    np.testing.assert_allclose(found, expected, rtol=0.1, atol=0.03)  # bfloat16 has 8 bits


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_program_learns_on_a_device(simulated, dtype):
    tn.manual_seed(0)
    data = tn.randn(8, 1, 8, 8).cuda(), tn.arange(8).cuda()
    losses = train(tn, small_cnn(tn).cuda(), data, 5, device_type="cuda", dtype=getattr(tn, dtype))
    assert losses[-1] < 0.6 * losses[0]
