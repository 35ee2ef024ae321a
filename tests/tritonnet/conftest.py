"""Programs that run on PyTorch and on tritonnet: what they return, raise and warn of must be the same."""

import re
import warnings

import numpy as np
import pytest

import tritonnet


def plain(text):
    """A message without the name of the library and without the differences that Python versions make."""
    text = text.replace("tritonnet", "torch").replace("torch.nn.modules.state", "torch.nn.modules.module")
    return re.sub(r" Refer to https\S+ for details\.", "", text)


def outcome(program, library):
    """What `program(library)` returns, or the type and text of what it raises; and what it warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = program(library)
        except Exception as error:
            result = (type(error).__name__, plain(str(error)))
    kept = [w for w in caught if issubclass(w.category, (UserWarning, FutureWarning))]
    return result, [plain(str(w.message)) for w in kept if "Triggered internally" not in str(w.message)]


def agree(ours, theirs, rtol, where="result"):
    """Assert that two results say the same."""
    if hasattr(theirs, "detach") and hasattr(ours, "detach"):
        assert plain(str(ours.dtype)) == str(theirs.dtype), where
        assert tuple(ours.shape) == tuple(theirs.shape), where
        assert ours.requires_grad == theirs.requires_grad, where
        numbers = theirs.detach().double().numpy() if theirs.is_floating_point() else theirs.numpy()
        tolerance = rtol if str(theirs.dtype) in ("torch.float32", "torch.float64") else 1e-2
        np.testing.assert_allclose(ours.detach().double().numpy() if theirs.is_floating_point() else ours.numpy(),
                                   numbers, rtol=tolerance, atol=tolerance, err_msg=where)
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


@pytest.fixture
def alike(torch):
    """alike(program): run it on both libraries and compare. types_only: of what is raised, only the type."""

    def check(program, rtol=2e-5, types_only=False):
        ours, our_warnings = outcome(program, tritonnet)
        theirs, their_warnings = outcome(program, torch)
        if types_only:
            assert isinstance(theirs, tuple) and isinstance(ours, tuple) and ours[0] == theirs[0], f"{ours} {theirs}"
        else:
            agree(ours, theirs, rtol)
            assert our_warnings == their_warnings

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
