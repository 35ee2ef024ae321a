"""assert_close and make_tensor."""

import pytest

import tritonnet
from tritonnet.testing import assert_close, make_tensor

CLOSE = [
    "(torch.ones(2), torch.ones(2) + 1e-6)", "(torch.ones(2), torch.ones(2) + 1e-4)", "(1.0, 1.0 + 1e-6)",
    "(torch.tensor([1, 2]), torch.tensor([1, 3]))", "(torch.ones(2), torch.ones(3))", "([1, 2.0], [1, 2.0])",
    "(torch.ones(2), torch.ones(2).double())", "({'a': torch.ones(1)}, {'a': torch.zeros(1)})", "(None, None)",
    "(torch.tensor(torch.nan), torch.tensor(torch.nan))", "([torch.ones(1)], [torch.ones(1), torch.ones(1)])",
    "(torch.ones(2).half(), torch.ones(2).half() * 1.0009)", "({'a': 1}, {'b': 1})", "(3, 4)", "(True, True)",
    "(torch.zeros(()), torch.ones(()))", "(torch.ones(2), 1.0)", "(torch.tensor([True]), torch.tensor([False]))",
]


@pytest.mark.parametrize("text", CLOSE)
def test_what_is_close(alike, text):
    def program(torch):
        if torch.__name__ == "torch":
            import torch.testing
        given = eval(text, {"torch": torch})
        try:
            return torch.testing.assert_close(*given)
        except AssertionError as error:
            return str(error).split("\n")[0].split(":")[0]
        except TypeError:
            return "TypeError"

    alike(program)


def test_options():
    assert_close(tritonnet.ones(2), tritonnet.ones(2) * 1.05, rtol=0.1, atol=0.0)
    assert_close(tritonnet.tensor(tritonnet.nan), tritonnet.tensor(tritonnet.nan), equal_nan=True)
    assert_close(tritonnet.ones(2), tritonnet.ones(2).double(), check_dtype=False)
    with pytest.raises(AssertionError, match=r"1 / 2 \(50.0%\)\nGreatest absolute difference: 4.0 at"):
        assert_close(tritonnet.tensor([1.0, 5.0]), tritonnet.ones(2))
    with pytest.raises(AssertionError, match="mine"):
        assert_close(1, 2, msg="mine")
    with pytest.raises(AssertionError, match="my Scalars"):
        assert_close(1, 2, msg=lambda text: f"my {text}")
    with pytest.raises(ValueError, match="both"):
        assert_close(1.0, 1.0, rtol=0.1)
    with pytest.raises(AssertionError, match=r"item \['a'\]\[1\]"):
        assert_close({"a": [1, 2]}, {"a": [1, 3]})


def test_tensors_are_made():
    x = make_tensor((3, 4), dtype=tritonnet.float32, low=1, high=2, requires_grad=True, noncontiguous=True)
    assert x.shape == (3, 4) and x.min() >= 1 and x.max() <= 2 and x.requires_grad and not x.is_contiguous()
    assert make_tensor(5, dtype=tritonnet.bool).dtype is tritonnet.bool
    assert (make_tensor(50, dtype=tritonnet.int8, low=0, high=2, exclude_zero=True) > 0).all()
