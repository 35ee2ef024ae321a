"""Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict."""

from collections import OrderedDict

import pytest

import tritonnet
from tritonnet import nn

PROGRAMS = {
    "sequential": lambda nn: repr(nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Sequential(nn.Tanh()))),
    "sequential names": lambda nn: list(nn.Sequential(OrderedDict(a=nn.Linear(1, 2), b=nn.ReLU())).state_dict()),
    "sequential slice": lambda nn: repr(nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Tanh())[1:]),
    "sequential negative": lambda nn: repr(nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Tanh())[-1]),
    "sequential index": lambda nn: nn.Sequential(nn.ReLU())[1],
    "sequential sum": lambda nn: repr(nn.Sequential(nn.ReLU()) + nn.Sequential(nn.Tanh())),
    "sequential sum wrong": lambda nn: nn.Sequential(nn.ReLU()) + [nn.Tanh()],
    "sequential product": lambda nn: repr(2 * nn.Sequential(nn.ReLU())),
    "sequential product wrong": lambda nn: nn.Sequential(nn.ReLU()) * 0,
    "sequential product of modules": lambda nn: nn.Sequential(nn.ReLU()) * nn.Tanh(),
    "sequential wrong": lambda nn: nn.Sequential([nn.ReLU()]),
    "sequential append": lambda nn: repr(nn.Sequential(nn.ReLU()).append(nn.Tanh()).extend([nn.ELU(), nn.SELU()])),
    "sequential insert": lambda nn: repr(nn.Sequential(nn.ReLU()).insert(0, nn.Tanh())),
    "sequential insert far": lambda nn: nn.Sequential(nn.ReLU()).insert(5, nn.Tanh()),
    "sequential insert number": lambda nn: nn.Sequential(nn.ReLU()).insert(0, 3),
    "list": lambda nn: repr(nn.ModuleList([nn.Linear(1, 2)] * 3 + [nn.ReLU()] + [nn.Sequential(nn.ReLU())] * 2)),
    "list empty": lambda nn: repr(nn.ModuleList()),
    "list names": lambda nn: list(nn.ModuleList([nn.Linear(1, 2), nn.ReLU(), nn.Linear(1, 1)]).state_dict()),
    "list index": lambda nn: nn.ModuleList([nn.ReLU()])[2],
    "list text": lambda nn: nn.ModuleList([nn.ReLU()])["0"],
    "list extend wrong": lambda nn: nn.ModuleList().extend(3),
    "list of numbers": lambda nn: nn.ModuleList([1, 2]),
    "list call": lambda nn: nn.ModuleList([nn.ReLU()])(1),
    "list sum": lambda nn: repr(nn.ModuleList([nn.ReLU()]) + [nn.Tanh()]),
    "dict": lambda nn: repr(nn.ModuleDict({"a": nn.Linear(1, 2), "b": nn.ReLU()})),
    "dict pairs": lambda nn: repr(nn.ModuleDict([["a", nn.Linear(1, 2)], ("b", nn.ReLU())])),
    "dict key": lambda nn: nn.ModuleDict({"a": nn.ReLU()})["b"],
    "dict wrong": lambda nn: nn.ModuleDict(3),
    "dict names": lambda nn: list(nn.ModuleDict(OrderedDict(b=nn.Linear(1, 2), a=nn.Linear(1, 1))).state_dict()),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_containers_of_modules(alike, name):
    alike(lambda torch: PROGRAMS[name](torch.nn))


