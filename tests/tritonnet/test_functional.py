"""nn.functional: values, gradients, warnings and errors as PyTorch's."""

import inspect

import numpy as np
import pytest

import tritonnet
import tritonnet.nn.functional as F

CALLS = {
    "relu": "F.relu(x)", "relu6": "F.relu6(x * 9)", "leaky_relu": "F.leaky_relu(x, 0.2)", "elu": "F.elu(x, 0.7)",
    "selu": "F.selu(x)", "celu": "F.celu(x, 0.7)", "gelu": "F.gelu(x)", "gelu tanh": "F.gelu(x, approximate='tanh')",
    "silu": "F.silu(x)", "mish": "F.mish(x)", "glu": "F.glu(x, 0)", "sigmoid": "F.sigmoid(x)", "tanh": "F.tanh(x)",
    "logsigmoid": "F.logsigmoid(x * 50)", "softplus": "F.softplus(x * 50)", "softplus beta": "F.softplus(x, 3., 1.)",
    "softsign": "F.softsign(x)", "hardtanh": "F.hardtanh(x, -0.3, 0.4)", "hardswish": "F.hardswish(x * 5)",
    "hardsigmoid": "F.hardsigmoid(x * 5)", "threshold": "F.threshold(x, 0.1, 7.)", "tanhshrink": "F.tanhshrink(x)",
    "hardshrink": "F.hardshrink(x)", "softshrink": "F.softshrink(x, 0.2)", "rrelu": "F.rrelu(x, 0.1, 0.3)",
    "prelu": "F.prelu(x, torch.tensor([0.3]))", "prelu channels": "F.prelu(x, torch.arange(5.) / 5)",
    "softmax": "F.softmax(x, 1)", "softmax dim 0": "F.softmax(x, dim=0)", "softmax none": "F.softmax(x)",
    "softmax dtype": "F.softmax(x, 1, dtype=torch.float64)", "log_softmax": "F.log_softmax(x * 99, dim=-1)",
    "log_softmax none": "F.log_softmax(x)", "softmin": "F.softmin(x, 1)", "softmin none": "F.softmin(x)",
    "linear": "F.linear(x, r(3, 5), r(3))", "linear no bias": "F.linear(x, r(3, 5))",
    "bilinear": "F.bilinear(x, r(4, 2), r(3, 5, 2), r(3))",
    "conv1d": "F.conv1d(r(2, 4, 9), r(6, 2, 3), r(6), stride=2, padding=2, groups=2)",
    "conv2d": "F.conv2d(r(2, 2, 6, 5), r(4, 2, 3, 3), r(4), padding=1)",
    "conv2d same": "F.conv2d(r(2, 2, 6, 5), r(4, 2, 2, 4), padding='same')",
    "conv2d valid": "F.conv2d(r(2, 2, 6, 5), r(4, 2, 2, 4), padding='valid', stride=[2, 1])",
    "conv2d one": "F.conv2d(r(2, 6, 5), r(4, 2, 3, 3), dilation=(2,))",
    "layer_norm": "F.layer_norm(x, (5,))", "layer_norm all": "F.layer_norm(x, [4, 5], r(4, 5), r(4, 5), 1e-3)",
    "rms_norm": "F.rms_norm(x, (5,), r(5))", "rms_norm double": "F.rms_norm(x.double(), (4, 5))",
    "group_norm": "F.group_norm(r(2, 4, 3), 2, r(4), r(4))", "instance_norm": "F.instance_norm(r(2, 3, 5))",
    "batch_norm": "F.batch_norm(x, torch.zeros(5), torch.ones(5), r(5), r(5))",
    "batch_norm train": "F.batch_norm(x, None, None, training=True)",
    "local_response_norm": "F.local_response_norm(r(2, 5, 3), 3)",
    "normalize": "F.normalize(x)", "normalize p": "F.normalize(x, p=1, dim=0)", "normalize zero": "F.normalize(x * 0)",
    "max_pool2d": "F.max_pool2d(r(2, 3, 6, 6), 2)", "max_pool2d pair": "F.max_pool2d(r(2, 3, 6, 6), (2, 3), [1, 2])",
    "max_pool2d indices": "F.max_pool2d(r(2, 3, 6, 6), 2, return_indices=True)",
    "max_pool2d_with_indices": "F.max_pool2d_with_indices(r(3, 6, 6), 3, 2, 1)",
    "max_pool1d_with_indices": "F.max_pool1d_with_indices(r(2, 6), 2)",
    "adaptive_max_pool1d_with_indices": "F.adaptive_max_pool1d_with_indices(r(2, 6), 2)",
    "adaptive_max_pool2d_with_indices": "F.adaptive_max_pool2d_with_indices(r(2, 6, 4), 2)",
    "local_response_norm of nothing": "F.local_response_norm(r(0, 5, 3), 3)",
    "max_pool1d": "F.max_pool1d(r(2, 3, 6), 2)", "max_pool1d indices": "F.max_pool1d(r(2, 6), 2, return_indices=True)",
    "avg_pool2d": "F.avg_pool2d(r(2, 3, 6, 6), 3, 2, 1)", "avg_pool1d": "F.avg_pool1d(r(2, 3, 6), 3, 2, 1, True)",
    "avg_pool2d divisor": "F.avg_pool2d(r(2, 3, 7, 6), (3, 2), 2, 1, True, True, 5)",
    "adaptive_avg_pool2d": "F.adaptive_avg_pool2d(r(2, 3, 7, 5), (3, None))",
    "adaptive_avg_pool1d": "F.adaptive_avg_pool1d(r(2, 3, 7), 4)",
    "adaptive_max_pool2d": "F.adaptive_max_pool2d(r(2, 3, 7, 5), 3)",
    "adaptive_max_pool2d indices": "F.adaptive_max_pool2d(r(3, 7, 5), 3, return_indices=True)",
    "adaptive_max_pool1d": "F.adaptive_max_pool1d(r(3, 7), 3)",
    "dropout off": "F.dropout(x, training=False)", "dropout 0": "F.dropout(x, 0.0)", "dropout 1": "F.dropout(x, 1.0)",
    "alpha_dropout off": "F.alpha_dropout(x)", "dropout2d off": "F.dropout2d(r(2, 3, 4, 4), training=False)",
    "dropout2d 3d": "F.dropout2d(r(2, 3, 4), training=False)", "dropout2d 2d": "F.dropout2d(x, training=False)",
    "embedding": "F.embedding(torch.tensor([[1, 2], [0, 3]]), x)",
    "one_hot": "F.one_hot(torch.tensor([[0, 2], [1, 1]]))", "one_hot n": "F.one_hot(torch.tensor([0, 2]), 5)",
    "one_hot none": "F.one_hot(torch.zeros(0, dtype=torch.long), 5)",
    "pad": "F.pad(x, (1, 2))", "pad value": "F.pad(x, (1, 2, 0, 3), value=2.5)", "pad cut": "F.pad(x, (-1, 2, 1, -2))",
    "pad reflect": "F.pad(r(2, 3, 4), (2, 1), mode='reflect')", "pad circular": "F.pad(r(2, 3, 4), (2, 4), 'circular')",
    "pad replicate": "F.pad(r(2, 3, 4, 5), (2, 1, 0, 3), mode='replicate')",
    "cosine_similarity": "F.cosine_similarity(x, r(4, 5))", "pairwise_distance": "F.pairwise_distance(x, r(4, 5))",
    "attention": "F.scaled_dot_product_attention(r(2, 3, 4), r(2, 6, 4), r(2, 6, 5))",
    "attention causal": "F.scaled_dot_product_attention(r(2, 3, 4), r(2, 3, 4), r(2, 3, 5), is_causal=True)",
    "attention mask": "F.scaled_dot_product_attention(r(3, 4), r(6, 4), r(6, 5), r(3, 6) > -0.5)",
    "attention bias": "F.scaled_dot_product_attention(r(3, 4), r(6, 4), r(6, 5), r(3, 6), scale=0.3)",
    "attention groups": "F.scaled_dot_product_attention(r(1, 4, 3, 4), r(1, 2, 6, 4), r(1, 2, 6, 5), enable_gqa=True)",
    # losses
    "cross_entropy": "F.cross_entropy(x, y)", "cross_entropy smooth": "F.cross_entropy(x, y, label_smoothing=0.1)",
    "cross_entropy weight": "F.cross_entropy(x, y, weight=torch.arange(5.) + 1, label_smoothing=0.2)",
    "cross_entropy ignore": "F.cross_entropy(x, y, ignore_index=1)",
    "cross_entropy ignored": "F.cross_entropy(x, torch.full((4,), -100))",
    "cross_entropy sum": "F.cross_entropy(x, y, reduction='sum')",
    "cross_entropy none": "F.cross_entropy(x, y, reduction='none')",
    "cross_entropy soft": "F.cross_entropy(x, F.softmax(r(4, 5), 1), label_smoothing=0.1)",
    "cross_entropy soft weight": "F.cross_entropy(x, F.softmax(r(4, 5), 1), weight=torch.arange(5.))",
    "cross_entropy images": "F.cross_entropy(r(2, 5, 3, 4), torch.arange(24).reshape(2, 3, 4) % 5)",
    "cross_entropy one": "F.cross_entropy(x[0], torch.tensor(2))",
    "cross_entropy one none": "F.cross_entropy(x[0], torch.tensor(2), reduction='none')",
    "cross_entropy one soft": "F.cross_entropy(x[0], F.softmax(x[1], 0))",
    "cross_entropy byte": "F.cross_entropy(x, y.byte())",
    "cross_entropy legacy": "F.cross_entropy(x, y, size_average=False)",
    "nll_loss": "F.nll_loss(F.log_softmax(x, 1), y)", "nll_loss none": "F.nll_loss(x, y, reduction='none')",
    "nll_loss weight": "F.nll_loss(x, y, torch.arange(5.), ignore_index=2, reduction='mean')",
    "nll_loss one": "F.nll_loss(x[0], torch.tensor(2))", "nll_loss legacy": "F.nll_loss(x, y, reduce=False)",
    "nll_loss images": "F.nll_loss(r(2, 5, 3), torch.arange(6).reshape(2, 3) % 5, reduction='sum')",
    "bce": "F.binary_cross_entropy(p, q)", "bce edges": "F.binary_cross_entropy((p > 0.5).float(), q)",
    "bce weight": "F.binary_cross_entropy(p, q, weight=torch.arange(5.), reduction='sum')",
    "bce none": "F.binary_cross_entropy(p, q, reduction='none')",
    "bce logits": "F.binary_cross_entropy_with_logits(x * 90, q)",
    "bce logits weights": "F.binary_cross_entropy_with_logits(x, q, r(5), None, None, 'none', torch.arange(5.))",
    "mse": "F.mse_loss(x, q)", "mse sum": "F.mse_loss(x, q, reduction='sum')", "mse wide": "F.mse_loss(x, q[:, :1])",
    "mse legacy": "F.mse_loss(x, q, size_average=True)", "mse weight": "F.mse_loss(x, q, weight=p)",
    "mse weight sum": "F.mse_loss(x, q, weight=p, reduction='sum')",
    "mse double": "F.mse_loss(x, q.double())", "mse integers": "F.mse_loss(x, y.unsqueeze(1).expand(4, 5))",
    "l1": "F.l1_loss(x, q)", "l1 none": "F.l1_loss(x, q, reduction='none')", "l1 weight": "F.l1_loss(x, q, weight=p)",
    "smooth_l1": "F.smooth_l1_loss(x, q, beta=0.5)", "smooth_l1 zero": "F.smooth_l1_loss(x, q, beta=0.0)",
    "huber": "F.huber_loss(x, q, delta=0.3)", "huber weight": "F.huber_loss(x, q, 'none', 0.3, weight=p)",
    "kl": "F.kl_div(F.log_softmax(x, 1), F.softmax(q, 1), reduction='batchmean')",
    "kl mean": "F.kl_div(F.log_softmax(x, 1), F.softmax(q, 1))",
    "kl log": "F.kl_div(F.log_softmax(x, 1), F.log_softmax(q, 1), log_target=True, reduction='sum')",
    "kl wide": "F.kl_div(F.log_softmax(x, 1), p[:1], reduction='none')",
}


