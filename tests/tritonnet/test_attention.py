"""Attention and transformers as PyTorch's: values, gradients, names, errors."""

import warnings

import numpy as np
import pytest

import tritonnet
from tritonnet.kernels import runtime

ATTENTION = [
    "nn.MultiheadAttention(8, 2) | x, k, v", "nn.MultiheadAttention(8, 2) | x, k, v, need_weights=False",
    "nn.MultiheadAttention(8, 2) | x, k, v, key_padding_mask=pad",
    "nn.MultiheadAttention(8, 2) | x, k, v, key_padding_mask=pad, attn_mask=mask",
    "nn.MultiheadAttention(8, 2) | x, k, v, key_padding_mask=pad, attn_mask=mask, need_weights=False",
    "nn.MultiheadAttention(8, 2) | x, k, v, attn_mask=mask, need_weights=False, is_causal=True",
    "nn.MultiheadAttention(8, 2) | x, k, v, attn_mask=mask, average_attn_weights=False",
    "nn.MultiheadAttention(8, 2) | x, k, v, attn_mask=r(4, 5, 6)",
    "nn.MultiheadAttention(8, 2, bias=False) | x, k, v",
    "nn.MultiheadAttention(8, 2, kdim=8, vdim=4) | x, k, v[..., :4]",
    "nn.MultiheadAttention(8, 2, add_bias_kv=True, add_zero_attn=True) | x, k, v, attn_mask=mask, key_padding_mask=pad",
    "nn.MultiheadAttention(8, 4, batch_first=True) | x, x, x",
    "nn.MultiheadAttention(8, 4) | x[:, 0], x[:, 0], x[:, 0]",
    "nn.MultiheadAttention(8, 4) | x[:, 0], k[:, 0], k[:, 0], key_padding_mask=pad[0], attn_mask=mask",
]
MISTAKES = [
    "nn.MultiheadAttention(8, 3)", "nn.MultiheadAttention(0, 3)", "m(x, k, v, attn_mask=mask.T)",
    "m(x, k, v, attn_mask=r(3, 5, 6))", "m(x, k, v[1:])", "m(x[..., 1:], k, v)", "m(x[0, 0], k, v)", "m(x, k, v[0])",
    "m(x, k, v, key_padding_mask=pad[0])", "m(x, k, v, key_padding_mask=pad[:, :3])",
    "m(x, k, v, key_padding_mask=pad.long())", "m(x, k, v, is_causal=True)",
    "m(x[:, 0], k[:, 0], v[:, 0], attn_mask=r(3, 5, 6))", "m(x, k, v, attn_mask=r(5))",
    "nn.Transformer(8, 2, 1, 1)(k, v[:, :1])", "nn.Transformer(8, 2, 1, 1)(k[..., :3], v)",
    "nn.TransformerEncoderLayer(8, 2, activation='sin')",
]
MODELS = [
    "nn.TransformerEncoderLayer(8, 2, 16, 0.0) | x", "nn.TransformerEncoderLayer(8, 2, 16, 0.0) | x[:, 0]",
    "nn.TransformerEncoderLayer(8, 2, 16, 0.0, 'gelu', norm_first=True, bias=False) | x, causal",
    "nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True) | x",
    "nn.TransformerEncoderLayer(8, 2, 16, 0.0) | k, None, pad",
    "nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, 0.0), 2, nn.LayerNorm(8), False) | x, causal",
    "nn.TransformerDecoderLayer(8, 2, 16, 0.0, batch_first=True) | x.transpose(0, 1), k.transpose(0, 1)",
    "nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16, 0.0, norm_first=True), 2) | x, k, causal, None, None, "
    "pad",
    "nn.Transformer(8, 2, 1, 2, 16, 0.0, torch.nn.functional.silu) | k, x, tgt_mask=causal, "
    "memory_key_padding_mask=pad",
]


def names(torch, drawn):
    warnings.filterwarnings("ignore", "enable_nested_tensor is True")  # PyTorch's: it has two ways to run an encoder
    return {"torch": torch, "nn": torch.nn, "x": drawn(torch, 5, 2, 8).requires_grad_(), "k": drawn(torch, 6, 2, 8),
            "v": drawn(torch, 6, 2, 8, seed=2), "r": lambda *shape: drawn(torch, *shape),
            "pad": torch.tensor([[False] * 4 + [True] * 2, [False] * 6]), "mask": torch.ones(5, 6).triu(1).bool(),
            "causal": torch.nn.Transformer.generate_square_subsequent_mask(5)}


