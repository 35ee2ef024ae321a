"""Tensor itself: creation, element types and promotion, conversion, exchange, errors."""

import itertools
import pickle

import numpy as np
import pytest

import tritonnet as tn
from tritonnet.kernels.runtime import DeviceError


def same(x, values, dtype):
    assert x.dtype is dtype and x.tolist() == values


def test_types_of_new_tensors():
    same(tn.tensor([1, 2]), [1, 2], tn.int64)
    same(tn.tensor([1.0, 2]), [1, 2], tn.float32)
    same(tn.tensor([True]), [True], tn.bool)
    same(tn.tensor(3.5), 3.5, tn.float32)
    same(tn.tensor([]), [], tn.float32)
    same(tn.tensor(np.arange(2.0)), [0, 1], tn.float64)
    same(tn.tensor([np.float64(1)]), [1], tn.float64)
    same(tn.tensor([1, 2.5]), [1, 2.5], tn.float32)
    same(tn.tensor([tn.tensor(1), tn.tensor(2)]), [1, 2], tn.int64)
    same(tn.arange(3), [0, 1, 2], tn.int64)
    same(tn.arange(0, 1, 0.25), [0, 0.25, 0.5, 0.75], tn.float32)
    same(tn.full((2,), 7), [7, 7], tn.int64)
    same(tn.zeros(2, dtype=tn.int8), [0, 0], tn.int8)
    same(tn.ones_like(tn.zeros(2, dtype=tn.float16)), [1, 1], tn.float16)
    same(tn.eye(2), [[1, 0], [0, 1]], tn.float32)
    same(tn.linspace(0, 1, 3), [0, 0.5, 1], tn.float32)
    same(tn.Tensor([1, 2]), [1, 2], tn.float32)
    same(tn.LongTensor([1, 2]), [1, 2], tn.int64)
    assert tn.Tensor(2, 3).shape == (2, 3) and tn.FloatTensor(2).dtype is tn.float32
    assert isinstance(tn.tensor([1]), tn.LongTensor) and not isinstance(tn.tensor([1]), tn.cuda.LongTensor)


def test_tensor_copies_and_from_numpy_shares():
    a = np.zeros(3, np.float32)
    copied, shared, also = tn.tensor(a), tn.from_numpy(a), tn.as_tensor(a)
    a[0] = 5
    assert copied[0].item() == 0 and shared[0].item() == 5 and also[0].item() == 5
    shared[1] = 7
    assert a[1] == 7 and shared.numpy() is a


@pytest.mark.parametrize("data, error, text", [
    ("abc", TypeError, "'abc' \\(str\\)"),
    ([[1, 2], [3]], ValueError, "expected sequence of length 2 at dim 1 \\(got 1\\)"),
    ([1, "x"], TypeError, "'x'"),
    (object(), RuntimeError, "Could not infer dtype of object"),
    (None, RuntimeError, "NoneType"),
    (2**70, ValueError, "does not fit int64"),
    (1j, TypeError, "complex"),
    (np.array(["a"]), TypeError, "can't convert np.ndarray of type"),
])
def test_what_is_no_data(data, error, text):
    with pytest.raises(error, match=text):
        tn.tensor(data)


@pytest.mark.parametrize("call, error, text", [
    (lambda: tn.zeros(-1), RuntimeError, "negative dimension -1"),
    (lambda: tn.zeros(2.5), TypeError, "integers"),
    (lambda: tn.tensor([1, 2]).item(), RuntimeError, "2 elements cannot be converted to Scalar"),
    (lambda: bool(tn.ones(2)), RuntimeError, "ambiguous"),
    (lambda: len(tn.tensor(1)), TypeError, "0-d"),
    (lambda: tn.zeros(2).to("tpu"), RuntimeError, "Expected one of cpu, cuda"),
    (lambda: tn.zeros(2).to("cuda:x"), RuntimeError, "Invalid device string"),
    (lambda: tn.zeros(2).size(3), IndexError, "range of"),
    (lambda: tn.zeros(2).to(dtype="float99"), TypeError, "float99"),
    (lambda: tn.arange(0, 1, 0), RuntimeError, "nonzero"),
    (lambda: tn.from_numpy([1]), TypeError, "expected np.ndarray"),
    (lambda: tn.from_numpy(np.arange(3)[::-1]), ValueError, "negative"),
    (lambda: tn.tensor(1.5).__index__(), TypeError, "integer"),
    (lambda: tn.zeros(2, 3) + tn.zeros(4), RuntimeError, "size of tensor a \\(3\\) must match.*b \\(4\\)"),
    (lambda: tn.ones(2, dtype=tn.int64).add_(1.5), RuntimeError, "can't be cast"),
    (lambda: tn.FooTensor, AttributeError, "FooTensor"),
])
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_without_a_gpu_cuda_says_what_to_do():
    if tn.cuda.is_available():
        pytest.skip("there is a GPU: nothing to say")
    with pytest.raises(RuntimeError, match="simulated"):
        tn.zeros(2).cuda()
    assert tn.cuda.device_count() == 0


def test_to_and_casts():
    x = tn.tensor([1.9, -1.9])
    same(x.int(), [1, -1], tn.int32)
    same(x.to(tn.float64), x.double().tolist(), tn.float64)
    same(x.bool(), [True, True], tn.bool)
    assert x.to(tn.float32) is x and x.to("cpu") is x and x.to(x.half()).dtype is tn.float16
    assert x.type() == "torch.FloatTensor" and x.type("torch.LongTensor").dtype is tn.int64
    assert x.bfloat16().float().tolist() == pytest.approx([1.9, -1.9], rel=1e-2)


