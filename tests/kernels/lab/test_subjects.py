"""Subjects: found by name, computing alike by mirror and kernels, planned without a GPU, forced into configurations."""

import numpy as np
import pytest

from tritonnet.kernels import runtime, tuning
from tritonnet.kernels.arrays import DeviceArray, to_host
from tritonnet.kernels.lab import Unknown, every_subject, launches, subject
from tritonnet.kernels.lab.plan import arch_named, names_of
from tritonnet.kernels.matmul import matmul
from tritonnet.kernels.matmul.gemm import gemm_kernel
from tritonnet.kernels.runtime.simulation import DryDriver
from tritonnet.kernels.softmax import softmax, softmax_kernel
from tritonnet.kernels.space import Space


def small(found):
    """Sizes that a simulated device manages."""
    limit = {"M": 24, "N": 12, "K": 40, "C": 20, "B": 3, "I": 20, "O": 18, "H": 9, "W": 8, "V": 30, "L": 70, "S": 20}
    sizes = {name: min(size, limit.get(name, size)) for name, size in found.dims.items()}
    return sizes | {"O": 20, "groups": 20} if found.dims.get("groups", 1) > 1 else sizes


def flat(result):
    """The arrays of a result."""
    if isinstance(result, (tuple, list)):
        return [a for part in result for a in flat(part)]
    return [result] if isinstance(result, (np.ndarray, DeviceArray)) else []


@pytest.mark.parametrize("name", every_subject())
def test_kernels_compute_what_the_mirror_does(name, simulated):
    found = subject(name)
    expected = flat(found.run(*found.arrays(small(found))))
    got = flat(found.run(*found.arrays(small(found), like=simulated)))
    assert expected and len(expected) == len(got)
    for e, g in zip(expected, got):
        assert g.dtype == e.dtype
        np.testing.assert_allclose(to_host(g), e, rtol=2e-5, atol=1e-5 * max(1, np.abs(e).max()))


@pytest.mark.parametrize("name", every_subject())
@pytest.mark.parametrize("arch", [80, 90, 100])
def test_launches_are_planned_without_a_gpu(name, arch):
    for planned in launches(subject(name), dtype="float16", arch=arch):
        assert planned.programs > 0 and planned.arch == arch
        assert names_of(planned.kernel) == () or set(planned.config) == set(names_of(planned.kernel))


def test_planned_work_is_that_of_the_shapes():
    (planned,) = launches(subject("matmul"), {"M": 512, "N": 256, "K": 128}, "float16")
    assert planned.name == "gemm_kernel" and planned.flops == 2 * 512 * 256 * 128
    assert planned.bytes == 2 * (512 * 128 + 128 * 256 + 512 * 256)


@pytest.mark.parametrize("text, expected", [
    (None, [{}]), ("", [{}]), ("1x2x3", [{"M": 1, "N": 2, "K": 3}]), ("M=8,K=2", [{"M": 8, "K": 2}]),
    ("1x2x3,4x5x6", [{"M": 1, "N": 2, "K": 3}, {"M": 4, "N": 5, "K": 6}]),
    ("1X2X3 M=8", [{"M": 1, "N": 2, "K": 3}, {"M": 8}]), ("M=1 ; M=2,N=3", [{"M": 1}, {"M": 2, "N": 3}]),
])
def test_shapes(text, expected):
    found = subject("matmul")
    assert found.shapes(text) == [found.dims | given for given in expected]


def test_capital_dimensions_are_sizes_and_the_others_parameters():
    found = subject("conv2d")
    assert found.shapes("8x3x32x32x16x5x5,stride=2,padding=2") == [
        dict(N=8, C=3, H=32, W=32, O=16, R=5, S=5, stride=2, padding=2, groups=1)]


@pytest.mark.parametrize("text, told", [
    ("4096x4096", "has 2 sizes, it needs 3: MxNxK"), ("Q=4", "no dimension Q: it has M=4096, N=4096, K=4096"),
    ("axbxc", "is no shape"), ("M=1.5", "is no shape"), ("0x1x1", "M=0 is not a size"), ("M=1,M=2", "given twice"),
])
def test_shapes_that_cannot_be(text, told):
    with pytest.raises(Unknown, match=told):
        subject("matmul").shapes(text)


def test_a_subject_may_be_named_by_its_kernel():
    found = subject("conv2d_weight_kernel")
    assert [p.name for p in launches(found)] == ["conv2d_weight_kernel"] and "conv2d_backward" in found.summary


@pytest.mark.parametrize("name, told", [("matmull", "matmul"), ("gem_kernel", "gemm_kernel"), ("norm", "layer_norm")])
def test_unknown_names_bring_close_ones(name, told):
    with pytest.raises(Unknown, match=f"no kernel '{name}'.*{told}"):
        subject(name)


@pytest.mark.parametrize("arch, number", [("sm_90", 90), ("9.0", 90), (80, 80), ("h200", 90), ("A100", 80),
                                          ("sm_100", 100), ("sm_90a", 90)])
def test_architectures(arch, number):
    assert arch_named(arch) == number


def test_unknown_architectures_and_types():
    with pytest.raises(Unknown, match=r"unknown architecture 'sm_70'.*sm_80 \(NVIDIA A100"):
        launches(subject("matmul"), arch="sm_70")
    with pytest.raises(Unknown, match="unknown dtype 'int8'"):
        launches(subject("matmul"), dtype="int8")


def test_a_configuration_is_completed_and_forced():
    config = {"BLOCK_M": 64, "num_warps": 4}
    (before,), (planned,) = launches(subject("matmul")), launches(subject("matmul"), config=config)
    assert planned.config == before.config | config and planned.options["num_warps"] == 4
    assert planned.grid == (2 * before.grid[0], 1)


