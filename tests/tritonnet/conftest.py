"""Programs that run on PyTorch and on tritonnet: what they return, raise and warn of must be the same.

Where PyTorch is not installed, tritonnet is held against what PyTorch was recorded to do, in recorded/*.json. With
PyTorch installed, `TRITONNET_RECORD=1 python -m pytest tests/tritonnet` writes these files anew.
"""

import importlib.util
import json
import os
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

import tritonnet

RECORDED = Path(__file__).parent / "recorded"
TORCH = importlib.util.find_spec("torch") is not None


def plain(text):
    """A message without the name of the library and without what differs between its files."""
    text = text.replace("tritonnet", "torch").replace("torch.nn.modules.state", "torch.nn.modules.module")
    return re.sub(r" Refer to https\S+ for details\.", "", text)


def outcome(program, library, types_only):
    """What `program(library)` returns, or the type and text of what it raises; and what it warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = program(library)
        except Exception as error:
            result = (type(error).__name__, *([] if types_only else [plain(str(error))]))
        else:
            assert not types_only, f"expected an error, got {result!r}"
    kept = [w for w in caught if issubclass(w.category, (UserWarning, FutureWarning))]
    return [result, [] if types_only else [
        plain(str(w.message)) for w in kept if "Triggered internally" not in str(w.message)]]


def described(value):
    """A result as JSON. Of a tensor: type, shape, whether it requires a gradient, some elements, and two sums over all:
    of absolute values, and one in which every element has another weight."""
    if hasattr(value, "detach"):
        numbers = (value.detach().double() if value.is_floating_point() else value.detach()).cpu().numpy()
        flat = np.asarray(numbers, np.float64).reshape(-1)
        shown = flat[np.linspace(0, len(flat) - 1, min(len(flat), 4)).astype(int)]
        finite = np.where(np.isfinite(flat), flat, 0)
        sums = [np.abs(finite).sum(), (finite * np.cos(np.arange(len(flat)))).sum()]
        return {"tensor": [plain(str(value.dtype)), list(value.shape), bool(value.requires_grad)],
                "elements": [float(f"{x:.7g}") for x in (*shown, *sums)], "nonfinite": int((~np.isfinite(flat)).sum())}
    if isinstance(value, dict):
        return {"dict": [[str(k), described(v)] for k, v in value.items()]}
    if isinstance(value, (list, tuple)):
        return [described(v) for v in value]
    if isinstance(value, str):
        return plain(value)
    return value if value is None or isinstance(value, (bool, int)) else float(f"{value:.9g}")


def agree(ours, theirs, rtol, where="result"):
    """Assert that two results, or two descriptions, say the same."""
    if hasattr(theirs, "detach") and hasattr(ours, "detach"):
        assert plain(str(ours.dtype)) == str(theirs.dtype), where
        assert tuple(ours.shape) == tuple(theirs.shape), where
        assert ours.requires_grad == theirs.requires_grad, where
        numbers = theirs.detach().double().numpy() if theirs.is_floating_point() else theirs.numpy()
        tolerance = rtol if str(theirs.dtype) in ("torch.float32", "torch.float64") else 1e-2
        np.testing.assert_allclose(ours.detach().double().numpy() if theirs.is_floating_point() else ours.numpy(),
                                   numbers, rtol=tolerance, atol=tolerance, err_msg=where)
    elif isinstance(theirs, dict) and "elements" in theirs:
        assert ours["tensor"] == theirs["tensor"] and ours["nonfinite"] == theirs["nonfinite"], where
        scale = 1 + max([abs(x) for x in theirs["elements"] if np.isfinite(x)], default=0)
        np.testing.assert_allclose(ours["elements"], theirs["elements"], rtol=rtol, atol=rtol * scale, err_msg=where)
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs), where
        for key in theirs:
            agree(ours[key], theirs[key], rtol, f"{where}[{key!r}]")
    elif isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs), f"{where}: {ours} {theirs}"
        for i, (a, b) in enumerate(zip(ours, theirs)):
            agree(a, b, rtol, f"{where}[{i}]")
    elif isinstance(theirs, str):
        assert plain(ours) == theirs, where
    elif isinstance(theirs, float):
        np.testing.assert_allclose(ours, theirs, rtol=rtol, err_msg=where)
    else:
        assert ours == theirs, f"{where}: {ours!r} {theirs!r}"


class Recording:
    """What PyTorch did in the tests of one file, by name of the test and in the order of its programs."""

    def __init__(self, path):
        self.path = RECORDED / f"{path.stem}.json"
        self.write = bool(os.environ.get("TRITONNET_RECORD"))
        self.outcomes = {} if self.write or not self.path.exists() else json.loads(self.path.read_text())

    def close(self):
        if self.write and self.outcomes:
            lines = [f"{json.dumps(name)}: {json.dumps(o)}" for name, o in sorted(self.outcomes.items())]
            self.path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


@pytest.fixture(scope="module")
def recording(request):
    found = Recording(request.path)
    yield found
    found.close()


@pytest.fixture
def alike(request, recording):
    """alike(program): run it on tritonnet and on PyTorch, or against what that was recorded to do, and compare.

    types_only: both raise, and only the types of the errors are compared.
    """
    count = 0

    def check(program, rtol=2e-5, types_only=False):
        nonlocal count
        name, count = f"{request.node.name} {count}", count + 1
        ours = outcome(program, tritonnet, types_only)
        if not TORCH:
            if name not in recording.outcomes:
                pytest.skip("PyTorch is not installed, and what it does here was not recorded")
            agree(described(ours), recording.outcomes[name], rtol)
            return
        theirs = outcome(program, pytest.importorskip("torch"), types_only)
        agree(ours, theirs, rtol)
        if recording.write:
            recording.outcomes[name] = described(theirs)
        elif recording.outcomes:
            if name not in recording.outcomes:
                pytest.fail("not recorded yet: set TRITONNET_RECORD=1")
            agree(described(theirs), recording.outcomes[name], rtol)

    return check


def drawn(library, *shape, seed=0, low=-1.0, high=1.0, dtype="float32"):
    """The same random tensor in either library."""
    numbers = np.random.default_rng([seed, *shape]).uniform(low, high, shape)
    return library.tensor(numbers.astype(dtype))


def filled(library, module):
    """The module with the same random parameters in either library."""
    with library.no_grad():
        for i, (_, parameter) in enumerate(module.named_parameters()):
            parameter.copy_(drawn(library, *parameter.shape, seed=i))
    return module


@pytest.fixture(name="drawn")
def _drawn():
    return drawn


@pytest.fixture(name="filled")
def _filled():
    return filled


def called(torch, text):
    """The result of a call and the gradients of x and p."""
    x, p = drawn(torch, 4, 5), drawn(torch, 4, 5, seed=2, low=0.05, high=0.95)
    x.requires_grad_()
    p.requires_grad_()
    q = (drawn(torch, 4, 5, seed=3) > 0).float()
    names = {"torch": torch, "F": torch.nn.functional, "x": x, "p": p, "q": q, "y": torch.tensor([1, 4, 0, 2]),
             "r": lambda *shape: drawn(torch, *shape, seed=7)}
    results = eval(text, names)
    results = results if isinstance(results, tuple) else (results,)
    if results[0].requires_grad:
        (results[0] * drawn(torch, *results[0].shape, seed=11)).sum().backward()
    return [results[0] * 1, *results[1:]], x.grad, p.grad if "weight=p" not in text else None


@pytest.fixture(name="called")
def _called():
    return called


def evaluated(torch, text, shapes, train):
    """repr, keys, outputs, gradients and buffers of one layer on the same numbers in either library."""
    layer = filled(torch, eval(text, dict(vars(torch.nn)))).train(train)
    inputs = [drawn(torch, *s, seed=9) for s in (shapes if isinstance(shapes, list) else [shapes])]
    for x in inputs:
        x.requires_grad_()
    outputs = layer(*inputs)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    (outputs[0] * drawn(torch, *outputs[0].shape, seed=5)).sum().backward()
    gradients = [x.grad for x in inputs] + [p.grad for p in layer.parameters()]
    return repr(layer), [outputs[0] * 1, *outputs[1:]], gradients, dict(layer.state_dict())


@pytest.fixture(name="evaluated")
def _evaluated():
    return evaluated
