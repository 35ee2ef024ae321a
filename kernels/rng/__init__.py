"""Random numbers: generators per device, fills, dropout. See `philox`, `generator`, `fills` and `dropout`."""

from tritonnet.kernels.rng.dropout import channel_mask, dropout, dropout_backward
from tritonnet.kernels.rng.fills import bernoulli, normal, randint, uniform
from tritonnet.kernels.rng.generator import Generator, default_generator, manual_seed, same_stream_everywhere
from tritonnet.kernels.rng.permutation import permutation

__all__ = [
    "Generator", "bernoulli", "channel_mask", "default_generator", "dropout", "dropout_backward", "manual_seed",
    "normal", "permutation", "randint", "same_stream_everywhere", "uniform",
]