def computed(torch, drawn, filled, text):
    """The results of a module on its inputs, and the gradients of x and of the parameters."""
    found = names(torch, drawn)
    built, _, inputs = text.partition(" | ")
    found["module"] = module = filled(torch, eval(built, found))
    result = eval(f"module({inputs})", found)
    output = result[0] if isinstance(result, tuple) else result
    (output * drawn(torch, *output.shape, seed=5)).sum().backward()
    return result, found["x"].grad, [p.grad for p in module.parameters()], list(module.state_dict()), repr(module)


@pytest.mark.parametrize("text", ATTENTION + MODELS)
def test_a_module_computes_what_pytorchs_does(alike, drawn, filled, text):
    alike(lambda torch: computed(torch, drawn, filled, text), rtol=2e-4)


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_raises_what_pytorch_raises(alike, drawn, text):
    def program(torch):
        found = names(torch, drawn)
        return repr(eval(text, {**found, "m": torch.nn.MultiheadAttention(8, 2)}))

    alike(program)


def test_masks_of_two_kinds_warn(alike, drawn, filled):
    def program(torch):
        found = names(torch, drawn)
        module = filled(torch, torch.nn.MultiheadAttention(8, 2))
        return module(found["x"], found["k"], found["v"], found["pad"], attn_mask=found["mask"].float())

    alike(program, rtol=1e-4)


@pytest.mark.parametrize("mask", ["[[True, True], [False, False]]", "[[0.0, 1.0], [-torch.inf, -torch.inf]]"])
def test_what_sees_nothing_is_zero(alike, drawn, mask):
    def program(torch):
        x = drawn(torch, 3, 2, 4).requires_grad_()
        y = torch.nn.functional.scaled_dot_product_attention(x, x, x, torch.tensor(eval(mask, {"torch": torch})))
        y.sum().backward()
        return y, x.grad

    alike(program)


def test_default_initialisation(alike):
    def program(torch):
        module = torch.nn.MultiheadAttention(8, 2, add_bias_kv=True)
        bound = (6 / 32) ** 0.5  # xavier_uniform_ of (24, 8)
        weight = module.in_proj_weight.abs().max().item()
        return module.in_proj_bias, module.out_proj.bias, 0.8 * bound < weight <= bound, module.bias_k.std().item() > 0

    alike(program)


