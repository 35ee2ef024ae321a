"""Losses of margins and distances: values, gradients, errors and modules as PyTorch's."""

import pytest

CALLS = {
    "ranking": "F.margin_ranking_loss(x[:, 0], p[:, 0], s, margin=0.3)",
    "hinge": "F.hinge_embedding_loss(x[:, 0], s, margin=0.3)",
    "cosine": "F.cosine_embedding_loss(x, p, s, margin=0.1)",
    "cosine none": "F.cosine_embedding_loss(x, p, s, reduction='none')",
    "cosine one": "F.cosine_embedding_loss(x[0], p[0], s[0])",
    "triplet": "F.triplet_margin_loss(x, p, r(4, 5))",
    "triplet swapped": "F.triplet_margin_loss(x, p, r(4, 5), p=1, swap=True, reduction='sum')",
    "triplet, another distance":
        "F.triplet_margin_with_distance_loss(x, p, r(4, 5), distance_function=lambda a, b: (a - b).abs().sum(1))",
    "soft": "F.soft_margin_loss(x * 50, q * 2 - 1)",
    "multilabel": "F.multilabel_soft_margin_loss(x, q)",
    "multilabel weight": "F.multilabel_soft_margin_loss(x, q, weight=torch.arange(5.), reduction='none')",
    "multi": "F.multi_margin_loss(x, y)", "multi one": "F.multi_margin_loss(x[0], y[0])",
    "multi squares": "F.multi_margin_loss(x, y, 2, 0.5, torch.arange(5.))",
    "poisson": "F.poisson_nll_loss(x, q)",
    "poisson full": "F.poisson_nll_loss(p, r(4, 5).abs() * 5, log_input=False, full=True)",
    "gaussian": "F.gaussian_nll_loss(x, q, p)", "gaussian number": "F.gaussian_nll_loss(x, q, 0.5)",
    "gaussian rows": "F.gaussian_nll_loss(x, q, p[:, 0], full=True, reduction='none')",
    "gaussian small": "F.gaussian_nll_loss(x, q, p * 1e-9)",
    # mistakes
    "ranks": "F.margin_ranking_loss(x[0], x, x)", "targets": "F.cosine_embedding_loss(x, x, x)",
    "rows": "F.cosine_embedding_loss(x, x, s[0])", "margin": "F.triplet_margin_loss(x, x, x, margin=-1)",
    "anchor": "F.triplet_margin_loss(x, x, x[0])", "negative variance": "F.gaussian_nll_loss(x, q, -p)",
    "variance": "F.gaussian_nll_loss(x, q, p[:, :2])", "power": "F.multi_margin_loss(x, y, p=3)",
    "labels": "F.multi_margin_loss(x, y[:2])",
}


@pytest.mark.parametrize("name", CALLS)
def test_a_loss_computes_what_pytorchs_does(alike, called, name):
    text = CALLS[name].replace("s,", "torch.tensor([1., -1., -1., 1.]),").replace(
        "s)", "torch.tensor([1., -1., -1., 1.]))").replace("s[0]", "torch.tensor(1.)")
    alike(lambda torch: called(torch, text), rtol=1e-4)


LAYERS = {
    "MarginRankingLoss(0.1)": [(4,), (4,), (4,)], "CosineEmbeddingLoss(0.1)": [(4, 5), (4, 5), (4,)],
    "HingeEmbeddingLoss()": [(4,), (4,)], "TripletMarginLoss(0.5, p=1.0)": [(4, 5)] * 3,
    "TripletMarginWithDistanceLoss(swap=True, reduction='sum')": [(4, 5)] * 3,
    "MultiLabelSoftMarginLoss()": [(4, 5)] * 2, "PoissonNLLLoss(full=True)": [(4, 5)] * 2,
}


@pytest.mark.parametrize("text", LAYERS)
def test_a_layer_computes_what_pytorchs_does(alike, evaluated, text):
    alike(lambda torch: evaluated(torch, text, LAYERS[text], True), rtol=1e-4)


def test_layers_with_other_targets(alike, drawn):
    def program(torch):
        x, v, y = drawn(torch, 4, 5), drawn(torch, 4, 5, low=0.1), torch.tensor([1, 0, 4, 2])
        multi, normal = torch.nn.MultiMarginLoss(2, weight=torch.arange(5.0)), torch.nn.GaussianNLLLoss(full=True)
        soft = torch.nn.SoftMarginLoss()(x, y[:, None])
        return repr(multi), multi(x, y), repr(normal), normal(x, x + 1, v), list(multi.state_dict()), soft

    alike(program)
    alike(lambda torch: torch.nn.TripletMarginLoss(margin=-1.0))
    alike(lambda torch: torch.nn.MultiMarginLoss(p=3))
