"""Optimizers: the same steps as PyTorch's, on the CPU and on the simulated device, and their state."""

import copy
import pickle

import numpy as np
import pytest

import tritonnet as tn
from tritonnet.kernels import runtime

CASES = [
    ("SGD", dict(lr=0.1)), ("SGD", dict(lr=0.1, momentum=0.9)), ("SGD", dict(lr=0.1, momentum=0.9, dampening=0.5)),
    ("SGD", dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01, maximize=True)),
    ("Adam", {}), ("Adam", dict(amsgrad=True, weight_decay=0.1, betas=(0.5, 0.9))), ("AdamW", dict(maximize=True)),
    ("RMSprop", {}), ("RMSprop", dict(centered=True, momentum=0.5, weight_decay=0.1)),
    ("Adagrad", dict(lr_decay=0.1, initial_accumulator_value=0.5)), ("Adadelta", dict(rho=0.8)),
    ("Adamax", {}), ("Adamax", dict(weight_decay=0.1, maximize=True)), ("NAdam", {}),
    ("NAdam", dict(weight_decay=0.1, decoupled_weight_decay=True)), ("RAdam", dict(betas=(0.9, 0.9))),
    ("RAdam", dict(weight_decay=0.1, decoupled_weight_decay=True)), ("Rprop", {}),
    ("Rprop", dict(etas=(0.3, 1.5), step_sizes=(1e-3, 0.1))), ("ASGD", {}), ("ASGD", dict(t0=3, lambd=0.01)),
]
IDS = [f"{name}-{'-'.join(kw) or 'defaults'}" for name, kw in CASES]


def train(module, name, options, device="cpu", steps=5, reload=False):
    """Five steps on two parameters in two groups, the second with a learning rate of its own."""
    rng = np.random.default_rng(0)
    starts = [rng.standard_normal(s).astype(np.float32) for s in ((3, 5), (7,))]
    params = [module.tensor(w, device=device, requires_grad=True) for w in starts]
    make = lambda: getattr(module.optim, name)([{"params": params[:1]}, {"params": params[1:], "lr": 0.05}], **options)
    optimizer = make()
    for i in range(steps):
        optimizer.zero_grad()
        sum((p * p * (i + 1)).sum() for p in params).backward()
        optimizer.step()
        if reload:
            state = copy.deepcopy(optimizer.state_dict())
            optimizer = make()
            optimizer.load_state_dict(state)
    return [p.detach().cpu().numpy() for p in params], optimizer


@pytest.mark.parametrize("name, options", CASES, ids=IDS)
def test_steps_agree_with_pytorch(name, options, torch):
    expected, theirs = train(torch, name, options)
    found, ours = train(tn, name, options)
    for f, e in zip(found, expected):
        np.testing.assert_allclose(f, e, rtol=2e-6, atol=1e-6)
    keys = {k for s in theirs.state_dict()["state"].values() for k, v in s.items() if v is not None}
    assert keys <= {k for s in ours.state_dict()["state"].values() for k in s}
    settings = lambda o: [set(g) for g in o.state_dict()["param_groups"]]
    assert settings(ours) == settings(theirs)


