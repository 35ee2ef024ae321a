"""default_collate and default_convert, beside PyTorch's where it is installed."""

import collections
import types

import numpy as np
import pytest

import tritonnet
from tritonnet.utils.data import default_collate, default_convert
from tritonnet.utils.data.dataloader import default_collate as same_collate

Point = collections.namedtuple("Point", ["x", "y"])

BATCHES = {
    "ints": [1, 2, 3],
    "floats": [1.0, 2.5],
    "int first": [1, 2.5],
    "bools": [True, False],
    "NumPy numbers": [np.float32(1), np.float32(2)],
    "NumPy ints": [np.int16(1), np.int16(-2)],
    "arrays": [np.arange(3), np.arange(3) + 1],
    "0-d arrays": [np.array(1.5), np.array(2.5)],
    "strings": ["a", "b"],
    "bytes": [b"a", b"b"],
    "tuples": [(1, "a"), (2, "b")],
    "lists": [[1, 2.0], [3, 4.0]],
    "nested": [{"x": [np.ones(2), 1], "y": (1, {"z": 2.0})}] * 2,
    "named tuples": [Point(1, 2.0), Point(3, 4.0)],
    "ordered dict": [collections.OrderedDict(b=1, a=2)] * 2,
    "default dict": [collections.defaultdict(list, a=1)] * 2,
    "proxy": [types.MappingProxyType({"a": 1})] * 2,
    "user list": [collections.UserList([1, 2]), collections.UserList([3, 4])],
    "empty lists": [[], []],
}


def plain(value):
    """Containers and tensors as (type name, contents), comparable across libraries."""
    if hasattr(value, "numpy"):
        return "tensor", str(value.dtype).split(".")[-1], np.asarray(value).tolist()
    if isinstance(value, collections.abc.Mapping):
        return type(value).__name__, {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, collections.UserList)):
        return type(value).__name__, [plain(v) for v in value]
    return value


@pytest.mark.parametrize("name", BATCHES)
def test_collate_is_torchs(torch, name):
    from torch.utils.data import default_collate as theirs

    assert plain(default_collate(BATCHES[name])) == plain(theirs(BATCHES[name]))


@pytest.mark.parametrize("name", [n for n in BATCHES if n != "int first"])
def test_convert_is_torchs(torch, name):
    from torch.utils.data import default_convert as theirs

    for sample in BATCHES[name]:
        assert plain(default_convert(sample)) == plain(theirs(sample))


def test_tensors_are_stacked():
    batch = default_collate([tritonnet.ones(2, 3), tritonnet.zeros(2, 3)])
    assert batch.shape == (2, 2, 3) and batch.dtype == tritonnet.float32 and batch.sum().item() == 6
    assert same_collate is default_collate


def test_stacked_tensors_keep_gradients():
    x = tritonnet.ones(2, requires_grad=True)
    default_collate([x, x * 2]).sum().backward()
    assert x.grad.tolist() == [3, 3]


@pytest.mark.parametrize("batch, error, message", [
    ([tritonnet.zeros(2), tritonnet.zeros(3)], RuntimeError, r"but got \[2\] at entry 0 and \[3\] at entry 1"),
    ([np.zeros(2), np.zeros((2, 1))], RuntimeError, "equal size"),
    ([[1], [1, 2]], RuntimeError, "equal size"),
    ([None, None], TypeError, "found <class 'NoneType'>"),
    ([np.array(["a"])], TypeError, "found <U1"),
    ([object()], TypeError, "must contain tensors"),
])
def test_errors(batch, error, message):
    with pytest.raises(error, match=message):
        default_collate(batch)
