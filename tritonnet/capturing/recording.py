"""What goes on in Python while a step runs: the modules, leaves and schedules that take part, and what is refused."""

from __future__ import annotations

import contextlib
import random

import numpy as np

from tritonnet.autograd import calls
from tritonnet.autograd.apply import Written
from tritonnet.autograd.function import Op, Tensor
from tritonnet.autograd.fusion import waits
from tritonnet.autograd.tape import Node
from tritonnet.kernels import rng
from tritonnet.kernels.runtime import CaptureError
from tritonnet.nn.modules.module import Module
from tritonnet.optim.lr_scheduler import LRScheduler
from tritonnet.optim.optimizer import Optimizer


def subclasses(root):
    """Every class below `root`, and it itself."""
    yield root
    for cls in root.__subclasses__():
        yield from subclasses(cls)


def leaves_of(roots):
    """The leaves behind the edges that a backward pass begins at."""
    seen, found, stack = set(), {}, [edge for edge, _ in roots]
    while stack:
        edge = stack.pop()
        if not isinstance(edge, Node):
            found[id(edge)] = edge
        elif edge not in seen:
            seen.add(edge)
            stack += [parent for parent in edge.parents if parent is not None]
    return list(found.values())


class Watch:
    """Notes, while a step runs, the modules it calls and the leaves whose gradients it makes or uses.

    capturing: the arena of the graph that is being recorded, or None in a warm-up. Then operations on the CPU are
    refused, and schedules are noted, to be stepped again before each replay.
    """

    def __init__(self, capturing=None, modules=(), leaves=()):
        self.capturing = capturing
        self.modules = {id(m): m for m in modules}
        self.leaves = {id(leaf): leaf for leaf in leaves}
        self.entry = {id(leaf): leaf._grad for leaf in leaves}  # gradients before the step
        self.met = {}  # gradients when the step first adds to them or uses them
        self.schedules, self.stepping = {}, 0  # what a schedule, and its optimizer's groups, were before

    @contextlib.contextmanager
    def running(self):
        """Watch meanwhile."""
        with contextlib.ExitStack() as stack:
            def replace(owner, name, made):
                before = vars(owner)[name]
                setattr(owner, name, made)
                stack.callback(setattr, owner, name, before)

            replace(calls, "run", self._backward(calls.run))
            replace(Module, "__call__", self._called(Module.__call__))
            for cls in subclasses(Optimizer):
                if "update_all" in vars(cls):
                    replace(cls, "update_all", self._updated(cls.update_all))
            if self.capturing is not None:
                for cls in subclasses(LRScheduler):
                    if "step" in vars(cls):
                        replace(cls, "step", self._scheduled(cls.step))
                for cls in subclasses(Op):
                    if not isinstance(vars(cls).get("apply", Written()), Written):
                        replace(cls, "apply", _on_device(cls, vars(cls)["apply"]))
            yield self

    def meet(self, leaves):
        """Note leaves, and their gradients the first time."""
        for leaf in leaves:
            if id(leaf) not in self.met:
                self.leaves[id(leaf)] = leaf
                self.met[id(leaf)] = leaf._grad

    def _backward(self, run):
        def watched(roots, *args):
            self.meet(leaves_of(roots))
            return run(roots, *args)

        return watched

    def _called(self, call):
        def watched(module, *args, **kwargs):
            self.modules[id(module)] = module
            return call(module, *args, **kwargs)

        return watched

    def _updated(self, update):
        def watched(optimizer):
            self.meet(p for g in optimizer.param_groups for p in g["params"] if p._grad is not None)
            return update(optimizer)

        return watched

    def _scheduled(self, step):
        def watched(schedule, *args, **kwargs):
            if id(schedule) not in self.schedules:
                groups = schedule.optimizer.param_groups
                self.schedules[id(schedule)] = schedule, dict(vars(schedule)), [(g, dict(g)) for g in groups]
            if not self.stepping:  # a schedule made of others steps those itself
                self.capturing.each_replay.append(lambda: type(schedule).step(schedule, *args, **kwargs))
            self.stepping += 1
            try:
                return step(schedule, *args, **kwargs)
            finally:
                self.stepping -= 1

        return watched

    def undo_schedules(self):
        """Schedules as they were: recording a step computes nothing, replays do it all."""
        for schedule, before, groups in reversed(self.schedules.values()):
            vars(schedule).clear()
            vars(schedule).update(before)
            for group, settings in groups:
                group.update(settings)

    def undo(self):
        """The step was not captured: gradients and schedules as they were."""
        for key, grad in (self.met | self.entry).items():
            self.leaves[key]._grad = grad
        self.undo_schedules()


def _on_device(cls, apply):
    """An operation's `apply` that refuses to compute on the CPU: replays would leave it out."""
    inherited = isinstance(apply, classmethod)  # by operations that have no `apply` of their own
    call = apply.__func__ if isinstance(apply, (classmethod, staticmethod)) else apply

    def checked(*args, **kwargs):
        out = call(*args, **kwargs)
        for t in out if type(out) is tuple else (out,):
            if isinstance(t, Tensor) and not waits(t) and isinstance(t.array, np.ndarray):
                raise CaptureError((args[0] if inherited else cls).__name__, "compute on the host")
        return out

    return classmethod(checked) if inherited else staticmethod(checked)


def chance():
    """The states of the random generators on the host."""
    kind, words, *more = np.random.get_state()
    return random.getstate(), (kind, words.tobytes(), *more), rng.default_generator().get_state().tobytes()
