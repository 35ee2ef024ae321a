"""save and load: what comes back, whose memory is shared, where tensors go; a failed save leaves the old file alone."""

import io
import os
from argparse import Namespace
from collections import OrderedDict

import ml_dtypes
import numpy as np
import pytest

import tritonnet
from tritonnet import nn


def through(obj, **options):
    """`obj` saved and loaded again."""
    file = io.BytesIO()
    tritonnet.save(obj, file)
    file.seek(0)
    return tritonnet.load(file, **options)


def same(a, b):
    """Assert that two structures are equal, types included."""
    assert type(a) is type(b)
    if isinstance(a, tritonnet.Tensor):
        assert a.dtype is b.dtype and a.shape == b.shape and a.device == b.device and a.requires_grad == b.requires_grad
        np.testing.assert_array_equal(a.detach().double().numpy(), b.detach().double().numpy())
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for key, other in zip(a, b):
            assert type(key) is type(other)
            same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b):
            same(x, y)
    else:
        assert a == b or (a != a and b != b)


def test_structures_come_back_as_they_were():
    same_again = {
        "epoch": 3, "name": "naïve ☃", "none": None, "yes": True, "lr": 0.1, "small": 5e-324, "minus zero": -0.0,
        "huge": 10**40, "nan": float("nan"), "inf": [float("inf"), -float("inf")], "": "empty key",
        0: "int", 1.5: "float", True and "true": False, None: [], (1, "a"): (), "tuple": (1, (2, [3])),
        "size": tritonnet.zeros(2, 3).shape, "ordered": OrderedDict(b=1, a=2), "dtype": tritonnet.bfloat16,
        "device": tritonnet.device("cuda", 1), "tensor": tritonnet.arange(6).reshape(2, 3),
        "complex": [1.5 - 2j, complex(-0.0, float("inf"))], "bytes": b"\x00\xff raw", "none of them": b"", b"key": 1j,
        "set": {1, "a", (2, None), 2.5}, "frozen": frozenset({b"x", 1j}), "no set": set(),
        "options": Namespace(lr=0.1, betas=(0.9, 0.999), inner=Namespace()),
        "array": np.arange(4, dtype="u2"), "number": np.float32(0.25), "flag": np.bool_(True), "dict": {}, "list": [{}],
    }
    same(through(same_again), same_again)
    for single in (None, 3, "text", 2.5, [], {}, tritonnet.ones(2), np.zeros(3), (), tritonnet.float16):
        same(through(single), single)


