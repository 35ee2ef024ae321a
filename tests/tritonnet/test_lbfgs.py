"""L-BFGS with and without line search: step for step PyTorch's."""

import pytest


@pytest.mark.parametrize("options", [
    dict(lr=0.1, max_iter=4), dict(line_search_fn="strong_wolfe"), dict(lr=0.01),
    dict(line_search_fn="strong_wolfe", max_iter=5, history_size=3), dict(line_search_fn="strong_wolfe", max_eval=3),
    dict(lr=0.5, tolerance_grad=10.0), dict(lr=0.01, tolerance_change=0.01),
], ids=str)
def test_steps_agree_with_pytorch(alike, options):
    def program(torch):
        x = torch.tensor([-1.2, 1.0, 0.5], dtype=torch.float64, requires_grad=True)
        y = torch.tensor([[-0.3, 2.0]], dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS([x, y], **options)
        losses, calls = [], 0

        def closure():
            nonlocal calls
            calls += 1
            optimizer.zero_grad()
            valley = (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()  # Rosenbrock's
            loss = valley + ((y**2 - 1) ** 2).sum() + (y.sum() - x[0]) ** 2
            loss.backward()
            return loss

        for _ in range(5):
            losses.append(optimizer.step(closure).item())
        state = optimizer.state_dict()["state"][0]
        return x, y, losses, calls, state["n_iter"], state["func_evals"], repr(optimizer)

    alike(program, rtol=1e-6)
