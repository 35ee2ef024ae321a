"""What programs import and call around the training itself: TorchScript, other devices, several processes, the hub."""

import importlib

import numpy as np
import pytest

import tritonnet
from tritonnet import nn
from tritonnet.data import DistributedSampler


@pytest.mark.parametrize("name", [
    "distributed", "hub", "jit", "mps", "multiprocessing", "nn.attention", "nn.parallel", "random", "utils.checkpoint",
    "utils.data.distributed", "utils.hooks", "utils.model_zoo", "xpu"])
def test_modules_are_found_by_import_and_as_attributes(name):
    module = importlib.import_module(f"tritonnet.{name}")
    found = tritonnet
    for part in name.split("."):
        found = getattr(found, part)
    assert found.__doc__ and dir(found)
    assert module is found or name in ("multiprocessing", "random")
    with pytest.raises(AttributeError):
        module.no_such_name  # noqa: B018


def test_names_from_renamed_modules():
    from tritonnet.multiprocessing import Process, spawn
    from tritonnet.random import fork_rng

    assert callable(Process) and spawn is tritonnet.multiprocessing.spawn and fork_rng is tritonnet.random.fork_rng


def test_script_and_trace_leave_models_as_they_are():
    model, x = nn.Linear(2, 2), tritonnet.ones(1, 2)
    jit = tritonnet.jit
    assert jit.script(model) is model and jit.trace(model, x) is model and jit.freeze(model.eval()) is model

    @jit.script
    def double(x):
        return x * 2

    @jit.ignore
    def plain(x):
        return x + 1

    @jit.unused
    def unused(x):
        return x

    @jit.ignore(drop=True)
    def dropped(x):
        return x - 1

    assert (double(x) + plain(x) + dropped(unused(x))).tolist() == [[4, 4]]
    assert not jit.is_scripting() and not jit.is_tracing() and jit.isinstance([1], list)
    assert jit.wait(jit.fork(double, x)).tolist() == [[2, 2]]
    for refused in (lambda: jit.save(model, "x.pt"), lambda: jit.load("x.pt"), lambda: tritonnet.hub.load("a/b", "c"),
                    lambda: tritonnet.hub.list("a/b")):
        with pytest.raises(NotImplementedError):
            refused()
    with pytest.raises(RuntimeError, match="eval"):
        jit.freeze(nn.Linear(2, 2).train())


def test_one_process_only():
    dist = tritonnet.distributed
    assert not dist.is_available() and not dist.is_initialized()
    dist.destroy_process_group()
    with pytest.raises(ValueError, match="has not been initialized"):
        dist.get_rank()
    with pytest.raises(RuntimeError, match="one process"):
        dist.init_process_group("nccl")
    with pytest.raises(ValueError, match="is_initialized"):
        nn.parallel.DistributedDataParallel(nn.Linear(2, 2))
    assert not tritonnet.mps.is_available() and tritonnet.xpu.device_count() == 0
    tritonnet.mps.manual_seed(1)
    with nn.attention.sdpa_kernel([nn.attention.SDPBackend.MATH]):
        q = tritonnet.ones(1, 1, 2, 4)
        assert nn.functional.scaled_dot_product_attention(q, q, q).shape == q.shape
    with pytest.raises(TypeError, match="SDPBackend"):
        nn.attention.sdpa_kernel("math").__enter__()


@pytest.mark.parametrize("n, replicas, drop", [(10, 3, False), (10, 3, True), (2, 4, False), (9, 1, False)])
def test_shares_of_a_dataset(n, replicas, drop):
    def shares(epoch):
        samplers = [DistributedSampler(range(n), replicas, rank, drop_last=drop) for rank in range(replicas)]
        for sampler in samplers:
            sampler.set_epoch(epoch)
        found = [list(s) for s in samplers]
        assert [len(s) for s in samplers] == [len(f) for f in found] == [len(found[0])] * replicas
        return found

    first = shares(0)
    together = sorted(i for share in first for i in share)
    if drop:
        assert len(set(together)) == len(together) == n // replicas * replicas
    else:
        assert set(together) == set(range(n))
    assert first == shares(0) and (first != shares(1) or n < 3)
    assert list(DistributedSampler(range(4), 2, 1, shuffle=False)) == [1, 3]
    with pytest.raises(ValueError, match="Invalid rank"):
        DistributedSampler(range(4), 2, 2)
    with pytest.raises(RuntimeError, match="num_replicas"):
        DistributedSampler(range(4))


def test_weights_from_an_address(tmp_path):
    import hashlib

    source = tmp_path / "weights.pt"
    tritonnet.save({"w": tritonnet.arange(3.0)}, source)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    named = source.rename(tmp_path / f"net-{digest[:8]}.pt")
    load = tritonnet.hub.load_state_dict_from_url
    folder = tmp_path / "cache"
    assert load(named.as_uri(), folder, check_hash=True, progress=False)["w"].tolist() == [0, 1, 2]
    named.write_bytes(b"changed")
    assert load(named.as_uri(), folder, progress=False)["w"].tolist() == [0, 1, 2]  # from the cache
    with pytest.raises(RuntimeError, match="invalid hash"):
        load(named.as_uri(), tmp_path / "other", check_hash=True, progress=False)
    assert list((tmp_path / "other").iterdir()) == []
    before = tritonnet.hub.get_dir()
    tritonnet.hub.set_dir(tmp_path)
    assert tritonnet.hub.get_dir() == str(tmp_path)
    tritonnet.hub.set_dir(before)


def test_types_by_their_old_classes():
    x = tritonnet.ones(2)
    assert x.type(tritonnet.LongTensor).dtype is tritonnet.int64
    assert x.type(tritonnet.DoubleTensor).type() == "torch.DoubleTensor"
    assert np.array_equal(x.type("torch.IntTensor").numpy(), [1, 1])
