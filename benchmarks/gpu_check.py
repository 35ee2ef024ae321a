"""All that only a GPU can show, in one command of at most eight minutes.

    make gpu-check            # = python3 -m benchmarks.gpu_check, in a checkout, installed or not

Captured training steps are held against eager ones, bit for bit; every sample of the tests runs on the device against
the mirror; then programs are timed beside PyTorch (cuBLAS, cuDNN)
where a torch with CUDA is installed. The report goes to benchmarks/results/<device>/ as JSON and Markdown. Exit code: 0
if all agrees, 1 if something does not, 2 without a GPU. `--simulated --tiny` runs the same program on the simulated
device at tiny sizes, whose times say nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from benchmarks import captured_steps, device_samples
from tritonnet.bench import report as reports
from tritonnet.bench.cases import programs
from tritonnet.bench.peers import peer
from tritonnet.bench.runner import row_of
from tritonnet.kernels.lab.provenance import about
from tritonnet.kernels.lab.telemetry import EVERY, watching

RESULTS = pathlib.Path(__file__).resolve().parent / "results"
TINY = ("softmax.Softmax-0", "matmul.MatMul-0", "elementwise.Exp-0", "loss.CrossEntropy-0", "adam")


def torch_with_cuda():
    """PyTorch, if it is there and sees the GPU."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    return torch if torch.cuda.is_available() else None


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulated", action="store_true", help="on the simulated device; times say nothing")
    parser.add_argument("--tiny", action="store_true", help="tiny sizes and few samples")
    parser.add_argument("--only", default="", help="only programs whose name contains this; no samples")
    parser.add_argument("--seconds", type=float, default=450, help="stop starting new work after so long")
    parser.add_argument("--processes", type=int, help="that run samples (default: one per processor)")
    parser.add_argument("--out", type=pathlib.Path, default=RESULTS, help="folder for the report")
    args = parser.parse_args(argv)

    from tritonnet.kernels import runtime

    if not args.simulated and not runtime.is_available():
        print("gpu-check: no GPU, or no driver for it (`tritonnet doctor` tells which). To see that the program works "
              "on a machine without one: python3 -m benchmarks.gpu_check --simulated --tiny", file=sys.stderr)
        return 2
    with runtime.simulated() if args.simulated else contextlib.nullcontext():
        return check(args, runtime.current_device())


def check(args, device) -> int:
    """Run everything on a device and write the report."""
    began = time.time()
    simulated = device.driver.simulated
    peers = [peer("tritonnet"), *([peer("torch")] if not simulated and torch_with_cuda() else [])]
    watch = watching(device)
    clocks = watch.missing or f"NVML, every {1000 * EVERY:.0f} ms"
    report = {"about": about(device) | {"clocks": clocks}, "complete": True, "skipped": [], "rows": []}
    captured = [] if args.only else [captured_steps.check(name) for name in captured_steps.STEPS]
    report["captured"] = captured
    for step in captured:
        print(f"captured step as the eager one: {step['name']}: {step['error'] or 'yes'}", flush=True)
    print(f"{device.name}: samples on the device against the mirror", flush=True)
    outcomes, left = [], 0
    if not args.only:
        outcomes, left = device_samples.run_all(
            args.seconds * 0.6, 1 if simulated else args.processes, TINY if args.tiny else None)
    failures = [o._asdict() for o in outcomes if o.error]
    report["samples"] = {"run": len(outcomes), "agree": len(outcomes) - len(failures), "left_out": left,
                         "failures": failures}
    print(f"{len(outcomes) - len(failures)} of {len(outcomes)} agree; {time.time() - began:.0f} s\n", flush=True)
    with watch as telemetry:
        for program in programs(args.only, on_device=True, tiny=args.tiny)[::6 if args.tiny else 1]:
            if time.time() - began > args.seconds:
                report["skipped"].append(f"{program.label} ({program.dtype})")
                continue
            row = row_of(program, peers, device, telemetry, tiny=args.tiny)
            report["rows"].append(row)
            print(reports.line(row), flush=True)
    report["complete"] = not report["skipped"] and not left
    report["seconds"] = time.time() - began
    path = reports.write(args.out / reports.folder_of(device.name), report)
    print(f"\n{path}")
    wrong = [r for r in report["rows"] if r["error"] or r["agrees"] == "no"]
    for failure in failures[:20]:
        print(f"FAILED {failure['name']} in {failure['dtype']}: {reports.brief(failure['error'])}")
    return 1 if failures or wrong or any(step["error"] for step in captured) else 0


if __name__ == "__main__":
    sys.exit(main())
