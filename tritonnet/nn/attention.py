"""`torch.nn.attention`: the choice among backends of attention, of which there is one here."""

from __future__ import annotations

import contextlib
import enum


class SDPBackend(enum.Enum):
    """PyTorch's backends of scaled_dot_product_attention."""

    ERROR, MATH, FLASH_ATTENTION, EFFICIENT_ATTENTION, CUDNN_ATTENTION, OVERRIDEABLE = range(-1, 5)


@contextlib.contextmanager
def sdpa_kernel(backends, set_priority=False):
    """Context manager that takes a backend or a list of them; attention is tritonnet's own whatever they are."""
    for backend in backends if isinstance(backends, (list, tuple, set)) else [backends]:
        if not isinstance(backend, SDPBackend):
            raise TypeError(f"sdpa_kernel: expected SDPBackend or a list of them, got {type(backend).__name__}")
    yield
