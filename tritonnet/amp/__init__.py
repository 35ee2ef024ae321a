"""Mixed precision, PyTorch's way: matrix products in float16 or bfloat16, losses and norms in float32.

    with tritonnet.autocast("cuda"):
        loss = F.cross_entropy(model(x), y)
    loss.backward()
"""

from tritonnet.amp.autocast_mode import autocast, custom_bwd, custom_fwd, is_autocast_available

__all__ = ["autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]
