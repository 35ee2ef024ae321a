"""Optimizer steps over all parameters in one launch; norms of gradients and clipping."""

from tritonnet.kernels.optim.adam import adam_step
from tritonnet.kernels.optim.clip import clip_grad_norm, clip_grad_value, grad_norm
from tritonnet.kernels.optim.rmsprop import rmsprop_step
from tritonnet.kernels.optim.scaling import unscale, update_scale
from tritonnet.kernels.optim.sgd import sgd_small, sgd_step
from tritonnet.kernels.optim.table import Fused

__all__ = ["Fused", "adam_step", "clip_grad_norm", "clip_grad_value", "grad_norm", "rmsprop_step", "sgd_small",
           "sgd_step", "unscale", "update_scale"]
