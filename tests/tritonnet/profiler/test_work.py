"""What is told of the work of operations on the CPU: theirs, not what a GPU would add to keep busy."""

import contextlib

import pytest

import tritonnet
from tritonnet.kernels import arrays
from tritonnet.profiler import profile
from tritonnet.profiler.averages import KernelAverage
from tritonnet.profiler.ceilings import Ceilings
from tritonnet.profiler.instruments import changes_in_place
from tritonnet.profiler.recording import LaunchRecord
from tritonnet.profiler.summary import host_peak

MB = 1 << 20


@pytest.fixture(autouse=True)
def no_poison(monkeypatch):
    """Filling fresh memory, as the suite does, would count."""
    monkeypatch.setattr(arrays, "FILL_FRESH", None)


def recorded(function):
    """{name: average} of what a function does."""
    with profile(ceilings=False) as prof:
        function()
    return {a.key: a for a in prof.key_averages()}


def test_work_on_the_cpu_is_what_the_kernels_declare():
    a, b = tritonnet.randn(8, 16, requires_grad=True), tritonnet.randn(16, 4)
    with profile(ceilings=False) as prof:
        (a @ b).relu().sum().backward()
    found = {x.key: x for x in prof.key_averages()}
    assert found["MatMul"].flops == found["MmBackward0"].flops == 2 * 8 * 16 * 4
    assert found["MatMul"].bytes == 4 * (8 * 16 + 16 * 4 + 8 * 4)
    assert found["Relu"].bytes == 2 * 4 * 8 * 4


def test_products_that_a_gpu_would_sum_in_parts():
    a, b = tritonnet.randn(512, 256, requires_grad=True), tritonnet.randn(256, 1024)
    found = recorded(lambda: (a @ b).sum().backward())
    assert found["MatMul"].flops == found["MmBackward0"].flops == 2 * 512 * 256 * 1024
    assert found["MatMul"].bytes == found["MmBackward0"].bytes == 4 * (512 * 256 + 256 * 1024 + 512 * 1024)


def test_what_is_moved_without_a_kernel_counts():
    x = tritonnet.randn(64, 64)
    assert recorded(lambda: x.clone())["Copy"].bytes == 2 * 4 * 64 * 64
    assert recorded(lambda: tritonnet.cat([x, x]))["Cat"].bytes == 4 * 4 * 64 * 64
    assert recorded(lambda: x.t().contiguous())["Copy"].bytes == 2 * 4 * 64 * 64, "strides are remembered"


def test_changes_in_place():
    x, y = tritonnet.randn(64, 64), tritonnet.randn(64, 64)

    def change():
        nonlocal x
        x.mul_(2)
        x += y
        x.copy_(y)
        x.zero_()
        x[0] = 1.0
        x[y > 0] = 1.0

    size, found = 4 * 64 * 64, recorded(change)
    assert {name: a.bytes for name, a in found.items() if name in ("mul_", "add_", "copy_", "fill_")} == {
        "mul_": 2 * size, "add_": 3 * size, "copy_": 2 * size, "fill_": size}
    assert found["add_"].flops == 64 * 64 and found["setitem_"].count == 2
    assert "mul_" not in vars(tritonnet.Tensor), "nothing stays behind"


def test_changes_in_place_that_are_recorded_count_once():
    x = tritonnet.randn(8, requires_grad=True)
    found = recorded(lambda: (x * 1).mul_(3).sum().backward())
    assert found["Mul"].count == 2 and found["mul_"].flops is None
    assert x.grad.tolist() == [3.0] * 8


def test_which_methods_change_in_place():
    found = changes_in_place(tritonnet.Tensor)
    assert {"mul_", "relu_", "__iadd__", "__setitem__", "normal_"} <= {*found}
    assert not {"__init__", "__int__", "__index__", "__invert__", "requires_grad_"} & {*found}


def test_a_call_that_failed_spoils_no_other():
    def calls():
        x = tritonnet.randn(8, 8)
        x @ x
        with contextlib.suppress(RuntimeError):
            x @ tritonnet.randn(7, 7)

    found = recorded(calls)["MatMul"]
    assert found.count == 2 and found.flops == 2 * 8**3


def test_above_the_roof():
    ceilings = Ceilings(100e9, {"float32": 5e11})

    def average(flops, nbytes, took):
        found = KernelAverage("k", dtype="float32")
        found.add(LaunchRecord("k", (1,), "", "float32", flops, nbytes, 0, None, begin=0.0, end=took), ceilings)
        return found

    assert average(0, 1e9, 5e6).limit == "cache" and average(0, 1e9, 20e6).limit == "bytes"
    assert average(1e10, 1e3, 1e7).limit == "flops" and average(1e10, 1e3, 1e7).share == pytest.approx(2)


def test_the_report_says_that_a_figure_is_above_its_roof():
    x = tritonnet.randn(64, 64)
    with profile() as prof:
        x @ x
        x.relu()
    real = prof.ceilings
    prof.ceilings = real._replace(copy=1.0, products={"float32": 1e30})
    assert any("limit cache" in warning for warning in prof.summary["warnings"])
    assert ">100%" in prof.key_averages().table()
    prof.__dict__.pop("summary")
    prof.ceilings = real._replace(copy=1e30, products={"float32": 1.0})
    assert any("MatMul" in warning and "too high" in warning for warning in prof.summary["warnings"])


def test_the_peak_of_the_host_is_bytes():
    assert 10 * MB < host_peak() < 1 << 40
