"""GradScaler: sequences beside PyTorch's, the same on the simulated device without waiting, errors."""

import copy
import pickle

import numpy as np
import pytest

import tritonnet as tn

OPTIMIZERS = {"SGD": {"lr": 0.1, "momentum": 0.9}, "Adam": {"lr": 0.1}, "RMSprop": {"lr": 0.1}, "Adagrad": {"lr": 0.1}}
GRADIENTS = [1.0, 2.0, np.inf, 0.5, 0.25, np.nan, -np.inf, 3.0, 1.0, 1.0]


def sequence(t, device, optimizer, unscaled=False, clip=False):
    """Parameters and scales of steps, some of which meet infinities."""
    a, b = (t.nn.Parameter(t.full((3,), v, device=device)) for v in (1.0, 2.0))
    first = getattr(t.optim, optimizer)([a], **OPTIMIZERS[optimizer])
    second = getattr(t.optim, optimizer)([b], **OPTIMIZERS[optimizer])
    scaler, seen = t.amp.GradScaler(device, init_scale=8.0, growth_interval=2), []
    for factor in GRADIENTS:
        first.zero_grad()
        second.zero_grad()
        scaler.scale((a * factor).sum() + (b * b).sum()).backward()
        if unscaled:
            scaler.unscale_(first)
            if clip:
                t.nn.utils.clip_grad_norm_([a], 0.5)
        scaler.step(first)
        scaler.step(second)
        scaler.update()
        seen += [*a.tolist(), *b.tolist(), scaler.get_scale()]
    assert scaler.state_dict()["_growth_tracker"] in (0, 1)
    return seen


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("unscaled", [False, True])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_sequences_are_those_of_pytorch(optimizer, unscaled, clip):
    torch = pytest.importorskip("torch", reason="oracle: compares with PyTorch where it is installed")
    expected = sequence(torch, "cpu", optimizer, unscaled, clip)
    np.testing.assert_allclose(sequence(tn, "cpu", optimizer, unscaled, clip), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("unscaled", [False, True])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_sequences_on_a_device_are_those_of_the_host(simulated, optimizer, unscaled):
    found = sequence(tn, "cuda", optimizer, unscaled, clip=unscaled)
    np.testing.assert_allclose(found, sequence(tn, "cpu", optimizer, unscaled, clip=unscaled), rtol=2e-6, atol=1e-6)


def test_a_step_on_a_device_does_not_wait(monkeypatch):
    from tritonnet.kernels import arrays, runtime

    monkeypatch.setattr(arrays, "FILL_FRESH", None)
    with runtime.simulated() as device:
        p = tn.nn.Parameter(tn.ones(5, device="cuda"))
        optimizer, scaler, seen = tn.optim.Adam([p]), tn.amp.GradScaler(init_scale=4.0), []
        ones = tn.ones(5, device="cuda")

        def step():
            optimizer.zero_grad()
            scaler.scale((p * ones).sum()).backward()
            scaler.step(optimizer)
            scaler.update()

        for _ in range(8):
            step()
        before = device.driver.counts.copy()
        with runtime.watching(lambda launch: seen.append(launch.name)):
            step()
        did = device.driver.counts - before
        assert seen[-3:] == ["unscale_kernel", "adam_kernel", "update_scale_kernel"]
        assert not did["download"] and not did["synchronize"] and not did["upload"]
        expected = p.tolist()[0]
        graph = runtime.Graph.capture(device, step)
        graph()
        assert p.tolist()[0] < expected, "captured, it trains on"


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_gradients_of_several_types_and_strides(simulated, device):
    p = tn.nn.Parameter(tn.ones(4, 3, device=device))
    q = tn.nn.Parameter(tn.ones(2, dtype=tn.bfloat16, device=device))
    scaler, optimizer = tn.amp.GradScaler(device, init_scale=4.0), tn.optim.SGD([p, q], lr=1.0)
    scaler.scale(tn.zeros((), device=device))
    p.grad, q.grad = tn.full((3, 4), 8.0, device=device).T, tn.full((2,), 4.0, device=device, dtype=tn.bfloat16)
    scaler.unscale_(optimizer)
    assert p.grad.unique().tolist() == [2] and q.grad.tolist() == [1, 1]
    scaler.step(optimizer)
    assert p.unique().tolist() == [-1] and q.tolist() == [0, 0]


def test_the_order_of_calls_is_checked():
    p = tn.nn.Parameter(tn.ones(2))
    optimizer, scaler = tn.optim.SGD([p], lr=0.1), tn.amp.GradScaler("cpu")
    with pytest.raises(AssertionError, match="Attempted step but _scale is None"):
        scaler.step(optimizer)
    scaled = scaler.scale([p.sum(), (p.sum(), p.sum())])
    assert type(scaled) is list and type(scaled[1]) is tuple and scaled[1][0].item() == 2 * 65536
    with pytest.raises(AssertionError, match="No inf checks were recorded prior to update"):
        scaler.update()
    with pytest.raises(AssertionError, match="No inf checks were recorded for this optimizer"):
        scaler.step(optimizer)
    scaler.update(2.0)
    scaler.scale(p.sum()).backward()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="already been called on this optimizer"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="being called after step"):
        scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="already been called since the last update"):
        scaler.step(optimizer)
    with pytest.raises(AssertionError, match="may only be pickled"):
        pickle.dumps(scaler)
    scaler.update(tn.tensor(16.0))
    assert scaler.get_scale() == 16
    with pytest.raises(AssertionError, match="1-element"):
        scaler.update(tn.ones(2))
    with pytest.raises(RuntimeError, match="Closure use"):
        scaler.step(optimizer, closure=lambda: None)
    with pytest.raises(ValueError, match="iterable of Tensors"):
        scaler.scale(3)
    half = tn.nn.Parameter(tn.ones(2, dtype=tn.float16))
    half.grad = tn.ones(2, dtype=tn.float16)
    with pytest.raises(ValueError, match="Attempting to unscale FP16 gradients"):
        scaler.unscale_(tn.optim.SGD([half], lr=0.1))


