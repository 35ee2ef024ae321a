"""Normalisations: of rows (layer, RMS and group norm, `row`) and of channels (batch norm, `channel`)."""

from tritonnet.kernels.norm.channel import batch_norm, batch_norm_backward
from tritonnet.kernels.norm.row import norm_rows, norm_rows_backward

__all__ = ["batch_norm", "batch_norm_backward", "norm_rows", "norm_rows_backward"]
