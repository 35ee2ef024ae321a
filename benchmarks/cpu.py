"""CPU training steps, tritonnet beside PyTorch where it is installed: same threads, interleaved, as ratios.

    python benchmarks/cpu.py [--only W4] [--threads 2] [--rounds 15] [--json out.json]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import tritonnet
import tritonnet.optim
import tritonnet.utils.data
from benchmarks.workloads import WORKLOADS
from tritonnet.kernels.lab.provenance import machine
from tritonnet.kernels.lab.timing import interleaved, pretty


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only workloads whose name contains this")
    parser.add_argument("--threads", type=int, default=2, help="threads for both (1: processor time is compared)")
    parser.add_argument("--rounds", type=int, default=15, help="rounds per workload; the median counts")
    parser.add_argument("--seconds", type=float, default=0.05, help="about how long each sample lasts")
    parser.add_argument("--json", help="also write the results to this file")
    args = parser.parse_args(argv)

    frameworks = {"tritonnet": tritonnet}
    if importlib.util.find_spec("torch"):
        import torch

        torch.set_num_threads(args.threads)
        frameworks["torch"] = torch
    tritonnet.set_num_threads(args.threads)
    clock = time.process_time if args.threads == 1 else time.perf_counter
    print(", ".join(f"{k} {v}" for k, v in machine().items() if v), f"\n{args.threads} thread(s)\n")
    print(f"{'workload':34}{'tritonnet':>12}{'torch':>12}{'ratio':>8}{'target':>8}")
    rows = []
    for name, (make, target) in WORKLOADS.items():
        if args.only not in name:
            continue
        times = interleaved({k: make(module) for k, module in frameworks.items()}, args.rounds, args.seconds, clock)
        ratio = times["tritonnet"] / times["torch"] if "torch" in times else None
        rows.append({"workload": name, "ratio": ratio, "target": target,
                     **{f"{k}_us": 1e6 * t for k, t in times.items()}})
        theirs, shown = (pretty(times["torch"]), f"{ratio:.2f}") if ratio else ("-", "-")
        missed = "  missed" if ratio and ratio > target else ""
        print(f"{name:34}{pretty(times['tritonnet']):>12}{theirs:>12}{shown:>8}{target:>8}{missed}", flush=True)
    ratios = [r["ratio"] for r in rows if r["ratio"] and r["workload"].startswith("W")]
    if ratios:
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        print(f"\ngeometric mean of the W rows: {mean:.2f} (lower is better)")
    if args.json:
        results = {**machine(), "threads": args.threads, "rows": rows}
        Path(args.json).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
