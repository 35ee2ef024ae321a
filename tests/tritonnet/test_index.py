"""x[key] and x[key] = values: random keys held against PyTorch, NumPy and a device; gradients, and errors."""

import random

import numpy as np
import pytest

import tritonnet
from tests.libraries import OURS, agree, attempt, ours_on, theirs


def random_key(rng, shape):
    """A key of ints, slices, None, Ellipsis, bools, and arrays of ints or bools, for an array of this shape."""
    key, axis = [], 0
    while axis < len(shape) or rng.random() < 0.25:
        kind, left = rng.random(), len(shape) - axis
        if kind < 0.08 or not left:
            key.append(None)
        elif kind < 0.14 and Ellipsis not in [k for k in key if not isinstance(k, np.ndarray)]:
            key.append(Ellipsis)
            axis += rng.randint(0, left)
        elif kind < 0.30:
            key.append(rng.randrange(-shape[axis], shape[axis]))
            axis += 1
        elif kind < 0.55:
            bound = [rng.choice([None, rng.randint(-shape[axis] - 2, shape[axis] + 2)]) for _ in range(2)]
            key.append(slice(*bound, rng.choice([None, 1, 2, 3])))
            axis += 1
        elif kind < 0.80:
            at = rng.choice([(2,), (3,), (1,), (2, 1), (0,), (2, 3)])
            n = int(np.prod(at))
            key.append(np.array([rng.randrange(-shape[axis], shape[axis]) for _ in range(n)], np.int64).reshape(at))
            axis += 1
        elif kind < 0.93:
            width = min(left, rng.choice([1, 1, 2]))
            mask = [rng.random() < 0.5 for _ in range(int(np.prod(shape[axis : axis + width])))]
            key.append(np.array(mask, bool).reshape(shape[axis : axis + width]))
            axis += width
        else:
            key.append(rng.random() < 0.5)
    return tuple(key)


def given_to(key, tensor):
    """The key with tensors in place of arrays; a single one by itself."""
    key = tuple(tensor(k) if isinstance(k, np.ndarray) else k for k in key)
    return key[0] if len(key) == 1 else key


def read(lib, x, key):
    """x[key] and the gradient of a weighted sum of it."""
    leaf = lib.leaf(x)
    y = (leaf * 1)[given_to(key, lib.tensor)]
    w = np.random.default_rng(1).standard_normal(tuple(y.shape))
    (y * lib.tensor(w)).sum().backward()
    return lib.host(y), lib.host(leaf.grad)


def write(lib, x, key, mode, v):
    """y after an assignment, and the gradients of everything; u is a view of y made before it."""
    leaf, value = lib.leaf(x), lib.leaf(v)
    y = leaf * 1
    u, key = y[...], given_to(key, lib.tensor)
    if mode == "number":
        y[key] = 2.5
    elif mode == "+=":
        y[key] += 1.5
    elif mode == "*=":
        y[key] *= value.sum()
    else:
        y[key] = value * 2
    w = np.random.default_rng(1).standard_normal((2, *x.shape))
    ((y * y * lib.tensor(w[0])).sum() + (u * lib.tensor(w[1])).sum()).backward()
    return lib.host(y), lib.host(leaf.grad), np.zeros(v.shape) if value.grad is None else lib.host(value.grad)


def cases(first, count):
    """(x, key, mode, values) at random: reading if mode is None."""
    for seed in range(first, first + count):
        rng, numbers = random.Random(seed), np.random.default_rng(seed)
        x = numbers.standard_normal([rng.randint(1, 4) for _ in range(rng.choice([0, 1, 2, 2, 3, 3, 4]))])
        key = random_key(rng, x.shape)
        yield x, key, None, None
        found = attempt(read, OURS, x, key)
        if isinstance(found, Exception):
            continue
        elements = read(OURS, np.arange(x.size).reshape(x.shape).astype(float), key)[0]
        mode = rng.choice(["number", "=", "broadcast", "no axes", "does not fit", "+=", "*="])
        if mode != "number" and len(np.unique(elements)) < elements.size:
            continue  # where elements repeat, PyTorch's gradients go to values that were overwritten
        shape = list(found[0].shape)
        if mode == "broadcast":
            shape = [1 if rng.random() < 0.5 else n for n in shape][rng.randint(0, len(shape)) :]
        if mode == "no axes":
            shape = []
        if mode == "does not fit" and shape:
            shape[rng.randrange(len(shape))] += 1
        yield x, key, mode, numbers.standard_normal(shape)


