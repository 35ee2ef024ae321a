"""Say what tritonnet finds on this machine, whether it works, and what to do about what does not."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import typing
from pathlib import Path

SUMMARY = "what is installed, what works, and what to do about the rest"
DESCRIPTION = """Say what tritonnet finds on this machine: versions, driver, GPUs, compiler, caches, memory, data.
One small kernel is compiled, and run where there is a device.

  ok  is there and works
  --  is not there, and need not be (a GPU, NCCL, MPI, pictures, the real MNIST), or is short (memory, disk)
  !!  is broken: a package that the installation brings is missing or too old, a GPU or its driver fails, a kernel does
      not compile or gives wrong numbers, the cache folder cannot be written, TRITONNET_DATA names no folder

exit code: 0 if nothing is broken (a machine without a GPU is not broken); 1 if something is, or if --gpu is given and
no GPU works; 2 for arguments that do not exist."""
GOOD, NOTE, BROKEN = "ok", "--", "!!"  # as printed in front of a finding
SCALE_OUT = (  # name, package, module, a program that prints the library's version
    ("NCCL", "nccl4py", "nccl", "import nccl.core; print(nccl.core.get_version())"),
    ("MPI", "mpi4py", "mpi4py", "from mpi4py import MPI; print(MPI.Get_library_version().splitlines()[0])"),
)
REQUIRED = {"numpy", "ml_dtypes", "safetensors", "pillow", "nvidia-ml-py"} | (
    {"triton", "cuda-bindings"} if sys.platform == "linux" else set())  # what an installation brings
RANGE = ((3, 6), (3, 10))  # of Triton's versions: from, and before


class Finding(typing.NamedTuple):
    """One line of the report."""

    section: str
    name: str
    state: str  # GOOD; NOTE: absent, but nothing that must be there; BROKEN
    text: str
    advice: str = ""


def add_arguments(parser):
    """The options of `tritonnet doctor`."""
    parser.add_argument("--gpu", action="store_true", help="a GPU must work: exit with 1 where none does")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(options):
    """Print the findings; 1 if something is broken."""
    found = [finding for check in CHECKS for finding in _safely(check)]
    gpus = [f for f in found if f.section == "devices" and f.name.startswith("cuda:") and "simulated" not in f.text]
    if options.gpu and not (gpus and all(f.state == GOOD for f in found if f.name in ("driver", "kernel"))):
        found.append(Finding("devices", "--gpu", BROKEN, "no GPU works here", "see the findings above"))
    if options.json:
        print(json.dumps([f._asdict() for f in found], indent=1))
    else:
        _show(found)
    return int(any(f.state == BROKEN for f in found))


def _show(found):
    section = None
    for f in found:
        if f.section != section:
            section = f.section
            print(section)
        print(f"  {f.state} {f.name:<14} {f.text}")
        if f.advice:
            print(f"     {'':<14} -> {f.advice}")


def _safely(check):
    """The findings of one check; an error that it did not foresee is a finding, too, so that the rest is still told."""
    try:
        yield from check()
    except Exception as error:
        yield Finding("errors", check.__name__, BROKEN, f"{type(error).__name__}: {error}", "please report this")


def versions():
    """Packages that are used."""
    import tritonnet
    from tritonnet.kernels.lab.provenance import versions

    for name, version in ({"tritonnet": tritonnet.__version__} | versions()).items():
        if version is not None:
            state, advice = GOOD, ""
            if name == "triton" and not RANGE[0] <= tuple(map(int, version.split(".")[:2])) < RANGE[1]:
                state, advice = BROKEN, "pip install 'triton>=3.6,<3.10'"
            yield Finding("versions", name, state, version, advice)
        else:
            yield Finding("versions", name, BROKEN if name in REQUIRED else NOTE, "not installed", {
                "triton": "needed for GPUs and for the simulated device: pip install 'triton>=3.6,<3.10' (Linux)",
                "cuda-bindings": "needed for GPUs: pip install 'cuda-bindings>=12.9.4,<14' (Linux)",
                "nvidia-ml-py": "no clocks and temperatures: pip install nvidia-ml-py",
                "matplotlib": "no pictures: pip install 'tritonnet[plot]'"}.get(name, f"pip install {name}"))


def devices():
    """The CPU, the driver, each GPU."""
    import tritonnet
    from tritonnet.kernels.lab.provenance import driver_versions, processor
    from tritonnet.kernels.runtime import host, simulation_requested
    from tritonnet.kernels.runtime.errors import NoDevice

    blas = "one it can steer (OpenBLAS)" if host.blas().known else "one it cannot steer: products are not split"
    yield Finding("devices", "CPU", GOOD,
                  f"{processor()}, {os.cpu_count()} cores, {tritonnet.get_num_threads()} threads; BLAS: {blas}")
    if not simulation_requested():
        try:
            from tritonnet.kernels.runtime.cuda.calls import start

            start()
            found = driver_versions()
            yield Finding("devices", "driver", GOOD, f"{found['driver']}, for CUDA {found['cuda_driver']} and older")
        except NoDevice as reason:
            yield Finding("devices", "driver", NOTE, str(reason).partition(";")[0],
                          "with an NVIDIA GPU: install its driver; without one: TRITONNET_SIMULATE=1 simulates it")
    try:
        count = tritonnet.cuda.device_count()
    except Exception as error:
        yield Finding("devices", "GPU", BROKEN, f"driver fails: {error}", "see nvidia-smi")
        return
    for i in range(count):
        yield from _gpu(i)


def _gpu(index):
    """One device: what it is, and its state."""
    import tritonnet
    from tritonnet.kernels import runtime
    from tritonnet.kernels.lab.telemetry import SLOWDOWNS, reasons_named, watching

    device = runtime.device(index)
    major, minor = tritonnet.cuda.get_device_capability(index)
    free, total = device.memory_info()
    text = (f"{device.name}, sm_{major}{minor}, {device.multi_processor_count} multiprocessors, "
            f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB free")
    old = (major, minor) < (8, 0)
    yield Finding("devices", f"cuda:{index}", BROKEN if old else GOOD, text,
                  "the kernels are made for sm_80 and newer" if old else "")
    telemetry = watching(device)
    if telemetry.missing:
        if not device.simulated:
            yield Finding("devices", "clocks", NOTE, f"unknown: {telemetry.missing}", "figures will lack their clocks")
        return
    now = telemetry.read()
    slow = now["reasons"] & SLOWDOWNS
    yield Finding("devices", "clocks", NOTE if slow else GOOD,
                  f"{now['mhz']} MHz (memory {now['memory_mhz']}), {now['watts']:.0f} W, {now['celsius']} °C, "
                  f"{', '.join(reasons_named(now['reasons'])) or 'at full clock'}",
                  "slowed down: measure when it has cooled or has its power" if slow else "")


def compiler():
    """One kernel, compiled, and run on a device if there is one."""
    if importlib.util.find_spec("triton") is None:
        yield Finding("compiler", "kernel", NOTE, "not tried: Triton is not installed", "pip install triton (Linux)")
        return
    from triton import knobs

    tool = knobs.nvidia.ptxas
    yield Finding("compiler", "ptxas", GOOD, f"{tool.version} ({tool.path})")
    import numpy as np

    from tritonnet.kernels import runtime
    from tritonnet.kernels.arrays import to_device, to_host
    from tritonnet.kernels.elementwise import add

    x, y = np.arange(1000, dtype=np.float32), np.full(1000, 0.5, np.float32)
    began = time.perf_counter()
    try:
        if runtime.is_available():
            device = runtime.current_device()
            right = np.array_equal(to_host(add(to_device(x, device), to_device(y, device))), x + 0.5)
            what = f"ran on {device}" if right else f"gave wrong numbers on {device}"
        else:
            right, what = True, f"compiled for sm_90: {_compiled()}"
    except Exception as error:
        right, what = False, f"{type(error).__name__}: {str(error).splitlines()[0]}"
    took = time.perf_counter() - began
    yield Finding("compiler", "kernel", GOOD if right else BROKEN, f"{what}, {1000 * took:.0f} ms with caches",
                  "" if right else "try empty caches (TRITON_CACHE_DIR and TRITONNET_CACHE name them); then report it")


def _compiled():
    """Compile one kernel of the library for sm_90; what came out, in words."""
    from tritonnet.kernels.arrays import empty
    from tritonnet.kernels.elementwise import add
    from tritonnet.kernels.runtime import simulated, watching
    from tritonnet.kernels.runtime.resources import resources
    from tritonnet.kernels.runtime.simulation.dry import DryDriver

    launches = []
    with simulated(driver=DryDriver, arch=90) as device, watching(launches.append):
        add(empty(1000, "float32", device), empty(1000, "float32", device))
    found = resources(launches[0].compiled.specialisation, device.driver.target)
    return f"{found.registers} registers, {len(found.sass)} instructions"


def caches():
    """Where compiled kernels, tuned configurations and data are kept."""
    from tritonnet.kernels.runtime.folders import cache_folder

    base = cache_folder("")
    parent = next((p for p in (base, *base.absolute().parents) if p.exists()), None)
    try:
        with tempfile.TemporaryFile(dir=parent):
            free = shutil.disk_usage(parent).free
        yield Finding("caches", "folder", GOOD if free > 1e9 else NOTE,
                      f"{base}{'' if base.is_dir() else ' (not made yet)'}, {free / 1e9:.0f} GB free")
    except OSError as error:
        yield Finding("caches", "folder", BROKEN, f"{base} cannot be written: {error.strerror}",
                      "kernels are compiled anew in each process; TRITONNET_CACHE names another folder")
    for folder in sorted(base.iterdir()) if base.is_dir() else ():
        if folder.is_dir():
            files = [f for f in folder.rglob("*") if f.is_file()]
            size = sum(f.stat().st_size for f in files) / 1e6
            yield Finding("caches", folder.name, GOOD, f"{len(files)} files, {size:.1f} MB")


def memory():
    """Of the host."""
    try:
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        free, total = (int(lines[k].split()[0]) * 1024 for k in ("MemAvailable", "MemTotal"))
    except (OSError, KeyError, ValueError):
        return
    text = f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB available"
    yield Finding("memory", "host", GOOD if free > 1e9 else NOTE, text, "" if free > 1e9 else "little is left")


def scale_out():
    """What several GPUs or processes would talk through; each asked in a process of its own, for MPI starts up."""
    for name, package, module, question in SCALE_OUT:
        if importlib.util.find_spec(module) is None:
            yield Finding("scale-out", name, NOTE, f"{package} is not installed",
                          f"only for work on several GPUs or computers: pip install {package}")
            continue
        done = subprocess.run([sys.executable, "-c", question], capture_output=True, text=True, timeout=60)
        said = (done.stderr if done.returncode else done.stdout).strip().splitlines()
        yield Finding("scale-out", name, BROKEN if done.returncode else GOOD, said[-1] if said else "says nothing",
                      f"{package} is installed, but its library does not load" if done.returncode else "")


def data():
    """Which digits `tritonnet train` would take."""
    from tritonnet.vision.datasets.search import find_digits

    try:
        source = find_digits(download=False)
    except OSError as error:
        yield Finding("data", "MNIST", BROKEN, str(error), "correct or unset TRITONNET_DATA")
        return
    if source.folder is None:
        yield Finding("data", "MNIST", NOTE, source.reason, "`tritonnet train` would download it, or generate digits")
    else:
        yield Finding("data", "MNIST", GOOD, str(source.folder))


CHECKS = (versions, devices, compiler, caches, memory, scale_out, data)
