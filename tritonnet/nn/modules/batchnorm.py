"""Batch and instance normalisation layers."""

from __future__ import annotations

import tritonnet
from tritonnet.nn import functional as F
from tritonnet.nn import init
from tritonnet.nn.functional.norm import counted_batch_norm
from tritonnet.nn.modules.linear import fresh
from tritonnet.nn.modules.module import Module


class _NormBase(Module):
    """Weight and bias per channel, and running statistics: mean, variance and the number of batches seen."""

    _version = 2

    def __init__(
        self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True, device=None, dtype=None,
        *, bias=True,
    ):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        kind = {"device": device, "dtype": dtype}
        self.register_parameter("weight", fresh(num_features, **kind) if affine else None)
        self.register_parameter("bias", fresh(num_features, **kind) if affine and bias else None)
        tracked = track_running_stats
        self.register_buffer("running_mean", tritonnet.zeros(num_features, **kind) if tracked else None)
        self.register_buffer("running_var", tritonnet.ones(num_features, **kind) if tracked else None)
        count = tritonnet.tensor(0, dtype=tritonnet.int64, device=device) if tracked else None
        self.register_buffer("num_batches_tracked", count)
        self.reset_parameters()

    def reset_running_stats(self):
        """Forget the batches seen."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self):
        """Weight one, bias zero, no batches seen."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check_input_dim(self, input):
        raise NotImplementedError(f"{type(self).__name__} does not say which dimensions it takes")

    def extra_repr(self):
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *findings):
        if local_metadata.get("version", 1) < 2 and self.track_running_stats:  # older files do not count batches
            key = prefix + "num_batches_tracked"
            if key not in state_dict:
                state_dict[key] = self.num_batches_tracked
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *findings)


class _BatchNorm(_NormBase):
    def forward(self, input):
        self._check_input_dim(input)
        momentum, mean, var, batches = self.momentum, self.running_mean, self.running_var, None
        training = self.training or (mean is None and var is None)
        if self.training and self.track_running_stats:
            batches = self.num_batches_tracked
            if momentum is None:  # a plain average over all batches
                momentum = 1.0 / (batches.item() + 1)
        elif self.training:
            mean = var = None
        return counted_batch_norm(
            input, mean, var, self.weight, self.bias, training, 0.0 if momentum is None else momentum, self.eps, batches
        )


class BatchNorm1d(_BatchNorm):
    """Batch normalisation over (N, C) or (N, C, L); see `functional.batch_norm`."""

    def _check_input_dim(self, input):
        if input.array.ndim not in (2, 3):
            raise ValueError(f"expected 2D or 3D input (got {input.ndim}D input)")


class BatchNorm2d(_BatchNorm):
    """Batch normalisation over (N, C, H, W); see `functional.batch_norm`."""

    def _check_input_dim(self, input):
        if input.array.ndim != 4:
            raise ValueError(f"expected 4D input (got {input.ndim}D input)")


class BatchNorm3d(_BatchNorm):
    """Batch normalisation over (N, C, D, H, W); see `functional.batch_norm`."""

    def _check_input_dim(self, input):
        if input.array.ndim != 5:
            raise ValueError(f"expected 5D input (got {input.ndim}D input)")


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation over (N, C, …): on one device there is nothing to synchronise with."""

    def __init__(
        self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True, process_group=None,
        device=None, dtype=None, *, bias=True,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    def _check_input_dim(self, input):
        if input.array.ndim < 2:
            raise ValueError(f"expected at least 2D input (got {input.ndim}D input)")

    @classmethod
    def convert_sync_batchnorm(cls, module, process_group=None):
        """The module with SyncBatchNorm in the place of every BatchNorm, parameters and statistics kept."""
        converted = module
        if isinstance(module, _BatchNorm):
            converted = cls(module.num_features, module.eps, module.momentum, module.affine,
                            module.track_running_stats, process_group)
            converted._parameters.update(module._parameters)
            converted._buffers.update(module._buffers)
            converted.training = module.training
        for name, child in module.named_children():
            converted.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return converted


class _InstanceNorm(_NormBase):
    _version = 2
    ndim = 0

    def __init__(
        self, num_features, eps=1e-5, momentum=0.1, affine=False, track_running_stats=False, device=None, dtype=None,
        *, bias=True,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def _check_input_dim(self, input):
        if input.ndim not in (self.ndim + 1, self.ndim + 2):
            raise ValueError(f"expected {self.ndim + 1}D or {self.ndim + 2}D input (got {input.ndim}D input)")

    def forward(self, input):
        self._check_input_dim(input)
        batched = input.ndim == self.ndim + 2
        own = self.training or not self.track_running_stats
        result = F.instance_norm(
            input if batched else input.unsqueeze(0), self.running_mean, self.running_var, self.weight, self.bias, own,
            0.0 if self.momentum is None else self.momentum, self.eps,
        )
        return result if batched else result.squeeze(0)


class InstanceNorm1d(_InstanceNorm):
    """Normalisation per sample and channel over (N, C, L) or (C, L)."""

    ndim = 1


class InstanceNorm2d(_InstanceNorm):
    """Normalisation per sample and channel over (N, C, H, W) or (C, H, W)."""

    ndim = 2


class InstanceNorm3d(_InstanceNorm):
    """Normalisation per sample and channel over (N, C, D, H, W) or (C, D, H, W)."""

    ndim = 3
