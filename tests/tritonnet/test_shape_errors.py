"""Shapes that do not fit raise what PyTorch raises, and say what was given."""

import pytest

import tritonnet

ERRORS = {  # f(lib, x, y), the exception PyTorch raises, and words of it
    "view -1": (lambda t, x, y: x.view(-1, -1), RuntimeError, "only one dimension can be inferred"),
    "view size": (lambda t, x, y: x.view(5), RuntimeError, r"shape '\[5\]' is invalid for input of size 12"),
    "view strides": (
        lambda t, x, y: x.t().view(12),
        RuntimeError,
        r"view size is not compatible .* Use .reshape\(...\) instead",
    ),
    "view 0": (lambda t, x, y: x[:0].view(-1, 0), RuntimeError, "cannot reshape tensor of 0 elements"),
    "reshape": (lambda t, x, y: x.reshape(5, -1), RuntimeError, r"shape '\[5, -1\]' is invalid for input of size 12"),
    "squeeze": (lambda t, x, y: x.squeeze(2), IndexError, r"expected to be in range of \[-2, 1\], but got 2"),
    "unsqueeze": (lambda t, x, y: x.unsqueeze(4), IndexError, r"expected to be in range of \[-3, 2\], but got 4"),
    "permute": (lambda t, x, y: x.permute(0), RuntimeError, "number of dimensions in the tensor input"),
    "permute twice": (lambda t, x, y: x.permute(0, 0), RuntimeError, "duplicate dims"),
    "t": (lambda t, x, y: y.t(), RuntimeError, r"t\(\) expects a tensor with <= 2 dimensions, but self is 3D"),
    "mT": (lambda t, x, y: x[0].mT, RuntimeError, "Got 1-D tensor"),
    "flatten": (lambda t, x, y: x.flatten(1, 0), RuntimeError, "start_dim cannot come after end_dim"),
    "unflatten": (lambda t, x, y: x.unflatten(0, (2, 2)), RuntimeError, "don't multiply up to the size of dim 0"),
    "movedim": (lambda t, x, y: x.movedim((0, 0), (0, 1)), RuntimeError, "repeated dim in `source`"),
    "expand": (
        lambda t, x, y: x.expand(3, 5),
        RuntimeError,
        r"expanded size of the tensor \(5\) must match the existing size \(4\)",
    ),
    "expand -1": (
        lambda t, x, y: x.expand(-1, 3, 4),
        RuntimeError,
        r"isn't allowed in a leading, non-existing dimension 0",
    ),
    "expand less": (lambda t, x, y: x.expand(4), RuntimeError, "must be greater or equal to the number of dimensions"),
    "broadcast": (
        lambda t, x, y: t.broadcast_tensors(x, x.t()),
        RuntimeError,
        r"size of tensor a \(4\) must match the size of tensor b \(3\)",
    ),
    "repeat": (lambda t, x, y: x.repeat(2), RuntimeError, "can not be smaller than number of dimensions"),
    "repeat_interleave": (
        lambda t, x, y: x.repeat_interleave(t.tensor([1, 2]).to(x.device), 0),
        RuntimeError,
        "repeats must have the same size as input along dim",
    ),
    "cat nothing": (lambda t, x, y: t.cat([]), ValueError, "non-empty list"),
    "cat sizes": (
        lambda t, x, y: t.cat([x, x.t()]),
        RuntimeError,
        "Sizes of tensors must match except in dimension 0. Expected size 4 but got size 3 for tensor number 1",
    ),
    "cat ndim": (lambda t, x, y: t.cat([x, y]), RuntimeError, "got 2 and 3"),
    "cat dim": (lambda t, x, y: t.cat([x, x], 2), IndexError, r"\[-2, 1\], but got 2"),
    "cat tensor": (lambda t, x, y: t.cat(x), TypeError, "must be tuple of Tensors, not Tensor"),
    "cat number": (lambda t, x, y: t.cat([x, 1]), TypeError, "expected Tensor as element 1"),
    "stack": (lambda t, x, y: t.stack([x, x[0]]), RuntimeError, r"got \[3, 4\] at entry 0 and \[4\] at entry 1"),
    "split": (lambda t, x, y: x.split([1, 1]), RuntimeError, "expects split_sizes to sum exactly to 3"),
    "split 0": (lambda t, x, y: x.split(0), RuntimeError, "split_size can only be 0 if dimension size is 0"),
    "chunk": (lambda t, x, y: x.chunk(0), RuntimeError, "`chunks` to be greater than 0, got: 0"),
    "narrow": (
        lambda t, x, y: x.narrow(0, 2, 2),
        RuntimeError,
        r"start \(2\) \+ length \(2\) exceeds dimension size \(3\)",
    ),
    "select": (lambda t, x, y: x.select(0, 3), IndexError, "index 3 out of range"),
    "flip": (lambda t, x, y: x.flip(0, 0), RuntimeError, "dim 0 appears multiple times"),
    "roll": (lambda t, x, y: x.roll((1, 2), (0,)), RuntimeError, "shifts and dimensions must align"),
    "tril": (lambda t, x, y: x[0].tril(), RuntimeError, "at least 2 dimensions"),
    "diag": (lambda t, x, y: y.diag(), RuntimeError, "Supports 1D or 2D tensors"),
    "diagonal": (lambda t, x, y: x.diagonal(0, 1, 1), RuntimeError, "diagonal dimensions cannot be identical"),
    "meshgrid": (lambda t, x, y: t.meshgrid(x[0], indexing="ab"), RuntimeError, "indexing must be one of"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    call, error, words = ERRORS[name]
    with pytest.raises(error, match=words):
        call(tritonnet, tritonnet.zeros(3, 4), tritonnet.zeros(2, 3, 4))


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_of_pytorchs_types(name, torch):
    call, error, _ = ERRORS[name]
    with pytest.raises(error):
        call(torch, torch.zeros(3, 4), torch.zeros(2, 3, 4))
