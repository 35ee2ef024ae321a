"""Random fills: uniform, normal, bernoulli, randint.

    uniform    low + u (high - low),  u = (word >> (32 - b)) 2^-b with b the bits of the type's mantissa, so u < 1
    normal     mean + std r cos(t), mean + std r sin(t),  r = sqrt(-2 log(1 - u0)), t = 2 pi u1   (Box & Muller 1958)
    bernoulli  u < p
    randint    low + hi(word (high - low)),  the upper half of the product

Every function fills `out` (any array) and returns it. float64 and wide ranges take a second word.
"""

from __future__ import annotations

import math

import numpy as np

from tritonnet.kernels.arrays import contiguous, device_of, empty, is_host
from tritonnet.kernels.dtypes import accumulator, is_float
from tritonnet.kernels.kernel import jit, kernel, tl
from tritonnet.kernels.rng.generator import Generator, default_generator, same_stream_everywhere
from tritonnet.kernels.rng.philox import in_order, words_at, words_mirror
from tritonnet.kernels.strided import copy_to

BITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}


def generator_of(x, generator):
    """The one given, after checking that it belongs to where `x` lives; else the default one there."""
    device = device_of(x)
    if generator is None:
        return default_generator(device)
    if generator.device is not device:
        raise RuntimeError(f"Expected a '{device or 'cpu'}' device type for generator but found "
                           f"'{generator.device or 'cpu'}'")
    return generator


def everyday(out):
    """Whether NumPy's own generator serves."""
    return is_host(out) and not same_stream_everywhere()


# --- mirrors: the same bits as the kernels ---

def unit_mirror(n, dtype, place):
    """n numbers in [0, 1) with as many bits as the type's mantissa, in its accumulator."""
    bits, acc = BITS[dtype.name], accumulator(dtype)
    words = words_mirror(n, place)
    if bits == 53:
        low = words_mirror(n, place, words=1) >> np.uint32(6)
        return ((words >> np.uint32(5)) * 67108864.0 + low) * 2.0**-53
    return (words >> np.uint32(32 - bits)).astype(acc) * acc.type(2.0**-bits)


def uniform_mirror(n, dtype, place, low, high):
    """Uniform in [low, high)."""
    u = unit_mirror(n, dtype, place)
    return u * u.dtype.type(high - low) + u.dtype.type(low)


