"""Small kernels, right ones and ones with a mistake each, written as users write theirs."""

import triton
import triton.language as tl


@triton.jit
def add(x_ptr, y_ptr, z_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    x = tl.load(x_ptr + at, mask=inside)
    y = tl.load(y_ptr + at, mask=inside)
    tl.store(z_ptr + at, x + y, mask=inside)


@triton.jit
def one_too_many(x_ptr, z_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at, mask=at < n)
    tl.store(z_ptr + at, x, mask=at <= n)


@triton.jit
def read_add_write(x_ptr, total_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at, mask=at < n, other=0.0)
    total = tl.load(total_ptr)
    tl.store(total_ptr, total + tl.sum(x, axis=0))


@triton.jit
def add_atomically(x_ptr, total_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.atomic_add(total_ptr, tl.sum(tl.load(x_ptr + at, mask=at < n, other=0.0), axis=0))


@triton.jit
def undefined_sum(x_ptr, total_ptr, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    twice = tl.load(x_ptr + at, mask=at < n) * 2
    tl.store(total_ptr, tl.sum(twice, axis=0))


@triton.jit
def undefined_maximum(x_ptr, total_ptr, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    tl.store(total_ptr, tl.max(tl.load(x_ptr + at, mask=at < n), axis=0))


@triton.jit
def undefined_address(index_ptr, x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    index = tl.load(index_ptr + at, mask=at < n)
    tl.store(y_ptr + at, tl.load(x_ptr + index))


@triton.jit
def overlapping(y_ptr, width, shift, BLOCK: tl.constexpr):
    pid = tl.program_id(0)
    tl.store(y_ptr + pid * shift + tl.arange(0, BLOCK), pid + tl.zeros((BLOCK,), tl.int32))


@triton.jit
def same_everywhere(y_ptr, value, BLOCK: tl.constexpr):
    tl.store(y_ptr + tl.arange(0, BLOCK), value + tl.zeros((BLOCK,), tl.int32))


@triton.jit
def shift_left(x_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at + 1, mask=at + 1 < n)
    tl.store(x_ptr + at, x, mask=at + 1 < n)


@triton.jit
def scatter(index_ptr, y_ptr, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    tl.store(y_ptr + tl.load(index_ptr + at), at)


@triton.jit
def last_adds_up(x_ptr, parts_ptr, ticket_ptr, total_ptr, n, PROGRAMS: tl.constexpr, BLOCK: tl.constexpr,
                 SEM: tl.constexpr):
    pid = tl.program_id(0)
    at = pid * BLOCK + tl.arange(0, BLOCK)
    tl.store(parts_ptr + pid, tl.sum(tl.load(x_ptr + at, mask=at < n, other=0.0), axis=0))
    if tl.atomic_add(ticket_ptr, 1, sem=SEM) == PROGRAMS - 1:
        parts = tl.load(parts_ptr + tl.arange(0, PROGRAMS))
        tl.store(total_ptr, tl.sum(parts, axis=0))
        tl.store(ticket_ptr, 0)


@triton.jit
def as_words(bytes_ptr, y_ptr, shift):
    tl.store(y_ptr, tl.load((bytes_ptr + shift).to(tl.pointer_type(tl.int32))))


@triton.jit
def product(a_ptr, b_ptr, c_ptr, K, stride_a, stride_b, N: tl.constexpr, BLOCK_K: tl.constexpr):
    row, col = tl.arange(0, N)[:, None], tl.arange(0, N)[None, :]
    acc = tl.zeros((N, N), tl.float32)
    for k in range(0, K, BLOCK_K):
        a = tl.load(a_ptr + row * stride_a + k + tl.arange(0, BLOCK_K)[None, :])
        b = tl.load(b_ptr + (k + tl.arange(0, BLOCK_K)[:, None]) * stride_b + col)
        acc = tl.dot(a, b, acc,
                     input_precision="ieee")
    tl.store(c_ptr + row * N + col, acc)


@triton.jit
def copy_through_descriptors(x_ptr, y_ptr, rows, cols, ROWS: tl.constexpr, COLS: tl.constexpr):
    x = tl.make_tensor_descriptor(x_ptr, [rows, cols], [cols, 1], [ROWS, COLS])
    y = tl.make_tensor_descriptor(y_ptr, [rows, cols], [cols, 1], [ROWS, COLS])
    row = tl.program_id(0) * ROWS
    y.store([row, 0], x.load([row, 0]))


@triton.jit
def twice(x):
    half = x * 0.5
    return half * 4


@triton.jit
def with_helper(x_ptr, y_ptr, BLOCK: tl.constexpr):
    x = tl.load(x_ptr + tl.arange(0, BLOCK))
    y = twice(x)
    tl.store(y_ptr + tl.arange(0, BLOCK), y)
