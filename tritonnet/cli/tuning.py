"""`tritonnet tune`: find the fastest configuration of a kernel, keep it, look at what was found."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from tritonnet.cli import UsageError, output_file
from tritonnet.cli.train import positive

SUMMARY = "find the fastest configuration of a kernel"
DESCRIPTION = """\
Search the configurations that a kernel declares. Every one is ranked by a model of the GPU; the most promising are
compiled (in parallel) and dropped where they spill or do not fit; the others must give the NumPy mirror's numbers, and
are then timed in turns on the GPU. Without a GPU the model decides: the result says "predicted" and is not stored.

  tritonnet tune matmul --shapes 4096x4096x4096 --dtype float16
  tritonnet tune conv2d --shapes N=64,C=64,O=64,H=56,W=56 --arch sm_90 --picture conv.png
  tritonnet tune my_kernels.py:silu
  tritonnet tune show | export FILE | merge FILE     what is stored; take it elsewhere and back

TRITONNET_TUNE=off|shipped|auto says which stored results launches use (auto: yours, then the shipped)."""
ACTIONS = ("show", "export", "merge")


def add_arguments(parser):
    """The options of `tritonnet tune`."""
    parser.add_argument("kernel", metavar="KERNEL", help="an operation (matmul), a kernel (gemm_kernel), "
                        "file.py:kernel; or show, export, merge")
    parser.add_argument("file", nargs="?", metavar="FILE", help="of export and merge")
    parser.add_argument("--shapes", help="4096x4096x64, or M=4096,K=64; several by spaces")
    parser.add_argument("--dtype", default="float32", help="float32, float16, bfloat16, float64")
    parser.add_argument("--arch", help="predict for an architecture (sm_80, sm_90, sm_100 …), also where a GPU is")
    parser.add_argument("--config", help="values that stay fixed: BLOCK_M=128,num_warps=8")
    parser.add_argument("--candidates", type=positive(int), help="configurations that are compiled (default 32)")
    parser.add_argument("--rows", type=positive(int), default=12, help="rows of the table (default 12)")
    parser.add_argument("--picture", metavar="FILE", help="write a heat map (PNG)")
    parser.add_argument("--axes", metavar="X,Y", help="of the heat map: BLOCK_M,BLOCK_N (default: what matters most)")
    parser.add_argument("--json", metavar="FILE", help="write every candidate and what was found out about it")
    parser.add_argument("--device", metavar="NAME", help="of show, export: a device (default: all, or the current GPU)")
    parser.add_argument("--dry-run", action="store_true", help="store nothing")


def run(options):
    """Tune, or look after the tables; returns the exit code."""
    from tritonnet.kernels import tuning
    from tritonnet.kernels.lab.subjects import Unknown
    from tritonnet.kernels.runtime.errors import DeviceError

    try:
        tuning.mode()  # says so where TRITONNET_TUNE is none
        if options.kernel in ACTIONS:
            return {"show": _show, "export": _export, "merge": _merge}[options.kernel](options)
        if options.file:
            raise UsageError(f"unexpected argument {options.file}")
        return _tune(options)
    except (Unknown, DeviceError, OSError) as error:
        raise UsageError(str(error)) from None


def _tune(options):
    from tritonnet.kernels.lab.search import COMPILED, tune

    config = _config(options.config)
    output_file("--picture", options.picture)
    output_file("--json", options.json)
    found = tune(options.kernel, options.shapes, options.dtype, arch=options.arch, config=config,
                 compiled=options.candidates or COMPILED, progress=_progress())
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    for i, tuning in enumerate(found):
        print(tuning.table(options.rows))
        print(_verdict(tuning, options))
        if options.picture:
            path = Path(options.picture)
            _picture(tuning, path if len(found) == 1 else path.with_stem(f"{path.stem}-{i}"), options.axes)
        print()
    if options.json:
        try:
            Path(options.json).write_text(json.dumps([t.as_dict() for t in found], indent=1) + "\n")
        except OSError as error:  # a full disk
            raise UsageError(f"--json {options.json}: {error.strerror or error}") from None
        print(f"wrote {options.json}")
    return 0 if all(t.best for t in found) else 1


def _verdict(tuning, options) -> str:
    """What came out, in a sentence or two."""
    wrong = [c for c in tuning.candidates if c.valid is False]
    told = [f"{c}: {c.state}" for c in wrong[:3]]
    if tuning.best is None:
        return "\n".join(["no candidate is valid; nothing is stored", *told])
    lines = [f"best: {tuning.best}" + (f", {tuning.gain:.2f} times as fast as the default" if tuning.gain else "")]
    if wrong:
        lines += [f"{len(wrong)} candidates do not give the mirror's numbers and are out:", *told]
    if tuning.predicted:
        lines.append("predicted by a model, not measured: not stored")
    elif not options.dry_run:
        from tritonnet.kernels.tuning import user_file

        kept = tuning.store()
        lines.append(f"stored in {user_file(tuning.device.name)}" if kept else "the cache folder cannot be written")
    return "\n".join(lines)


def _picture(tuning, path, axes):
    from tritonnet.kernels.lab.pictures import heat_map

    names = [name.strip() for name in axes.split(",")] if axes else [None, None]
    if len(names) != 2:
        raise UsageError(f"--axes {axes}: expected two names, X,Y")
    try:
        heat_map(tuning, *names).savefig(path, dpi=150)
    except (ImportError, ValueError) as error:
        raise UsageError(f"--picture: {error}") from None
    print(f"wrote {path}")


def _config(text) -> dict:
    """{"BLOCK_M": 128} of "BLOCK_M=128"."""
    found = {}
    for item in filter(None, (text or "").split(",")):
        name, equals, value = item.partition("=")
        if not equals or not value.strip().isdigit():
            raise UsageError(f"--config: {item!r} is not NAME=NUMBER")
        found[name.strip()] = int(value)
    return found


def _progress():
    """Shows what is done in one line of a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        return None
    return lambda text: print(f"\r{text[:110]}\x1b[K", end="", file=sys.stderr, flush=True)


