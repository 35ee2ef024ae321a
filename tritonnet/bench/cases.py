"""What is timed: programs that run alike on tritonnet and on PyTorch, and, where they are simple, on any array library.

A case takes (torch, make, *sizes): the framework, and make(*shape), a tensor of random numbers of the type under test
where it is tested. It returns a step to be called again and again, which gives tensors to compare. `arrays` is the same
for libraries with NumPy's functions: (xp, *inputs), the inputs being those that the case makes, in their order.
"""

from __future__ import annotations

import typing

HALF, SINGLE, ALL, THREE = ("bfloat16",), ("float32",), ("float32", "bfloat16"), ("float32", "float16", "bfloat16")
TINY = 8  # the largest size of a tiny run
CASES: dict[str, Case] = {}


class Case(typing.NamedTuple):
    """A program at several sizes."""

    name: str
    group: str
    make: typing.Callable
    device: list  # sizes on a GPU
    host: list  # sizes on the CPU
    dtypes: tuple  # on a GPU; on the CPU float32
    rtol: float | None  # how far results may be from each other, relative to the largest; None: they are not compared
    moved: int  # bytes per element of the first size, where no kernel is launched that declares them
    arrays: typing.Callable | None

    def label(self, sizes) -> str:
        """The name with its sizes."""
        return f"{self.name}, {' x '.join(map(str, sizes))}"


def case(name, group, device, host, dtypes=ALL, rtol=2e-2, moved=0, arrays=None):
    """Declare one."""

    def note(make):
        CASES[name] = Case(name, group, make, device, host, dtypes, rtol, moved, arrays)
        return make

    return note


class Program(typing.NamedTuple):
    """A case at one size in one type."""

    case: Case
    sizes: tuple
    dtype: str

    label = property(lambda self: self.case.label(self.sizes))


def programs(only="", on_device=False, dtype=None, tiny=False) -> list[Program]:
    """Those whose name or group contains one of the words in `only` (commas between them)."""
    words = [word.strip().lower() for word in only.split(",") if word.strip()]
    found = []
    for each in CASES.values():
        for sizes in each.device if on_device else each.host:
            for kind in each.dtypes if on_device else SINGLE:
                program = Program(each, tuple(min(n, TINY) for n in sizes) if tiny else tuple(sizes), kind)
                text = f"{each.group} {each.label(sizes)}".lower()
                if (dtype in (None, kind)) and (not words or any(word in text for word in words)):
                    found.append(program)
    return found


@case("matmul", "matmul", [(4096, 4096, 4096), (1024, 1024, 1024), (8192, 1024, 4096), (64, 784, 128)],
      [(1024, 1024, 1024), (64, 784, 128)], THREE, arrays=lambda xp, a, b: a @ b)
def matmul(torch, make, m, k, n):
    a, b = make(m, k), make(k, n)
    return lambda: a @ b


@case("copy", "elementwise", [(1 << 26,)], [(1 << 24,)], SINGLE, moved=8, arrays=lambda xp, x: xp.copy(x))
def copy(torch, make, n):
    x = make(n)
    return lambda: x.clone()


@case("batched matmul", "matmul", [(96, 1024, 64, 1024)], [(16, 256, 64, 256)], HALF, arrays=lambda xp, a, b: a @ b)
def batched(torch, make, batch, m, k, n):
    a, b = make(batch, m, k), make(batch, k, n)
    return lambda: a @ b


@case("linear + bias + relu", "matmul", [(8192, 1024, 4096)], [(512, 256, 512)],
      arrays=lambda xp, x, w, b: xp.maximum(x @ w.T + b, 0))
def linear(torch, make, n, features, out):
    x, w, b = make(n, features), make(out, features), make(out)
    return lambda: torch.nn.functional.linear(x, w, b).relu()


def _forward_and_backward(function, inputs, dy):
    for x in inputs:
        x.requires_grad_()

    def step():
        for x in inputs:
            x.grad = None
        y = function(*inputs)
        y.backward(dy)
        return [y.detach(), *[x.grad for x in inputs]]

    return step


@case("conv forward + backward: batch, channels, size, out, kernel, padding", "conv",
      [(64, 1, 28, 32, 3, 0), (64, 32, 26, 64, 3, 0), (32, 64, 56, 64, 3, 1), (32, 256, 14, 256, 3, 1)],
      [(64, 1, 28, 32, 3, 0), (64, 32, 26, 64, 3, 0)])
def convolution(torch, make, batch, channels, size, out, kernel, padding):
    kernel, padding = min(kernel, size), min(padding, 1)
    x, w = make(batch, channels, size, size), make(out, channels, kernel, kernel)
    dy = make(batch, out, *[size + 2 * padding - kernel + 1] * 2)
    return _forward_and_backward(lambda x, w: torch.nn.functional.conv2d(x, w, padding=padding), [x, w], dy)


def _softmax(xp, x):
    e = xp.exp(x - xp.max(x, axis=-1, keepdims=True))
    return e / xp.sum(e, axis=-1, keepdims=True)


@case("softmax", "softmax", [(8192, 4096)], [(4096, 1024)], arrays=_softmax)
def softmax(torch, make, n, c):
    x = make(n, c)
    return lambda: x.softmax(-1)


@case("softmax forward + backward", "softmax", [(8192, 4096)], [(4096, 1024)])
def softmax_backward(torch, make, n, c):
    return _forward_and_backward(lambda x: x.softmax(-1), [make(n, c)], make(n, c))


def _layer_norm(xp, x, w, b):
    centred = x - xp.mean(x, axis=-1, keepdims=True)
    return centred / xp.sqrt(xp.mean(centred * centred, axis=-1, keepdims=True) + 1e-5) * w + b


