"""What the compiler made of kernels, read without a GPU; and dry runs, which tell what a GPU would be asked for."""

import numpy as np
import pytest

from tritonnet.kernels import runtime
from tritonnet.kernels.arrays import empty, to_device
from tritonnet.kernels.matmul import matmul
from tritonnet.kernels.runtime.driver import Target
from tritonnet.kernels.runtime.resources import census, disassemble, resources
from tritonnet.kernels.runtime.simulation import DryDriver
from tritonnet.kernels.runtime.simulation.dry import GPUS
from tritonnet.kernels.softmax import softmax

half, single = np.dtype(np.float16), np.dtype(np.float32)


def asked(work, arch=90):
    """The specialisations that `work(device)` asks for on a GPU."""
    with runtime.simulated(driver=DryDriver, arch=arch) as device:
        work(device)
        return device.driver.functions


@pytest.mark.parametrize("arch, tensor_core, copies", [(80, "HMMA", "LDGSTS"), (90, "HGMMA", "LDGSTS"),
                                                       (100, "UTCHMMA", "LDGSTS")])
def test_a_product_uses_tensor_cores(arch, tensor_core, copies):
    specialisation, = asked(lambda device: matmul(*[empty((4096, 4096), half, device)] * 2), arch)
    found = resources(specialisation, Target("cuda", arch))
    assert (found.kernel, found.arch, found.spills) == ("gemm_kernel", arch, 0)
    assert 32 <= found.registers <= 255 and 48 << 10 < found.shared <= GPUS[arch].max_shared and found.threads == 256
    assert found.instructions[tensor_core] == found.tensor_core > 0
    assert found.instructions[copies] > 0, "operands are copied to shared memory 16 bytes at a time"
    assert f"gemm_kernel sm_{arch}: {found.registers} registers, 0 B spilled" in str(found)


def test_rows_are_read_and_written_16_bytes_at_a_time():
    found = resources(asked(lambda device: softmax(empty((8192, 4096), single, device)))[0], Target("cuda", 90))
    assert found.tensor_core == 0 and found.instructions["MUFU"] > 0
    assert found.instructions["LDG.128"] > 0 and not {"LDG.64", "LDG.32", "LDG.<32"} & found.instructions.keys()


def test_spills_are_seen():
    specialisation, = asked(lambda device: softmax(empty((8192, 4096), single, device)))
    starved = specialisation._replace(options=specialisation.options | {"maxnreg": 24})
    found = resources(starved, Target("cuda", 90))
    assert found.registers <= 24 and found.spills > 0 and found.instructions["LDL"] and found.instructions["STL"]


def test_several_are_disassembled_at_once():
    def both():
        work = asked(lambda device: [softmax(empty((8192, n), single, device)) for n in (1024, 4096)])
        return [resources(s, Target("cuda", arch)) for s in work for arch in (80, 90)]

    together, alone = both(), both()
    disassemble(together)
    assert len(together) == 4 and [found.sass for found in together] == [found.sass for found in alone]
    assert all(found.sass[0] != "" and "EXIT" in found.sass and "STG.E.128" in found.sass for found in together)


def test_classes_of_instructions():
    assert census(["LDG.E.128", "LDG.E.64.CONSTANT", "LDG.E", "LDG.E.U16", "STG.E.128", "HGMMA.64x128x16.F32", "FFMA",
                   "FFMA", "MOV", "RED.E.ADD", "ATOMG.E.ADD"]) == {
        "HGMMA": 1, "FFMA": 2, "LDG.128": 1, "LDG.64": 1, "LDG.32": 1, "LDG.<32": 1, "STG.128": 1, "ATOM": 2}


def test_a_dry_run_computes_nothing_and_takes_no_memory():
    with runtime.simulated(driver=DryDriver, arch=80) as device:
        x = empty((1 << 20, 8192), single, device)  # 32 GiB
        y = softmax(x)
        assert (softmax(to_device(np.zeros((2, 3), single), device)).numpy() == 1).all(), "what is downloaded is 1"
        assert device.driver.counts["launch"] == 2 and y.shape == x.shape
        assert not device.simulated and device.name == "NVIDIA A100-SXM4-80GB" and device.multi_processor_count == 108
    with runtime.simulated(driver=DryDriver, gpu=False) as device:
        assert device.simulated and device.name == "simulated"
