"""What the compiler made of a kernel, for any GPU, without one."""

from __future__ import annotations

import json

SUMMARY = "registers, occupancy, instructions and roofline of a kernel, for any GPU, without one"
DESCRIPTION = """Compile what an operation launches and look at it: registers, spills, shared memory, occupancy, widths
of loads and stores, tensor-core instructions, pipelining, roofline position; source, PTX and SASS side by side.

examples:
  tritonnet inspect matmul --shapes 4096x4096x4096 --dtype float16
  tritonnet inspect matmul --arch sm_80 --diff sm_90
  tritonnet inspect softmax --shapes 8192x1024 --config ROWS=1,num_warps=8 --diff ROWS=4
  tritonnet inspect conv2d --show all          tritonnet inspect conv2d --html conv2d.html
  tritonnet inspect my_kernels.py:scale --signature "*fp32,*fp32,i32" --config BLOCK=1024

What needs a GPU (time, what is resident, bank conflicts) is not told; times are predicted from data sheets."""


def add_arguments(parser):
    """The options of `tritonnet inspect`."""
    parser.add_argument("kernel", nargs="?", help="an operation or kernel (--list tells them), module:function or "
                                                  "path/to/file.py:function")
    parser.add_argument("--list", action="store_true", help="what there is, with its dimensions and defaults")
    parser.add_argument("--shapes", nargs="+", metavar="SHAPE", help="4096x4096x64, or M=4096,K=64; several by spaces")
    parser.add_argument("--dtype", default="float32", help="float32 (default), float16, bfloat16 or float64")
    parser.add_argument("--arch", nargs="+", default=["sm_90"], metavar="ARCH",
                        help="sm_80, sm_86, sm_89, sm_90 (default), sm_100, sm_120; several by spaces or commas")
    parser.add_argument("--config", metavar="K=V,…", help="values of a configuration; the rest stays as it would be")
    parser.add_argument("--signature", metavar="TYPES",
                        help="types of the arguments of a plain @triton.jit kernel, such as '*fp32,*fp16,i32'")
    parser.add_argument("--show", choices=("source", "ttir", "ttgir", "ptx", "sass", "all"),
                        help="print a stage with the source line of each instruction; all: SASS below each source line")
    parser.add_argument("--html", metavar="FILE", help="write a page with source, PTX and SASS side by side")
    parser.add_argument("--diff", metavar="ARCH|K=V,…", help="compare with another architecture or configuration")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options):
    """Print what was found."""
    from tritonnet.cli import UsageError
    from tritonnet.kernels.lab import NotCompiled, Unknown
    from tritonnet.kernels.runtime.errors import DeviceError

    if not options.list and options.kernel is None:
        raise UsageError("name a kernel, or ask for the --list")
    try:
        return _listed(options) if options.list else _inspected(options)
    except (Unknown, NotCompiled, DeviceError, OSError) as error:
        raise UsageError(str(error)) from error


def _listed(options):
    from tritonnet.kernels.lab import every_subject

    for name, found in every_subject().items():
        print(f"{name:<22} {found.summary}\n{'':<22} {found.dims_told}")


def _inspected(options):
    from tritonnet.cli import UsageError, output_file
    from tritonnet.kernels.lab import Comparison, inspect

    output_file("--html", options.html)
    config = configured(options.config)
    archs = [name for item in options.arch for name in item.split(",") if name]

    def look(arch=archs, config=config):
        return inspect(options.kernel, " ".join(options.shapes or []), options.dtype, arch, config, options.signature)

    found = look()
    if options.diff:
        if options.show or options.html:
            raise UsageError("--diff tells differences: ask for --show and --html of one side")
        other = look(config=config | configured(options.diff)) if "=" in options.diff else look(arch=[options.diff])
        shown = Comparison(found, other)
        print(json.dumps(shown.as_dict(), indent=1) if options.json else shown)
        return
    if options.html:
        try:
            found.save_html(options.html)
        except OSError as error:  # a full disk
            raise UsageError(f"--html {options.html}: {error.strerror or error}") from None
    if options.json:
        print(json.dumps(found.as_dict(), indent=1))
    elif options.show:
        from tritonnet.kernels.lab.wording import title

        print("\n\n".join(f"{title(each)}\n{each.show(options.show)}" for each in found))
    else:
        print(found)
    if options.html and not options.json:
        print(f"\nwritten: {options.html}")


def configured(text) -> dict:
    """{"BLOCK_M": 128, "num_warps": 4} of "BLOCK_M=128,num_warps=4"; UsageError for what is none."""
    from tritonnet.cli import UsageError

    found = {}
    for item in filter(None, (text or "").split(",")):
        name, equals, value = item.partition("=")
        if not equals or not name or not value:
            raise UsageError(f"{item!r} is no value of a configuration: write BLOCK_M=128,num_warps=4")
        found[name.strip()] = _value(value.strip())
    return found


def _value(text):
    """A number, a truth value, None, or the text."""
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
