"""Process-wide settings: default element type, threads, precision of products, determinism."""

from tritonnet import dtypes as dt
from tritonnet.kernels import dtypes

__all__ = [
    "get_default_dtype", "set_default_dtype", "get_num_threads", "set_num_threads", "set_float32_matmul_precision",
    "get_float32_matmul_precision", "use_deterministic_algorithms", "are_deterministic_algorithms_enabled",
    "set_default_tensor_type", "get_num_interop_threads", "set_num_interop_threads",
]


def get_default_dtype():
    """The type that Python floats become."""
    return dt.from_numpy_dtype(dtypes.default_float)


def set_default_dtype(dtype) -> None:
    """Choose the type that Python floats become: a floating-point one."""
    dtypes.set_default_float(dt.numpy_dtype(dtype))


def set_default_tensor_type(kind) -> None:
    """PyTorch's old setting: 'torch.DoubleTensor', 'torch.cuda.FloatTensor' and the like."""
    from tritonnet.devices import set_default_device
    from tritonnet.tensor.convert import LEGACY

    name = kind if isinstance(kind, str) else ("cuda." if kind.place == "cuda" else "") + kind.__name__
    bare = name.removeprefix("torch.").removeprefix("tritonnet.")
    set_default_dtype(LEGACY[bare.removeprefix("cuda.").removesuffix("Tensor")])
    set_default_device("cuda" if bare.startswith("cuda.") else None)


def get_num_threads() -> int:
    """Threads that CPU operations use."""
    from tritonnet.kernels.runtime import host

    return host.get_num_threads()


def set_num_threads(n: int) -> None:
    """Choose how many threads CPU operations use."""
    from tritonnet.kernels.runtime import host

    host.set_num_threads(n)


def get_num_interop_threads() -> int:
    """1: operations run one after another."""
    return 1


def set_num_interop_threads(n: int) -> None:
    """Accepted; operations run one after another all the same."""


PRECISIONS = {"highest": "ieee", "high": "tf32x3", "medium": "tf32"}


def set_float32_matmul_precision(precision: str) -> None:
    """'highest' (ieee), 'high' (tf32x3, as accurate as float32) or 'medium' (tf32) products on the GPU."""
    from tritonnet.kernels import matmul

    if precision not in PRECISIONS:
        raise RuntimeError(f"set_float32_matmul_precision: {precision!r}, expected one of {', '.join(PRECISIONS)}")
    matmul.set_matmul_precision(PRECISIONS[precision])


def get_float32_matmul_precision() -> str:
    """'highest', 'high' or 'medium'; 'highest' also while the default, accurate on every GPU, is in force."""
    from tritonnet.kernels import matmul

    return next((name for name, p in PRECISIONS.items() if p == matmul.get_matmul_precision()), "highest")


def use_deterministic_algorithms(mode: bool, *, warn_only=False) -> None:
    """Accepted: tritonnet's kernels are deterministic always."""


def are_deterministic_algorithms_enabled() -> bool:
    """True: tritonnet's kernels are deterministic always."""
    return True