def test_state():
    scaler = tn.amp.GradScaler("cpu", 4.0, 3.0, 0.25, 7)
    scaler.scale(tn.ones(()))
    state = scaler.state_dict()
    assert state == {"scale": 4.0, "growth_factor": 3.0, "backoff_factor": 0.25, "growth_interval": 7,
                     "_growth_tracker": 0}
    other = tn.amp.GradScaler("cpu")
    other.scale(tn.ones(()))
    other.load_state_dict(state | {"_growth_tracker": 5})
    again = pickle.loads(pickle.dumps(other))
    for s in (other, again, copy.deepcopy(other)):
        assert s.state_dict() == state | {"_growth_tracker": 5} and s.get_scale() == 4
    other.set_growth_factor(5.0)
    other.set_backoff_factor(0.5)
    other.set_growth_interval(3)
    assert (other.get_growth_factor(), other.get_backoff_factor(), other.get_growth_interval()) == (5.0, 0.5, 3)
    with pytest.raises(RuntimeError, match="source state dict is empty"):
        other.load_state_dict({})
    with pytest.raises(AssertionError, match="growth factor must be"):
        tn.amp.GradScaler("cpu", growth_factor=1.0)
    with pytest.raises(AssertionError, match="backoff factor must be"):
        tn.amp.GradScaler("cpu", backoff_factor=1.0)


def test_disabled():
    p = tn.nn.Parameter(tn.ones(2))
    optimizer, scaler = tn.optim.SGD([p], lr=1.0), tn.amp.GradScaler("cpu", enabled=False)
    loss = p.sum()
    assert scaler.scale(loss) is loss and not scaler.is_enabled() and scaler.get_scale() == 1.0
    loss.backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    scaler.load_state_dict({})
    assert p.tolist() == [0, 0] and scaler.state_dict() == {}
    with pytest.warns(FutureWarning, match="deprecated"):
        assert tn.cpu.amp.GradScaler().is_enabled()
    if not tn.cuda.is_available():
        with pytest.warns(UserWarning, match="CUDA is not available"):
            assert not tn.amp.GradScaler().is_enabled()
