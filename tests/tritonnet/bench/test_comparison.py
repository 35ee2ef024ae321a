"""Whether something got slower: by significance, and by ratios to a peer where there is one."""

import copy
import json

import numpy as np
import pytest

from tritonnet.bench.comparison import LEVEL, another_machine, changes, checked, comparable, slower
from tritonnet.bench.report import figure, folder_of, line, markdown, picture, write

RNG = np.random.default_rng(0)


def report(us, noise=0.02, peer_us=None, device="GPU", case="matmul, 8", n=11):
    def samples(middle):
        return [float(s) for s in middle * (1 + noise * RNG.standard_normal(n))]

    peers = {"tritonnet": {"us": us, "low": us, "high": us, "samples": samples(us)}}
    if peer_us:
        peers["torch"] = {"us": peer_us, "low": peer_us, "high": peer_us, "samples": samples(peer_us)}
    row = {"case": case, "group": "matmul", "dtype": "float32", "agrees": "yes", "peers": peers, "left_out": {},
           "error": None, "again_us": us, "launches": 1, "flops": 10, "bytes": 10, "tflops": 0.1, "gbytes": 1.0}
    return {"about": {"device": device, "date": "2026-01-01", "processor": "cpu", "threads": 2}, "rows": [row]}


def test_a_slow_down_is_found_and_noise_is_not():
    assert changes(report(100), report(120))[0].regressed
    assert not changes(report(100), report(100))[0].regressed
    assert not changes(report(100), report(102, noise=0.001))[0].regressed, "significant, but below the threshold"
    assert not changes(report(100, noise=0.5), report(115, noise=0.5))[0].regressed, "above it, but not significant"
    assert changes(report(100), report(80))[0].change == pytest.approx(-0.2, abs=0.05)


def test_with_a_peer_a_slower_machine_is_no_regression():
    found, = changes(report(100, peer_us=50), report(200, peer_us=100))
    assert found.what == "ours / torch" and not found.regressed
    assert changes(report(100, peer_us=50), report(200, peer_us=50))[0].regressed


def test_only_what_both_have_is_compared():
    assert changes(report(1), report(2, case="another")) == []
    assert "device differs: 'A' then, 'B' now" in comparable(*(report(1, device=d)["about"] for d in "AB"))
    assert comparable(report(1)["about"], report(2)["about"]) == ""
    assert changes(report(1, n=2), report(2, n=2)) == [], "two samples say nothing"


def test_times_of_another_processor_are_not_compared_and_ratios_are():
    then, now = (report(100, peer_us=50, device=None) for _ in range(2))
    then["about"]["processor"] = "an older one"
    assert "'an older one' then, 'cpu' now" in another_machine(then["about"], now["about"])
    assert [c.what for c in changes(then, now)] == ["ours / torch"]
    for row in now["rows"]:
        del row["peers"]["torch"]
    assert changes(then, now) == []
    assert another_machine(then["about"] | {"device": "GPU"}, now["about"] | {"device": "GPU"}) == ""


def test_many_cases_fail_no_more_often_than_one():
    """40 cases, on a machine whose times scatter by 10 %: nothing changed, and then one case got 40 % slower."""
    def suite(slow=1.0):
        rows = [report(100.0 * (slow if i == 7 else 1), noise=0.1, case=str(i))["rows"][0] for i in range(40)]
        return report(1) | {"rows": rows}

    failed = sum(any(c.regressed for c in changes(suite(), suite())) for _ in range(100))
    assert failed <= 100 * LEVEL + 3
    found = [{c.case for c in changes(suite(), suite(1.4)) if c.regressed} for _ in range(10)]
    assert sum("7" in cases for cases in found) >= 8 and sum(cases == {"7"} for cases in found) >= 7


@pytest.mark.parametrize("place, wrong", [
    ((), []), (("about",), None), (("rows",), {}), (("rows", 0), 1), (("rows", 0, "case"), None),
    (("rows", 0, "peers"), []), (("rows", 0, "peers", "tritonnet"), {}), (("rows", 0, "peers", "torch"), 3),
    *((("rows", 0, "peers", "torch", "samples"), samples)
      for samples in ("12", 3, [1, "2"], [0.0], [float("nan")], [float("inf")], [-1], [True], [None])),
])
def test_a_report_with_another_form_is_refused(place, wrong):
    good = report(100, peer_us=50)
    assert checked(json.loads(json.dumps(good))) == good
    spoilt = copy.deepcopy(good)
    at = spoilt
    for name in place[:-1]:
        at = at[name]
    if place:
        at[place[-1]] = wrong
    with pytest.raises(ValueError, match=r"report of|row without|samples of"):
        checked(spoilt if place else wrong)


def test_the_statistic():
    assert slower([1, 2, 3, 4, 5], [1, 2, 3, 4, 5]) > 0.4
    assert slower(list(range(10)), list(range(10, 20))) < 1e-3 < 0.99 < slower(list(range(10, 20)), list(range(10)))
    assert slower([1.0] * 5, [1.0] * 5) == 1.0


def test_pages_and_pictures(tmp_path):
    found = report(100, peer_us=50)
    found["rows"].append(report(7)["rows"][0] | {"error": "RuntimeError: a|b", "peers": {}})
    path = write(tmp_path, found)
    text = path.read_text()
    assert "| matmul, 8 | float32 | 100 |" in text and "| 2 |" in text and "RuntimeError: a/b" in text
    assert path.with_suffix(".json").exists() and "torch 50 us (2.00)" in line(found["rows"][0])
    pytest.importorskip("matplotlib")
    assert picture(found, tmp_path / "p.png") and (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert not picture(report(1), tmp_path / "none.png"), "nobody to compare with"
    assert folder_of("NVIDIA H200 (SXM)") == "nvidia-h200-sxm" and figure(1234.5) == "1234"
    assert "say nothing" in markdown(found | {"about": found["about"] | {"simulated": True}})
