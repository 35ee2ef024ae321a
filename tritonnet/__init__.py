"""Deep learning on hand-written Triton kernels, forward and backward, without torch."""

from pathlib import Path

if __name__ != "tritonnet":
    raise ImportError(f"{__name__} is a second copy of tritonnet: import tritonnet")

_here = Path(__file__).resolve().parent
if not (_here / "kernels" / "__init__.py").is_file():  # a checkout: kernels/ lies beside this folder, not in it
    __path__.append(str(_here.parent))

__version__ = "0.1.0"
