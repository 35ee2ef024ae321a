"""What one launch costs on the host, in processor time: python benchmarks/launch.py

Where no GPU is, it builds the tests' fake libcuda with the C compiler and runs itself on that, so that cuda-bindings'
calls are the real ones; a real driver adds 1.5 to 3 µs of its own to every row alike. Processor time is measured, and
the best of several runs counts, because the machine may be busy. The rows with a target exit with 1 where missed.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

TARGETS = {"pre-bound launch()": 0.5, "variant(grid, ...)": 2.5, "x + y, tensors": 6,
           "first launch in a warm process": 50_000}  # µs
CONFIG = {"BLOCK_M": 128, "BLOCK_N": 128, "BLOCK_K": 64, "GROUP_M": 8, "HAS_BIAS": True, "RELU": True,
          "PRECISION": "ieee", "num_warps": 8}
FIRST = """
import time
import numpy as np
from tritonnet.kernels import runtime
from tritonnet.kernels.arrays import empty
from benchmarks.launch import ten_arguments
kernel, start = ten_arguments(), time.thread_time()
device = runtime.current_device()
x = empty((64, 64), np.float16, device)
kernel[(1,)](x, x, x, x, *(64,) * 6, **{config!r})
print(1e6 * (time.thread_time() - start))
"""


def ten_arguments():
    """A kernel with the parameters of a matrix product, and little work."""
    from tritonnet.kernels.kernel import kernel_from_source

    return kernel_from_source("product", """
        def product(a, b, bias, c, M, N, K, stride_a, stride_b, stride_c, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
                    BLOCK_K: tl.constexpr, GROUP_M: tl.constexpr, HAS_BIAS: tl.constexpr, RELU: tl.constexpr,
                    PRECISION: tl.constexpr):
            tl.store(c, tl.load(a) + tl.load(b))
        """)


def best_us(call, repeat=9, number=4000):
    """Processor time of one call."""
    for _ in range(500):
        call()
    best = float("inf")
    for _ in range(repeat):
        start = time.thread_time()
        for _ in range(number):
            call()
        best = min(best, (time.thread_time() - start) / number)
    return 1e6 * best


def first_launch(repeat=5):
    """Processor time from opening the device to the return of the first launch, its cubin in the cache."""
    runs = [subprocess.run([sys.executable, "-c", FIRST.format(config=CONFIG)], capture_output=True, text=True,
                           cwd=ROOT, check=True) for _ in range(repeat + 1)]
    return min(float(run.stdout) for run in runs[1:])


def operations(device):
    """Whole operations of the ground floor, results allocated: planned by shape, see kernels/plans.py."""
    import numpy as np

    from tritonnet.kernels import conv, matmul, pool, reduce, softmax
    from tritonnet.kernels.arrays import empty

    x, w = empty((8, 32, 32, 32), np.float16, device).transpose(0, 3, 1, 2), empty((32, 32, 3, 3), np.float16, device)
    images, weights = conv.laid_out(x, w)
    windows, a = pool.Windows((2, 2), (2, 2)), empty((4096, 512), np.float16, device)
    y, where = pool.max_pool2d(x, windows)
    return {
        "matmul(a, a.T)": lambda at=a.T: matmul.matmul(a, at),
        "conv2d(x, w)": lambda: conv.conv2d(images, weights, None, (1, 1), (1, 1)),
        "conv2d, weight to be laid out": lambda: conv.conv2d(images, w, None, (1, 1), (1, 1)),
        "conv2d_backward(dy, x, w)": lambda: conv.conv2d_backward(x, images, weights, (1, 1), (1, 1)),
        "sum(a, axis=1)": lambda: reduce.sum(a, 1),
        "softmax(a)": lambda: softmax.softmax(a),
        "softmax_backward(dy, a)": lambda: softmax.softmax_backward(a, a),
        "max_pool2d(x)": lambda: pool.max_pool2d(x, windows),
        "max_pool2d_backward(dy, x)": lambda: pool.max_pool2d_backward(y, x, y, where, windows),
    }


def measure():
    """{row: µs}"""
    import numpy as np

    from tritonnet import ones
    from tritonnet.kernels import runtime
    from tritonnet.kernels.arrays import empty

    device, kernel, grid, sizes = runtime.current_device(), ten_arguments(), (16,), (512,) * 6
    arrays = [empty((512, 512), np.float16, device) for _ in range(4)]
    variant = kernel.variant(device, **CONFIG)
    x, y = ones(64, 64, device="cuda"), ones(64, 64, device="cuda")
    z = ones(64, 64, device="cuda").requires_grad_()
    calls = {
        "kernel[grid](...)": lambda: kernel[grid](*arrays, *sizes, **CONFIG),
        "variant(grid, ...)": lambda: variant(grid, *arrays, *sizes),
        "pre-bound launch()": variant.bind(grid, *arrays, *sizes),
        "x + y, tensors": lambda: x + y,
        "x + y, recorded": lambda: z + y,
        "empty(shape)": lambda: empty((512, 512), np.float16, device),
        "array[i]": lambda: arrays[0][3],
        "array.T": lambda: arrays[0].T,
        "array.reshape(-1)": lambda: arrays[0].reshape(-1),
        **operations(device),
    }
    return {name: best_us(call) for name, call in calls.items()} | {"first launch in a warm process": first_launch()}


def measured():
    """(which driver it ran on, {row: µs})"""
    from tritonnet.kernels import runtime

    if runtime.is_available() and not runtime.simulation_requested():
        return runtime.current_device().name, measure()
    from tests.kernels.runtime import fake_cuda

    with tempfile.TemporaryDirectory() as folder:
        fake_cuda.build(folder)
        done = fake_cuda.run(folder, __file__, "--json", TRITONNET_CACHE=os.path.join(folder, "cache"))
    if done.returncode:
        sys.exit(done.stderr)
    return "fake libcuda", json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="on the devices of this process, as one line of JSON")
    if parser.parse_args().json:
        print(json.dumps(measure()))
        return
    where, rows = measured()
    print(f"µs of processor time per call, on {where}")
    missed = 0
    for name, us in rows.items():
        target = TARGETS.get(name)
        missed += bool(target and us > target)
        print(f"{us:10.2f}  {name}" + (f"  (target {target:g}{', MISSED' if us > target else ''})" if target else ""))
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
