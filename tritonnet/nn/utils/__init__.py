"""Gradient clipping, parameters as one vector, sequences of different lengths."""

from tritonnet.nn.utils import rnn
from tritonnet.nn.utils.clip_grad import clip_grad_norm, clip_grad_norm_, clip_grad_value_
from tritonnet.nn.utils.convert_parameters import parameters_to_vector, vector_to_parameters
from tritonnet.nn.utils.weight_norms import (
    remove_spectral_norm,
    remove_weight_norm,
    spectral_norm,
    weight_norm,
)

__all__ = [
    "clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "parameters_to_vector", "remove_spectral_norm",
    "remove_weight_norm", "rnn", "spectral_norm", "vector_to_parameters", "weight_norm",
]