def normal_mirror(n, dtype, place, mean, std):
    """Normal: cosines and sines of pairs of uniform numbers, alternating."""
    wide = np.dtype(np.float64 if dtype == np.float64 else np.float32)
    u = unit_mirror(-(-n // 4) * 4, wide, place).reshape(-1, 2)
    r, t = np.sqrt(-2 * np.log1p(-u[:, 0])), u[:, 1] * u.dtype.type(2 * math.pi)
    z = np.stack([r * np.cos(t), r * np.sin(t)], axis=-1).reshape(-1)[:n]
    return z * z.dtype.type(std) + z.dtype.type(mean)


def randint_mirror(n, place, low, span):
    """Integers in [low, low + span), int64."""
    words = words_mirror(n, place)
    if span <= 1 << 32:
        return (words.astype(np.uint64) * np.uint64(span) >> np.uint64(32)).astype(np.int64) + low
    wide = words.astype(np.uint64) << np.uint64(32) | words_mirror(n, place, words=1)
    return (wide % np.uint64(span)).view(np.int64) + low


# --- kernels ---

@jit
def unit(word, low_word, BITS: tl.constexpr):
    """A word (float64: two) as a number in [0, 1)."""
    if BITS == 53:
        high = (word >> 5).to(tl.float64) * 67108864.0
        return (high + (low_word >> 6).to(tl.float64)) * 1.1102230246251565e-16
    else:
        return (word >> (32 - BITS)).to(tl.int32).to(tl.float32) * (1.0 / (1 << BITS))


@jit
def box_muller(u0, u1):
    """Two independent normal numbers from two uniform ones."""
    r, t = tl.sqrt(-2.0 * tl.log(1.0 - u0)), u1 * 6.283185307179586
    return r * tl.cos(t), r * tl.sin(t)


@kernel(bytes=lambda out: out.nbytes, do_not_specialize=["offset"])
def uniform_kernel(out, n: tl.int64, state, offset: tl.int64, low: tl.float64, span: tl.float64,
                   ACC: tl.constexpr, BITS: tl.constexpr, QUADS: tl.constexpr):
    counter = tl.program_id(0).to(tl.int64) * QUADS + tl.arange(0, QUADS)
    w0, w1, w2, w3 = words_at(counter, state, offset, 0)
    word = in_order(w0, w1, w2, w3)
    second = word
    if BITS == 53:
        v0, v1, v2, v3 = words_at(counter, state, offset, 1)
        second = in_order(v0, v1, v2, v3)
    u = unit(word, second, BITS)
    at = tl.program_id(0).to(tl.int64) * QUADS * 4 + tl.arange(0, QUADS * 4)
    tl.store(out + at, u * span.to(ACC) + low.to(ACC), mask=at < n)


@kernel(bytes=lambda out: out.nbytes, do_not_specialize=["offset"])
def normal_kernel(out, n: tl.int64, state, offset: tl.int64, mean: tl.float64, std: tl.float64,
                  ACC: tl.constexpr, BITS: tl.constexpr, QUADS: tl.constexpr):
    counter = tl.program_id(0).to(tl.int64) * QUADS + tl.arange(0, QUADS)
    w0, w1, w2, w3 = words_at(counter, state, offset, 0)
    v0, v1, v2, v3 = w0, w1, w2, w3
    if BITS == 53:
        v0, v1, v2, v3 = words_at(counter, state, offset, 1)
    z0, z1 = box_muller(unit(w0, v0, BITS), unit(w1, v1, BITS))
    z2, z3 = box_muller(unit(w2, v2, BITS), unit(w3, v3, BITS))
    z = in_order(z0, z1, z2, z3)
    at = tl.program_id(0).to(tl.int64) * QUADS * 4 + tl.arange(0, QUADS * 4)
    tl.store(out + at, z * std.to(ACC) + mean.to(ACC), mask=at < n)


@kernel(bytes=lambda out, p: out.nbytes + (0 if p is None else p.nbytes), do_not_specialize=["offset"])
def bernoulli_kernel(out, p, probability: tl.float64, n: tl.int64, state, offset: tl.int64, QUADS: tl.constexpr):
    counter = tl.program_id(0).to(tl.int64) * QUADS + tl.arange(0, QUADS)
    w0, w1, w2, w3 = words_at(counter, state, offset, 0)
    word = in_order(w0, w1, w2, w3)
    u = unit(word, word, 24)
    at = tl.program_id(0).to(tl.int64) * QUADS * 4 + tl.arange(0, QUADS * 4)
    if p is None:
        limit = tl.full(u.shape, 0, tl.float32) + probability.to(tl.float32)
    else:
        limit = tl.load(p + at, mask=at < n, other=0).to(tl.float32)
    tl.store(out + at, u < limit, mask=at < n)


@kernel(bytes=lambda out: out.nbytes, do_not_specialize=["offset"])
def randint_kernel(out, n: tl.int64, state, offset: tl.int64, low: tl.int64, span: tl.int64,
                   WIDE: tl.constexpr, QUADS: tl.constexpr):
    counter = tl.program_id(0).to(tl.int64) * QUADS + tl.arange(0, QUADS)
    w0, w1, w2, w3 = words_at(counter, state, offset, 0)
    word = in_order(w0, w1, w2, w3).to(tl.uint64)
    if WIDE:
        v0, v1, v2, v3 = words_at(counter, state, offset, 1)
        drawn = ((word << 32) | in_order(v0, v1, v2, v3).to(tl.uint64)) % span.to(tl.uint64, bitcast=True)
    else:
        drawn = (word * span.to(tl.uint64, bitcast=True)) >> 32
    at = tl.program_id(0).to(tl.int64) * QUADS * 4 + tl.arange(0, QUADS * 4)
    tl.store(out + at, drawn.to(tl.int64, bitcast=True) + low, mask=at < n)


# --- launch ---

def _quads(out):
    """Counters per program."""
    return 16384 if out.device.simulated else 256


def _fill(out, generator, mirror, launch):
    """Fill a contiguous array by the mirror or the kernel, another one through a contiguous copy."""
    counters = -(-out.size // 4)
    if is_host(out):
        seed, offset, stream = generator.reserve(counters)
        out[...] = mirror(out.size, (seed, offset, stream)).reshape(out.shape).astype(out.dtype, copy=False)
        return out
    flat = out if out.contiguous else empty(out.shape, out.dtype, out)
    quads = _quads(out)
    launch((-(-counters // quads),), flat, *generator.reserve(counters), quads)
    if flat is not out:
        copy_to(out, flat)
    return out


def uniform(out, low: float = 0.0, high: float = 1.0, generator: Generator | None = None):
    """Fill a float array with numbers from [low, high)."""
    generator = generator_of(out, generator)
    _check_float("uniform_", out)
    if not low <= high:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={low} > to={high}")
    if everyday(out):
        out[...] = _numpy_unit(generator, out.shape, out.dtype)
        if (low, high) != (0, 1):
            np.multiply(out, out.dtype.type(high - low), out=out)
            np.add(out, out.dtype.type(low), out=out)
        return out
    bits = BITS[out.dtype.name]
    return _fill(out, generator, lambda n, place: uniform_mirror(n, out.dtype, place, low, high),
                 lambda grid, flat, state, offset, quads: uniform_kernel[grid](
                     flat, flat.size, state, offset, float(low), float(high - low),
                     ACC=accumulator(out.dtype), BITS=bits, QUADS=quads))


def _numpy_unit(generator, shape, dtype):
    """[0, 1) from NumPy's generator, with the bits that the type holds."""
    if dtype.itemsize >= 4:
        return generator.numpy.random(shape, dtype)
    bits = BITS[dtype.name]
    return generator.numpy.integers(0, 1 << bits, shape, dtype=np.uint16).astype(np.float32) * np.float32(2.0**-bits)


def normal(out, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None):
    """Fill a float array with normal numbers."""
    generator = generator_of(out, generator)
    _check_float("normal_", out)
    if std < 0:
        raise RuntimeError(f"normal_ expects std >= 0.0, but found std {std}")
    if everyday(out):
        acc = accumulator(out.dtype)
        z = generator.numpy.standard_normal(out.shape, acc)
        if (mean, std) != (0, 1):
            z = z * acc.type(std) + acc.type(mean)
        out[...] = z
        return out
    bits = 53 if out.dtype == np.float64 else 24
    return _fill(out, generator, lambda n, place: normal_mirror(n, out.dtype, place, mean, std),
                 lambda grid, flat, state, offset, quads: normal_kernel[grid](
                     flat, flat.size, state, offset, float(mean), float(std),
                     ACC=accumulator(out.dtype), BITS=bits, QUADS=quads))


def bernoulli(out, p, generator: Generator | None = None):
    """Fill with 1 with probability `p`, else 0. p: a number, or an array of out's shape and device."""
    generator = generator_of(out, generator)
    scalar = not hasattr(p, "shape")
    if scalar and not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")
    if not scalar and is_host(p) and p.size and not (p.min() >= 0 and p.max() <= 1):
        raise RuntimeError(f"bernoulli expects p to be in [0, 1], but got {p.min()} to {p.max()}")
    if everyday(out):
        out[...] = generator.numpy.random(out.shape, np.float32) < (np.float32(p) if scalar else p.astype(np.float32))
        return out
    limit = np.float32(p) if scalar else None if not is_host(p) else p.reshape(-1).astype(np.float32)
    flat_p = None if scalar or is_host(p) else contiguous(p)
    return _fill(out, generator, lambda n, place: unit_mirror(n, np.dtype(np.float32), place) < limit,
                 lambda grid, flat, state, offset, quads: bernoulli_kernel[grid](
                     flat, flat_p, float(p) if scalar else 0.0, flat.size, state, offset, QUADS=quads))


def randint(out, low: int, high: int, generator: Generator | None = None):
    """Fill with integers from [low, high)."""
    generator = generator_of(out, generator)
    low, high = int(low), int(high)
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    if everyday(out):
        out[...] = generator.numpy.integers(low, high, out.shape)
        return out
    span = high - low
    return _fill(out, generator, lambda n, place: randint_mirror(n, place, low, span),
                 lambda grid, flat, state, offset, quads: randint_kernel[grid](
                     flat, flat.size, state, offset, low, span, WIDE=span > 1 << 32, QUADS=quads))


def _check_float(name, out):
    if not is_float(out.dtype):
        raise RuntimeError(f'"{name}" not implemented for {out.dtype.name!r}: random numbers are floating point')