def _tables(options) -> dict:
    """{device name: table} of the user's results."""
    from tritonnet.kernels import tuning, tuning_tables

    folder = tuning.user_file("x").parent
    found = {}
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        table = tuning_tables.read(path, path.stem)
        if options.device is None or options.device.lower() in table["device"].lower():
            found[table["device"]] = table
    if not found:
        raise UsageError(f"nothing is stored{f' for {options.device}' if options.device else ''} in {folder}")
    return found


def _show(options):
    """Print what is stored."""
    from tritonnet.kernels.lab.tables import text_table

    for device, table in _tables(options).items():
        rows = []
        for name, of_kernel in sorted(table["kernels"].items()):
            for key, entry in sorted(of_kernel["entries"].items()):
                m = entry["measured"]
                rate = f"{m['tflops']:.3g} TFLOP/s" if m.get("tflops") else f"{m['gbytes']:.0f} GB/s" if m.get(
                    "gbytes") else ""
                rows.append([name, key, ", ".join(f"{k}={v}" for k, v in entry["config"].items()),
                             str(m.get("us", "")), rate, str(m.get("mhz") or ""), str(m.get("date", ""))])
        print(text_table(device, ["kernel", "shapes", "configuration", "us", "", "MHz", "date"], rows))
    return 0


def _export(options):
    """Write what is stored for one device to a file."""
    from tritonnet.kernels import tuning_tables

    if not options.file:
        raise UsageError("export: expected a FILE")
    found = _tables(options)
    if len(found) > 1:
        raise UsageError(f"export: results of {', '.join(found)} are stored: choose one by --device")
    (device, table), = found.items()
    if not tuning_tables.write(Path(options.file), table):
        raise UsageError(f"export: {options.file} cannot be written")
    print(f"wrote {sum(len(k['entries']) for k in table['kernels'].values())} configurations for {device} to "
          f"{options.file}")
    return 0


def _merge(options):
    """Take in another table: where both know a shape, the faster configuration."""
    from tritonnet.kernels import tuning, tuning_tables

    if not options.file or not os.path.isfile(options.file):
        raise UsageError(f"merge: {options.file or 'expected a FILE'}{': no such file' if options.file else ''}")
    import warnings

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        table = tuning_tables.read(Path(options.file), "", ours=False)
    if not table["kernels"] or not table["device"]:
        raise UsageError(f"merge: {said[0].message if said else f'{options.file} holds no configuration'}")
    path = tuning.user_file(table["device"])
    with tuning_tables.locked(path):
        both = tuning_tables.faster(tuning_tables.read(path, table["device"]), table)
        if not tuning_tables.write(path, both):
            raise UsageError(f"merge: {path} cannot be written")
    tuning.forget()
    print(f"{path}: {sum(len(k['entries']) for k in both['kernels'].values())} configurations for {table['device']}")
    return 0
