"""A GPU that is not there: what would be launched on it, at full size, without computing anything.

    with runtime.simulated(driver=DryDriver, arch=90) as device:
        train_step(...)                        # on arrays of `device`: nothing is computed, no memory is taken
    device.driver.functions                    # every specialisation a H200 would have been asked for
    device.driver.log, device.driver.counts    # every launch; allocations, copies, loads

Heuristics and tuning tables see the GPU of that architecture. Whatever is downloaded is 1: programs that look at
their data take some path, not the true one.
"""

from __future__ import annotations

from tritonnet.kernels.runtime.driver import Properties
from tritonnet.kernels.runtime.simulation.driver import SimulatedDriver

KB, GB = 1 << 10, 1 << 30
GPUS = {  # compute capability -> one GPU that has it; datasheets
    80: Properties("NVIDIA A100-SXM4-80GB", (8, 0), 108, 80 * GB, 163 * KB, 2048, 65536, 40 << 20),
    86: Properties("NVIDIA GeForce RTX 3090", (8, 6), 82, 24 * GB, 99 * KB, 1536, 65536, 6 << 20),
    89: Properties("NVIDIA GeForce RTX 4090", (8, 9), 128, 24 * GB, 99 * KB, 1536, 65536, 72 << 20),
    90: Properties("NVIDIA H200", (9, 0), 132, 141 * GB, 227 * KB, 2048, 65536, 60 << 20),
    100: Properties("NVIDIA B200", (10, 0), 148, 180 * GB, 227 * KB, 2048, 65536, 126 << 20),
    120: Properties("NVIDIA GeForce RTX 5090", (12, 0), 170, 32 * GB, 99 * KB, 1536, 65536, 96 << 20),
}


class DryDriver(SimulatedDriver):
    """A device of an architecture that keeps count and computes nothing.

    gpu: whether heuristics see a GPU; else they see a simulated device.
    """

    def __init__(self, ordinal=0, arch=90, gpu=True):
        super().__init__(ordinal, GPUS[arch].total_memory, arch, execute=False)
        self.simulated = not gpu
        if gpu:
            self.properties = GPUS[arch]

    def upload(self, ptr, array, stream):
        self.not_while_capturing("upload")
        self._count("upload")

    def fill(self, ptr, value, count, stream):
        self._count("fill")

    def download(self, array, ptr, stream):
        self.download_async(array, ptr, stream)

    def download_async(self, array, ptr, stream):
        self.not_while_capturing("download")
        self._count("download")
        array.fill(1)
