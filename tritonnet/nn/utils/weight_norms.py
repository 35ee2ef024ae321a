"""Weights divided by their norms before each forward pass: weight normalisation and spectral normalisation.

    weight_norm     w = g v / |v|            Salimans & Kingma 2016
    spectral_norm   w = w / sigma(w),        sigma: the largest singular value, by power iteration; Miyato et al. 2018
"""

from __future__ import annotations

import tritonnet
from tritonnet.autograd.mode import no_grad
from tritonnet.nn.parameter import Parameter

__all__ = ["remove_spectral_norm", "remove_weight_norm", "spectral_norm", "weight_norm"]


def _replace(module, name, hook):
    """Let `hook` compute a parameter before each forward pass; its parts are registered by then."""
    handle = module.register_forward_pre_hook(hook)
    module.__dict__.setdefault("_weight_norms", {})[name, type(hook)] = hook, handle


def _remove(module, name, kind, what):
    found = module.__dict__.get("_weight_norms", {}).pop((name, kind), None)
    if found is None:
        raise ValueError(f"{what} of '{name}' not found in {module}")
    hook, handle = found
    with no_grad():
        weight = hook.weight(module).clone()
    handle.remove()
    delattr(module, name)
    hook.forget(module)
    module.register_parameter(name, Parameter(weight))
    return module


class _WeightNorm:
    def __init__(self, name, dim):
        self.name, self.dim = name, dim

    def norm(self, v):
        """|v|, of everything or of each slice along dim."""
        if self.dim is None:
            return v.norm()
        return v.norm(2, [d for d in range(v.ndim) if d != self.dim % v.ndim], keepdim=True)

    def weight(self, module):
        v = getattr(module, f"{self.name}_v")
        return v * (getattr(module, f"{self.name}_g") / self.norm(v))

    def __call__(self, module, inputs):
        setattr(module, self.name, self.weight(module))

    def forget(self, module):
        for part in "gv":
            delattr(module, f"{self.name}_{part}")


def weight_norm(module, name="weight", dim=0):
    """Replace a parameter by name_g, its norm per slice along dim (None: of all), and name_v, its direction."""
    hook = _WeightNorm(name, dim)
    if (name, _WeightNorm) in module.__dict__.get("_weight_norms", {}):
        raise RuntimeError(f"Cannot register two weight_norm hooks on the same parameter {name}")
    weight = getattr(module, name)
    delattr(module, name)
    module.register_parameter(f"{name}_g", Parameter(hook.norm(weight.detach()).clone()))
    module.register_parameter(f"{name}_v", Parameter(weight.detach()))
    setattr(module, name, hook.weight(module))
    _replace(module, name, hook)
    return module


def remove_weight_norm(module, name="weight"):
    """Undo weight_norm; the parameter keeps its value."""
    return _remove(module, name, _WeightNorm, "weight_norm")


class _SpectralNorm:
    def __init__(self, name, iterations, eps, dim):
        self.name, self.iterations, self.eps, self.dim = name, iterations, eps, dim

    def matrix(self, weight):
        return weight.movedim(self.dim, 0).reshape(weight.shape[self.dim], -1)

    def weight(self, module, iterate=False):
        weight = getattr(module, f"{self.name}_orig")
        u, v = getattr(module, f"{self.name}_u"), getattr(module, f"{self.name}_v")
        matrix = self.matrix(weight)
        if iterate:
            with no_grad():
                fixed = matrix.detach()
                for _ in range(self.iterations):
                    v.copy_(self.unit(fixed.T @ u))
                    u.copy_(self.unit(fixed @ v))
            u, v = u.clone(), v.clone()
        return weight / tritonnet.dot(u, matrix @ v)

    def unit(self, x):
        return x / x.norm().clamp(min=self.eps)

    def __call__(self, module, inputs):
        setattr(module, self.name, self.weight(module, iterate=module.training))

    def forget(self, module):
        for part in ("orig", "u", "v"):
            delattr(module, f"{self.name}_{part}")


def spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=None):
    """Divide a parameter, from now on name_orig, by its largest singular value, n_power_iterations per training step.

    dim: the dimension of outputs; 0, or 1 for transposed convolutions. The buffers name_u and name_v approach the
    singular vectors.
    """
    if n_power_iterations <= 0:
        raise ValueError("Expected n_power_iterations to be positive, but got n_power_iterations="
                         f"{n_power_iterations}")
    if (name, _SpectralNorm) in module.__dict__.get("_weight_norms", {}):
        raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
    if dim is None:
        dim = 1 if getattr(module, "transposed", False) else 0
    hook, weight = _SpectralNorm(name, n_power_iterations, eps, dim), getattr(module, name)
    rows, columns = hook.matrix(weight.detach()).shape
    delattr(module, name)
    module.register_parameter(f"{name}_orig", weight)
    setattr(module, name, weight.detach())
    for part, n in (("u", rows), ("v", columns)):
        module.register_buffer(f"{name}_{part}", hook.unit(weight.detach().new_empty(n).normal_(0, 1)))
    _replace(module, name, hook)
    return module


def remove_spectral_norm(module, name="weight"):
    """Undo spectral_norm; the parameter keeps its normalised value."""
    return _remove(module, name, _SpectralNorm, "spectral_norm")
