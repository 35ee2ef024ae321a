"""Schedules: the same rates as PyTorch's, step for step, and their state."""

import copy
import warnings

import numpy as np
import pytest

import tritonnet as tn
from tritonnet.optim import lr_scheduler

METRICS = [3, 2, 2, 2, 2, 2, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.4, 1.4, 1.4, 1.4, 1.4, 1.4, 1.4, 1.4]
SCHEDULES = {
    "LambdaLR": lambda S, o: S.LambdaLR(o, lambda e: 0.9**e),
    "LambdaLR-each": lambda S, o: S.LambdaLR(o, [lambda e: 0.9**e, lambda e: 1 / (1 + e)]),
    "MultiplicativeLR": lambda S, o: S.MultiplicativeLR(o, lambda e: 0.95),
    "StepLR": lambda S, o: S.StepLR(o, 3, gamma=0.5),
    "MultiStepLR": lambda S, o: S.MultiStepLR(o, [2, 5, 5, 9], gamma=0.5),
    "ConstantLR": lambda S, o: S.ConstantLR(o, factor=0.5, total_iters=4),
    "LinearLR": lambda S, o: S.LinearLR(o, start_factor=0.1, total_iters=6),
    "ExponentialLR": lambda S, o: S.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda S, o: S.PolynomialLR(o, total_iters=8, power=2),
    "CosineAnnealingLR": lambda S, o: S.CosineAnnealingLR(o, T_max=7, eta_min=0.01),
    "CosineAnnealingWarmRestarts": lambda S, o: S.CosineAnnealingWarmRestarts(o, T_0=3, T_mult=2, eta_min=0.01),
    "OneCycleLR": lambda S, o: S.OneCycleLR(o, max_lr=[1.0, 0.5], total_steps=20),
    "OneCycleLR-three-linear": lambda S, o: S.OneCycleLR(o, max_lr=1.0, epochs=4, steps_per_epoch=5, three_phase=True,
                                                         anneal_strategy="linear", div_factor=10),
    "CyclicLR": lambda S, o: S.CyclicLR(o, 0.01, [0.1, 0.2], step_size_up=3),
    "CyclicLR-exp": lambda S, o: S.CyclicLR(o, 0.01, 0.1, 2, 3, mode="exp_range", gamma=0.9, cycle_momentum=False),
    "CyclicLR-halved": lambda S, o: S.CyclicLR(o, 0.01, 0.1, step_size_up=2, mode="triangular2", base_momentum=0.7),
    "CyclicLR-own": lambda S, o: S.CyclicLR(o, 0.01, 0.1, 3, scale_fn=lambda x: 1 / x, scale_mode="cycle"),
    "SequentialLR": lambda S, o: S.SequentialLR(o, [S.LinearLR(o, 0.1, total_iters=4), S.ExponentialLR(o, 0.9)], [5]),
    "ChainedScheduler": lambda S, o: S.ChainedScheduler([S.LinearLR(o, 0.1, total_iters=4), S.ExponentialLR(o, 0.9)]),
    "ReduceLROnPlateau": lambda S, o: S.ReduceLROnPlateau(o, patience=2, cooldown=1, min_lr=[1e-2, 0]),
    "ReduceLROnPlateau-max": lambda S, o: S.ReduceLROnPlateau(o, "max", 0.5, 1, threshold=0.1, threshold_mode="abs"),
}


def optimizer(module):
    params = [module.ones(2, requires_grad=True), module.ones(3, requires_grad=True)]
    return module.optim.SGD([{"params": params[:1]}, {"params": params[1:], "lr": 0.05}], lr=0.2, momentum=0.9)


def rates(module, schedules, name, steps=20):
    o = optimizer(module)
    scheduler = SCHEDULES[name](schedules, o)
    found = [[(g["lr"], g["momentum"]) for g in o.param_groups]]
    for i in range(steps - 1):
        scheduler.step(*([METRICS[i]] if name.startswith("Reduce") else []))
        found.append([(g["lr"], g["momentum"]) for g in o.param_groups])
        assert list(scheduler.get_last_lr()) == [g["lr"] for g in o.param_groups]
    return found


@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_agree_with_pytorch(name, torch):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch misses optimizer.step()
        expected = rates(torch, torch.optim.lr_scheduler, name)
    np.testing.assert_allclose(rates(tn, lr_scheduler, name), expected, rtol=1e-9)


@pytest.mark.parametrize("name", SCHEDULES)
def test_state_survives_a_round_trip(name):
    whole, o = rates(tn, lr_scheduler, name, 12), optimizer(tn)
    scheduler = SCHEDULES[name](lr_scheduler, o)
    found = [[(g["lr"], g["momentum"]) for g in o.param_groups]]
    for i in range(11):
        state, settings = copy.deepcopy(scheduler.state_dict()), copy.deepcopy(o.state_dict())
        o = optimizer(tn)
        scheduler = SCHEDULES[name](lr_scheduler, o)
        o.load_state_dict(settings)
        scheduler.load_state_dict(state)
        scheduler.step(*([METRICS[i]] if name.startswith("Reduce") else []))
        found.append([(g["lr"], g["momentum"]) for g in o.param_groups])
    assert found == whole


@pytest.mark.parametrize("make, error, text", [
    (lambda o: lr_scheduler.StepLR("x", 1), TypeError, "str is not an Optimizer"),
    (lambda o: lr_scheduler.OneCycleLR(o, 1.0), ValueError, "total_steps"),
    (lambda o: lr_scheduler.OneCycleLR(o, 1.0, total_steps=-3), ValueError, "positive integer total_steps, but got -3"),
    (lambda o: lr_scheduler.OneCycleLR(o, [1.0], total_steps=3), ValueError, "max_lr must have the same length"),
    (lambda o: [s := lr_scheduler.OneCycleLR(o, 1.0, total_steps=2), *(s.step() for _ in range(4))],
     ValueError, "Tried to step"),
    (lambda o: lr_scheduler.LambdaLR(o, [abs]), ValueError, "Expected 2 lr_lambdas, but got 1"),
    (lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=2), ValueError, "Factor"),
    (lambda o: lr_scheduler.ReduceLROnPlateau(o, mode="up"), ValueError, "mode up is unknown"),
    (lambda o: lr_scheduler.StepLR(o, 3, last_epoch=2), KeyError, "initial_lr"),
])
def test_errors(make, error, text):
    with pytest.raises(error, match=text):
        make(optimizer(tn))
