"""Tensors that wait to be computed until it is known what follows them.

A `Pending` is a tensor whose value is the end of a chain: a head and what followed it. Reading its array, its history
or whether it requires a gradient computes it, and it is a plain tensor from then on. It is computed as if at once:
with gradients and autocast as they were, and before anything changes in memory.

    x = F.linear(x, w)     x waits: [linear]
    x = F.relu(x)          the new x waits: [linear, relu]; nothing holds the first any more
    x = x.flatten(1)       flatten reads x: linear and relu are computed at once, without the value between

A value between that somebody still holds (a variable, a list, a hook) is computed by itself, and used.
"""

from __future__ import annotations

import contextlib
import threading
import weakref

from tritonnet.autograd import autocast, fusion, tape
from tritonnet.autograd.mode import state
from tritonnet.autograd.ops.elementwise import Relu, Sigmoid, Tanh
from tritonnet.fusion import patterns
from tritonnet.tensor.core import Tensor

new = object.__new__
own_array = Tensor.array  # the slot itself: of a Pending it holds the Link


class _Local(threading.local):
    region = None  # the compiled call under way, if its operations may wait


local = _Local()


def gone():
    """In the place of a reference to a value that there is not."""


class Link:
    """One operation of a chain. args: of the head all, else what follows the input. before: the link that it follows.

    holder: a weak reference to the tensor that waits for it. value: that tensor, once it is computed. written: tensors
    that computing it will change.
    """

    __slots__ = ("op", "args", "before", "head", "names", "holder", "value", "grad", "inference", "last_change",
                 "region", "where", "written")

    def __init__(self, op, args, before, name, region):
        self.op, self.args, self.before, self.value, self.region = op, args, before, None, region
        self.head, self.names = (self, ()) if before is None else (before.head, (*before.names, name))
        self.grad, self.inference, self.last_change = state.grad, state.inference, tape.last_change
        self.written = ()
        self.where = "" if region.report is None else region.report.where(args)  # args are let go before it is asked

    def held(self):
        """The tensor of this link, if it is computed or somebody holds it."""
        return self.value if self.value is not None else self.holder()


class Pending(Tensor):
    """A tensor that is computed when it is looked at."""

    __slots__ = ()

    def _inplace(self, op, *args, **kwargs):
        link = own_array.__get__(self)
        taken = None if kwargs else extended(link, op, args)
        if taken is None:
            return settled(self)._inplace(op, *args, **kwargs)
        link.holder, taken.holder = gone, link.holder  # nobody has seen what is overwritten
        own_array.__set__(self, taken)
        return self


def _read_first(name):
    """A property that computes the tensor and is its attribute from then on."""
    def write(self, value):
        setattr(settled(self), name, value)

    return property(lambda self: getattr(settled(self), name), write)


for _name in ("array", "node", "_requires_grad"):
    setattr(Pending, _name, _read_first(_name))
for _name, _op in {"relu_": Relu, "sigmoid_": Sigmoid, "tanh_": Tanh}.items():
    setattr(Pending, _name, lambda self, _op=_op: self._inplace(_op))


awaited = {}  # id of a tensor that computing a link will change -> the link


class Awaited(Tensor):
    """Running statistics that a norm is still to change: looking at them computes it."""

    __slots__ = ()


def _written_first(name):
    def read(self):
        awaited[id(self)].region.settle()
        return getattr(self, name)

    def write(self, value):
        awaited[id(self)].region.settle()
        setattr(self, name, value)

    return property(read, write)


Awaited.array = _written_first("array")


def changing(link):
    """Note what computing a head will change; it is computed in any case."""
    link.written = patterns.written(link.op, link.args)
    if link.written:
        link.region.changing.append(link)
    for t in link.written:
        awaited[id(t)], t.__class__ = link, Awaited
    return link


def wait(link):
    """A tensor that waits for a link."""
    made = new(Pending)
    own_array.__set__(made, link)
    made._grad = made.base = None
    link.holder = weakref.ref(made)
    link.region.waiting.append(link.holder)
    return made


def extended(link, op, args):
    """A link after this one, if some pattern goes on like this and the modes are the same; else None."""
    name = patterns.name_of(op, args)
    head = link.head
    if (name is None or state.grad is not link.grad or state.inference is not link.inference
            or local.region is not link.region or not patterns.goes_on(head.op, head.args, (*link.names, name))):
        return None
    return Link(op, args, link, name, link.region)