@pytest.mark.parametrize("text", [ATTENTION[4], MODELS[0]])
def test_the_device_agrees_with_the_host(simulated, drawn, filled, text):
    def results(place):
        result, gradient, gradients, *_ = computed(
            tritonnet, lambda *a, **k: drawn(*a, **k).to(place), lambda torch, m: filled(torch, m).to(place), text
            .replace("=pad", "=pad.to(x.device)").replace("=mask", "=mask.to(x.device)"))
        output = result[0] if isinstance(result, tuple) else result
        return [t.detach().cpu().numpy() for t in (output, gradient, *gradients)]

    for found, expected in zip(results("cuda"), results("cpu"), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


# --- what is computed without the scores in memory ---

ATTEND = tritonnet.nn.functional.scaled_dot_product_attention


def leaves(*shapes, **kind):
    tritonnet.manual_seed(0)
    return [tritonnet.randn(*shape, dtype=tritonnet.float64, requires_grad=True, **kind) for shape in shapes]


@pytest.mark.parametrize("shapes, options", [
    (((2, 3, 5, 4), (2, 3, 6, 4), (2, 3, 6, 2)), {}),
    (((2, 3, 5, 4), (2, 3, 6, 4), (2, 3, 6, 2)), dict(is_causal=True, dropout_p=0.5)),
    (((3, 5, 4), (3, 6, 4), (3, 6, 2)), dict(attn_mask=tritonnet.ones(5, 6, dtype=tritonnet.bool).tril(1))),
    (((5, 4), (6, 4), (6, 2)), dict(attn_mask=tritonnet.arange(6.0, dtype=tritonnet.float64))),
    (((2, 6, 5, 4), (2, 2, 6, 4), (2, 2, 6, 2)), dict(enable_gqa=True, scale=0.3)),
])
def test_attention_is_one_operation(shapes, options):
    y = ATTEND(*leaves(*shapes), **options)
    assert y.grad_fn.name == "AttentionBackward0"


def test_what_the_operation_does_not_take_is_composed():
    q, k, v = leaves((2, 3, 5, 4), (2, 3, 6, 4), (2, 3, 6, 2))
    mask = tritonnet.zeros(5, 6, dtype=tritonnet.float64, requires_grad=True)
    expected = ATTEND(q, k, v)
    for found in (ATTEND(q, k, v, mask), ATTEND(q, k[:1, :1], v), ATTEND(-q, k, v, scale=-0.5),
                  ATTEND(q[None], k[None], v[None])):
        assert found.grad_fn.name != "AttentionBackward0"
        assert found.shape[-4:] == expected.shape
    np.testing.assert_allclose(ATTEND(-q, k, v, scale=-0.5).detach().numpy(), expected.detach().numpy())
    ATTEND(q, k, v, mask).sum().backward()
    assert mask.grad.shape == mask.shape


def test_second_derivatives_drop_the_same_weights():
    q, k, v = leaves((1, 2, 5, 4), (1, 2, 6, 4), (1, 2, 6, 3))

    def attend(q, k, v):
        tritonnet.manual_seed(3)
        return ATTEND(q, k, v, dropout_p=0.4)

    assert tritonnet.autograd.gradcheck(attend, (q, k, v))
    assert tritonnet.autograd.gradgradcheck(attend, (q, k, v))


def test_second_derivatives_on_a_device_drop_the_same_weights(simulated):
    from tritonnet.kernels import rng

    before = rng.same_stream_everywhere()
    rng.same_stream_everywhere(True)
    try:
        found = []
        for device in ("cpu", "cuda"):
            tritonnet.manual_seed(3)
            x = [t.detach().float().cpu().to(device).requires_grad_() for t in leaves((1, 2, 5, 4), (1, 2, 6, 4),
                                                                                     (1, 2, 6, 3))]
            tritonnet.manual_seed(3)
            y = ATTEND(*x, dropout_p=0.4)
            (g,) = tritonnet.autograd.grad((y * y).sum(), x[:1], create_graph=True)
            (g * g).sum().backward()
            found.append([t.grad.cpu().numpy() for t in x])
    finally:
        rng.same_stream_everywhere(before)
    for host, device in zip(*found):
        np.testing.assert_allclose(device, host, rtol=1e-3, atol=1e-4)


def test_gradients_of_pieces_of_one_array_lie_side_by_side():
    """q, k and v cut from one projection, along its last, a middle and its first axis: their gradients need no copy."""
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((2, 4, 5, 8)).astype(np.float32)
    ways = {
        "last": ((2, 5, 96), lambda x: [p.reshape(2, 5, 4, 8).transpose(1, 2) for p in x.chunk(3, -1)]),
        "middle": ((2, 5, 3, 4, 8), lambda x: [p.transpose(1, 2) for p in x.unbind(2)]),
        "first": ((3, 2, 4, 5, 8), lambda x: x.unbind(0)),
        "twice": ((2, 5, 64), lambda x: [p.reshape(2, 5, 4, 8).transpose(1, 2) for i in (0, 1, 0)
                                         for p in [x.chunk(2, -1)[i]]]),
    }
    for name, (shape, cut) in ways.items():
        values = rng.standard_normal(shape).astype(np.float32)

        def gradient(place, values=values, cut=cut):
            x = tritonnet.from_numpy(values).to(place).requires_grad_()
            y = tritonnet.nn.functional.scaled_dot_product_attention(*cut(x * 1))
            (y * tritonnet.from_numpy(weights).to(place)).sum().backward()
            return x.grad.cpu().numpy()

        expected, seen = gradient("cpu"), []
        with tritonnet.cuda.simulated(), runtime.watching(lambda launch, seen=seen: seen.append(launch.name)):
            np.testing.assert_allclose(gradient("cuda"), expected, rtol=1e-4, atol=1e-5, err_msg=name)
        copies = [k for k in seen if k in ("copy_kernel", "transpose_kernel")]
        assert bool(copies) == (name == "twice"), (name, copies)