@pytest.mark.parametrize("name, options", CASES, ids=IDS)
def test_kernel_agrees_with_mirror(name, options, simulated):
    expected, _ = train(tn, name, options)
    found, _ = train(tn, name, options, "cuda")
    for f, e in zip(found, expected):
        np.testing.assert_allclose(f, e, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name, options", CASES, ids=IDS)
def test_state_survives_a_round_trip(name, options):
    expected, _ = train(tn, name, options)
    found, _ = train(tn, name, options, reload=True)
    for f, e in zip(found, expected):
        np.testing.assert_array_equal(f, e)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_a_step_is_one_launch_for_all_parameters(name, simulated):
    params = [tn.ones(n, device="cuda", requires_grad=True) for n in (3, 50, 7)]
    optimizer = getattr(tn.optim, name)(params, lr=0.1)
    for _ in range(3):
        sum((p * p).sum() for p in params).backward()
        launches = []
        with runtime.watching(launches.append):
            optimizer.step()
    assert len(launches) == 1
    assert optimizer.fused and all(p.array.device is simulated for p in params)


def test_types_and_devices_are_stepped_apart():
    params = [tn.ones(3, dtype=d, requires_grad=True) for d in (tn.float16, tn.float32, tn.float64)]
    optimizer = tn.optim.SGD(params, lr=0.5)
    sum(p.double().sum() for p in params).backward()
    optimizer.step()
    assert [p.tolist() for p in params] == [[0.5] * 3] * 3


def test_plain_groups_are_stepped_beside_others():
    kinds = [("float32", {}), ("float64", {}), ("float32", {"momentum": 0.9}), ("float32", {"maximize": True})]
    params = [tn.ones(3, dtype=getattr(tn, dtype), requires_grad=True) for dtype, _ in kinds]
    optimizer = tn.optim.SGD([{"params": p, **options} for p, (_, options) in zip(params, kinds)], lr=0.5)
    for lr, expected in ((0.5, [0.5, 0.5, 0.5, 1.5]), (0.25, [0.25, 0.25, 0.025, 1.75])):
        for p, group in zip(params, optimizer.param_groups):
            p.grad, group["lr"] = tn.ones_like(p), tn.tensor(lr)
        optimizer.step()
        np.testing.assert_allclose([p[0].item() for p in params], expected, rtol=1e-6)
    assert params[1].dtype is tn.float64 and list(optimizer.state) == [params[2]]
    params[0].grad.array = np.ones(4, np.float32)
    with pytest.raises(RuntimeError, match="gradient"):
        optimizer.step()


def test_closure_zero_grad_and_hooks():
    p = tn.tensor([1.0], requires_grad=True)
    optimizer = tn.optim.SGD([p], lr=0.1)
    seen = []
    optimizer.register_step_post_hook(lambda *_: seen.append("post"))

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 1 and p.item() == pytest.approx(0.8) and seen == ["post"]
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.item() == 0
    optimizer.zero_grad()
    assert p.grad is None


def test_changing_parameters_is_noticed_by_saved_graphs():
    p = tn.tensor([2.0], requires_grad=True)
    loss = (p * p).sum()
    loss.backward(retain_graph=True)
    tn.optim.SGD([p], lr=0.1).step()
    with pytest.raises(RuntimeError, match="inplace"):
        loss.backward()


P = lambda: tn.ones(2, requires_grad=True)


@pytest.mark.parametrize("make, error, text", [
    (lambda: tn.optim.SGD([], lr=0.1), ValueError, "empty parameter list"),
    (lambda: tn.optim.SGD(P(), lr=0.1), TypeError, "iterable of Tensors"),
    (lambda: tn.optim.SGD([P()], lr=-1), ValueError, "Invalid learning rate: -1"),
    (lambda: tn.optim.SGD([P()], lr=0.1, nesterov=True), ValueError, "Nesterov"),
    (lambda: tn.optim.Adam([P()], betas=(1.0, 0.9)), ValueError, "beta parameter at index 0: 1.0"),
    (lambda: tn.optim.Adamax([P()], betas=(0.9, 1.0)), ValueError, "beta parameter at index 1: 1.0"),
    (lambda: tn.optim.Rprop([P()], etas=(1.0, 1.2)), ValueError, "Invalid eta values: 1.0, 1.2"),
    (lambda: tn.optim.LBFGS([{"params": [P()]}, {"params": [P()]}]), ValueError, "parameter groups"),
    (lambda: tn.optim.LBFGS([P()], line_search_fn="weak"), RuntimeError, "strong_wolfe"),
    (lambda: tn.optim.Adam(["x"]), TypeError, "one of the params is str"),
    (lambda: tn.optim.Adam([P() * 2]), ValueError, "non-leaf"),
    (lambda: tn.optim.Adam([p := P(), p]), ValueError, "duplicate"),
    (lambda: tn.optim.Adam([{"params": [p := P()]}, {"params": [p]}]), ValueError, "more than one"),
    (lambda: tn.optim.SGD([P()]).load_state_dict({"state": {}, "param_groups": []}), ValueError,
     "number of parameter groups"),
])
def test_errors(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_repr_and_pickle(torch):
    ours, theirs = tn.optim.SGD([P()], lr=0.1), torch.optim.SGD([torch.ones(2, requires_grad=True)], lr=0.1)
    assert repr(ours) == repr(theirs)
    assert pickle.loads(pickle.dumps(ours)).param_groups[0]["lr"] == 0.1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name, options", CASES, ids=IDS)
def test_many_steps_with_a_schedule_and_clipping_agree_with_pytorch(name, options, dtype, torch):
    """200 steps on gradients that do not depend on the parameters, so that errors add up and do not die out."""

    def run(lib):
        rng = np.random.default_rng(1)
        params = [lib.tensor(rng.standard_normal(s).astype(dtype), requires_grad=True) for s in ((4, 3), (5,), ())]
        optimizer = getattr(lib.optim, name)(params, **{"lr": 0.01, **options})
        schedule = lib.optim.lr_scheduler.CosineAnnealingLR(optimizer, 150)
        norms = []
        for i in range(200):
            for p in params:
                p.grad = None if i % 50 == 7 and p.ndim == 0 else lib.tensor(
                    np.asarray(rng.standard_normal(tuple(p.shape)) + 0.5, dtype))
            norms.append(float(lib.nn.utils.clip_grad_norm_(params, 2.0)))
            optimizer.step()
            schedule.step()
        return [p.detach().numpy() for p in params], norms

    (expected, theirs), (found, ours) = run(torch), run(tn)
    rtol = {"float32": 2e-5, "float64": 1e-12}[dtype]
    np.testing.assert_allclose(ours, theirs, rtol=rtol)
    for f, e in zip(found, expected):
        np.testing.assert_allclose(f, e, rtol=rtol, atol=rtol)


def test_a_momentum_buffer_without_a_count_is_not_at_its_first_step():
    p, state = tn.ones(2, requires_grad=True), {"momentum_buffer": tn.full((2,), 4.0)}
    optimizer = tn.optim.SGD([p], lr=1.0, momentum=0.5, dampening=0.5)
    optimizer.load_state_dict({**optimizer.state_dict(), "state": {0: state}})  # as PyTorch writes it
    p.grad = tn.zeros(2)
    optimizer.step()
    assert p.tolist() == [-1, -1]


def test_rates_of_a_captured_step_can_be_changed(simulated):
    p = tn.zeros(3, device="cuda", requires_grad=True)
    p.grad = tn.ones(3, device="cuda")
    optimizer = tn.optim.SGD([p], lr=1.0)
    schedule = tn.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    graph = runtime.Graph.capture(simulated, optimizer.step)
    seen = []
    for _ in range(3):
        graph()
        seen.append(p[0].item())
        schedule.step()
    assert seen == [-2, -2.5, -2.75]


def test_a_schedule_that_steps_first_warns():
    optimizer = tn.optim.SGD([P()], lr=0.1)
    schedule = tn.optim.lr_scheduler.StepLR(optimizer, 2)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        schedule.step()