def compare(ours, oracle, first, count):
    for x, key, mode, v in cases(first, count):
        program, args = (read, (x, key)) if mode is None else (write, (x, key, mode, v))
        agree(attempt(program, ours, *args), attempt(program, oracle, *args), f"{x.shape}[{key}] {mode} {v}")


@pytest.mark.parametrize("part", range(4))
def test_random_keys_agree_with_pytorch(part, torch):
    compare(OURS, theirs(torch), 100 * part, 100)


def test_random_keys_on_a_device_agree_with_the_host(simulated):
    compare(ours_on(simulated), OURS, 1000, 25)


def test_random_keys_agree_with_numpy():
    """But for ints beside arrays, which NumPy counts as arrays, and ..., which it never ignores, the rules agree."""
    checked = 0
    for x, key, mode, _ in cases(2000, 300):
        arrays = any(isinstance(k, (np.ndarray, bool)) for k in key)
        if mode is None and not (arrays and any(type(k) is int or k is Ellipsis for k in key)):
            expected = attempt(lambda x=x, key=key: [np.asarray(x[key if key else ...])])
            found = attempt(lambda x=x, key=key: [OURS.host(OURS.tensor(x)[given_to(key, OURS.tensor)])])
            agree(found, expected, f"{x.shape}[{key}]")
            checked += 1
    assert checked > 100


def test_lists_and_arrays_are_keys():
    x = tritonnet.arange(12).reshape(3, 4)
    assert (
        x[[2, 0]].tolist()
        == x[np.array([2, 0])].tolist()
        == x[range(2, -1, -2)].tolist()
        == [[8, 9, 10, 11], [0, 1, 2, 3]]
    )
    assert x[[True, False, True], 1].tolist() == [1, 9]
    assert x[[[0, 1], [1, 2]]].tolist() == [1, 6]  # a list of lists is a tuple
    assert x[[]].shape == (0, 4) and x[np.int64(1), tritonnet.tensor(2)].item() == 6
    assert x[tritonnet.tensor([1], dtype=tritonnet.int32)].tolist() == [[4, 5, 6, 7]]
    assert 7 in x and 12 not in x and len(list(x)) == 3
    with pytest.warns(UserWarning, match="uint8 is deprecated"):
        assert x[tritonnet.tensor([1, 0, 0], dtype=tritonnet.uint8)].tolist() == [[0, 1, 2, 3]]


@pytest.mark.parametrize(
    "key, error, words",
    [
        (3, IndexError, "index 3 is out of bounds for dimension 0 with size 3"),
        ((0, -5), IndexError, "index -5 is out of bounds for dimension 1 with size 4"),
        ((0, 0, 0), IndexError, "too many indices for tensor of dimension 2"),
        (1.0, IndexError, r"only integers, slices .* are valid indices \(got float\)"),
        ("a", TypeError, r"got 'a', a str"),
        (slice(None, None, -1), ValueError, "step must be greater than zero"),
        (slice(None, None, 0), ValueError, "slice step cannot be zero"),
        ([0, 3], IndexError, "index 3 is out of bounds for dimension 0 with size 3"),
        ([0.5], IndexError, "tensors used as indices must be long, int, byte or bool"),
        ([True, False], IndexError, r"mask \[2\] at index 0 does not match the shape of the indexed tensor \[3, 4\]"),
        (([0, 1], [0, 1, 2]), IndexError, r"could not be broadcast together with shapes \[2\], \[3\]"),
    ],
    ids=str,
)
def test_bad_keys(key, error, words):
    x = tritonnet.zeros(3, 4)
    with pytest.raises(error, match=words):
        x[key]
    with pytest.raises(error, match=words):
        x[key] = 1
    assert not x.any()


