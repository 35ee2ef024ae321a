"""The command `tritonnet`: train a network, profile a program, inspect and tune kernels, look at the installation.

A command is a module here with `SUMMARY`, `DESCRIPTION`, `add_arguments(parser)` and `run(options)`, which returns the
exit code.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys

COMMANDS = {  # name -> module, which may not have the name of one of the standard library's
    "train": "train", "profile": "profiling", "inspect": "inspecting", "tune": "tuning", "bench": "benching",
    "doctor": "doctor",
}


class UsageError(Exception):
    """What the user asked for cannot be done; the message says why. Exit code 2, no traceback."""


def output_file(option: str, path: str | None) -> str | None:
    """The absolute path of a file to be written at the end, whatever becomes of the working folder until then.

    UsageError where it cannot be written: said before the work, not after it.
    """
    if path is None:
        return None
    absolute = os.path.abspath(path)
    folder = os.path.dirname(absolute)
    if not os.path.isdir(folder):
        raise UsageError(f"{option} {path}: there is no folder {folder}")
    if os.path.isdir(absolute):
        raise UsageError(f"{option} {path} is a folder: expected a file")
    if not os.access(absolute if os.path.exists(absolute) else folder, os.W_OK):
        raise UsageError(f"{option} {path} cannot be written")
    return absolute


def main(argv=None):
    """Run the command line; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal of few letters shows the others as \u2026, and nothing fails
            stream.reconfigure(errors="backslashreplace")
    parser = argparse.ArgumentParser(
        prog="tritonnet", description="Deep learning on hand-written Triton kernels, without torch.",
        allow_abbrev=False,
    )
    import tritonnet

    parser.add_argument("--version", action="version", version=f"tritonnet {tritonnet.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    for name, file in COMMANDS.items():
        module = importlib.import_module(f"tritonnet.cli.{file}")
        command = commands.add_parser(
            name, help=module.SUMMARY, description=module.DESCRIPTION, allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    options = parser.parse_args(argv)
    try:
        return options.run(options) or 0
    except UsageError as error:
        print(f"tritonnet {options.command}: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"tritonnet {options.command}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `tritonnet doctor | head`
        sys.stdout = None
        return 141
