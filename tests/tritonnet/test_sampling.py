"""Images read at points of a grid, as PyTorch's."""

import pytest

MODES = [f"mode={mode!r}, padding_mode={padding!r}, align_corners={aligned}" for mode in ("bilinear", "nearest")
         for padding in ("zeros", "border", "reflection") for aligned in (True, False)]


@pytest.mark.parametrize("options", MODES)
def test_points_of_images(alike, drawn, options):
    def program(torch):
        x = drawn(torch, 2, 3, 5, 6).requires_grad_()
        grid = drawn(torch, 2, 4, 3, 2, low=-1.6, high=1.6).requires_grad_()
        y = eval(f"torch.nn.functional.grid_sample(x, grid, {options})", {"torch": torch, "x": x, "grid": grid})
        (y * drawn(torch, *y.shape, seed=3)).sum().backward()
        return y, x.grad, None if "nearest" in options else grid.grad

    alike(program, rtol=1e-4)


@pytest.mark.parametrize("aligned", [True, False, None])
def test_affine_grids(alike, drawn, aligned):
    def program(torch):
        theta = drawn(torch, 2, 2, 3).requires_grad_()
        grid = torch.nn.functional.affine_grid(theta, (2, 3, 4, 5), align_corners=aligned)
        (grid * drawn(torch, *grid.shape)).sum().backward()
        return grid, theta.grad

    alike(program, rtol=1e-4)


@pytest.mark.parametrize("text", [
    "F.grid_sample(x, g, mode='a')", "F.grid_sample(x, g, padding_mode='a')", "F.grid_sample(x[0], g)",
    "F.grid_sample(x, g[:1])", "F.grid_sample(x, g[..., :1])", "F.affine_grid(g[0], (2, 1, 3, 3))",
    "F.affine_grid(torch.ones(1, 2, 3).long(), (1, 1, 2, 2))",
])
def test_a_mistake_raises_what_pytorch_raises(alike, drawn, text):
    alike(lambda torch: eval(text, {"torch": torch, "F": torch.nn.functional, "x": drawn(torch, 2, 3, 5, 6),
                                    "g": drawn(torch, 2, 4, 3, 2)}), types_only=True)
