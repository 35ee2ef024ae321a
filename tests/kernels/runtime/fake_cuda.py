"""Builds the fake libcuda, and runs Python on it: `python tests/kernels/runtime/fake_cuda.py -c "..."`."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[2]


def compiler():
    """The C compiler, or None."""
    return shutil.which("cc") or shutil.which("gcc")


def build(folder):
    """Compile the fake libcuda into a folder."""
    subprocess.run([compiler(), "-shared", "-fPIC", "-O2", "-w", "-Wl,-soname,libcuda.so.1", "-o",
                    f"{folder}/libcuda.so.1", str(HERE / "fake_libcuda.c")], check=True)


def environment(folder, **more):
    """The environment of a process that finds the fake libcuda before any other."""
    env = {k: v for k, v in os.environ.items() if k != "TRITONNET_SIMULATE"}
    paths = [str(folder), *filter(None, [env.get("LD_LIBRARY_PATH")])]
    return env | {"LD_LIBRARY_PATH": os.pathsep.join(paths), "TRITONNET_FAKE_CUDA": str(folder)} | more


def run(folder, *arguments, **more):
    """A Python process in the checkout on the fake libcuda."""
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment(folder, **more),
                          capture_output=True, text=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        build(folder)
        sys.exit(subprocess.run([sys.executable, *sys.argv[1:]], env=environment(folder)).returncode)
