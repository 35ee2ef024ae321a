"""Mixed precision, PyTorch's way: matrix products in float16 or bfloat16, losses and norms in float32.

    scaler = tritonnet.amp.GradScaler()
    with tritonnet.autocast("cuda"):
        loss = F.cross_entropy(model(x), y)
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
"""

from tritonnet.amp.autocast_mode import autocast, custom_bwd, custom_fwd, is_autocast_available
from tritonnet.amp.grad_scaler import GradScaler

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]