@pytest.mark.parametrize("name", CALLS)
def test_a_function_computes_what_pytorchs_does(alike, called, name):
    alike(lambda torch: called(torch, CALLS[name]), rtol=1e-4)


MISTAKES = {
    "ce batch": "F.cross_entropy(x, y[:2])", "ce class": "F.cross_entropy(x, y + 4)",
    "ce negative": "F.cross_entropy(x, y - 2)",
    "ce float": "F.cross_entropy(x, y.float())", "ce two": "F.cross_entropy(x, y.unsqueeze(1))",
    "ce probabilities": "F.cross_entropy(x, torch.zeros(4, 5).long())",
    "ce smoothing": "F.cross_entropy(x, y, label_smoothing=1.5)",
    "ce weight": "F.cross_entropy(x, y, weight=torch.ones(4))",
    "ce reduction": "F.cross_entropy(x, y, reduction='foo')",
    "nll batch": "F.nll_loss(x, y[:2])", "nll class": "F.nll_loss(x, y + 4)", "nll float": "F.nll_loss(x, y.float())",
    "nll size": "F.nll_loss(r(2, 5, 3), torch.zeros(2, 4).long())", "nll soft": "F.nll_loss(x, x)",
    "mse size": "F.mse_loss(x, torch.zeros(4))", "mse reduction": "F.mse_loss(x, x, reduction='foo')",
    "beta": "F.smooth_l1_loss(x, x, beta=-1)", "delta": "F.huber_loss(x, x, delta=-1)",
    "bce size": "F.binary_cross_entropy(p, q[0])", "bce range": "F.binary_cross_entropy(p + 2, q)",
    "bce nan": "F.binary_cross_entropy(p * float('nan'), q)",
    "bce integers": "F.binary_cross_entropy(p, q.long())", "bce double": "F.binary_cross_entropy(p, q.double())",
    "bce logits size": "F.binary_cross_entropy_with_logits(x, q[0])",
    "bce logits integers": "F.binary_cross_entropy_with_logits(x, q.long())",
    "linear": "F.linear(x, r(4, 3))", "linear double": "F.linear(x, r(4, 5).double())",
    "conv channels": "F.conv2d(r(1, 1, 5, 5), r(8, 3, 3, 3))", "conv small": "F.conv2d(r(1, 3, 2, 2), r(8, 3, 3, 3))",
    "conv double": "F.conv2d(r(1, 3, 5, 5).double(), r(8, 3, 3, 3))", "conv flat": "F.conv2d(x, r(8, 3, 3, 3))",
    "conv stride": "F.conv2d(r(1, 3, 5, 5), r(8, 3, 3, 3), stride=0)",
    "conv padding": "F.conv2d(r(1, 3, 5, 5), r(8, 3, 3, 3), padding=-1)",
    "conv groups": "F.conv2d(r(1, 3, 5, 5), r(8, 3, 3, 3), groups=2)",
    "conv bias": "F.conv2d(r(1, 3, 5, 5), r(8, 3, 3, 3), r(7))",
    "conv same": "F.conv2d(r(1, 3, 5, 5), r(8, 3, 3, 3), padding='same', stride=2)",
    "conv word": "F.conv2d(r(1, 3, 5, 5), r(8, 3, 3, 3), padding='sam')",
    "bn one": "F.batch_norm(r(1, 3), None, None, training=True)",
    "bn features": "F.batch_norm(x, torch.zeros(4), torch.zeros(4), training=True)",
    "ln": "F.layer_norm(x, (4,))", "ln weight": "F.layer_norm(x, (5,), r(4))", "gn": "F.group_norm(x, 2)",
    "embedding": "F.embedding(torch.tensor([9]), x)", "embedding float": "F.embedding(x, x)",
    "pool small": "F.max_pool2d(r(1, 1, 2, 2), 3)", "pool stride": "F.max_pool2d(r(1, 1, 5, 5), 2, stride=0)",
    "pool flat": "F.max_pool2d(x, 2)", "pool padding": "F.avg_pool2d(r(1, 1, 5, 5), 2, padding=2)",
    "average small": "F.avg_pool2d(r(1, 1, 2, 2), 3)",
    "dropout": "F.dropout(x, 1.5)", "softmax": "F.softmax(x, 3)", "log_softmax": "F.log_softmax(x, -3)",
    "glu": "F.glu(x)", "gelu": "F.gelu(x, approximate='cubic')", "prelu": "F.prelu(x, r(3))",
    "softshrink": "F.softshrink(x, -1)", "hardtanh": "F.hardtanh(x, 2, 1)", "leaf": "F.relu(x, inplace=True)",
    "one_hot negative": "F.one_hot(torch.tensor([-1]))", "one_hot big": "F.one_hot(torch.tensor([3]), 2)",
    "one_hot float": "F.one_hot(x)", "one_hot none": "F.one_hot(torch.zeros(0, dtype=torch.long))",
    "pad odd": "F.pad(x, (1,))", "pad long": "F.pad(x, (1, 1, 1, 1, 1, 1))", "pad word": "F.pad(x, (1, 1), 'foo')",
    "pad reflect": "F.pad(x, (5, 1), mode='reflect')", "pad circular": "F.pad(x, (6, 1), mode='circular')",
    "pad value": "F.pad(x, (1, 1), 'reflect', 3.0)",
    "attention": "F.scaled_dot_product_attention(x, x, x, x, is_causal=True)",
    "glu number": "F.glu(x[0, 0])", "bilinear batch": "F.bilinear(x, r(3, 2), r(3, 5, 2))",
    "bilinear features": "F.bilinear(x, r(4, 2), r(3, 5, 3))",
    "conv sizes": "F.conv2d(r(1, 3, 5, 5), r(8, 3, 3, 3), stride=(1, 1, 1))",
    "embedding flat": "F.embedding(y, x[0])", "embedding padding": "F.embedding(y, x, padding_idx=7)",
    "one_hot zero": "F.one_hot(y, 0)", "ce number": "F.cross_entropy(x[0, 0], y[0])",
    "nll number": "F.nll_loss(x[0, 0], y[0])",
    "mse weight": "F.mse_loss(x, q, weight=p[0])", "bn nothing": "F.batch_norm(x, None, None)",
    "rms": "F.rms_norm(x, (4,))",
    "rms weight": "F.rms_norm(x, (4, 5), r(4))", "in one": "F.instance_norm(r(2, 3, 1))",
    "lrn flat": "F.local_response_norm(x, 2)",
    "pad flat": "F.pad(x, (1, 1, 1, 1, 1, 1), mode='reflect')",
    "pad thick": "F.pad(r(1, 2, 3, 4, 5), (1, 1), mode='reflect')",
    "pool1d flat": "F.max_pool1d(x[0], 2)", "adaptive sizes": "F.adaptive_avg_pool2d(r(1, 2, 3, 4), (1, 2, 3))",
    "divisor": "F.avg_pool2d(r(1, 1, 5, 5), 2, divisor_override=0)",
}
NOT_WORD_FOR_WORD = {
    "glu number", "bilinear batch", "bilinear features", "conv sizes", "embedding flat", "one_hot zero", "ce number",
    "nll number", "bn nothing", "rms", "rms weight", "lrn flat", "pad flat", "pad thick", "pool1d flat",
    "adaptive sizes",
    "ln", "pool stride",
    "ce class", "ce negative", "nll class", "bce range", "bce nan", "embedding", "pool small", "average small",
    "softshrink", "ce probabilities", "bn features", "conv double", "conv flat", "pool flat", "pad odd", "pad long",
    "pad reflect", "pad circular", "gn", "attention", "one_hot float", "hardtanh", "pool padding", "pad value",
    "pad word",
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_raises_what_pytorch_raises(alike, called, name):
    alike(lambda torch: called(torch, MISTAKES[name]), types_only=name in NOT_WORD_FOR_WORD)


UNREADABLE = {  # built in, or dispatched: PyTorch's have no signature to read
    "adaptive_avg_pool1d", "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d", "avg_pool1d",
    "avg_pool2d", "avg_pool3d", "conv3d", "conv_transpose3d", "bilinear", "max_pool3d", "celu_", "channel_shuffle",
    "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "cosine_similarity", "elu_", "gelu", "hardshrink",
    "hardtanh_", "leaky_relu_", "linear", "logsigmoid", "max_pool1d", "max_pool2d", "one_hot", "pairwise_distance",
    "pdist", "pixel_shuffle", "pixel_unshuffle", "prelu", "relu_", "scaled_dot_product_attention", "selu_", "softplus",
    "softshrink", "threshold_",
}


def test_arguments_are_named_as_in_pytorch(alike):
    names = [n for n in dir(F) if n[0] != "_" and inspect.isfunction(getattr(F, n)) and n not in UNREADABLE]
    assert len(names) > 40
    alike(lambda torch: {n: list(inspect.signature(getattr(torch.nn.functional, n)).parameters) for n in names})


def test_functions_run_without_torch():
    x = tritonnet.tensor([[1.0, 2.0, 3.0]])
    assert F.cross_entropy(x, tritonnet.tensor([2])).item() == pytest.approx(0.40760597)
    assert F.nll_loss(F.log_softmax(x, 1), tritonnet.tensor([0])).item() == pytest.approx(2.40760597)
    assert F.softmax(x, 1).sum().item() == pytest.approx(1.0)
    assert F.relu(-x).sum().item() == 0 and F.one_hot(tritonnet.tensor([1])).tolist() == [[0, 1]]
    assert F.max_pool2d(tritonnet.arange(16.0).reshape(1, 1, 4, 4), 2).flatten().tolist() == [5, 7, 13, 15]
    with pytest.raises(IndexError, match="Target 3 is out of bounds"):
        F.cross_entropy(x, tritonnet.tensor([3]))
    with pytest.raises(RuntimeError, match="between 0 and 1"):
        F.binary_cross_entropy(x, x)


def test_dropout_needs_a_probability():
    for function in (F.dropout, F.dropout1d, F.dropout2d, F.alpha_dropout):
        with pytest.raises(ValueError, match="has to be between 0 and 1"):
            function(tritonnet.ones(2, 2, 2), -0.1)
    with pytest.raises(RuntimeError, match="2D or 3D"):
        F.dropout1d(tritonnet.ones(2))


def test_gumbel_softmax_draws_classes():
    tritonnet.manual_seed(0)
    logits = tritonnet.tensor([[2.0, 0.0, -2.0]]).expand(4000, 3).clone().requires_grad_()
    hard = F.gumbel_softmax(logits, tau=0.5, hard=True)
    assert set(np.unique(hard.detach().numpy().round(5))) == {0.0, 1.0}
    shares = hard.mean(0).detach().numpy()
    np.testing.assert_allclose(shares, [0.867, 0.117, 0.016], atol=0.03)
    hard[:, 0].sum().backward()
    assert (logits.grad != 0).any()
    assert (F.gumbel_softmax(logits, dim=0).sum(0) - 1).abs().max().item() < 1e-4


def test_attention_with_dropout_is_scaled():
    tritonnet.manual_seed(0)
    ones = tritonnet.ones(1, 50, 8)
    y = F.scaled_dot_product_attention(ones, ones, ones, dropout_p=0.5)
    assert 0.8 < y.mean().item() < 1.2 and y.std().item() > 0


def test_normalize_writes_into_out():
    out = tritonnet.zeros(1, 2)
    assert F.normalize(tritonnet.tensor([[3.0, 4.0]]), out=out) is out
    assert out.flatten().tolist() == pytest.approx([0.6, 0.8])


def test_in_place_functions():
    for name in ("relu_", "elu_", "selu_", "celu_", "leaky_relu_", "hardtanh_"):
        x = tritonnet.tensor([-2.0, 2.0])
        expected = getattr(F, name[:-1])(x)
        assert getattr(F, name)(x) is x and (x == expected).all(), name
    x = tritonnet.tensor([-2.0, 2.0])
    assert F.threshold_(x, 0.0, 5.0) is x and x.tolist() == [5.0, 2.0]
