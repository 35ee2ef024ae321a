"""`make gpu-check` on the simulated device: the program that will run on a GPU works, and its report has its shape."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import gpu_check
from tests.kernels.runtime import fake_cuda
from tritonnet.kernels import runtime
from tritonnet.kernels.lab.device_timing import calls_for, compared

pytestmark = pytest.mark.slow  # trains, or simulates a lot

ROOT = Path(__file__).resolve().parents[2]
ROW = {"case", "group", "dtype", "agrees", "peers", "left_out", "error", "again_us", "launches", "flops", "bytes",
       "tflops", "gbytes"}


def test_simulated_report(tmp_path):
    command = [sys.executable, "-m", "benchmarks.gpu_check", "--simulated", "--tiny", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "simulated"
    json_file, page = folder.glob("*.json"), folder.glob("*.md")
    report, page = json.loads(next(json_file).read_text()), next(page).read_text()
    assert report["about"]["simulated"] and report["about"]["device"] == "simulated" and report["about"]["date"]
    assert report["complete"] and report["samples"]["run"] == report["samples"]["agree"] > 50
    assert [step["error"] for step in report["captured"]] == ["", ""] and "captured step" in page
    assert not report["samples"]["failures"] and len(report["rows"]) >= 5
    for row in report["rows"]:
        assert row.keys() == ROW, row
        assert row["agrees"] in ("yes", "not compared") and row["peers"].keys() == {"tritonnet"}, row
        assert row["peers"]["tritonnet"]["us"] > 0
    assert "times below say nothing" in page and report["rows"][0]["case"] in page


@pytest.mark.skipif(not fake_cuda.compiler(), reason="the fake libcuda needs a C compiler")
def test_the_cuda_driver_is_asked_for_what_it_can_do(tmp_path):
    """On the fake libcuda, which runs no kernel: graphs, events and the report; results are wrong, and it is said."""
    fake_cuda.build(tmp_path)
    done = fake_cuda.run(tmp_path, "-m", "benchmarks.gpu_check", "--tiny", "--only", "x + bias", "--out", str(tmp_path))
    assert done.returncode == 1, done.stdout + done.stderr
    report = json.loads(next(tmp_path.glob("fake-gpu/*.json")).read_text())
    assert report["about"]["cuda_driver"] and not report["about"]["simulated"] and not report["samples"]["run"]
    for row in report["rows"]:
        assert row["launches"] == 1 and row["peers"]["tritonnet"]["us"] > 0 and row["agrees"] == "no", row


def test_without_a_gpu(capsys):
    if runtime.is_available():
        pytest.skip("there is a GPU here, or a simulated one")
    assert gpu_check.main([]) == 2
    assert "no GPU" in capsys.readouterr().err


def test_candidates_take_turns_and_throttled_rounds_are_dropped():
    class Fixed:
        def __init__(self, name):
            self.name = name

        def sample(self):
            order.append(self.name)
            return float(len(order))

    class Throttled:
        rounds = iter([{"mhz": 1980, "reasons": 0}, {"mhz": 1980, "reasons": 0x40}, {"mhz": 1200, "reasons": 0},
                       {"mhz": 1985, "reasons": 4}, {"mhz": 1980, "reasons": 0}])

        def mark(self):
            return 0

        def since(self, mark):
            return next(self.rounds)

    order = []
    found = compared({"a": Fixed("a"), "b": Fixed("b")}, rounds=5, samples=2, telemetry=Throttled())
    assert "".join(order[:8]) == "abbabaab"
    assert found["a"]["rounds"] == 3, "rounds that were throttled or off the usual clock are dropped"


def test_calls_of_a_sample():
    assert calls_for(1.0) == 400 and calls_for(10.0) == 200 and calls_for(49.0) == 41
    assert calls_for(500.0) == 4 and calls_for(5000.0) == 1
