"""What is timed on a GPU: programs that run alike on tritonnet and on PyTorch.

A case takes (torch, make, n): the framework; make(*shape), a tensor of random numbers on the GPU in the type under
test; n(size), the size, or a tiny one. It returns a step to be called again and again, which gives tensors to compare.
"""

from __future__ import annotations

import typing

HALF, SINGLE, ALL = ("bfloat16",), ("float32",), ("float32", "bfloat16")
CASES: dict[str, Case] = {}


class Case(typing.NamedTuple):
    """A program to time."""

    make: typing.Callable
    dtypes: tuple
    rtol: float | None  # how far results may be from PyTorch's, relative to the largest; None: they are not compared
    moved: int  # bytes, where no kernel is launched that declares them


def case(name, dtypes=ALL, rtol=2e-2, moved=0):
    """Declare one."""

    def note(make):
        CASES[name] = Case(make, dtypes, rtol, moved)
        return make

    return note


def _product(m, k, n_):
    def make(torch, make, n):
        a, b = make(n(m), n(k)), make(n(k), n(n_))
        return lambda: a @ b

    return make


for _m, _k, _n in ((4096, 4096, 4096), (1024, 1024, 1024), (8192, 1024, 4096), (64, 784, 128)):
    case(f"matmul {_m} x {_k} x {_n}", ("float32", "float16", "bfloat16"))(_product(_m, _k, _n))


@case("copy 256 MB", SINGLE, moved=2 << 28)
def copy(torch, make, n):
    x = make(n(1 << 26))
    return lambda: x.clone()


@case("batched matmul 96 x 1024 x 64 x 1024", HALF)
def batched(torch, make, n):
    a, b = make(n(96), n(1024), n(64)), make(n(96), n(64), n(1024))
    return lambda: a @ b


@case("linear + bias + relu, 8192 x 1024 to 4096")
def linear(torch, make, n):
    x, w, b = make(n(8192), n(1024)), make(n(4096), n(1024)), make(n(4096))
    return lambda: torch.nn.functional.linear(x, w, b).relu()


def _forward_and_backward(torch, function, inputs, dy):
    for x in inputs:
        x.requires_grad_()

    def step():
        for x in inputs:
            x.grad = None
        y = function(*inputs)
        y.backward(dy)
        return [y.detach(), *[x.grad for x in inputs]]

    return step


def _convolution(batch, channels, size, out, kernel, padding):
    def make(torch, make, n):
        x, w = make(n(batch), n(channels), size, size), make(n(out), n(channels), kernel, kernel)
        dy = make(n(batch), n(out), *[size + 2 * padding - kernel + 1] * 2)
        return _forward_and_backward(torch, lambda x, w: torch.nn.functional.conv2d(x, w, padding=padding), [x, w], dy)

    return make


for _shape in ((64, 1, 28, 32, 3, 0), (64, 32, 26, 64, 3, 0), (32, 64, 56, 64, 3, 1), (32, 256, 14, 256, 3, 1)):
    case("conv {} x {} x {}² to {}, {}², forward + backward".format(*_shape[:5]))(_convolution(*_shape))


@case("softmax 8192 x 4096, forward + backward")
def softmax(torch, make, n):
    return _forward_and_backward(torch, lambda x: x.softmax(-1), [make(n(8192), n(4096))], make(n(8192), n(4096)))


@case("layer norm 8192 x 4096, forward + backward")
def layer_norm(torch, make, n):
    x, w, b = make(n(8192), n(4096)), make(n(4096)), make(n(4096))
    return _forward_and_backward(
        torch, lambda x, w, b: torch.nn.functional.layer_norm(x, (n(4096),), w, b), [x, w, b], make(n(8192), n(4096)))


@case("batch norm 64 x 64 x 56², training, forward + backward", SINGLE)
def batch_norm(torch, make, n):
    x, w, b = make(n(64), n(64), n(56), n(56)), make(n(64)), make(n(64))
    return _forward_and_backward(torch, lambda x, w, b: torch.nn.functional.batch_norm(x, None, None, w, b, True),
                                 [x, w, b], make(n(64), n(64), n(56), n(56)))


@case("cross-entropy 8192 x 32768, forward + backward")
def cross_entropy(torch, make, n):
    logits, target = make(n(8192), n(32768)), (make(n(8192)).float().abs() * 7).long()
    return _forward_and_backward(torch, lambda x: torch.nn.functional.cross_entropy(x, target), [logits], None)


@case("GELU 32M, forward + backward")
def gelu(torch, make, n):
    return _forward_and_backward(torch, torch.nn.functional.gelu, [make(n(1 << 25))], make(n(1 << 25)))


@case("x + bias, 8192 x 4096")
def bias(torch, make, n):
    x, b = make(n(8192), n(4096)), make(n(4096))
    return lambda: x + b


@case("sum of 64M", rtol=1e-1)
def total(torch, make, n):
    x = make(n(1 << 26)).abs()
    return lambda: x.sum()


@case("sum down 8192 x 4096")
def columns(torch, make, n):
    x = make(n(8192), n(4096))
    return lambda: x.sum(0)


@case("max pool 64 x 64 x 112², 3² by 2, forward + backward")
def max_pool(torch, make, n):
    x, dy = make(n(64), n(64), n(112), n(112)), make(n(64), n(64), n(112) // 2, n(112) // 2)
    return _forward_and_backward(torch, lambda x: torch.nn.functional.max_pool2d(x, 3, 2, 1), [x], dy)


@case("embedding 8 x 1024 of 50257 x 768, forward + backward")
def embedding(torch, make, n):
    index, weight = (make(n(8), n(1024)).float().abs() * 3).long(), make(n(50257), n(768))
    return _forward_and_backward(
        torch, lambda w: torch.nn.functional.embedding(index, w), [weight], make(n(8), n(1024), n(768)))


@case("dropout 32M", rtol=None)
def dropout(torch, make, n):
    x = make(n(1 << 25))
    return lambda: torch.nn.functional.dropout(x, 0.5)


@case("sort 1024 x 8192", SINGLE)
def sort(torch, make, n):
    x = make(n(1024), n(8192))
    return lambda: x.sort(-1)[0]


def _training(torch, model, optimizer, x, y):
    def step():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()

    return step


@case("training step, MNIST MLP, batch 64, Adam", SINGLE, rtol=None)
def mlp(torch, make, n):
    nn, x = torch.nn, make(64, 784)
    model = nn.Sequential(nn.Linear(784, n(128)), nn.ReLU(), nn.Linear(n(128), 10)).to(x.device)
    extra = {"capturable": True} if torch.__name__ == "torch" else {}  # ours always is
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, **extra)
    return _training(torch, model, optimizer, x, (make(64).abs() * 9).long())


@case("training step, MNIST CNN, batch 64, SGD", SINGLE, rtol=None)
def cnn(torch, make, n):
    nn, x = torch.nn, make(n(64), 1, 28, 28)
    model = nn.Sequential(
        nn.Conv2d(1, n(32), 3), nn.ReLU(), nn.Conv2d(n(32), n(64), 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(n(64) * 144, n(128)), nn.ReLU(), nn.Linear(n(128), 10)).to(x.device)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    return _training(torch, model, optimizer, x, (make(n(64)).abs() * 9).long())
