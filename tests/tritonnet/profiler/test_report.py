"""The HTML report: complete in itself, and drawn by a real browser where there is one."""

import json
import re
import shutil
import subprocess

import pytest

import tritonnet
from tritonnet.profiler import profile, record_function

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def report(path, device):
    x = tritonnet.randn(32, 32).to(device).requires_grad_()
    with profile() as prof, record_function("</script><b>odd name"):
        (x @ x).relu().sum().backward()
    prof.report(path)
    return prof


def test_one_file_that_asks_for_nothing_else(tmp_path, simulated):
    prof = report(tmp_path / "report.html", "cuda")
    page = (tmp_path / "report.html").read_text()
    assert not re.search(r"""(src|href|url|@import|fetch|XMLHttpRequest)\s*[=(]""", page), "something is loaded"
    assert page.count("</script>") == 2
    data = json.loads(re.search(r'type="application/json">(.*?)</script>', page, re.DOTALL)[1].replace("<\\/", "</"))
    assert len(data["launches"]) == len(prof.launches()) and data["operations"] and data["kernels"]
    assert data["summary"]["device"] == "simulated" and data["leftOut"] == 0
    assert prof._repr_html_().startswith("<iframe srcdoc=")


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_browser_draws_it(tmp_path, device, simulated):
    report(tmp_path / "report.html", device)
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
               "--disable-background-networking", "--disable-component-update", "--disable-sync",
               f"--user-data-dir={tmp_path}/profile", "--enable-logging=stderr", "--v=0",
               f"--screenshot={tmp_path}/report.png", "--window-size=1200,1600", f"file://{tmp_path}/report.html"]
    done = subprocess.run([*command[:-1], "--virtual-time-budget=3000", "--dump-dom", command[-1]], capture_output=True,
                          text=True, timeout=120)
    assert "Uncaught" not in done.stderr, done.stderr[-2000:]
    for part in ("odd name", "MatMul", "MmBackward0", 'class="card"'):
        assert part in done.stdout, part
    subprocess.run(command, capture_output=True, timeout=120, check=True)
    assert (tmp_path / "report.png").stat().st_size > 10_000
    if device == "cpu":
        assert "<circle" in done.stdout, "no roofline"
    else:
        assert "gemm_kernel" in done.stdout and "say nothing about any GPU" in done.stdout