def test_where_a_configuration_comes_from(monkeypatch, tmp_path):
    monkeypatch.setenv("TRITONNET_CACHE", str(tmp_path))
    tuning._tables.clear()
    (before,) = launches(subject("matmul"))
    (given,) = launches(subject("matmul"), config={"num_stages": 2})
    assert (before.origin, given.origin) == ("default", "given")
    assert before.key == "float32/1x4096x4096x4096"
    with runtime.simulated(driver=DryDriver, arch=90) as device:
        tuning.store(gemm_kernel, device, before.key, before.config | {"num_stages": 4})
    try:
        (tuned,) = launches(subject("matmul"))
        assert tuned.origin == "tuned" and tuned.config == before.config | {"num_stages": 4}
    finally:
        tuning._tables.clear()


def test_a_configuration_goes_to_the_kernels_that_have_its_names():
    found = launches(subject("conv2d_backward"), config={"BLOCK_O": 16, "num_stages": 2})
    assert [p.config.get("BLOCK_O") for p in found[:2]] == [None, 16]
    assert [p.config["num_stages"] for p in found[:2]] == [2, 2]


@pytest.mark.parametrize("name, config, told", [
    ("matmul", {"BLOCK": 3}, r"no BLOCK in its configuration \(did you mean BLOCK_.\?\): gemm_kernel has BLOCK_M=128"),
    ("transpose_kernel", {"BLOCK": 3}, r"no configuration to choose: .*\(transpose_kernel\) declare no space"),
])
def test_unknown_configurations(name, config, told):
    with pytest.raises(Unknown, match=told):
        launches(subject(name), config=config)


def test_forced_holds_for_plans_that_were_made_before(simulated):
    x, y = subject("matmul").arrays({"M": 64, "N": 64, "K": 64}, like=simulated)
    seen = []
    config = {"BLOCK_M": 32, "BLOCK_N": 32, "BLOCK_K": 16, "GROUP_M": 8, "SPLIT": 2, "num_warps": 4, "num_stages": 2}
    with runtime.watching(lambda launch: seen.append((launch.name, launch.grid))):
        expected = to_host(matmul(x, y))
        with tuning.forced(gemm_kernel, config):
            got = to_host(matmul(x, y))
        matmul(x, y)
    assert seen == [("gemm_kernel", (1, 1)), ("gemm_kernel", (4, 2)), ("reduce_kernel", (1,)), ("gemm_kernel", (1, 1))]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_forced_is_undone_after_an_error_and_nests(simulated):
    x, = subject("softmax").arrays({"N": 4, "C": 40}, like=simulated)
    grids = []
    with runtime.watching(lambda launch: grids.append(launch.grid)):
        with pytest.raises(KeyError), tuning.forced(softmax_kernel, {"ROWS": 1, "BLOCK": 64, "num_warps": 1}):
            softmax(x)
            with tuning.forced(softmax_kernel, {"ROWS": 2, "BLOCK": 16, "num_warps": 1}):
                softmax(x)
            softmax(x)
            raise KeyError
        softmax(x)
    assert grids == [(4,), (2,), (4,), (1,)]


@pytest.mark.parametrize("name", ["matmul", "conv2d", "conv2d_backward", "softmax", "softmax_backward", "layer_norm",
                                  "layer_norm_backward", "cross_entropy", "sum"])
def test_spaces_hold_the_heuristics_and_fit_the_gpu(name):
    for dims in ({}, small(subject(name))):
        for planned in launches(subject(name), dims, "float16", arch=90):
            found = planned.candidates()
            assert (len(found) > 3) == (planned.kernel.space is not None) or dims
            if planned.kernel.space is not None and not dims:
                assert planned.config in found


@pytest.mark.parametrize("name", ["softmax", "softmax_backward", "layer_norm", "layer_norm_backward", "cross_entropy",
                                  "sum"])
@pytest.mark.parametrize("dims", [{"N": 6, "C": 70}, {"N": 3, "C": 1100}], ids=str)
def test_every_candidate_computes_what_the_mirror_does(name, dims, simulated):
    found = subject(name)
    (planned, *_) = launches(found, dims)
    expected, inputs = flat(found.run(*found.arrays(dims))), found.arrays(dims, like=simulated)
    configs = planned.candidates()
    assert len(configs) >= 4
    for config in configs:
        with tuning.forced(planned.kernel, config), runtime.watching((seen := []).append):
            got = flat(found.run(*inputs))
        taken = next(launch.arguments for launch in seen if launch.kernel is planned.kernel)
        assert {k: taken[k] for k in ("ROWS", "BLOCK")} == {k: config[k] for k in ("ROWS", "BLOCK")}
        for e, g in zip(expected, got, strict=True):
            np.testing.assert_allclose(to_host(g), e, rtol=2e-5, atol=1e-5 * max(1, np.abs(e).max()), err_msg=config)


def test_rows_that_do_not_lie_densely_keep_the_heuristics(simulated):
    x, = subject("softmax").arrays({"N": 70, "C": 6}, like=simulated)
    rows = []
    config = {"ROWS": 1, "BLOCK": 128, "num_warps": 4}
    with tuning.forced(softmax_kernel, config), runtime.watching(lambda launch: rows.append(launch.arguments["ROWS"])):
        softmax(x, 0)
    assert rows == [8]


def test_spaces():
    space = Space(A=[1, 2], B=[1, 2, 3], where=lambda A, B, n: n >= A * B)
    assert space.names == ("A", "B") and len(space.candidates({"n": 3})) == 4
    with pytest.raises(TypeError, match="names n, which is none of m"):
        space.candidates({"m": 1})
    with pytest.raises(ValueError, match="no values for B"):
        Space(A=[1], B=[])
