"""Layer norm, RMS norm, group norm: each row scaled by its own statistics.

    layer, group   xhat = (x - mean) rstd,  rstd = 1 / sqrt(var + eps)         y = xhat w + b
    RMS            xhat = x rstd,           rstd = 1 / sqrt(mean x^2 + eps)     y = xhat w
    g = dy w,  dx = rstd (g - mean(g) - xhat mean(g xhat)),  RMS without mean(g);   dw = sum dy xhat,  db = sum dy

With an activation f, y = f(xhat w + b), and dy f' takes the place of dy, xhat w + b being computed again.

A row is what is normalised together: for layer and RMS norm the trailing axes, for group norm the channels of one
group with all that belongs to them. Arrays are (samples, groups, cols), groups = 1 except in group norm; `span`
neighbouring columns share one element of w and b: w has groups * cols / span.
Mirrors are in `row_mirror`, kernels in `row_kernels`.
Sources: layer norm Ba et al. 2016, RMS Zhang & Sennrich 2019, group norm Wu & He 2018.
"""

from __future__ import annotations

from tritonnet.kernels import tuning
from tritonnet.kernels.arrays import contiguous, empty, full, is_host
from tritonnet.kernels.dtypes import accumulator
from tritonnet.kernels.matmul.activation import activate_mirror, check_activation
from tritonnet.kernels.norm.row_kernels import norm_rows_backward_kernel, norm_rows_kernel, sum_partials_kernel
from tritonnet.kernels.norm.row_mirror import norm_rows_backward_mirror, norm_rows_mirror, through_activation
from tritonnet.kernels.rows import next_power_of_2, tile_of

# --- launch ---

def _rows_view(x):
    """(x or a copy of it, stride of its rows): rows lie densely, sample after sample at one stride."""
    if x.strides[2] == 1 or x.shape[2] == 1:
        if x.shape[1] == 1:
            return x, x.strides[0]
        if x.strides[0] == x.shape[1] * x.strides[1] or x.shape[0] == 1:
            return x, x.strides[1]
    x = contiguous(x)
    return x, x.shape[2]


def _one_is_none(n):
    """The kernels take None for 1."""
    return None if n == 1 else n


def _norm_rows_device(x, w, b, eps, span, center, activation):
    acc = accumulator(x.dtype)
    rows, cols, groups = x.shape[0] * x.shape[1], x.shape[2], x.shape[1]
    y = empty(x.shape, x.dtype, x)
    mean, rstd = empty((rows,), acc, x) if center else None, empty((rows,), acc, x)
    if x.size:
        source, stride = _rows_view(x)
        w, b = (None if p is None else contiguous(p) for p in (w, b))
        tile = tuning.chosen(norm_rows_kernel, x.device, x.dtype, rows, cols) or tile_of(x.device, rows, cols)
        norm_rows_kernel[(-(-rows // tile["ROWS"]),)](
            source, w, b, y, mean, rstd, rows, cols, _one_is_none(groups), _one_is_none(span), stride, eps,
            CENTER=center, ACTIVATION=activation, ACC=acc, LOOP=cols > tile["BLOCK"], **tile)
    return y, mean, rstd


def _backward_tile(x):
    """(ROWS, BLOCK and num_warps, samples per program): all SMs busy, few partial sums."""
    samples, groups, cols = x.shape
    wide = next_power_of_2(cols)
    tile = tuning.chosen(norm_rows_backward_kernel, x.device, x.dtype, samples, groups, cols)
    if tile is None:
        block = min(wide, 2048) if x.device.simulated or wide > 4096 else wide
        most = min(next_power_of_2(samples), 32) if x.device.simulated else max(1, min(2048 // block, 32))
        tile = {"ROWS": 1 if wide > block else most, "BLOCK": block, "num_warps": 8 if wide > 2048 else 4}
    rows, programs = tile["ROWS"], 2
    if not x.device.simulated:
        programs = (4 if rows * tile["BLOCK"] <= 2048 else 2) * x.device.multi_processor_count // groups
    programs = max(1, min(programs, samples // 8))
    return tile, -(-samples // (programs * rows)) * rows


def _norm_rows_backward_device(dy, x, w, mean, rstd, span, wants, dtype, b, activation):
    samples, groups, cols = x.shape
    acc, elements = accumulator(x.dtype), groups * cols // span
    dx = empty(x.shape, x.dtype, x) if wants[0] else None
    sums = None
    if wants[1] or wants[2]:  # the kernel writes all of it, where there is anything to sum
        sums = empty((2, elements), dtype, x) if x.size else full((2, elements), 0, dtype, x)
    if x.size:
        tile, each = _backward_tile(x)
        programs = -(-samples // each)
        partial = None if sums is None else empty((programs, 2, groups * cols), acc, x)
        b = contiguous(b) if activation and b is not None else None  # only an activation needs it
        (source, x_row), (gradient, dy_row) = _rows_view(x), _rows_view(dy)
        norm_rows_backward_kernel[(programs, groups)](
            gradient, source, None if w is None else contiguous(w), b, mean, rstd, dx, partial, samples, each, cols,
            _one_is_none(groups), _one_is_none(span), dy_row, x_row, BIAS=wants[2], ACTIVATION=activation, ACC=acc,
            LOOP=cols > tile["BLOCK"], **tile)
        if sums is not None:
            block = 256 if x.device.simulated else 32
            sum_partials_kernel[(-(-elements // block), 1 + wants[2])](
                partial, sums, programs, elements, _one_is_none(span), ACC=acc, BLOCK=block, STEP=16)
    return dx, sums[0] if wants[1] else None, sums[1] if wants[2] else None


def norm_rows(x, w=None, b=None, eps: float = 1e-5, span: int = 1, center: bool = True, activation: str | None = None):
    """(y, mean, rstd) of x (samples, groups, cols); the statistics in the accumulator's type, mean None in RMS norm.

    w, b: of groups * cols / span elements, or None.  center: False for RMS norm.
    activation: None, or what is applied to y: relu, sigmoid, tanh or gelu.
    """
    check_activation(activation)
    if not is_host(x):
        return _norm_rows_device(x, w, b, eps, span, center, activation)
    if activation is None:
        return norm_rows_mirror(x, w, b, eps, span, center)
    y, mean, rstd = norm_rows_mirror(x.astype(accumulator(x.dtype), copy=False), w, b, eps, span, center)
    activate_mirror(y, activation)
    return y.astype(x.dtype, copy=False), mean, rstd


def norm_rows_backward(dy, x, w, mean, rstd, span: int = 1, wants=(True, True, True), dtype=None, b=None,
                       activation: str | None = None):
    """(dx, dw, db), None for each that `wants` does not ask for; mean and rstd from `norm_rows`.

    dw and db: flat, of type `dtype` (default: the accumulator's).  b: needed with an activation only.
    """
    dtype = dtype or accumulator(x.dtype)
    if not is_host(x):
        return _norm_rows_backward_device(dy, x, w, mean, rstd, span, wants, dtype, b, activation)
    if activation is not None:
        dy = through_activation(dy, x, w, b, mean, rstd, span, activation)
    return norm_rows_backward_mirror(dy, x, w, mean, rstd, span, wants, dtype)