def settled(pending):
    """The same tensor, computed."""
    link = own_array.__get__(pending)
    made = computed(link)
    pending.__class__ = Tensor
    pending.array, pending.node, pending._requires_grad, pending.base = (
        made.array, made.node, made._requires_grad, made.base)
    link.value = pending
    return pending


def computed(link):
    """The value of a chain: from the last value on it that is there, else by the longest pattern."""
    chain = [link]
    while (before := chain[0].before) is not None and before.held() is None:
        chain.insert(0, before)
    first = chain[0]
    with as_before(link):
        if before is not None:
            x = before.held()
            fused = 0
        else:
            for t in first.written:
                awaited.pop(id(t), None)  # not there if this raised before
                t.__class__ = Tensor
            check_unchanged(first)
            fused, op = patterns.longest(first.op, link.names)
            x = (op or first.op.apply)(*first.args)
            chain.pop(0)
        for later in chain[fused:]:
            x = later.op.apply(x, *later.args)
        if link.region.report is not None:
            link.region.report.note(link, None if before is None else len(first.names) - 1, fused)
    for done in (first, *chain):  # or the head, which is its own, would keep all until the collector comes
        done.args = done.before = done.head = None
    return x


@contextlib.contextmanager
def as_before(link):
    """The modes as they were when a link was made; and nothing waits."""
    before = state.grad, state.inference, local.region
    state.grad, state.inference, local.region = link.grad, link.inference, None
    try:
        if autocast.casting:
            with autocast.suspended():  # arguments are cast
                yield
        else:
            yield
    finally:
        state.grad, state.inference, local.region = before


def check_unchanged(head):
    """Raise if what a head reads was changed in place since, unseen: by an operation of the program's own, say."""
    if tape.last_change != head.last_change:
        for t in head.args:
            if isinstance(t, Tensor) and tape.changed_after(t.array, head.last_change):
                raise RuntimeError(
                    f"compile: an input {list(t.array.shape)} of {head.op.__name__.lower()} was changed in place "
                    "before its result was used, by an operation that does not say so beforehand: change a copy")


class Region:
    """A compiled call under way. waiting: weak references to its tensors that may still wait. changing: its heads that
    change something beside."""

    __slots__ = ("waiting", "changing", "report")

    def __init__(self, report):
        self.waiting, self.changing, self.report = [], [], report

    def settle(self):
        """Compute all that waits."""
        waiting, self.waiting = self.waiting, []
        for reference in waiting:
            pending = reference()
            if type(pending) is Pending:
                settled(pending)
        changing, self.changing = self.changing, []
        for link in changing:
            if link.args is not None:  # nobody wanted its result
                computed(link)


class _Chains:
    """What operations find in `fusion.fusing`, of whatever thread."""

    @staticmethod
    def offer(op, args):
        """A tensor that waits, in the place of op(*args); None if this is to be computed now."""
        region = local.region
        if region is None:
            return None
        if op.__name__ in fusion.HEADS:
            return wait(changing(Link(op, args, None, None, region))) if patterns.may_wait(op, args) else None
        link = extended(own_array.__get__(args[0]), op, args[1:]) if type(args[0]) is Pending else None
        if link is not None:
            return wait(link)
        if region.report is not None:
            region.report.alone(op, args[0])
        return None

    @staticmethod
    def waits(x):
        """Whether a result is yet to be computed; looking at it would do so."""
        return type(x) is Pending

    @staticmethod
    def settle():
        if local.region is not None:
            local.region.settle()


@contextlib.contextmanager
def apart():
    """Nothing waits meanwhile in this thread, what waits already included: it may be changed in place inside."""
    before, local.region = local.region, None
    if before is not None:
        before.settle()
    try:
        yield
    finally:
        local.region = before


def run(call, report, args, kwargs):
    """call(*args, **kwargs), whose operations may wait for those that follow; nothing waits any more at its end."""
    if local.region is not None:  # compiled within compiled: one call
        return call(*args, **kwargs)
    region = local.region = Region(report)
    fusion.fusing.append(_Chains)
    try:
        return call(*args, **kwargs)
    finally:
        try:
            region.settle()  # also after an exception: what it leaves behind is computed with the weights of now
        finally:
            local.region = None
            fusion.fusing.pop()
