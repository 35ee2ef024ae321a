"""Probability distributions, as in `torch.distributions`: samples, densities, entropies, divergences."""

from tritonnet.distributions.bernoulli import Bernoulli
from tritonnet.distributions.categorical import Categorical, OneHotCategorical
from tritonnet.distributions.continuous import Exponential, Laplace, LogNormal, Normal, Uniform
from tritonnet.distributions.distribution import Distribution
from tritonnet.distributions.divergence import kl_divergence, register_kl
from tritonnet.distributions.independent import Independent

__all__ = ["Bernoulli", "Categorical", "Distribution", "Exponential", "Independent", "Laplace", "LogNormal", "Normal",
           "OneHotCategorical", "Uniform", "kl_divergence", "register_kl"]
