"""Every configuration in every shipped tuning file gives the mirror's numbers at shapes that cover its tiles' edges."""

import json

import pytest

from tritonnet.kernels import runtime, tuning_tables
from tritonnet.kernels.lab.candidates import Candidate
from tritonnet.kernels.lab.search import validate
from tritonnet.kernels.lab.subjects import dtype_named, kernels_named
from tritonnet.kernels.softmax import softmax_kernel
from tritonnet.kernels.tuning import shipped_files


def entries(table):
    """(kernel name, its source, key, configuration) of every entry."""
    for name, of_kernel in table["kernels"].items():
        for key, entry in of_kernel["entries"].items():
            yield name, of_kernel["source"], key, entry["config"]


def faults(table) -> list[str]:
    """What is wrong with the entries of a table: stale, of other names, or with other numbers than the mirror's."""
    found, known = [], kernels_named()
    for name, source, key, config in entries(table):
        if name not in known:
            found.append(f"{name}: no subject of the lab launches it")
            continue
        subject, kernel = known[name]
        if kernel.key[:16] != source:
            found.append(f"{name} {key}: measured with another source: it will never be used")
            continue
        if config.keys() != set(kernel.space.names):
            found.append(f"{name} {key}: {config} does not fit the space {kernel.space.names}")
            continue
        candidate = Candidate(config)
        with runtime.simulated(own_blocks=True) as device:
            if not validate(subject, subject.dims, dtype_named(key.partition("/")[0]), kernel, candidate, device):
                found.append(f"{name} {key}: {candidate.state}")
    return found


@pytest.mark.slow
def test_every_shipped_configuration_gives_the_mirrors_numbers():
    for file in shipped_files():
        table = tuning_tables.read(file, file.name, ours=False)
        written = json.loads(file.read_text())["kernels"]
        assert written.keys() == table["kernels"].keys(), f"{file.name}: ignored entries"
        assert faults(table) == []


@pytest.mark.slow
def test_the_check_sees():
    good = {"ROWS": 2, "BLOCK": 64, "num_warps": 2}
    table = tuning_tables.empty_table("x")
    of_kernel = table["kernels"]["softmax_kernel"] = {"source": softmax_kernel.key[:16], "entries": {}}
    of_kernel["entries"]["float32/16x64"] = {"config": good, "measured": {}}
    assert faults(table) == []
    of_kernel["entries"]["float32/1x1"] = {"config": good | {"BLOCK_Q": 1}, "measured": {}}
    of_kernel["entries"]["float32/2x2"] = {"config": good | {"BLOCK": 48}, "measured": {}}  # no power of two
    table["kernels"]["gone_kernel"] = of_kernel
    found = "\n".join(faults(table))
    assert "does not fit the space" in found and "fails at" in found and "gone_kernel: no subject" in found
    of_kernel["source"] = "0"
    assert "another source" in faults(table)[0]
