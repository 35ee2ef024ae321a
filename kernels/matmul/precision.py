"""How products of float32 are computed on a GPU."""

from __future__ import annotations

PRECISIONS = ("ieee", "tf32x3", "tf32")

_asked: str | None = None


def set_matmul_precision(precision: str | None):
    """"ieee": FFMA. "tf32x3": three tensor-core products, as accurate. "tf32": one, with 10 bits of mantissa.

    None: the faster of the two accurate ones ("tf32x3" on sm_80, sm_90 and sm_100, "ieee" elsewhere). Convolutions
    follow it, too.
    """
    global _asked
    if precision is not None and precision not in PRECISIONS:
        raise ValueError(f"matmul precision: expected one of {', '.join(PRECISIONS)} or None, got {precision!r}")
    _asked = precision


def get_matmul_precision() -> str | None:
    """What was set last; None: chosen by the device."""
    return _asked


def precision_on(device) -> str:
    """What float32 products use on a device."""
    if _asked is not None:
        return _asked
    return "tf32x3" if device.capability in ((8, 0), (9, 0), (10, 0)) else "ieee"
