"""Launching: specialisation, parameter blocks, the three ways to launch, what is refused, who is told."""

import threading

import numpy as np
import pytest

from tests.kernels.runtime import sample_kernels as K
from tritonnet.kernels import runtime
from tritonnet.kernels.arrays import empty, to_device, zeros
from tritonnet.kernels.kernel import kernel_from_source
from tritonnet.kernels.runtime.dispatch import OPTIONS
from tritonnet.kernels.runtime.simulation.function import Function

F32, F64 = np.dtype("f4"), np.dtype("f8")


def test_three_ways_to_launch(computing):
    x = to_device(np.arange(100, dtype="f4"), computing)
    variant = K.copy.variant(computing, BLOCK=64, num_warps=2)
    assert K.copy.variant(computing, BLOCK=64, num_warps=2) is variant
    for launch in (lambda y: K.copy[(2,)](x, y, 100, BLOCK=64), lambda y: K.copy[2, 1](x, y, BLOCK=64, n=100),
                   lambda y: K.copy[lambda meta: (-(-100 // meta["BLOCK"]),)](x, y, 100, 64),
                   lambda y: variant((2,), x, y, 100), lambda y: variant.bind((2,), x, y, 100)()):
        y = empty((100,), F32, computing)
        launch(y)
        assert (y.numpy() == np.arange(100)).all()


def test_parameters_of_every_kind(computing):
    y = zeros((1,), F64, computing)
    for flag, maybe, want in ((True, None, 3), (False, None, 1), (True, y, 2), (False, y, 0)):
        K.parameters[(1,)](y, flag, -5, 2**40, 1.5, maybe, 1e-9)
        assert y.item() == np.float32(2**40 - 5 + 1.5) + want + 1e-9
    K.parameters[(1,)](y, np.bool_(False), np.int64(2), np.int32(3), np.float32(0.5), y, np.float64(0), FACTOR=2)
    assert y.item() == 11
    K.parameters[(1,)](y, False, 0, 0, 0, y, 0)  # ints where floats are declared
    assert y.item() == 0


def test_specialisations(device):
    x, y = empty((4096,), F32, device), empty((4096,), F32, device)
    variant = K.copy.variant(device, BLOCK=1024)
    same = variant.compile(x, y, 4096)
    assert variant.compile(y, x, 16) is same, "the value does not matter, only that 16 divides it"
    assert variant.compile(x, y, 1) is variant.compile(x, y, 4095), "nor does 1"
    assert len({id(variant.compile(*args)) for args in (
        (x, y, 16), (x, y, 17), (x[1:], y, 16), (x, y[4:], 16), (x[2:], y[2:], 1))}) == 4, "y[4:] is aligned"
    assert same.specialisation.divisible == ("x", "y", "n")
    assert same.specialisation.signature == {"x": "*fp32", "y": "*fp32", "n": "i32", "BLOCK": "constexpr"}
    variant = K.copy_unspecialised.variant(device, BLOCK=64)
    assert variant.compile(x, y, 16) is variant.compile(x, y, 17) and len(variant.compiled()) == 1
    assert K.copy.variant(device, BLOCK=1) is not K.copy.variant(device, BLOCK=True), "1 == True, but not here"


def test_what_was_packed_is_what_is_decoded(device):
    x = empty((64,), F32, device)
    for args in ((x, True, -5, 2**40, 1.5, None, 0.25), (x[1:], False, 16, -1, 0.0, x, -2.0)):
        compiled = K.parameters.variant(device).compile(*args)
        block = compiled.new_block()
        compiled.pack_into(block.buffer, 0, *[getattr(a, "ptr", a) for a in args if a is not None], 0, 0)
        names = [p.name for p in K.parameters.arguments]
        decoded = Function(compiled.specialisation, 128).decode(block.address)
        assert decoded == {n: getattr(a, "ptr", a) for n, a in zip(names, args) if a is not None}


def test_a_stale_launch_is_found_on_the_simulated_device(simulated):
    x = empty((64,), F32, simulated)
    launch = K.copy.variant(simulated, BLOCK=64).bind((1,), x, x, 16)
    launch.compiled.pack_into(launch.block.buffer, 0, x.ptr, x.ptr, 17, 0, 0)
    with pytest.raises(runtime.DeviceError, match="n = 0x11 is not divisible by 16"):
        launch()


@pytest.mark.parametrize("call, error, message", [
    (lambda x: K.copy[(1,)](x, x, 2**31, BLOCK=64), OverflowError, "kernel copy: .*n=2147483648.*annotate 64-bit"),
    (lambda x: K.copy.variant(x.device, BLOCK=64).bind((1,), x, x, -2**31 - 1), OverflowError, "annotate 64-bit"),
    (lambda x: K.copy[(1,)](x, x, 1), TypeError, "kernel copy: no value for BLOCK"),
    (lambda x: K.copy[(1,)](x, x, BLOCK=64), TypeError, "kernel copy: no value for n"),
    (lambda x: K.copy[(1,)](x, x, 1, x=x, BLOCK=64), TypeError, "x given twice"),
    (lambda x: K.copy[(1,)](x, x, 1, 64, 65), TypeError, "takes 4 arguments .x, y, n, BLOCK., got 5"),
    (lambda x: K.copy[(1,)](x, x, 1, BLOK=64), TypeError, "BLOK: neither a constexpr .BLOCK. nor an option"),
    (lambda x: K.copy.variant(x.device, BLOCK=64)((1,), x, x), TypeError, "takes 3 arguments at run time"),
    (lambda x: K.copy[(1,)](x, x, "1", BLOCK=64), TypeError, "n is a str; kernels take arrays on a device"),
    (lambda x: K.copy[(1,)](x.numpy(), x.numpy(), 1, BLOCK=64), TypeError, "no argument is an array on a device"),
    (lambda x: K.copy[(1,)](x, x.numpy(), 1, BLOCK=64), TypeError, "y is a ndarray"),
    (lambda x: K.copy[(1, 70000)](x, x, 1, BLOCK=64), ValueError, "y and z are limited to 65535"),
    (lambda x: K.copy(x, x, 1), TypeError, "copy is a kernel: launch it over a grid"),
    (lambda x: K.square(x), TypeError, "square is a function for kernels"),
])
def test_what_is_refused(device, call, error, message):
    with pytest.raises(error, match=message):
        call(empty((64,), F32, device))


def test_an_empty_grid_does_nothing(device):
    x = empty((64,), F32, device)
    with runtime.watching(lambda launch: pytest.fail("announced")):
        K.copy[(0,)](x, x, 0, BLOCK=64)
        K.copy.variant(device, BLOCK=64).bind((1, 0), x, x, 0)()


def test_arrays_must_be_on_one_device():
    with runtime.simulated(devices=2) as first:
        x, y = empty((4,), F32, first), empty((4,), F32, runtime.device(1))
        with pytest.raises(RuntimeError, match=r"runs on cuda:0 .*x on cuda:0 .*y on cuda:1"):
            K.copy[(1,)](x, y, 4, BLOCK=4)


def test_hooks_see_every_launch(device):
    x = empty((64,), F32, device)
    seen = []
    hook = seen.append
    with runtime.watching(hook):
        assert hook in runtime.on_launch
        K.copy[(1,)](x, x, 64, BLOCK=64)
        K.copy.variant(device, BLOCK=64).bind((1,), x, x, 64)()
    assert hook not in runtime.on_launch and [(s.name, s.grid) for s in seen] == [("copy", (1,))] * 2
    launch = seen[0]
    assert (launch.flops, launch.bytes, launch.device, launch.kernel) == (0, 512, device, K.copy)
    assert launch.arguments == {"x": x, "y": x, "n": 64, "BLOCK": 64} and launch.variant.options == OPTIONS
    undeclared = K.shifted.variant(device, BLOCK=64)
    with runtime.watching(lambda launch: seen.append(launch.flops)):
        undeclared.bind((1,), x, x, 0)
        K.shifted.variant(device, BLOCK=32)((1,), x, x, 0)
    assert seen[2:] == [None]


def test_threads_pack_into_blocks_of_their_own(computing):
    x = [to_device(np.full(64, i, "f4"), computing) for i in range(4)]
    y = [empty((64,), F32, computing) for i in range(4)]
    variant, errors = K.copy.variant(computing, BLOCK=64), []

    def work(i):
        try:
            for _ in range(20):
                variant((1,), x[i], y[i], 64)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and all((y[i].numpy() == i).all() for i in range(4))


def test_functions_as_constexprs(computing):
    x, y = to_device(np.arange(16, dtype="f4"), computing), empty((16,), F32, computing)
    K.apply[(1,)](x, y, FUNCTION=K.square, BLOCK=16)
    assert (y.numpy() == np.arange(16) ** 2).all()


def test_constants_of_every_kind(computing):
    y = zeros((1,), F64, computing)
    K.tuples[(1,)](y, SIZES=(2, 3, 4), NONE=None, NAME="sum", TYPES=(F32, F64))
    assert y.item() == 9


def test_constants_of_the_module(computing):
    x, y = to_device(np.arange(16, dtype="f4"), computing), empty((16,), F32, computing)
    K.module_constants[(1,)](x, y, BLOCK=16)
    assert (y.numpy() == 3 * np.arange(16)).all()


def test_generated_kernels(computing):
    source = """
        @jit
        def scaled(x):
            return x * SCALE

        def times(x, y, n, SCALE: tl.constexpr, BLOCK: tl.constexpr):
            at = tl.arange(0, BLOCK)
            tl.store(y + at, square(tl.load(x + at, mask=at < n)) * SCALE, mask=at < n)
    """
    times = kernel_from_source("times", source, bytes=lambda n: 8 * n, namespace={"square": K.square})
    x, y = to_device(np.arange(10, dtype="f4"), computing), empty((10,), F32, computing)
    with runtime.watching(lambda launch: launch.bytes == 80 or pytest.fail()):
        times[(1,)](x, y, 10, SCALE=3, BLOCK=16)
    assert (y.numpy() == 3 * np.arange(10.0) ** 2).all()
    with pytest.raises(ValueError, match="defines no function 'other'"):
        kernel_from_source("other", source, namespace={"square": K.square})
