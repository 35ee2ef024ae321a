"""`tritonnet.multiprocessing`: tensors in shared memory, processes that train one model together."""

import sys

import pytest

import tritonnet
import tritonnet.multiprocessing as mp
from tritonnet import nn

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="shared memory needs Linux")


def train(rank, model, seen):
    """What each process does with the model that it was given."""
    optimizer = tritonnet.optim.SGD(model.parameters(), lr=0.5)
    model(tritonnet.ones(1, 2)).sum().backward()
    optimizer.step()
    seen[rank] = 1 + model.weight.detach().sum().item()


def fail(rank):
    raise ValueError(f"rank {rank} will not")


def test_processes_train_one_model():
    model = nn.Linear(2, 1).share_memory()
    with tritonnet.no_grad():
        model.weight.zero_()
    seen = tritonnet.zeros(3).share_memory_()
    assert seen.is_shared() and model.bias.is_shared() and not tritonnet.zeros(3).is_shared()
    for start_method, rank in (("fork", 0), ("spawn", 1)):
        process = mp.get_context(start_method).Process(target=train, args=(rank, model, seen[:2]))
        process.start()
        process.join()
        assert process.exitcode == 0
    assert seen.tolist() == [0, -1, 0]  # the second began where the first had left the weights
    assert model.weight.tolist() == [[-1, -1]]


def test_spawn_waits_and_tells_what_went_wrong():
    model, seen = nn.Linear(2, 1).share_memory(), tritonnet.zeros(2).share_memory_()
    assert mp.spawn(train, args=(model, seen), nprocs=1) is None and seen[0] != 0
    with pytest.raises(mp.ProcessRaisedException, match="rank 0 will not"):
        mp.spawn(fail, nprocs=1)


def test_empty_tensors_and_parameters_keep_their_class():
    shared = nn.Parameter(tritonnet.zeros(0, 2)).share_memory_()
    assert type(shared) is nn.Parameter and shared.requires_grad and shared.shape == (0, 2)
