"""DataParallel: on one GPU, or none, the module itself. DistributedDataParallel: refused, as there is one process."""

from __future__ import annotations

from tritonnet.nn.modules.module import Module


class DataParallel(Module):
    """Runs `module`; its parameters are named module.… here, as in checkpoints that PyTorch's wrote.

    Batches are not divided among GPUs: all runs on the device where the parameters are.
    """

    def __init__(self, module, device_ids=None, output_device=None, dim=0):
        super().__init__()
        self.module, self.device_ids, self.output_device, self.dim = module, device_ids or [], output_device, dim

    def forward(self, *inputs, **kwargs):
        return self.module(*inputs, **kwargs)


class DistributedDataParallel(Module):
    """Raises ValueError, as PyTorch does where no process group was initialised."""

    def __init__(self, module, *args, **kwargs):
        super().__init__()
        raise ValueError("DistributedDataParallel: default process group has not been initialized. tritonnet trains "
                         "in one process: use the module itself where distributed.is_initialized() is False")
