"""The launch log: a line per launch."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("triton", reason="runs Triton kernels")

from tests.kernels.runtime import sample_kernels as K
from tritonnet.kernels import log_launches
from tritonnet.kernels.arrays import to_device
from tritonnet.kernels.runtime import launch_log, on_launch


def test_a_line_per_launch(simulated, capsys):
    x, y = (to_device(np.ones((2, 32), "f4"), simulated) for _ in range(2))
    text = io.StringIO()
    with log_launches(text):
        K.copy[(2,)](x, y, 64, BLOCK=32)
        K.shifted[(1,)](x, y, 0, BLOCK=32, num_warps=2)
    K.copy[(2,)](x, y, 64, BLOCK=32)
    assert text.getvalue().splitlines() == [
        "cuda:0 (simulated) copy[2](x: float32[2, 32], y: float32[2, 32], n: 64) BLOCK=32 num_warps=4 num_stages=3 "
        "flops=0 bytes=512",
        "cuda:0 (simulated) shifted[1](x: float32[2, 32], y: float32[2, 32], shift: 0) BLOCK=32 num_warps=2 "
        "num_stages=3 flops=? bytes=?"]
    with log_launches():
        K.copy[(1,)](x, y, 64, BLOCK=64)
    assert capsys.readouterr().err.startswith("cuda:0 (simulated) copy[1](x: float32[2, 32]")


def test_unknown_words_warn():
    before = list(on_launch)
    with pytest.warns(UserWarning, match="TRITONNET_LOG=allocations: .* there is launches"):
        launch_log.from_environment("allocations")
    launch_log.from_environment("0")
    launch_log.from_environment("")
    assert on_launch == before
    launch_log.from_environment("launches")
    assert len(on_launch) == len(before) + 1
    on_launch[:] = before


def test_the_environment_asks():
    program = ("import numpy as np\nimport tritonnet as torch\n"
               "with torch.cuda.simulated():\n    (torch.ones(3).cuda() * 2).cpu()\n")
    found = subprocess.run([sys.executable, "-c", program], env=os.environ | {"TRITONNET_LOG": "launches"},
                           capture_output=True, text=True, check=True)
    assert "mul_kernel[1](" in found.stderr and "float32[3]" in found.stderr and not found.stdout