PARAMETERS = {
    "list": lambda torch: repr(torch.nn.ParameterList([torch.zeros(2, 3), 5, torch.nn.Parameter(torch.zeros(2))])),
    "list names": lambda torch: list(torch.nn.ParameterList([torch.zeros(2), torch.zeros(3)]).state_dict()),
    "list index": lambda torch: torch.nn.ParameterList([torch.zeros(2)])[1],
    "list slice": lambda torch: len(torch.nn.ParameterList([torch.zeros(2)] * 3)[1:]),
    "list wrong": lambda torch: torch.nn.ParameterList(torch.zeros(2)),
    "list call": lambda torch: torch.nn.ParameterList()(1),
    "dict": lambda torch: repr(torch.nn.ParameterDict({"a": torch.zeros(2, 3), "b": 4})),
    "dict names": lambda torch: list(torch.nn.ParameterDict({"b": torch.zeros(2), "a": torch.zeros(3)}).state_dict()),
    "dict key": lambda torch: torch.nn.ParameterDict({"a": torch.zeros(2)})["b"],
    "dict wrong": lambda torch: torch.nn.ParameterDict(3),
    "dict number": lambda torch: torch.nn.ParameterDict({3: torch.zeros(2)}),
    "dict union": lambda torch: list(torch.nn.ParameterDict({"a": torch.zeros(2)})
                                     | torch.nn.ParameterDict({"b": torch.zeros(2)})),
    "dict from keys": lambda torch: list(torch.nn.ParameterDict().fromkeys(["x", "y"], 1).items()),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_containers_of_parameters(alike, name):
    alike(PARAMETERS[name], types_only=name in ("dict number", "dict key"))


def test_a_sequential_changes():
    s = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    s[1] = nn.Tanh()
    assert isinstance(s[1], nn.Tanh) and len(s) == 3
    del s[0]
    assert list(s._modules) == ["0", "1"] and isinstance(s.pop(0), nn.Tanh) and len(s) == 1
    s.insert(-1, nn.ReLU())
    assert isinstance(s[0], nn.ReLU)
    s *= 2
    assert len(s) == 4
    s += nn.Sequential(nn.ELU())
    assert isinstance(s[-1], nn.ELU)
    del s[1:]
    assert len(s) == 1 and s(tritonnet.tensor([-1.0])).item() == 0


def test_a_module_list_changes():
    m = nn.ModuleList([nn.ReLU(), nn.Tanh()])
    m.insert(1, nn.ELU())
    m[0] = nn.SELU()
    m += [nn.GELU()]
    assert [type(x).__name__ for x in m] == ["SELU", "ELU", "Tanh", "GELU"] and list(m._modules) == list("0123")
    del m[1]
    assert isinstance(m.pop(-1), nn.GELU) and len(m) == 2 and isinstance(m[:1], nn.ModuleList)


def test_a_module_dict_changes():
    m = nn.ModuleDict({"a": nn.ReLU()})
    m["b"] = nn.Tanh()
    m.update(nn.ModuleDict({"c": nn.ELU()}))
    assert list(m) == list(m.keys()) == ["a", "b", "c"] and "b" in m and len(m) == 3
    assert [type(x).__name__ for x in m.values()] == ["ReLU", "Tanh", "ELU"] and dict(m.items())["c"] is m["c"]
    del m["a"]
    assert isinstance(m.pop("b"), nn.Tanh)
    m.clear()
    assert len(m) == 0


def test_parameter_containers_change():
    p = nn.ParameterList([tritonnet.ones(1)])
    p.append(tritonnet.ones(2)).extend([nn.Parameter(tritonnet.ones(3))])
    p += [4]
    p[0] = tritonnet.zeros(5)
    assert [tuple(x.shape) for x in p.parameters()] == [(5,), (2,), (3,)] and p[3] == 4 and p[-1] == 4
    d = nn.ParameterDict({"a": tritonnet.ones(1)})
    d["b"] = tritonnet.ones(2)
    assert d.setdefault("b") is d["b"] and d.get("c", 3) == 3 and list(reversed(d)) == ["b", "a"]
    assert isinstance(d["b"], nn.Parameter) and len(list(d.parameters())) == 2 and len(d.copy()) == 2
    assert d.popitem()[0] == "b" and "b" not in d
    d |= {"z": tritonnet.ones(1)}
    assert list(d.keys()) == ["a", "z"] and len(list(d.values())) == 2
    assert list({"q": tritonnet.ones(1)} | d) == ["q", "a", "z"]
    d.clear()
    assert len(d) == 0
    with pytest.raises(RuntimeError, match="should not be called"):
        d(1)
