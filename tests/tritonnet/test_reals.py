"""Parts of numbers that are real, windows, medians without NaN, scattered slices, sums down to a shape."""

import pytest

CALLS = [
    "torch.angle(x)", "torch.angle(n)", "torch.real(x)", "x.real", "x.conj()", "torch.isreal(x)", "x.mH", "x.is_conj()",
    "x.sum_to_size(1, 5)", "x.sum_to_size((4, 1))", "x.sum_to_size(5)", "x.sum_to_size(4, 5)", "x.sum_to_size(())",
    "torch.nanmedian(v)", "torch.nanmedian(v, 0)", "v.nanmedian(1, keepdim=True)", "torch.nanmedian(n)",
    "torch.nanmedian(torch.tensor([torch.nan, torch.nan]))", "torch.nanmedian(v[:, 1], 0)", "n.nanmedian(0)",
    "torch.renorm(x * 9, 2, 0, 5.0)", "x.renorm(1, 1, 0.5)", "torch.select_scatter(x, x[0] * 2, 0, 1)",
    "torch.slice_scatter(x, x[:2] * 3, 0, 1, 3)", "x.slice_scatter(x[:, ::2] * 3, 1, 0, None, 2)",
    "torch.diagonal_scatter(x, x[0, :4] * 3)", "torch.diagonal_scatter(x, x[0, :4] * 3, 1)",
    "torch.hann_window(7)", "torch.hann_window(8, periodic=False)", "torch.hamming_window(5)",
    "torch.blackman_window(6)",
    "torch.bartlett_window(6, False, dtype=torch.float64)", "torch.hamming_window(5, True, alpha=0.6)",
    "torch.hann_window(1)", "torch.hann_window(0)", "torch.addbmm(x[:, :4], b, b.mT)", "x[0].clone().exp_()",
    "torch.addbmm(x[:, :4], b, b.mT, beta=0.5, alpha=2)", "torch.sigmoid_(x.detach().clone())",
    "torch.zero_(x.detach().clone())",
    "x.detach()[:, :4].clone().addbmm_(b, b.mT)", "x.detach()[:, :4].clone().addmm_(b[0], b[1].mT, beta=0.5)",
    "x.detach()[0, :4].clone().addmv_(b[0], b[0, 0], alpha=2)", "b.detach()[:, :, :4].clone().baddbmm_(b, b.mT)",
]
MISTAKES = ["torch.imag(x)", "x.imag", "x.sum_to_size(3, 5)", "torch.renorm(x, 0, 0, 1)", "torch.hann_window(-1)",
            "torch.renorm(x[0], 2, 0, 1)", "torch.select_scatter(x, x[0, :3], 0, 1)", "torch.addbmm(x, b, b)"]


def given(torch, drawn):
    x, b = drawn(torch, 4, 5).requires_grad_(), drawn(torch, 2, 4, 5, seed=3)
    v = torch.tensor([[3.0, torch.nan, 1.0], [2.5, torch.nan, 5.0], [torch.nan, 0.0, 4.0], [1.0, 2.0, 7.0]])
    return {"torch": torch, "x": x, "v": v.requires_grad_(), "n": torch.tensor([3, -1, 2, 2]), "b": b}


@pytest.mark.parametrize("text", CALLS)
def test_a_function_computes_what_pytorchs_does(alike, drawn, text):
    def program(torch):
        names = given(torch, drawn)
        found = eval(text, names)
        value = found[0] if isinstance(found, tuple) else found
        if getattr(value, "requires_grad", False):
            (value * torch.arange(1.0, value.numel() + 1).reshape(value.shape)).nan_to_num().sum().backward()
        return found, names["x"].grad, names["v"].grad

    alike(program)


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes(alike, drawn, text):
    alike(lambda torch: eval(text, given(torch, drawn)), types_only=True)
