"""`tritonnet bench`: the benchmark suite, beside every library that is installed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tritonnet.cli import UsageError
from tritonnet.cli.train import _folder, positive

SUMMARY = "time the library beside others"
DESCRIPTION = """\
Time the library's own programs (products, convolutions, softmax, norms, losses, optimizers, attention, elementwise,
training steps) beside PyTorch (eager and compiled), NumPy, CuPy, JAX and tinygrad, as far as they are installed. All
take turns; the results are compared first.

  tritonnet bench                                  # everything, on a GPU if there is one
  tritonnet bench matmul,softmax --peers numpy,torch --threads 1
  tritonnet bench --out results                    # JSON, Markdown and a picture
  tritonnet bench --compare results/2026-11-21.json

exit code: 0; 1 if results differ, or with --compare if something became significantly slower."""


def add_arguments(parser):
    """The options of `tritonnet bench`."""
    parser.add_argument("cases", nargs="?", default="", metavar="CASES",
                        help="words in the names or groups of cases, commas between them (default: all)")
    parser.add_argument("--list", action="store_true", help="only list the cases")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 …; default auto")
    parser.add_argument("--dtype", help="only this type (on a GPU; the CPU computes in float32)")
    parser.add_argument("--peers", help="libraries to compare, or none (default: all that are installed)")
    parser.add_argument("--threads", type=positive(int), default=2,
                        help="of the CPU, for all (default 2); 1: processor time is compared")
    parser.add_argument("--rounds", type=positive(int), default=11, help="samples of each (default 11)")
    parser.add_argument("--seconds", type=positive(float), default=0.05,
                        help="about how long a sample lasts (default 0.05)")
    parser.add_argument("--tiny", action="store_true", help="tiny sizes: shows that it works, times say nothing")
    parser.add_argument("--out", metavar="FOLDER", help="write <date>.json, <date>.md and <date>.png there")
    parser.add_argument("--compare", metavar="FILE", help="an earlier JSON; a significant slow-down is an error")


def run(options):
    """Time; returns the exit code."""
    from tritonnet.bench.cases import programs
    from tritonnet.bench.peers import Unable

    old = _earlier(options.compare)
    if options.out and not options.list:
        _folder(options.out)
    device = _device(options.device)
    chosen = programs(options.cases, device is not None, options.dtype, options.tiny)
    if not chosen:
        kind = f" in {options.dtype}" if options.dtype else ""
        raise UsageError(f"no case matches {options.cases!r}{kind}: see --list")
    if options.list:
        for program in chosen:
            print(f"{program.case.group:12} {program.label} ({program.dtype})")
        return 0
    try:
        peers, missing = _peers(options.peers, device)
    except (Unable, ValueError) as error:
        raise UsageError(f"--peers: {error}") from None
    report = _report(options, device, chosen, peers, missing, old)
    if options.out:
        _write(report, options.out)
    wrong = [row for row in report["rows"] if row["error"] or row["agrees"] == "no"]
    slower = _compare(old, report) if old else False
    return 1 if wrong or slower else 0


def _report(options, device, chosen, peers, missing, old=None) -> dict:
    """Run everything, telling of each. old: what it will be compared with."""
    from tritonnet.bench.comparison import another_machine, comparable
    from tritonnet.bench.report import line
    from tritonnet.bench.runner import row_of
    from tritonnet.kernels.lab import provenance
    from tritonnet.kernels.lab.telemetry import NoTelemetry, watching

    about = provenance.machine() if device is None else provenance.about(device)
    about |= {"threads": options.threads if device is None else None}
    if old and (why := comparable(old["about"], about)):
        raise UsageError(f"--compare: {why}")
    if old and (other := another_machine(old["about"], about)):
        print(f"warning: --compare: {other}: only ratios to peers that both have can be compared", file=sys.stderr)
    where = about.get("device") or f"{about['processor']}, {options.threads} threads"
    print(f"{where}, {about['date']}: {', '.join(p.name for p in peers)}; microseconds, and ours / theirs")
    for text in missing:
        print(f"left out: {text}")
    rows = []
    with NoTelemetry("") if device is None else watching(device) as telemetry:
        for program in chosen:
            row = row_of(program, peers, device, telemetry, options.rounds, options.seconds, options.threads,
                         options.tiny)
            rows.append(row)
            print(line(row), flush=True)
    return {"about": about, "rows": rows}


def _device(name):
    """A device of the runtime, or None for the CPU."""
    import tritonnet
    from tritonnet.cli.train import _device as checked

    place = checked(name)
    return None if place.type == "cpu" else tritonnet.kernels.runtime.device(place.index or 0)


def _peers(names, device):
    """(ours and the peers that can be compared, why others cannot)."""
    from tritonnet.bench import peers as known

    words = [] if names is None else [word.strip() for word in names.split(",")]
    asked = known.installed() if names is None else [word for word in words if word not in ("", "none")]
    found, missing = [known.peer("tritonnet")], []
    for name in asked:
        if name == "tritonnet" or (device is not None and device.simulated):
            continue
        try:
            peer = known.peer(name)
            if peer.runs_on("cpu" if device is None else "cuda"):
                found.append(peer)
            else:
                missing.append(f"{name} is not on this {'CPU' if device is None else 'GPU'}")
        except known.Unable as reason:
            if names is not None:
                raise
            missing.append(str(reason))
        except RuntimeError as error:  # it is there, but finds no device or no compiler
            missing.append(f"{name}: {error}")
    return found, missing


def _earlier(path):
    """The report of --compare."""
    from tritonnet.bench.comparison import checked

    if path is None:
        return None
    try:
        return checked(json.loads(Path(path).read_text()))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"--compare {path}: {getattr(error, 'strerror', None) or error}") from None


def _compare(old, report) -> bool:
    """Print what changed; whether something regressed."""
    from tritonnet.bench.comparison import LEAST_SAMPLES, LEVEL, changes

    found = changes(old, report)
    print(f"\ncompared with {old['about'].get('date')}: {len(found)} of {len(report['rows'])} cases")
    if not found:
        raise UsageError(f"--compare: nothing could be compared: no case has {LEAST_SAMPLES} samples in both reports")
    for change in found:
        if change.regressed or abs(change.change) > 0.05:
            verdict = "REGRESSED" if change.regressed else "faster" if change.p > 1 - LEVEL else "within the noise"
            print(f"{change.case[:62]:62} {change.dtype:9} {change.what}: {change.change:+.1%} (p = {change.p:.2g}) "
                  f"{verdict}")
    return any(change.regressed for change in found)


def _write(report, folder):
    from tritonnet.bench.report import picture, write

    try:
        path = write(folder, report)
    except OSError as error:
        raise UsageError(f"--out {folder}: {error.strerror or error}") from None
    drawn = picture(report, path.with_suffix(".png"))
    print(f"wrote {path.with_suffix('')}.json, .md{' and .png' if drawn else ''}", file=sys.stderr)