@case("layer norm", "norm", [(8192, 4096)], [(4096, 1024)], arrays=_layer_norm)
def layer_norm(torch, make, n, c):
    x, w, b = make(n, c), make(c), make(c)
    return lambda: torch.nn.functional.layer_norm(x, (c,), w, b)


@case("layer norm forward + backward", "norm", [(8192, 4096)], [(4096, 1024)])
def layer_norm_backward(torch, make, n, c):
    return _forward_and_backward(lambda x, w, b: torch.nn.functional.layer_norm(x, (c,), w, b),
                                 [make(n, c), make(c), make(c)], make(n, c))


@case("batch norm, training, forward + backward", "norm", [(64, 64, 56)], [(32, 64, 16)], SINGLE)
def batch_norm(torch, make, n, c, size):
    return _forward_and_backward(lambda x, w, b: torch.nn.functional.batch_norm(x, None, None, w, b, True),
                                 [make(n, c, size, size), make(c), make(c)], make(n, c, size, size))


@case("cross-entropy forward + backward", "loss", [(8192, 32768)], [(1024, 4096)])
def cross_entropy(torch, make, n, c):
    logits, target = make(n, c), (make(n).float().abs() * min(7, c - 1)).long()
    return _forward_and_backward(lambda x: torch.nn.functional.cross_entropy(x, target), [logits], None)


@case("attention forward + backward: batch, heads, tokens, width", "attention", [(8, 16, 2048, 64)], [(2, 4, 256, 32)],
      HALF)
def attention(torch, make, batch, heads, tokens, width):
    shape = batch, heads, tokens, width
    return _forward_and_backward(
        lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True),
        [make(*shape) for _ in range(3)], make(*shape))


@case("GELU forward + backward", "elementwise", [(1 << 25,)], [(1 << 21,)])
def gelu(torch, make, n):
    return _forward_and_backward(torch.nn.functional.gelu, [make(n)], make(n))


@case("x + bias", "elementwise", [(8192, 4096)], [(4096, 1024)], arrays=lambda xp, x, b: x + b)
def bias(torch, make, n, c):
    x, b = make(n, c), make(c)
    return lambda: x + b


@case("relu(a b + c)", "elementwise", [(1 << 25,)], [(10_000_000,)],
      arrays=lambda xp, a, b, c: xp.maximum(a * b + c, 0))
def chain(torch, make, n):
    a, b, c = make(n), make(n), make(n)
    return lambda: torch.relu(a * b + c)


@case("sum", "reduction", [(1 << 26,)], [(1 << 24,)], rtol=None, arrays=lambda xp, x: xp.sum(x))
def total(torch, make, n):
    x = make(n)
    return lambda: x.sum()


@case("sum down columns", "reduction", [(8192, 4096)], [(4096, 1024)], arrays=lambda xp, x: xp.sum(x, axis=0))
def columns(torch, make, n, c):
    x = make(n, c)
    return lambda: x.sum(0)


@case("max pool 3x3 by 2, forward + backward", "pool", [(64, 64, 112)], [(16, 32, 28)])
def max_pool(torch, make, n, c, size):
    out = (size - 1) // 2 + 1
    return _forward_and_backward(lambda x: torch.nn.functional.max_pool2d(x, 3, 2, 1),
                                 [make(n, c, size, size)], make(n, c, out, out))


@case("embedding forward + backward: batch, tokens, words, width", "index", [(8, 1024, 50257, 768)],
      [(8, 128, 5000, 128)])
def embedding(torch, make, batch, tokens, words, width):
    index, weight = (make(batch, tokens).float().abs() * min(3, words - 1)).long(), make(words, width)
    return _forward_and_backward(lambda w: torch.nn.functional.embedding(index, w), [weight],
                                 make(batch, tokens, width))


@case("dropout", "elementwise", [(1 << 25,)], [(1 << 22,)], rtol=None)
def dropout(torch, make, n):
    x = make(n)
    return lambda: torch.nn.functional.dropout(x, 0.5)


@case("sort rows", "index", [(1024, 8192)], [(256, 1024)], SINGLE, arrays=lambda xp, x: xp.sort(x, axis=-1))
def sort(torch, make, n, c):
    x = make(n, c)
    return lambda: x.sort(-1)[0]


@case("Adam step, 20 parameters of", "optimizer", [(1 << 20,)], [(1 << 14,)], SINGLE, rtol=None)
def adam(torch, make, n):
    parameters = [make(n).requires_grad_() for _ in range(20)]
    for p in parameters:
        p.grad = p.detach().clone()
    return torch.optim.Adam(parameters, lr=1e-4, **_capturable(torch, parameters[0])).step


def _capturable(torch, x) -> dict:
    """What makes PyTorch's Adam run on the GPU alone; ours always does."""
    return {"capturable": True} if torch.__name__ == "torch" and x.is_cuda else {}


def _training(torch, model, optimizer, x, y):
    def step():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()

    return step


@case("training step, MNIST MLP, Adam: batch", "training", [(64,)], [(64,)], SINGLE, rtol=None)
def mlp(torch, make, n):
    nn, x = torch.nn, make(n, 784)
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)).to(x.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, **_capturable(torch, x))
    return _training(torch, model, optimizer, x, (make(n).abs() * 9).long())


@case("training step, MNIST CNN, SGD: batch, channels", "training", [(64, 32)], [(64, 32)], SINGLE, rtol=None)
def cnn(torch, make, n, c):
    nn, x = torch.nn, make(n, 1, 28, 28)
    model = nn.Sequential(
        nn.Conv2d(1, c, 3), nn.ReLU(), nn.Conv2d(c, 2 * c, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(2 * c * 144, 128), nn.ReLU(), nn.Linear(128, 10)).to(x.device)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    return _training(torch, model, optimizer, x, (make(n).abs() * 9).long())
