"""Launches, bytes, flops and memory of training steps, counted on a dry device: no GPU, nothing is computed.

    python -m benchmarks.step_budget [--fused] [--nets mnist_cnn …] [--batches 64 512 1024] [--optimizer Adam]

The device stands for an H200: tiles, splits and memory are those it would be given. Floors: 2.5 us per launch, bytes
at the measured copy bandwidth, flops at the peak of fp32-accurate products (three tf32 ones each). What a step takes on
the GPU is at least the largest of the three, and at least the sum over its kernels; no time here was measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import importlib
import json
import sys

from benchmarks.step_minimum import Minimum
from benchmarks.step_nets import NETS

LAUNCH_US, COPY, FLOPS = 2.5, 4.3e12, 495e12 / 3  # of an H200: NOTES.md
SETTLE = 10  # steps until every array lies where it lay in the step before, and the optimizer knows its table


@dataclasses.dataclass
class Step:
    """What one training step in the steady state does."""

    net: str
    batch: int
    optimizer: str
    kernels: list           # names, in order
    others: dict            # what the driver was asked for beside launches: copies, fills, synchronisation, memory
    bytes: int              # as the kernels declare them
    flops: int
    peak: int               # bytes in use at the worst moment, of arrays as they were asked for
    minimum: Minimum

    @property
    def launches(self):
        return len(self.kernels)

    def ratio(self, fused=False):
        """Bytes over their minimum."""
        return self.bytes / self.minimum.bytes(self.optimizer, fused)

    def floors(self):
        """Microseconds: of launches, of bytes, of flops."""
        return self.launches * LAUNCH_US, self.bytes / COPY * 1e6, self.flops / FLOPS * 1e6


def optimizer_of(torch, name, parameters):
    """SGD with momentum, or Adam."""
    return torch.optim.SGD(parameters, 0.01, momentum=0.9) if name == "SGD" else torch.optim.Adam(parameters)


def count(name, batch, optimizer="Adam", prepare=None) -> Step:
    """The step of a net; prepare: what to make of the model, such as fusing its layers."""
    import tritonnet as torch
    from tritonnet.kernels import runtime
    from tritonnet.kernels.runtime.simulation import DryDriver

    net = NETS[name]
    with runtime.simulated(driver=DryDriver) as device:
        plain = net.make(torch).cuda()
        x = torch.zeros(batch, *net.x).cuda()
        tokens = batch * (net.x[0] if len(net.x) == 2 else 1)
        y = torch.zeros(tokens, dtype=torch.int64).cuda()
        minimum = Minimum.of(plain, x, y)
        model = plain if prepare is None else prepare(plain)
        update = optimizer_of(torch, optimizer, model.parameters())

        def step():
            update.zero_grad()
            torch.nn.functional.cross_entropy(model(x), y).backward()
            update.step()

        for _ in range(SETTLE):
            step()
        gc.collect()  # what preparing the model left behind in reference cycles is no part of a step
        seen, before = [], device.driver.counts.copy()
        device.pool.reset_peak()
        with runtime.watching(lambda launch: seen.append((launch.name, launch.bytes or 0, launch.flops or 0))):
            step()
        others = {what: n for what, n in (device.driver.counts - before).items() if what != "launch"}
        return Step(name, batch, optimizer, [n for n, _, _ in seen], others, sum(b for _, b, _ in seen),
                    sum(f for _, _, f in seen), device.pool.peak_requested, minimum)


def table(steps) -> str:
    """A Markdown table."""
    rows = ["| net, batch, optimizer | launches | MB | of the unfused minimum | of the fused | peak MB | of live | "
            "floors: launches, bytes, flops, us |", "|---|---|---|---|---|---|---|---|"]
    for s in steps:
        floors = " / ".join(f"{us:.0f}" for us in s.floors())
        rows.append(f"| {s.net}, {s.batch}, {s.optimizer} | {s.launches} | {s.bytes / 1e6:.1f} | {s.ratio():.2f} | "
                    f"{s.ratio(True):.2f} | {s.peak / 1e6:.1f} | {s.peak / s.minimum.peak(s.optimizer):.2f} | "
                    f"{floors} |")
    return "\n".join(rows)


def main(argv=None):
    """Print the table, write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", nargs="*", default=list(NETS), choices=list(NETS), metavar="NET")
    parser.add_argument("--batches", nargs="*", type=int, default=[64, 512, 1024])
    parser.add_argument("--optimizer", default="Adam", choices=["SGD", "Adam"])
    parser.add_argument("--fused", action="store_true", help="layers fused by tritonnet.compile")
    parser.add_argument("--json")
    options = parser.parse_args(argv)
    prepare = importlib.import_module("tritonnet").compile if options.fused else None
    steps = [count(net, batch, options.optimizer, prepare) for net in options.nets for batch in options.batches]
    print(table(steps))
    if options.json:
        with open(options.json, "w") as file:
            json.dump([{"net": s.net, "batch": s.batch, "optimizer": s.optimizer, "launches": s.launches,
                        "kernels": s.kernels, "bytes": s.bytes, "flops": s.flops, "peak": s.peak,
                        "minimum": s.minimum.bytes(s.optimizer), "fused minimum": s.minimum.bytes(s.optimizer, True),
                        "live": s.minimum.peak(s.optimizer)} for s in steps], file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
