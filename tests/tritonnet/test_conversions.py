"""Tensors as Python and NumPy see them, and what cannot be made a tensor: as PyTorch does it."""

import numpy as np
import pytest

import tritonnet as tn

TEXTS = {
    "number": lambda torch: f"{torch.tensor(3.14159):.2f} {torch.tensor(3.5)} {torch.tensor(5):3d}",
    "truth": lambda torch: f"{torch.tensor(True)}",
    "percent": lambda torch: "%.2f %d".__mod__((torch.tensor(2.5), torch.tensor(3))),
    "vector": lambda torch: f"{torch.ones(2)}",
    "of a vector": lambda torch: f"{torch.ones(1):.2f}",
    "with a gradient": lambda torch: f"{torch.tensor(2.5, requires_grad=True)}",
    "float": lambda torch: [float(torch.tensor([[2.5]])), int(torch.tensor([1.7])), complex(torch.tensor(1.0)).real],
    "float of two": lambda torch: float(torch.ones(2)),
    "int of none": lambda torch: int(torch.ones(0)),
}


@pytest.mark.parametrize("name", TEXTS)
def test_numbers_and_texts(alike, name):
    alike(TEXTS[name])


FUNCTIONS = [np.exp, np.isnan, np.abs, lambda x: np.add(x, np.ones(3, np.float32)),
             lambda x: np.clip(x, 0, 2), lambda x: np.concatenate([x, x]).tolist(), lambda x: np.median(x).item()]


@pytest.mark.parametrize("function", FUNCTIONS, ids=range(len(FUNCTIONS)))
def test_numpy_functions_of_tensors_give_tensors(alike, function):
    alike(lambda torch: function(torch.tensor([3.0, 1.0, -2.0])))


MISTAKES = [
    lambda torch: torch.tensor(None), lambda torch: torch.tensor({}), lambda torch: torch.tensor([1, "a"]),
    lambda torch: torch.tensor(300, dtype=torch.uint8), lambda torch: torch.tensor(2**40, dtype=torch.int32),
    lambda torch: torch.tensor(2**70), lambda torch: torch.tensor([1], dtype="float"), lambda torch: torch.eye(-1),
    lambda torch: torch.full((2,), "a"), lambda torch: torch.ones(3)["a"], lambda torch: torch.ones(3).__delitem__(0),
    lambda torch: torch.arange(3).softmax(0), lambda torch: torch.arange(3).log_softmax(0),
    lambda torch: torch.arange(3).norm(), lambda torch: torch.exp([1.0]), lambda torch: torch.exp(np.ones(2)),
    lambda torch: torch.sum([1, 2]), lambda torch: torch.matmul(np.ones((2, 2)), torch.ones(2, 2)),
    lambda torch: torch.nn.Linear(2, 2)(np.ones((1, 2), np.float32)), lambda torch: torch.nn.Linear(2, 2)([1.0, 2.0]),
    lambda torch: torch.nn.Linear(2, 2)(None), lambda torch: torch.nn.functional.relu(np.ones(2)),
    lambda torch: torch.nn.functional.cross_entropy(torch.ones(2, 3), [0, 1]),
    lambda torch: torch.nn.functional.cross_entropy(torch.ones(2, 3), np.array([0, 1])),
    lambda torch: torch.nn.functional.cross_entropy(torch.ones(2, 3).long(), torch.tensor([0, 1])),
    lambda torch: torch.nn.functional.cross_entropy(torch.ones(2, 3), torch.tensor([0, 1]).int()),
    lambda torch: torch.nn.MSELoss()(torch.ones(2), np.ones(2)),
]


@pytest.mark.parametrize("program", MISTAKES, ids=range(len(MISTAKES)))
def test_mistakes(alike, program):
    alike(program, types_only=True)


def test_negative_numbers_wrap_around_in_bytes():
    assert tn.tensor(-1, dtype=tn.uint8).item() == 255


def test_the_median_of_nothing_is_nan():
    assert tn.zeros(0).median().isnan()


LISTS = {
    "float32 and int": lambda torch: [np.float32(1), 2], "float32 and float": lambda torch: [np.float32(1), 2.0],
    "float16 and int": lambda torch: [np.float16(1), 1], "float16 and float": lambda torch: [np.float16(1), 2.5],
    "float32 and float64": lambda torch: [np.float32(1), np.float64(2)],
    "int32 and float": lambda torch: [np.int32(1), 2.5],
    "float after float64": lambda torch: [[1, 2.0], [3, np.float64(2)]], "nested": lambda torch: [[np.float32(1)], [2]],
    "tensors": lambda torch: [torch.tensor(1.0), 2.0, 3],
    "double tensors": lambda torch: [2.0, torch.ones(()).double()],
    "int8": lambda torch: [np.int8(1), np.int8(2)], "truth and float": lambda torch: [True, 2.5],
    "rewards": lambda torch: [0.5, np.float32(1.5), 2], "empty": lambda torch: [[], []],
}


@pytest.mark.parametrize("name", LISTS)
def test_lists_of_mixed_numbers_have_pytorchs_type(alike, name):
    alike(lambda torch: torch.tensor(LISTS[name](torch)))