def test_dlpack_and_numpy_share_memory():
    x = tn.arange(6).reshape(2, 3)
    y = np.from_dlpack(x)
    y[0, 0] = 9
    assert x[0, 0].item() == 9 and tn.from_dlpack(y)[0, 0].item() == 9
    assert np.asarray(x).dtype == np.int64 and np.add(x.numpy(), 1).sum() == 15 + 9 + 6


def test_on_a_simulated_device(simulated):
    x = tn.arange(6.0).reshape(2, 3).cuda()
    assert x.is_cuda and str(x.device) == "cuda:0" and x.cpu().tolist() == [[0, 1, 2], [3, 4, 5]]
    assert "device='cuda:0'" in repr(x) and (x + x.T.T).cpu().tolist() == [[0, 2, 4], [6, 8, 10]]
    with pytest.raises(TypeError, match="Use Tensor.cpu"):
        x.numpy()
    with pytest.raises(RuntimeError, match="same device"):
        x + tn.ones(2, 3)
    assert (x + tn.tensor(1.0)).sum().item() == 21  # a CPU number may join
    assert tn.zeros(2, device="cuda").is_cuda and tn.zeros_like(x).is_cuda
    with pytest.raises((RuntimeError, DeviceError), match="cuda:7"):
        x.to("cuda:7")
    assert pickle.loads(pickle.dumps(x)).tolist() == x.tolist()


DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"]


@pytest.mark.parametrize("a, b", list(itertools.product(DTYPES, DTYPES)))
def test_promotion_agrees_with_pytorch(a, b, torch):
    def names(module):
        x, y = module.ones(2, dtype=getattr(module, a)), module.ones(2, dtype=getattr(module, b))
        zero = module.ones((), dtype=getattr(module, b))
        found = [x + y, x * zero, zero * x, x / y, x + 2, x + 2.5, x * True, x == y,
                 module.ones((), dtype=getattr(module, a)) + 1.5]
        return [str(t.dtype).split(".")[1] for t in found]

    assert names(tn) == names(torch)


PRINTED = [
    lambda m: m.tensor([1.0, 2.5]), lambda m: m.tensor([1.0, 2.0]), lambda m: m.tensor([1e-5, 1.0]),
    lambda m: m.tensor(3.14159),
    lambda m: m.tensor([1e10, 1.0]), lambda m: m.tensor([[1, 20], [300, 4]]), lambda m: m.tensor([True, False]),
    lambda m: m.zeros(0), lambda m: m.zeros(0, 3), lambda m: m.arange(2000),
    lambda m: m.arange(5000.0).reshape(50, 100),
    lambda m: m.tensor([float("nan"), float("inf"), -1.0]), lambda m: m.ones(2, 2, 2), lambda m: m.arange(40.0),
    lambda m: m.tensor([1.0], requires_grad=True), lambda m: m.tensor([1.0, 2.0], dtype=m.float64),
    lambda m: m.tensor([1.0], dtype=m.float16), lambda m: m.tensor([[-1.5, 2], [3, 1e-3]]),
    lambda m: m.tensor([1], dtype=m.int32),
    lambda m: m.tensor([0.1, 123456.7]), lambda m: m.tensor(5), lambda m: m.tensor([]), lambda m: m.tensor(True),
    lambda m: m.tensor([1.0], requires_grad=True) * 2, lambda m: m.tensor([1.0, 2.0], dtype=m.bfloat16),
    lambda m: m.ones(3, requires_grad=True).sum(), lambda m: m.arange(12.0).reshape(3, 4).softmax(1),
    lambda m: m.linspace(0, 1, 37), lambda m: m.tensor([0.0, -0.0]), lambda m: m.tensor([1e-10]),
    lambda m: m.ones(3, 0, 2),
    lambda m: m.nn.Parameter(m.ones(2)), lambda m: m.ones(2, 3).shape, lambda m: m.float32,
    lambda m: m.device("cuda", 1),
]


@pytest.mark.parametrize("i", range(len(PRINTED)))
def test_prints_as_pytorch_does(i, torch):
    assert repr(PRINTED[i](tn)).replace("tritonnet.", "torch.") == repr(PRINTED[i](torch))


def test_random_numbers_repeat_by_seed():
    tn.manual_seed(1)
    first = tn.rand(3).tolist(), tn.randn(3).tolist(), tn.randint(10, (3,)).tolist(), tn.randperm(5).tolist()
    tn.manual_seed(1)
    assert first == (tn.rand(3).tolist(), tn.randn(3).tolist(), tn.randint(10, (3,)).tolist(), tn.randperm(5).tolist())
    g = tn.Generator().manual_seed(3)
    state = g.get_state()
    a = tn.rand(4, generator=g)
    g.set_state(state)
    assert tn.equal(a, tn.rand(4, generator=g)) and a.min().item() >= 0 and a.max().item() < 1


def test_one_stream_on_every_device(simulated):
    tn.use_philox()
    try:
        tn.manual_seed(5)
        host = tn.rand(1001)
        tn.manual_seed(5)
        assert tn.rand(1001, device="cuda").cpu().tolist() == host.tolist()
    finally:
        tn.use_philox(False)


def test_importing_loads_nothing_heavy():
    import subprocess
    import sys

    heavy = ["triton", "cuda", "matplotlib", "PIL", "tqdm", "safetensors", "torch", "pynvml", "numba",
             "subprocess", "tempfile", "pathlib", "importlib.resources"]  # 40 ms, if numpy does not need them
    code = f"import sys, numpy; n = set(sys.modules); import tritonnet; print({{*{heavy}}} & (sys.modules.keys() - n))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "set()"
