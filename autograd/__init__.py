"""Middle floor: the tape, and Functions that pair a forward with its backward. Imports kernels only.

The public face is PyTorch's `torch.autograd`: Function, grad, backward, no_grad, gradcheck, Variable.
"""

if __name__ != "tritonnet.autograd":
    raise ImportError(
        f"tritonnet's folder autograd/ was imported as {__name__!r}: import tritonnet.autograd instead. "
        "If you meant the PyPI package 'autograd', keep the tritonnet checkout off sys.path (python -P)."
    )

from tritonnet.autograd import function
from tritonnet.autograd.anomaly import detect_anomaly, set_detect_anomaly
from tritonnet.autograd.calls import Variable, backward, grad
from tritonnet.autograd.function import Function, Op
from tritonnet.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck
from tritonnet.autograd.mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)

__all__ = [
    "Function", "GradcheckError", "Op", "Variable", "backward", "detect_anomaly", "enable_grad", "function", "grad",
    "gradcheck", "gradgradcheck", "inference_mode", "is_grad_enabled", "is_inference_mode_enabled", "no_grad",
    "set_detect_anomaly", "set_grad_enabled",
]