DTYPES = ["float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool",
          "float8_e4m3fn", "float8_e5m2"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_element_type(dtype):
    values = np.array([[0, 1, 0], [1, 1, 0]])
    tensor = tritonnet.tensor(values).to(getattr(tritonnet, dtype))
    for shaped in (tensor, tensor[0, 0], tensor[:0], tensor.T, tensor[:, ::2]):
        loaded = through(shaped)
        assert loaded.dtype is shaped.dtype and loaded.shape == shaped.shape
        assert (loaded.float() == shaped.float()).all()


def test_parameters_and_flags():
    p = nn.Parameter(tritonnet.ones(2))
    frozen = nn.Parameter(tritonnet.ones(2), requires_grad=False)
    leaf = tritonnet.ones(2, requires_grad=True)
    loaded = through([p, frozen, leaf, leaf * 2])
    assert [type(t) is nn.Parameter for t in loaded] == [True, True, False, False]
    assert [t.requires_grad for t in loaded] == [True, False, True, True] and all(t.is_leaf for t in loaded)


def test_a_module_and_its_optimizer_go_on(tmp_path):
    tritonnet.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    state = {"state": {0: {"step": tritonnet.tensor(3.0), "exp_avg": tritonnet.ones(4, 3)}},
             "param_groups": [{"lr": 0.1, "betas": (0.9, 0.999), "params": [0, 1, 2, 3]}]}
    path = tmp_path / "model.pt"
    tritonnet.save({"model": model.state_dict(), "optimizer": state, "epoch": 2}, path)
    loaded = tritonnet.load(path)
    same(loaded["optimizer"], state)
    other = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    assert repr(other.load_state_dict(loaded["model"])) == "<All keys matched successfully>"
    same(other.state_dict(), model.state_dict())
    assert dict(loaded["model"]._metadata) == dict(model.state_dict()._metadata)
    assert sorted(os.listdir(tmp_path)) == ["model.pt"]


def test_the_file_is_safetensors_whatever_its_name(tmp_path):
    import safetensors
    from safetensors.numpy import load_file, save_file

    path = tmp_path / "weights.pth"
    model = nn.Linear(3, 2)
    tritonnet.save(model.state_dict(), path)
    theirs = load_file(path)
    assert sorted(theirs) == ["bias", "weight"] and (theirs["weight"] == model.weight.detach().numpy()).all()
    with safetensors.safe_open(path, "numpy") as file:
        assert "tritonnet" in file.metadata()
    arrays = {"b": np.arange(6.0).reshape(2, 3), "a": np.ones(3, np.float16), "none": np.zeros((0, 2), np.int8)}
    save_file(arrays, tmp_path / "theirs.safetensors", metadata={"format": "np"})
    loaded = tritonnet.load(tmp_path / "theirs.safetensors")
    assert type(loaded) is dict and sorted(loaded) == ["a", "b", "none"]
    same({k: loaded[k].numpy() for k in sorted(loaded)}, {k: arrays[k] for k in sorted(arrays)})


def test_bfloat16_of_the_safetensors_library(torch, tmp_path):
    from safetensors.torch import load_file, save_file

    x = torch.randn(3, 4).bfloat16()
    save_file({"x": x}, tmp_path / "x.safetensors")
    loaded = tritonnet.load(tmp_path / "x.safetensors")["x"]
    assert loaded.dtype is tritonnet.bfloat16 and (loaded.float().numpy() == x.float().numpy()).all()
    tritonnet.save({"x": loaded}, tmp_path / "y.safetensors")
    assert torch.equal(load_file(tmp_path / "y.safetensors")["x"], x)


def test_nested_tensors_are_named_by_their_place(tmp_path):
    tritonnet.save({"a": [tritonnet.ones(1), {"b": tritonnet.ones(2)}], "a.0": tritonnet.ones(3),
                    "__metadata__": tritonnet.ones(4)}, tmp_path / "x")
    from tritonnet.serialization.tensorfile import read_tensors

    names = read_tensors((tmp_path / "x").read_bytes())[1]
    assert {name: array.size for name, array in names.items()} == {
        "a.0": 1, "a.1.b": 2, "a.0#2": 3, "__metadata__#2": 4}


def test_shared_memory_is_stored_once_and_shared_again(tmp_path):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(300, 300, bias=False), nn.Linear(300, 300, bias=False)
            self.b.weight = self.a.weight

    tritonnet.save(Tied().state_dict(), tmp_path / "tied")
    assert os.path.getsize(tmp_path / "tied") < 300 * 300 * 4 + 1000
    loaded = tritonnet.load(tmp_path / "tied")
    assert loaded["a.weight"].data_ptr() == loaded["b.weight"].data_ptr()
    x = tritonnet.arange(12.0).reshape(3, 4)
    row, last, all_of_it, column, transposed, again = through([x[1], x[2, 3], x, x[:, 1], x.T, x.T])
    all_of_it += 100
    assert row.tolist() == [104, 105, 106, 107] and last.item() == 111
    assert column.tolist() == [1, 5, 9]  # has gaps: stored apart
    assert transposed is again and transposed.shape == (4, 3)
    same_object = tritonnet.ones(2)
    first, second = through([same_object, same_object])
    assert first is second
    detached, leaf = through([x.detach(), x.requires_grad_()])
    assert detached is not leaf and detached.data_ptr() == leaf.data_ptr()
    ints = np.arange(4)
    a, b = through([ints, ints[2:]])
    a[3] = 9
    assert b.tolist() == [2, 9]


def test_devices(simulated, tmp_path):
    x = tritonnet.arange(6.0).reshape(2, 3)
    state = {"gpu": x.cuda(), "row": None, "cpu": x}
    state["row"] = state["gpu"][1]
    tritonnet.save(state, tmp_path / "x")
    loaded = tritonnet.load(tmp_path / "x")
    assert [loaded[k].is_cuda for k in ("gpu", "row", "cpu")] == [True, True, False]
    loaded["gpu"].add_(1)
    assert loaded["row"].tolist() == [4, 5, 6] and loaded["cpu"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert not any(t.is_cuda for t in tritonnet.load(tmp_path / "x", map_location="cpu").values())
    assert all(t.is_cuda for t in tritonnet.load(tmp_path / "x", map_location=tritonnet.device("cuda")).values())
    assert not tritonnet.load(tmp_path / "x", map_location={"cuda:0": "cpu"})["gpu"].is_cuda
    assert tritonnet.load(tmp_path / "x", map_location={"cpu": "cuda:0"})["cpu"].is_cuda
    seen = set()

    def where(tensor, location):
        seen.add((location, tensor.is_cuda))
        return tensor if location == "cuda:0" else None

    loaded = tritonnet.load(tmp_path / "x", map_location=where)
    assert seen == {("cuda:0", False), ("cpu", False)} and not loaded["gpu"].is_cuda
    with pytest.raises(RuntimeError, match="device_count"):
        tritonnet.load(tmp_path / "x", map_location="cuda:7")
    with pytest.raises(KeyError, match="mine"):
        tritonnet.load(tmp_path / "x", map_location=lambda t, where: {}["mine"])
    with pytest.raises(TypeError, match="map_location"):
        tritonnet.load(tmp_path / "x", map_location=2.5)


def test_a_gpu_file_without_a_gpu_says_what_to_do(tmp_path):
    with tritonnet.cuda.simulated():
        tritonnet.save(tritonnet.ones(2).cuda(), tmp_path / "x")
    if not tritonnet.cuda.is_available():
        with pytest.raises(RuntimeError, match="map_location=tritonnet.device\\('cpu'\\)"):
            tritonnet.load(tmp_path / "x")
    assert tritonnet.load(tmp_path / "x", map_location="cpu").tolist() == [1, 1]


class Thing:
    pass


REFUSED = {
    "obj['a'][1]": {"a": [1, Thing()]},
    "obj": nn.Linear(1, 1),
    "obj[0]": (lambda: 1,),
    "obj['x']": {"x": np.array(["text"])},
    "obj['y']": {"y": np.array([1j])},
    "obj['z']": {"z": range(2)},
    "obj['d']['k']": {"d": OrderedDict(k=bytearray(3))},
    "obj[3]": [1, 2, 3, np.complex64(1j)],
}


@pytest.mark.parametrize("place", REFUSED)
def test_what_cannot_be_stored_is_named(place, tmp_path):
    with pytest.raises(TypeError) as error:
        tritonnet.save(REFUSED[place], tmp_path / "x")
    assert f"cannot store {place}, " in str(error.value) and not os.listdir(tmp_path)


def test_refusals_give_advice():
    with pytest.raises(TypeError, match="state_dict"):
        tritonnet.save({"model": nn.Linear(1, 1)}, io.BytesIO())
    with pytest.raises(TypeError, match=r"cannot store tritonnet.float32, a dtype, as a key of obj\['a'\]"):
        tritonnet.save({"a": {tritonnet.float32: 1}}, io.BytesIO())
    with pytest.raises(TypeError, match=r"cannot store .*, a Thing, as a key of obj\['a'\] or in it"):
        tritonnet.save({"a": {Thing()}}, io.BytesIO())
    endless = []
    endless.append({"x": endless})
    with pytest.raises(ValueError, match=r"obj\[0\]\['x'\] contains itself"):
        tritonnet.save(endless, io.BytesIO())
    for function in (lambda f: tritonnet.save(1, f), tritonnet.load):
        with pytest.raises(AttributeError):
            function(3.5)


def test_ml_dtypes_arrays_are_known():
    same(through(np.ones(3, ml_dtypes.bfloat16)), np.ones(3, ml_dtypes.bfloat16))
    same(through(np.arange(3).astype(">i4")).astype(">i4"), np.arange(3).astype(">i4"))
