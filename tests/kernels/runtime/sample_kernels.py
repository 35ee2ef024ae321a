"""Small kernels that provoke one behaviour each."""

from __future__ import annotations

from tritonnet.kernels.kernel import jit, kernel, libdevice, tl


@kernel(flops=lambda n: 0, bytes=lambda x, y: x.nbytes + y.nbytes)
def copy(x, y, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + at, tl.load(x + at, mask=at < n), mask=at < n)


@kernel(do_not_specialize=["n"])
def copy_unspecialised(x, y, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + at, tl.load(x + at, mask=at < n), mask=at < n)


@kernel
def parameters(y, flag, small, big: tl.int64, x, maybe, double: tl.float64, FACTOR: tl.constexpr = 1):
    """One parameter of each kind, in an order that needs padding."""
    value = (small + big + x) * FACTOR
    if maybe is None:
        value += 1
    if flag:
        value += 2
    tl.store(y, value.to(tl.float64) + double)


@kernel
def shifted(x, y, shift, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    tl.store(y + at, tl.load(x + at + shift))


@jit
def add_scaled(a, b, SCALE: tl.constexpr):
    return a + b * SCALE


@jit
def larger_magnitude(a, b):
    return tl.maximum(tl.abs(a), tl.abs(b))


@kernel
def nested_calls(x, y, BLOCK: tl.constexpr):
    """Helpers, methods, a custom reduction, a scan, a chained comparison, libdevice."""
    at = tl.arange(0, BLOCK)
    v = tl.load(x + at)
    w = add_scaled(v, v.sum(axis=0), 3) + tl.cumsum(v, 0) + tl.reduce(v, 0, larger_magnitude)
    tl.store(y + at, tl.where((at >= 0) & (at < BLOCK), w + libdevice.log1p(tl.abs(v)), tl.sigmoid(v)))


@jit
def square(x):
    return x * x


@kernel
def apply(x, y, FUNCTION: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    tl.store(y + at, FUNCTION(tl.load(x + at)))


@kernel
def dot(a, b, c, N: tl.constexpr, PRECISION: tl.constexpr):
    at = tl.arange(0, N)[:, None] * N + tl.arange(0, N)[None, :]
    tl.store(c + at, tl.dot(tl.load(a + at), tl.load(b + at), input_precision=PRECISION))


@kernel
def cast(x, y, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    tl.store(y + at, tl.load(x + at).to(y.dtype.element_ty))


@kernel
def add_through_table(table, amount, BLOCK: tl.constexpr):
    """A multi-tensor kernel: program i works on the array whose address is table[i]."""
    x = tl.load(table + tl.program_id(0)).to(tl.pointer_type(tl.float32))
    at = tl.arange(0, BLOCK)
    tl.store(x + at, tl.load(x + at) + amount)


@kernel
def histogram(x, counts, BLOCK: tl.constexpr):
    tl.atomic_add(counts + tl.load(x + tl.arange(0, BLOCK)), 1)


@kernel
def square_offset(y, n):
    """n * n overflows int32 from 46341 on: the address wraps silently on a GPU."""
    tl.store(y + n * n, 1.0)


@jit
def welford(mean_a, m2_a, n_a, mean_b, m2_b, n_b):
    n = n_a + n_b
    delta = mean_b - mean_a
    return mean_a + delta * n_b / n, m2_a + m2_b + delta * delta * n_a * n_b / n, n


@jit
def max_keeping_nan(a, b):
    return tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)


@jit
def affine(a1, b1, a2, b2):
    """x -> a2 * (a1 * x + b1) + b2: associative, not commutative."""
    return a1 * a2, b1 * a2 + b2


@kernel
def combines(x, var, top, scan, ROWS: tl.constexpr, COLS: tl.constexpr):
    at = tl.arange(0, ROWS)[:, None] * COLS + tl.arange(0, COLS)[None, :]
    v = tl.load(x + at)
    mean, m2, n = tl.reduce((v, tl.zeros_like(v), tl.full(v.shape, 1.0, tl.float32)), 1, welford)
    tl.store(var + tl.arange(0, ROWS), m2 / n)
    tl.store(top, tl.reduce(v, None, max_keeping_nan))
    _, state = tl.associative_scan((tl.full(v.shape, 0.5, tl.float32), v), 1, affine)
    tl.store(scan + at, state)


@kernel
def extremes(x, values, places, COLS: tl.constexpr):
    """Maximum and minimum of each row with their places; NaN is ignored."""
    row = tl.program_id(0)
    v = tl.load(x + row * COLS + tl.arange(0, COLS))
    high, at_high = tl.max(v, axis=0, return_indices=True)
    low, at_low = tl.min(v, axis=0, return_indices=True)
    tl.store(values + 2 * row, high)
    tl.store(values + 2 * row + 1, low)
    tl.store(places + 2 * row, at_high)
    tl.store(places + 2 * row + 1, at_low)


FACTOR, FLAG = 3, True


@kernel
def module_constants(x, y, BLOCK: tl.constexpr):
    """Plain numbers of the module."""
    at = tl.arange(0, BLOCK)
    v = tl.load(x + at)
    if FLAG:
        v = v * FACTOR
    tl.store(y + at, v)


@kernel
def tuples(y, SIZES: tl.constexpr, NONE: tl.constexpr, NAME: tl.constexpr, TYPES: tl.constexpr):
    """Constants of every kind."""
    total = 0
    for i in tl.static_range(len(SIZES)):
        total += SIZES[i]
    if NONE is None and NAME == "sum":
        tl.store(y, total.to(TYPES[1]))


@kernel
def scalar_product(x, y, factor, BLOCK: tl.constexpr):
    product = tl.load(x + tl.arange(0, BLOCK)) * factor
    tl.static_assert(product.dtype == tl.float32)
    tl.store(y + tl.arange(0, BLOCK), product)


@kernel
def described_copy(x, y, rows, cols, ROWS: tl.constexpr, COLS: tl.constexpr):
    """Through tensor descriptors that each program makes."""
    source = tl.make_tensor_descriptor(x, [rows, cols], [cols, 1], [ROWS, COLS])
    target = tl.make_tensor_descriptor(y, [rows, cols], [cols, 1], [ROWS, COLS])
    target.store([tl.program_id(0) * ROWS, 0], source.load([tl.program_id(0) * ROWS, 0]))
