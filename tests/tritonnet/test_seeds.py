"""`tritonnet.random`, and the distributions that tensors are filled with in place."""

import numpy as np
import pytest

import tritonnet


def test_fork_rng_leaves_the_stream_as_it_was(simulated):
    def numbers():
        return [*tritonnet.randn(3).tolist(), *tritonnet.randn(3, device="cuda").tolist()]

    tritonnet.random.manual_seed(1)
    undisturbed = [numbers(), numbers()]
    tritonnet.random.manual_seed(1)
    disturbed = [numbers()]
    with tritonnet.random.fork_rng():
        numbers()
        tritonnet.manual_seed(9)
    disturbed.append(numbers())
    assert disturbed == undisturbed
    with tritonnet.random.fork_rng(enabled=False):
        tritonnet.manual_seed(1)
    assert [numbers(), numbers()] == undisturbed


@pytest.mark.parametrize("fill, quartiles", [
    (lambda x: x.cauchy_(), [-1, 0, 1]),
    (lambda x: x.cauchy_(median=2, sigma=0.5), [1.5, 2, 2.5]),
    (lambda x: x.geometric_(0.3), [1, 2, 4]),
    (lambda x: x.long().geometric_(0.3), [1, 2, 4]),
    (lambda x: x.exponential_(2.0), [0.1438, 0.3466, 0.6931]),
])
def test_quartiles_of_what_fills(fill, quartiles):
    tritonnet.manual_seed(0)
    drawn = np.quantile(fill(tritonnet.empty(40_000)).numpy(), [0.25, 0.5, 0.75])
    assert np.allclose(drawn, quartiles, rtol=0, atol=0.05)


def test_fills_on_a_device(simulated):
    assert tritonnet.empty(50, device="cuda").geometric_(0.5).min().item() >= 1
    assert tritonnet.empty(50, device="cuda", dtype=tritonnet.int64).geometric_(0.5).min().item() >= 1


@pytest.mark.parametrize("text", [
    "torch.ones(2).exponential_(-1)", "torch.ones(2).log_normal_(0, -1)", "torch.ones(2).cauchy_(0, 0)",
    "torch.ones(2).geometric_(1.5)", "torch.nn.functional.dropout(torch.ones(3).long())",
    "torch.nn.functional.binary_cross_entropy(torch.tensor([0.5]), torch.tensor([1.5]))",
    "torch.nn.functional.binary_cross_entropy(torch.tensor([1.5]), torch.tensor([1.0]))",
])
def test_a_mistake_raises_what_pytorch_raises(alike, text):
    alike(lambda torch: eval(text, {"torch": torch}), types_only=True)


@pytest.mark.parametrize("text", [
    "torch.ones(2, dtype=float)", "torch.tensor([1], dtype=int)", "torch.ones(2).to(float)", "torch.ones(2).to(bool)",
    "torch.ones(3).sum(dtype=float)",
])
def test_python_types_as_element_types(alike, text):
    alike(lambda torch: str(eval(text, {"torch": torch}).dtype).partition(".")[2])


def test_memory_without_a_gpu():
    if not tritonnet.cuda.is_available():
        assert tritonnet.cuda.memory_allocated() == tritonnet.cuda.max_memory_allocated() == 0
        assert tritonnet.cuda.memory_reserved() == 0


def test_gradcheck_takes_pytorchs_options():
    x = tritonnet.ones(2, dtype=tritonnet.float64, requires_grad=True)
    assert tritonnet.autograd.gradcheck(lambda x: x * x, (x,), check_batched_grad=False, check_forward_ad=False)
    with pytest.raises(NotImplementedError, match="forward mode"):
        tritonnet.autograd.gradcheck(lambda x: x * x, (x,), check_forward_ad=True)


def test_old_places_of_data_classes():
    data = tritonnet.utils.data
    assert data.sampler.SubsetRandomSampler is data.SubsetRandomSampler
    assert data.dataset.Dataset is data.Dataset and data.dataloader.DataLoader is data.DataLoader
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        data.nothing  # noqa: B018
