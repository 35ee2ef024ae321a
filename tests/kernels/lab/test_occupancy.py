"""Resident blocks, against figures of NVIDIA's own calculator and of the published tables."""

import pytest

from tritonnet.kernels.lab.occupancy import LIMITS, occupancy, occupancy_of
from tritonnet.kernels.runtime.resources import Resources
from tritonnet.kernels.runtime.simulation.dry import GPUS


@pytest.mark.parametrize("registers, shared, threads, arch, blocks, limited_by", [
    (32, 0, 256, 80, 8, ["registers"]),  # 8 x 256 x 32 registers are all there are, and 64 warps, too
    (24, 0, 256, 80, 8, ["warps"]), (24, 0, 256, 86, 6, ["warps"]),
    (16, 0, 32, 80, 32, ["blocks"]), (16, 0, 32, 86, 16, ["blocks"]), (16, 0, 32, 89, 24, ["blocks"]),
    (128, 0, 64, 120, 8, ["registers"]),  # 4 warps per partition
    (40, 0, 32, 120, 24, ["blocks"]),
    (200, 16888, 64, 89, 4, ["registers"]),  # 2 warps per partition, though 65536 / (200 x 64) = 5
    (168, 16888, 64, 89, 5, ["shared memory"]),
    (255, 0, 256, 90, 1, ["registers"]), (256, 0, 32, 90, 0, ["registers"]),
    (129, 0, 512, 90, 0, ["registers"]), (128, 0, 512, 90, 1, ["registers"]),
    (64, 227 << 10, 128, 90, 1, ["shared memory"]), (64, (227 << 10) + 1, 128, 90, 0, ["shared memory"]),
    (108, 96 << 10, 256, 90, 2, ["registers", "shared memory"]),
    (33, 0, 1024, 90, 1, ["registers"]), (32, 0, 1024, 90, 2, ["registers"]),
])
def test_resident_blocks(registers, shared, threads, arch, blocks, limited_by):
    found = occupancy(registers, shared, threads, arch)
    assert (found.blocks, found.limited_by) == (blocks, limited_by)
    assert found.warps == blocks * threads // 32 and found.fraction == found.warps / LIMITS[arch].warps


def test_what_no_device_has():
    with pytest.raises(ValueError, match="nothing is known of sm_70; known: sm_80, sm_86"):
        occupancy(32, 0, 128, 70)
    with pytest.raises(ValueError, match="1 to 1024 threads, not 2048"):
        occupancy(32, 0, 2048, 90)


def test_the_tables_agree():
    assert LIMITS.keys() == GPUS.keys()
    for arch, limits in LIMITS.items():
        gpu = GPUS[arch]
        assert (limits.shared_block, limits.warps, limits.registers) == (
            gpu.max_shared, gpu.max_threads // 32, gpu.registers)


def test_of_a_compiled_kernel():
    found = occupancy_of(Resources("k", 90, 64, 0, 0, 0, 128, b""))
    assert str(found) == "8 blocks, 32 of 64 warps (50 %), limited by registers"
