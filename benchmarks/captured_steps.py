"""Training steps, captured and eager on one device: every tensor they leave behind must be the same, bit for bit."""

from __future__ import annotations

import numpy as np

import tritonnet
import tritonnet.nn.functional as F
from tritonnet import nn
from tritonnet.amp import GradScaler, autocast
from tritonnet.nn.utils import clip_grad_norm_
from tritonnet.optim import SGD, AdamW
from tritonnet.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR
from tritonnet.utils.data import DeviceLoader

CALLS = 7


def mlp(step_of):
    """SGD with momentum, a schedule inside the step, clipping, dropout."""
    model = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 4)).cuda()
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = OneCycleLR(optimizer, 0.2, total_steps=CALLS + 1)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        norm = clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        schedule.step()
        return loss, norm

    step, seen = step_of(step), []
    for i in range(CALLS):
        rng = np.random.default_rng(i)
        x = tritonnet.from_numpy(rng.standard_normal((8, 12)).astype(np.float32))
        seen += step(x.cuda(), tritonnet.from_numpy(rng.integers(0, 4, 8)).cuda())
    return step, model, optimizer, seen


def cnn(step_of):
    """A device-resident loader with shifts, batch norm, autocast, a loss scale, AdamW, losses kept on the device."""
    rng = np.random.default_rng(0)
    loader = DeviceLoader(tritonnet.from_numpy(rng.integers(0, 256, (16, 1, 8, 8)).astype(np.uint8)),
                          tritonnet.from_numpy(rng.integers(0, 4, 16)), batch_size=4, shuffle=True,
                          normalize=((0.5,), (0.5,)), shift=1)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                          nn.Linear(36, 4)).cuda()
    optimizer, scaler = AdamW(model.parameters(), lr=0.01), GradScaler(init_scale=16.0, growth_interval=2)
    schedule, total = CosineAnnealingLR(optimizer, CALLS), tritonnet.zeros((), device="cuda")

    def step():
        x, y = loader.next()
        optimizer.zero_grad()
        with autocast("cuda", dtype=tritonnet.bfloat16):
            loss = F.cross_entropy(model(x), y)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        total.add_(loss.detach())

    step, seen = step_of(step), []
    for _ in range(CALLS):
        step()
        schedule.step()
        seen.append(total.clone())
    return step, model, optimizer, seen


STEPS = {"MLP, dropout, clipping, SGD, schedule inside": mlp,
         "CNN, DeviceLoader, batch norm, bfloat16, GradScaler, AdamW": cnn}


def left_behind(program, step_of):
    """(step, {name: bytes}) after a run."""
    tritonnet.manual_seed(0)
    step, model, optimizer, seen = program(step_of)
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"state {i}.{k}": v for i, s in optimizer.state_dict()["state"].items() for k, v in s.items()}
    tensors |= {f"result {i}": v for i, v in enumerate(seen)}
    return step, {k: v.detach().cpu().numpy().tobytes() for k, v in tensors.items()}


def check(name) -> dict:
    """{"name", "error": "" where all is the same, "launches" in the graph}."""
    try:
        eager = left_behind(STEPS[name], lambda step: step)[1]
        step, captured = left_behind(STEPS[name], tritonnet.capture)
        launches = [len(r.graph.launches) for plan in step.plans.values() for r in plan.recorded]
        differ = [k for k, v in eager.items() if captured[k] != v]
        error = f"differ: {', '.join(differ)}" if differ else ""
        if not error and step.replays < CALLS - 3:
            error = f"only {step.replays} of {CALLS} calls were replays"
        return {"name": name, "error": error, "launches": launches}
    except Exception as error:
        return {"name": name, "error": f"{type(error).__name__}: {error}", "launches": []}
