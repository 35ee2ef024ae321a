"""Averages of weights over training, as PyTorch's."""

import pytest

AVERAGES = {
    "mean": lambda swa: {}, "ema": lambda swa: {"multi_avg_fn": swa.get_ema_multi_avg_fn(0.9)},
    "ema, one by one": lambda swa: {"avg_fn": swa.get_ema_avg_fn(0.5), "use_buffers": True},
    "own": lambda swa: {"avg_fn": lambda a, c, n: 0.1 * a + 0.9 * c},
}


@pytest.mark.parametrize("name", AVERAGES)
def test_averages_agree_with_pytorch(alike, drawn, filled, name):
    def program(torch):
        import importlib

        swa, nn = importlib.import_module(f"{torch.__name__}.optim.swa_utils"), torch.nn
        model = filled(torch, nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)))
        averaged = swa.AveragedModel(model, **AVERAGES[name](swa))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        schedule = swa.SWALR(optimizer, swa_lr=0.05, anneal_epochs=3, anneal_strategy="linear")
        rates = []
        for i in range(5):
            optimizer.zero_grad()
            model(drawn(torch, 6, 3, seed=i)).pow(2).mean().backward()
            optimizer.step()
            averaged.update_parameters(model)
            schedule.step()
            rates += schedule.get_last_lr()
        swa.update_bn([drawn(torch, 6, 3, seed=i) for i in range(3)], averaged)
        return dict(averaged.state_dict()), averaged.eval()(drawn(torch, 2, 3)), rates, repr(averaged)

    alike(program, rtol=1e-4)


def test_mistakes(alike):
    alike(lambda torch: torch.optim.swa_utils.get_ema_avg_fn(1.5))
    alike(lambda torch: torch.optim.swa_utils.SWALR(
        torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.1), 0.05, anneal_strategy="sin"))
