"""Cells of 2 x 2 pixels: from the pooled gradient to that of all pixels, and the way back.

    spread     dz[.., 2 i + a, 2 j + b] = dy[.., i, j] if taken[.., i, j] == 2 a + b else 0
    gathered   dy[.., i, j] = dz at the pixel that was taken, 0 where none was

Each is the other's transpose. Kernels do this as they load; as arrays they are for the host, and for second
derivatives.
"""

from __future__ import annotations

import numpy as np

from tritonnet.kernels import elementwise
from tritonnet.kernels.arrays import is_host
from tritonnet.kernels.dtypes import accumulator
from tritonnet.kernels.pool import Windows
from tritonnet.kernels.pool.mirror import INTEGERS
from tritonnet.kernels.runtime import host

NONE = 4  # for `taken`: no pixel of the cell passes relu
CELLS = Windows((2, 2), (2, 2))


def taps(z):
    """The four views (…, P // 2, Q // 2) of z (…, P, Q), as `taken` numbers them."""
    P, Q = (n // 2 * 2 for n in z.shape[-2:])
    return [z[..., a:P:2, b:Q:2] for a in range(2) for b in range(2)]


def spread(dy, taken, size):
    """dz (N, O, *size)."""
    if is_host(dy):
        return spread_mirror(dy, taken, size).astype(dy.dtype, copy=False)
    from tritonnet.kernels.pool import launch

    return launch.max_pool2d_backward(dy, taken, (*dy.shape[:2], *size), CELLS, False, True)


def spread_mirror(dy, taken, size):
    """dz in the accumulator's type."""
    dy = np.ascontiguousarray(dy, accumulator(dy.dtype))
    dz, integer = host.empty((*dy.shape[:2], *size), dy.dtype), INTEGERS[dy.itemsize]
    dz[..., dy.shape[2] * 2:, :] = 0                     # what fills no cell
    dz[..., dy.shape[3] * 2:] = 0

    def part(i, j):
        given, mask = dy[i:j].view(integer), np.empty(dy[i:j].shape, bool)
        for number, target in enumerate(taps(dz[i:j].view(integer))):
            np.equal(taken[i:j], number, out=mask)
            np.multiply(given, mask, out=target)         # of bit patterns: infinity times 0 would be NaN

    if dy.size:
        host.parallel(part, len(dy), dz.size)
    return dz


def gathered(dz, taken):
    """dy (N, O, P // 2, Q // 2)."""
    dy = None
    for number, tap in enumerate(taps(dz)):
        tap = elementwise.where(elementwise.eq(taken, number), tap, 0.0)
        dy = tap if dy is None else elementwise.add(dy, tap)
    return dy