@pytest.mark.parametrize(
    "key, value, error, words",
    [
        (0, tritonnet.ones(3), RuntimeError, r"expanded size of the tensor \(4\) must match the existing size \(3\)"),
        (
            [0, 2],
            tritonnet.ones(3),
            RuntimeError,
            r"value tensor of shape \[3\] cannot be broadcast to indexing result of shape \[2, 4\]",
        ),
        ([0, 2], tritonnet.ones(4, dtype=tritonnet.float64), RuntimeError, "source and destination dtypes match"),
        (0, [1, 2, 3, 4], TypeError, "can't assign a list to a torch.FloatTensor"),
        (0, None, TypeError, "can't assign a NoneType"),
    ],
    ids=lambda v: str(v) if not isinstance(v, tritonnet.Tensor) else "tensor",
)
def test_bad_values(key, value, error, words):
    x = tritonnet.zeros(3, 4)
    with pytest.raises(error, match=words):
        x[key] = value


def test_expanded_tensors_are_not_written_to(simulated):
    for x in (tritonnet.zeros(3, 1), tritonnet.zeros(3, 1).cuda()):
        with pytest.raises(RuntimeError, match="more than one element of the written-to tensor refers to a single"):
            x.expand(3, 4)[1] = 1
        with pytest.raises(RuntimeError, match="more than one element"):
            x.expand(3, 4)[[0, 1]] = 1


def test_a_number_has_no_indices():
    with pytest.raises(IndexError, match="invalid index of a 0-dim tensor"):
        tritonnet.tensor(1.0)[0]
    assert tritonnet.tensor(1.0)[...].shape == () and tritonnet.tensor(1.0)[None].shape == (1,)
    with pytest.raises(TypeError, match="iteration over a 0-d tensor"):
        iter(tritonnet.tensor(1.0))


def test_values_are_broadcast_and_cast():
    x = tritonnet.zeros(3, 4)
    x[0] = tritonnet.tensor([[1, 2, 3, 4]])
    x[:, 1] += 1
    x[[1, 2], 2:] = np.array([[5.0], [6.0]])
    x[x > 5.5] = True
    x[2, 0] = np.float64(7)
    assert x.tolist() == [[1, 3, 3, 4], [0, 1, 5, 5], [7, 1, 1, 1]]
    n = tritonnet.zeros(3, dtype=tritonnet.int64)
    n[:2] = 2.7
    n[n == 0] = 3.9
    assert n.tolist() == [2, 2, 3]


def test_gradients_of_assignments():
    w = tritonnet.tensor([2.0, 3.0], requires_grad=True)
    x = tritonnet.zeros(2, 2)
    x[0] = w  # a constant becomes part of the graph
    x[1] = x[0].clone() * w
    x[0, 0] = 7.0  # this one's gradient is gone
    assert x.tolist() == [[7, 3], [4, 9]]
    x.sum().backward()
    assert w.grad.tolist() == [4, 7]


def test_leaves_are_not_changed_in_place():
    x = tritonnet.zeros(3, requires_grad=True)
    for key in (0, [0, 1], tritonnet.tensor([True, False, True]), slice(1, None)):
        with pytest.raises(
            RuntimeError, match="a view of a leaf Variable that requires grad is being used in an in-place"
        ):
            x[key] = 1
    for change in (
        lambda: x.index_fill_(0, tritonnet.tensor([0]), 1.0),
        lambda: x.masked_fill_(x == 0, 1.0),
        lambda: x.scatter_(0, tritonnet.tensor([0]), 1.0),
    ):
        with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
            change()
    with tritonnet.no_grad():
        x[0], x[[1, 2]] = 5, 6
    assert x.tolist() == [5, 6, 6] and x.requires_grad


def test_what_backward_needs_is_protected():
    x = tritonnet.ones(3, requires_grad=True)
    y = x * 1
    z = y * y
    y[0] = 2
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()
    i = tritonnet.tensor([0, 1])
    z = x[i]
    i[0] = 2
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "bool"])
def test_a_number_is_assigned_on_a_device_as_on_the_host(dtype):
    def changed(place):
        x = tritonnet.arange(12).reshape(3, 4).to(getattr(tritonnet, dtype)).to(place)
        x[1] = 7.0
        x[:, 2] = True
        x[0, 0] = 0
        x[..., None, 3:] = 2
        x[tritonnet.tensor([[0, 1]]).to(place), 4:] *= True        # nothing
        return x.cpu().numpy()

    with tritonnet.cuda.simulated():
        np.testing.assert_array_equal(changed("cuda"), changed("cpu"))
