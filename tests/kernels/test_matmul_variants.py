"""Ways of the matrix product that only a tuned configuration takes: what they compute, launch, and are offered for."""

import numpy as np
import pytest

from tritonnet.kernels import runtime, tuning
from tritonnet.kernels.arrays import empty, to_device
from tritonnet.kernels.dtypes import bfloat16
from tritonnet.kernels.lab.plan import launches as plan
from tritonnet.kernels.lab.prediction import predicted
from tritonnet.kernels.lab.search import alike
from tritonnet.kernels.lab.subjects import subject
from tritonnet.kernels.matmul import linear, matmul
from tritonnet.kernels.matmul.gemm import gemm_kernel
from tritonnet.kernels.runtime.simulation import DryDriver

F2 = np.dtype(np.float16)
TILES = {"BLOCK_M": 32, "BLOCK_N": 32, "BLOCK_K": 16, "GROUP_M": 2, "SPLIT": 1, "RESIDENT": 1, "num_warps": 4,
         "num_stages": 2}


def random(*shape, dtype=np.float32):
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(dtype)


def forced(**config):
    return tuning.forced(gemm_kernel, TILES | config)


def launches(work):
    seen = []
    with runtime.watching(seen.append):
        work()
    return seen


def shift(x):
    return x[..., 1:, 1:]


CASES = {  # (a, b) as they are made, what is done with them
    "a ragged edge everywhere": ((101, 45), (45, 99), lambda a, b: matmul(a, b)),
    "a transposed": ((45, 101), (45, 99), lambda a, b: matmul(a.T, b)),
    "b transposed": ((101, 45), (99, 45), lambda a, b: matmul(a, b.T)),
    "both transposed": ((45, 101), (99, 45), lambda a, b: matmul(a.T, b.T)),
    "operands swapped": ((7, 45), (45, 200), lambda a, b: matmul(a, b)),
    "strided": ((103, 46), (46, 100), lambda a, b: matmul(shift(a), b[1:, 1:])),
    "a stack": ((3, 40, 17), (3, 17, 70), lambda a, b: matmul(a, b)),
    "a stack of two axes, broadcast": ((2, 1, 40, 17), (3, 17, 40), lambda a, b: matmul(a, b)),
    "bias and activation": ((101, 45), (99, 45), lambda a, b: linear(a, b, b[:, 0], "gelu")),
    "bias on rows": ((9, 45), (150, 45), lambda a, b: linear(a, b, b[:, 0], "relu")),
    "nothing to sum": ((5, 0), (0, 70), lambda a, b: matmul(a, b)),
}


@pytest.mark.parametrize("split", [1, 2])
@pytest.mark.parametrize("case", CASES)
def test_programs_that_walk_over_tiles_compute_what_the_mirror_does(case, split, simulated):
    *shapes, work = CASES[case]
    arrays = [random(*shape) for shape in shapes]
    with forced(SPLIT=split), runtime.watching((seen := []).append):
        found = work(*(to_device(a, simulated) for a in arrays))
    products = [launch for launch in seen if launch.kernel is gemm_kernel]
    assert products and all(launch.grid[0] <= simulated.multi_processor_count for launch in products)
    assert alike(found.numpy(), np.ascontiguousarray(work(*arrays)))


@pytest.mark.parametrize("dtype", [np.float16, bfloat16, np.float64])
def test_programs_walk_in_every_type(dtype, simulated):
    a, b = random(101, 45, dtype=dtype), random(45, 99, dtype=dtype)
    with forced():
        assert alike(matmul(to_device(a, simulated), to_device(b, simulated)).numpy(), matmul(a, b))


def test_a_program_per_multiprocessor_or_two():
    with runtime.simulated(driver=DryDriver, arch=90) as device:
        a, b = empty((4096, 512), F2, device), empty((512, 4096), F2, device)
        grids = []
        for resident in (0, 1, 2):
            with forced(BLOCK_M=128, BLOCK_N=128, RESIDENT=resident):
                grids += [one.grid for one in launches(lambda: matmul(a, b))]
        assert grids == [(1024, 1), (132, 1), (264, 1)]
        with forced(BLOCK_M=128, BLOCK_N=128):
            assert launches(lambda: matmul(a[:256], b))[0].grid == (64, 1), "no more programs than tiles"


def test_walking_is_offered_where_tiles_are_many_and_large_and_is_nobodys_default():
    planned, = plan(subject("matmul"), None, "float16", 90)
    assert planned.config["RESIDENT"] == 0
    offered = planned.candidates()
    assert {c["RESIDENT"] for c in offered} == {0, 1, 2}
    assert all(c["SPLIT"] == 1 and c["BLOCK_M"] * c["BLOCK_N"] >= 4096 for c in offered if c["RESIDENT"])
    few, *_ = plan(subject("matmul"), {"M": 512, "N": 512}, "float16", 90)
    assert {c["RESIDENT"] for c in few.candidates() if c["BLOCK_M"] * c["BLOCK_N"] >= 64 * 128} == {0}


def test_the_prediction_counts_how_many_tiles_a_program_walks_over():
    def seconds(M, **config):
        shape, whole = {"M": M, "N": 128 * 132, "K": 4096}, {"BLOCK_M": 128, "BLOCK_N": 128, "num_warps": 8}
        return predicted(plan(subject("matmul"), shape, "float16", 90, whole | config)[0]).seconds

    assert seconds(256, RESIDENT=1) < seconds(257, RESIDENT=1) < 1.7 * seconds(256, RESIDENT=1)  # 2 tiles each, and 3
    assert seconds(256, RESIDENT=1) <= seconds(256, RESIDENT=0)
