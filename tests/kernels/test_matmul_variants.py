"""Ways of the matrix product that only a tuned configuration takes: what they compute, launch, and are offered for."""

import numpy as np
import pytest

from tritonnet.kernels import runtime, tuning
from tritonnet.kernels.arrays import empty, to_device
from tritonnet.kernels.dtypes import bfloat16
from tritonnet.kernels.lab.candidates import Candidate
from tritonnet.kernels.lab.plan import launches as plan
from tritonnet.kernels.lab.prediction import predicted
from tritonnet.kernels.lab.search import alike
from tritonnet.kernels.lab.subjects import subject
from tritonnet.kernels.matmul import linear, matmul
from tritonnet.kernels.matmul.gemm import gemm_kernel
from tritonnet.kernels.runtime.resources import resources
from tritonnet.kernels.runtime.simulation import DryDriver

F2 = np.dtype(np.float16)
TILES = {"BLOCK_M": 32, "BLOCK_N": 32, "BLOCK_K": 16, "GROUP_M": 2, "SPLIT": 1, "RESIDENT": 1, "STREAM": 0,
         "DESCRIPTORS": 0, "SPECIALIZE": 0, "num_warps": 4, "num_stages": 2}


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


@pytest.mark.parametrize("case", CASES)
def test_programs_that_share_the_last_tiles_compute_what_the_mirror_does(case, simulated):
    """Stream-K: shares begin and end within tiles, and a tile may be cut more than once."""
    *shapes, work = CASES[case]
    arrays = [random(*shape) for shape in shapes]
    with forced(STREAM=1, RESIDENT=5), runtime.watching((seen := []).append):
        found = work(*(to_device(a, simulated) for a in arrays))
    expected = np.ascontiguousarray(work(*arrays))
    assert alike(found.numpy(), expected)
    names = [launch.name for launch in seen if launch.name != "copy_kernel"]
    assert names == ["gemm_kernel"] + ["stream_kernel"] * (case != "nothing to sum")
    with forced(STREAM=1, RESIDENT=5):
        again = work(*(to_device(a, simulated) for a in arrays))
    assert again.numpy().tobytes() == found.numpy().tobytes(), "the same bits in every run"


@pytest.mark.parametrize("dtype", [np.float16, bfloat16, np.float64])
def test_programs_share_in_every_type(dtype, simulated):
    a, b = random(101, 45, dtype=dtype), random(45, 99, dtype=dtype)
    with forced(STREAM=1):
        assert alike(matmul(to_device(a, simulated), to_device(b, simulated)).numpy(), matmul(a, b))


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
    assert {c["RESIDENT"] for c in few.candidates() if c["BLOCK_M"] * c["BLOCK_N"] >= 64 * 128 and not c["STREAM"]
            } == {0}


def test_the_last_tiles_are_shared_where_they_leave_programs_idle():
    planned, = plan(subject("matmul"), {"M": 2048, "N": 2048}, "float16", 90)
    assert planned.config["STREAM"] == 0, "nobody's default"
    shared = [c for c in planned.candidates() if c["STREAM"]]
    assert shared and all(c["RESIDENT"] and c["SPLIT"] == 1 and not c["SPECIALIZE"] for c in shared)
    many, = plan(subject("matmul"), {"M": 16384, "N": 16384}, "float16", 90)
    assert not any(c["STREAM"] and c["BLOCK_M"] * c["BLOCK_N"] <= 128 * 256 for c in many.candidates())
    exact, *_ = plan(subject("matmul"), {"M": 128 * 132, "N": 128}, "float16", 90)
    assert not any(c["STREAM"] and c["BLOCK_M"] == c["BLOCK_N"] == 128 and c["RESIDENT"] == 1
                   for c in exact.candidates())


def test_the_prediction_counts_every_launch_of_the_operation():
    """160 tiles are a wave and a fifth: 264 would take hardly longer, and sharing the work takes a wave and a fifth."""
    tiles = {"BLOCK_M": 128, "BLOCK_N": 128, "BLOCK_K": 64, "GROUP_M": 8, "num_warps": 8, "num_stages": 3}
    usual = {"SPLIT": 1, "RESIDENT": 1, "STREAM": 0, "DESCRIPTORS": 0, "SPECIALIZE": 0}

    def candidate(dims, **config):
        found = Candidate(tiles | usual | config)
        found.plan(subject("matmul"), dims, np.dtype(np.float16), 90, gemm_kernel)
        return found

    dims = {"M": 2048, "N": 1280, "K": 16384}
    walking, sharing = candidate(dims), candidate(dims, STREAM=1)
    assert [p.name for p in sharing.others] == ["stream_kernel"] and not walking.others
    assert 0.55 < sharing.predicted_us / walking.predicted_us < 0.85
    assert sharing.predicted_us > 1e6 * predicted(sharing.planned).seconds + 2, "the second launch counts, too"
    parts = candidate({"M": 128, "N": 128, "K": 65536}, SPLIT=16, RESIDENT=0)
    assert [p.name for p in parts.others] == ["reduce_kernel"]
    assert candidate(dims, DESCRIPTORS=1).predicted_us < walking.predicted_us


