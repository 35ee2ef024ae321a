"""`tritonnet profile`: where the time of a program goes, and how far that is from what the machine can do."""

from __future__ import annotations

import contextlib
import os
import runpy
import sys
import traceback

from tritonnet.cli import UsageError, output_file
from tritonnet.cli.train import MODELS, positive

SUMMARY = "where the time of a program goes"
DESCRIPTION = """\
Profile a program, or the training steps of one of the built-in networks: per operation and per kernel calls, host and
device time, flops, bytes, rates, the share of what this machine can do at best (measured in the same run: a copy and
matrix products) and what limits it; memory; clocks.

  tritonnet profile train.py --epochs 1              # a program, with its own options behind it
  tritonnet profile --model mnist-cnn --html p.html  # a built-in network on random images
"""
STEPS, WARMUP, IMAGE = 5, 2, (1, 28, 28)
RUNPY = "<frozen runpy>"
NETWORKS = {f"mnist-{name}" if name in ("cnn", "mlp") else name: name for name in MODELS}
SORTS = {"time": None, "host": "self_cpu_time_total", "device": "device_time_total", "calls": "count",
         "flops": "flops", "bytes": "bytes", "share": "share"}


def add_arguments(parser):
    """The options of `tritonnet profile`."""
    parser.add_argument("--model", choices=NETWORKS, help="profile training steps of a built-in network")
    parser.add_argument("--device", default="auto", help="of --model: cpu, cuda, cuda:1 …; default auto")
    parser.add_argument("--batch-size", type=positive(int), default=256, help="of --model (default 256)")
    parser.add_argument("--steps", type=positive(int), default=STEPS, help=f"of --model (default {STEPS})")
    parser.add_argument("--sort", choices=SORTS, default="time", help="what the tables are sorted by (default time)")
    parser.add_argument("--rows", type=positive(int), default=25, help="rows of each table (default 25)")
    parser.add_argument("--shapes", action="store_true", help="tell calls with different shapes apart")
    parser.add_argument("--html", metavar="FILE", help="write a report: timeline, roofline, tables, in one file")
    parser.add_argument("--trace", metavar="FILE", help="write a trace for ui.perfetto.dev or chrome://tracing")
    parser.add_argument("script", nargs="?", metavar="SCRIPT", help="a Python program")
    parser.add_argument("arguments", nargs="...", metavar="…", help="its own options")


def run(options):
    """Profile; returns the exit code, that of the script."""
    if (options.script is None) == (options.model is None):
        raise UsageError("expected a SCRIPT or --model" if options.script is None else
                         f"--model {options.model} and the script {options.script}: expected one of them")
    options.html, options.trace = output_file("--html", options.html), output_file("--trace", options.trace)
    from tritonnet.profiler import profile

    if options.script is None:
        step = _steps(options)
        for _ in range(WARMUP):
            step()
        with profile(record_shapes=options.shapes) as prof:
            for _ in range(options.steps):
                step()
                prof.step()
        code = 0
    else:
        if not os.path.isfile(options.script):
            raise UsageError(f"{options.script}: no such file")
        with profile(record_shapes=options.shapes) as prof:
            code = _run_script(options.script, options.arguments)
    _tell(prof, options)
    return code


def _steps(options):
    """A function that does one training step of a built-in network on random images."""
    import tritonnet
    from tritonnet.cli.train import _device
    from tritonnet.nn.functional import cross_entropy
    from tritonnet.vision.models import MODELS as networks

    device = _device(options.device)
    tritonnet.manual_seed(0)
    model = networks[NETWORKS[options.model]]().to(device)
    optimizer = tritonnet.optim.AdamW(model.parameters(), lr=1e-3)
    images = tritonnet.randn(options.batch_size, *IMAGE).to(device)
    targets = tritonnet.randint(0, 10, (options.batch_size,)).to(device)

    def step():
        loss = cross_entropy(model(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def _run_script(path, arguments) -> int:
    """Run a program as Python would; its exit code. After an error what was recorded until then counts."""
    before, sys.argv = sys.argv, [path, *arguments]
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except KeyboardInterrupt:
        print(f"tritonnet profile: {path} was interrupted: this is what was recorded until then", file=sys.stderr)
        return 130
    except Exception as error:
        inside = error.__traceback__
        while inside is not None and inside.tb_frame.f_code.co_filename in (__file__, runpy.__file__, RUNPY):
            inside = inside.tb_next  # the program's own lines alone, as Python would show them
        traceback.print_exception(error.with_traceback(inside))
        return 1
    finally:
        sys.argv = before
        with contextlib.suppress(ValueError):
            sys.path.remove(os.path.dirname(os.path.abspath(path)))
    return 0


def _tell(prof, options):
    """Tables and totals on the terminal, and the files that were asked for."""
    from tritonnet.profiler.tables import us

    if not prof.events() and not prof.launches():
        print("tritonnet profile: the program used no operation of tritonnet", file=sys.stderr)
        return
    summary = prof.summary
    print(f"\n{summary.get('device') or summary['processor']}, {summary['date']}: {us(summary['wall_us'])} recorded")
    if kernels := prof.kernel_averages():
        print(f"\nkernels: {summary['launches']} launches, " + (
            "not timed: the program made its device after the recording began" if prof.device is None else
            f"{us(summary['device_us'])} on the device, {us(summary['gaps_us'])} of gaps between them; memory: "
            f"{summary['device_peak_bytes'] / 1e6:.1f} MB at most, {summary['device_cached_share']:.0%} of the pool "
            f"unused at the end"))
        print(kernels.table(sort_by=SORTS[options.sort], row_limit=options.rows))
    print("\noperations and ranges:")
    print(prof.key_averages().table(sort_by=SORTS[options.sort], row_limit=options.rows))
    ceilings = prof.ceilings
    if ceilings.copy:
        rates = ", ".join(f"{rate / 1e9:.0f} GFLOP/s in {dtype}" for dtype, rate in ceilings.products.items())
        print(f"roofs, measured now: copy {ceilings.copy / 1e9:.1f} GB/s, products {rates}")
    if clocks := summary["telemetry"]:
        print(f"clocks: {clocks['mhz']:.0f} MHz, {clocks['watts']:.0f} W, {clocks['celsius']:.0f} °C")
    for warning in summary["warnings"]:
        print(f"warning: {warning}")
    for path, write in ((options.html, prof.report), (options.trace, prof.export_chrome_trace)):
        if path:
            try:
                write(path)
            except OSError as error:  # a full disk
                raise UsageError(f"{path}: {error.strerror or error}") from None
            print(f"wrote {path}")
