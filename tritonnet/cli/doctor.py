"""Say what tritonnet finds on this machine: versions, devices, where things are kept, which data it would train on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

SUMMARY = "versions, devices, caches, data"
DESCRIPTION = "Say what tritonnet finds on this machine, and which data it would train on."


def add_arguments(parser):
    """`tritonnet doctor` has no options."""


def run(options):
    """Print the findings; 0 whatever they are."""
    for title, lines in (("versions", _versions()), ("devices", _devices()), ("caches", _caches()), ("data", _data())):
        print(title)
        for name, value in lines:
            print(f"  {name:<16} {value}")
    return 0


def _versions():
    from tritonnet.cli.report import versions

    return [(name, version or "not installed") for name, version in versions().items()]


def _devices():
    """The CPU, each GPU, and why there is no GPU."""
    import tritonnet
    from tritonnet.kernels.runtime import host

    blas = "one it can steer (OpenBLAS)" if host.blas().known else "one it cannot steer: products are not split"
    yield "CPU", f"{_processor()}, {os.cpu_count()} cores, {tritonnet.get_num_threads()} threads; BLAS: {blas}"
    try:
        count = tritonnet.cuda.device_count()
    except Exception as error:  # a broken driver must not keep the rest from being told
        count = 0
        yield "GPU", f"driver fails: {error}"
    for i in range(count):
        properties = tritonnet.cuda.get_device_properties(i)
        major, minor = tritonnet.cuda.get_device_capability(i)
        yield f"cuda:{i}", f"{properties.name}, sm_{major}{minor}, {properties.total_memory / 2**30:.1f} GiB"
    if not count:
        yield "GPU", "none found; TRITONNET_SIMULATE=1 offers a simulated one"


def _processor():
    """The processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _caches():
    from tritonnet.kernels.runtime.folders import cache_folder

    base = cache_folder("")
    yield "folder", f"{base}{'' if base.is_dir() else ' (not made yet)'}"
    for folder in sorted(base.iterdir()) if base.is_dir() else ():
        if folder.is_dir():
            files = [f for f in folder.rglob("*") if f.is_file()]
            yield folder.name, f"{len(files)} files, {sum(f.stat().st_size for f in files) / 1e6:.1f} MB"


def _data():
    from tritonnet.vision.datasets.search import find_digits

    try:
        source = find_digits(download=False)
    except OSError as error:
        return [("MNIST", str(error))]
    if source.folder is None:
        return [("MNIST", f"{source.reason}: `tritonnet train` would try to download it, or else generate digits")]
    return [("MNIST", source.folder)]