def test_the_prediction_counts_how_many_tiles_a_program_walks_over():
    def seconds(M, **config):
        shape, whole = {"M": M, "N": 128 * 132, "K": 4096}, {"BLOCK_M": 128, "BLOCK_N": 128, "num_warps": 8}
        return predicted(plan(subject("matmul"), shape, "float16", 90, whole | config)[0]).seconds

    assert seconds(256, RESIDENT=1) < seconds(257, RESIDENT=1) < 1.7 * seconds(256, RESIDENT=1)  # 2 tiles each, and 3
    assert seconds(256, RESIDENT=1) <= seconds(256, RESIDENT=0)


DESCRIBED = {  # rows, columns and sums that end within a block; lines that begin at multiples of 16 bytes
    "dense along the sum": ((101, 40), (99, 40), lambda a, b: matmul(a, b.T)),
    "dense across it": ((40, 104), (40, 96), lambda a, b: matmul(a.T, b)),
    "a row by row": ((101, 40), (40, 72), lambda a, b: matmul(a, b)),
    "operands swapped": ((7, 40), (40, 104), lambda a, b: matmul(a, b)),
    "parts of larger arrays": ((64, 48), (64, 88), lambda a, b: matmul(a[:50, 8:40], b[3:35, 16:])),
    "bias and activation": ((101, 40), (99, 40), lambda a, b: linear(a, b, b[:, 0], "relu")),
}
WAYS = [{"RESIDENT": 0}, {"RESIDENT": 1, "SPECIALIZE": 1}, {"RESIDENT": 0, "SPLIT": 2}]


@pytest.mark.parametrize("dtype", [np.float32, np.float16, bfloat16])
@pytest.mark.parametrize("ways", WAYS, ids=str)
@pytest.mark.parametrize("case", DESCRIBED)
def test_blocks_through_descriptors(case, ways, dtype, simulated):
    *shapes, work = DESCRIBED[case]
    arrays = [random(*shape, dtype=dtype) for shape in shapes]
    with forced(DESCRIPTORS=1, **ways), runtime.watching((seen := []).append):
        found = work(*(to_device(a, simulated) for a in arrays))
    assert [launch.arguments["DESCRIPTORS"] for launch in seen if launch.kernel is gemm_kernel] == [1]
    assert alike(found.numpy(), np.ascontiguousarray(work(*arrays)))


@pytest.mark.parametrize("x, y, dtype", [
    ((40, 31), (31, 40), F2), ((3, 16, 16), (3, 16, 16), F2), ((40, 40), (40, 40), np.dtype(np.float64)),
    ((40, 0), (0, 40), F2), ((40, 16), (16, 1), F2)], ids=str)
def test_what_descriptors_cannot_describe_goes_through_pointers(x, y, dtype, simulated):
    a, b = random(*x, dtype=dtype), random(*y, dtype=dtype)
    with forced(DESCRIPTORS=1), runtime.watching((seen := []).append):
        found = matmul(to_device(a, simulated), to_device(b, simulated))
    assert [launch.arguments["DESCRIPTORS"] for launch in seen if launch.kernel is gemm_kernel] == [0]
    assert alike(found.numpy(), matmul(a, b))


def test_a_view_that_begins_between_multiples_of_16_bytes_goes_through_pointers(simulated):
    a, b = random(40, 40, dtype=F2), random(40, 40, dtype=F2)
    x, y = to_device(a, simulated), to_device(b, simulated)
    with forced(DESCRIPTORS=1), runtime.watching((seen := []).append):
        for start in (0, 8, 1, 0):
            assert alike(matmul(x[:, start:start + 24], y[:24]).numpy(), a[:, start:start + 24] @ b[:24])
    assert [launch.arguments["DESCRIPTORS"] for launch in seen if launch.kernel is gemm_kernel] == [1, 1, 0, 1]


def offered(shape, dtype, arch, name="matmul"):
    planned, *_ = plan(subject(name), shape, dtype, arch)
    assert planned.config["DESCRIPTORS"] == planned.config["SPECIALIZE"] == 0, "nobody's default"
    return {(c["DESCRIPTORS"], c["SPECIALIZE"]) for c in planned.candidates()}


def test_descriptors_are_offered_where_they_are_possible():
    assert offered(None, "float16", 80) == {(0, 0)}
    assert offered(None, "float16", 90) == offered(None, "float32", 100) == {(0, 0), (1, 0)}
    assert offered(None, "bfloat16", 100) == {(0, 0), (1, 0), (1, 1)}
    assert offered({"K": 1001}, "float16", 90) == offered(None, "float64", 90) == {(0, 0)}
    assert offered(None, "float16", 90, "bmm") == {(0, 0)}


@pytest.mark.parametrize("arch, core", [(90, "HGMMA"), (100, "UTCHMMA")])
def test_descriptors_are_copied_by_the_copy_engine(arch, core):
    config = {"BLOCK_M": 128, "BLOCK_N": 128, "BLOCK_K": 64, "num_warps": 8, "RESIDENT": 1, "DESCRIPTORS": 1}
    for ways in ({}, {"SPECIALIZE": 1}) if arch == 100 else ({},):
        planned, = plan(subject("matmul"), None, "float16", arch, config | ways)
        made = resources(planned.specialisation, planned.target)
        assert made.instructions["UTMALDG"] and made.instructions[core] and not made.spills
        assert "LDGSTS" not in made.instructions
        assert made.threads == (384 if ways else 256), "warps that load come on top"
