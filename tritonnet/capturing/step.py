"""`tritonnet.capture`: a training step as one graph."""

from __future__ import annotations

import functools

from tritonnet.autograd import tape
from tritonnet.autograd.function import make
from tritonnet.capturing import reasons
from tritonnet.capturing.guards import Gradients, Modules, Names
from tritonnet.capturing.recording import Watch, chance
from tritonnet.capturing.signature import Same, Static, circumstances, exchanged, flattened
from tritonnet.kernels import runtime
from tritonnet.kernels.arrays import is_host
from tritonnet.kernels.runtime import CaptureError
from tritonnet.kernels.runtime.devices import alive
from tritonnet.kernels.runtime.graph import Recording
from tritonnet.tensor.core import Tensor

MOST = 8  # graphs of one signature; beyond, the one not used for longest goes
SIGNATURES = 16  # beyond, calls must mostly be replays
AGAIN, RETRIES = {"load", "make state"}, 2  # what one more eager call may mend: another branch needs other kernels


def mapped(result, change, name):
    """A step's result with its tensors changed; CaptureError for what a graph cannot compute."""
    if isinstance(result, Tensor):
        return change(result)
    if result is None:
        return None
    if isinstance(result, (list, tuple)):
        made = [mapped(value, change, name) for value in result]
        return type(result)(*made) if hasattr(result, "_fields") else type(result)(made)
    if isinstance(result, dict):
        return {key: mapped(value, change, name) for key, value in result.items()}
    raise CaptureError(f"capture: {name} returns {result!r}, which replays would repeat whatever they compute: return "
                       "tensors, and compute other things outside the step")


def detached(t):
    """A result that a graph gives has no history, so that results of the warm-up have none either."""
    return t if t.node is None else make(t.array)


class Recorded:
    """One graph, with what it was recorded with."""

    def __init__(self, graph, result, statics, fixed, guards, gradients, name):
        self.graph, self.result, self.statics, self.fixed = graph, result, statics, fixed
        self.guards, self.gradients, self.name = guards, gradients, name
        self.own = {id(s.tensor.array.owner) for s in statics if s is not None}

    def misfit(self, tensors):
        """(why a replay would not do what the step does now, whether it never will again), or None."""
        for i, (tensor, array) in self.fixed.items():
            if tensors[i][1] is not tensor or tensor.array is not array:
                return f"{tensors[i][0]} is another tensor than before", True
        if (reason := self.graph.misfit()) is not None:
            return reason, True
        for guard in self.guards:
            if (reason := guard.misfit()) is not None:
                return reason, False
        return None

    def replay(self, tensors):
        """Do what the step does; results are the caller's."""
        for static, (_, tensor) in zip(self.statics, tensors):
            if static is not None:
                static.take(tensor)
        self.graph()
        self.gradients.leave()
        return mapped(self.result, self._handed_out, self.name)

    def _handed_out(self, t):
        """A copy of what lies in the graph's memory, which the next replay overwrites; other tensors as they are."""
        owner = t.array.owner
        if getattr(owner, "arena", None) is not self.graph.arena and id(owner) not in self.own:
            return t
        if t.array.contiguous:
            return make(t.array.copy())
        copy = Static(t.array)
        copy.take(t)
        return copy.tensor


class Plan:
    """All calls with one signature."""

    def __init__(self, step, warmup):
        self.step, self.left, self.retries = step, warmup, RETRIES
        self.last, self.statics, self.varying = None, {}, set()
        self.modules, self.leaves, self.recorded, self.reason = (), (), [], ""
        self.on_host, self.captures, self.replays = True, 0, 0

    def __call__(self, device, args, kwargs, tensors):
        for i, recorded in enumerate(self.recorded):
            misfit = recorded.misfit(tensors)
            if misfit is None:
                self.recorded.insert(0, self.recorded.pop(i))
                self.replays += 1
                return recorded.replay(tensors)
            self.reason, gone = misfit
            if gone:
                self.varying |= {i for i in recorded.fixed if tensors[i][1] is not recorded.fixed[i][0]}
                self.recorded[i] = None
        self.recorded = [r for r in self.recorded if r is not None]
        if self.left:
            self.left -= 1
            return self.warm_up(device, args, kwargs, tensors)
        if self.on_host:
            return self.step(*args, **kwargs)
        return self.record(device, args, kwargs, tensors)

    def placed(self, tensors):
        """Per tensor its static copy, or None for one that every call passes: that is used where it lies."""
        found = []
        for i, (name, tensor) in enumerate(tensors):
            if self.last is None or i not in self.varying and self.last[i] is tensor:
                found.append(None)
                continue
            if tensor.requires_grad:
                raise CaptureError(f"capture: {name} requires a gradient and is another tensor at each call: pass the "
                                   f"same one, or {name}.detach()")
            self.varying.add(i)
            if i not in self.statics:
                self.statics[i] = Static(tensor.array)
            self.statics[i].take(tensor)
            found.append(self.statics[i])
        self.last = [tensor for _, tensor in tensors]
        return found

    def run(self, args, kwargs, tensors, statics):
        """The step on static copies; CaptureError where it changes one, which the caller's tensor would not show."""
        by = {id(t): s.tensor for (_, t), s in zip(tensors, statics) if s is not None}
        before = next(tape.clock)
        result = self.step(*exchanged(args, by), **exchanged(kwargs, by)) if by else self.step(*args, **kwargs)
        for (name, _), static in zip(tensors, statics):
            if static is not None and tape.last_changed(static.tensor.array) > before:
                raise CaptureError(f"capture: {self.name} changes {name} in place, which is another tensor at each "
                                   "call: pass the same one each time, or refer to it from the step")
        return result

    @property
    def name(self):
        """The step's name."""
        return getattr(self.step, "__qualname__", type(self.step).__name__).rpartition("<locals>.")[2]

    def warm_up(self, device, args, kwargs, tensors):
        """A real step, from Python; the last ones already on static copies."""
        watch, launched, taken = Watch(), [], device.pool.requests
        with watch.running(), runtime.watching(launched.append):
            result = self.run(args, kwargs, tensors, self.placed(tensors))
        self.on_host = self.on_host and not launched and taken == device.pool.requests
        if self.on_host:
            return result
        self.modules, self.leaves = list(watch.modules.values()), list(watch.leaves.values())
        return mapped(result, detached, self.name)

    def record(self, device, args, kwargs, tensors):
        """Record the step and replay it once."""
        if self.captures >= MOST and self.replays < 2 * self.captures:
            raise CaptureError(f"capture: {self.name} was captured {self.captures} times and replayed {self.replays} "
                               f"times, last because {self.reason}: refer to the same things at each call, and "
                               "pass what changes as an argument")
        statics = self.placed(tensors)
        names, drawn = Names(self.step, args), chance()
        settings = Modules([*self.modules, *names.modules])
        recording = Recording(device)
        watch = Watch(recording.arena, self.modules, self.leaves)
        try:
            with watch.running():
                result = self.run(args, kwargs, tensors, statics)
                self.check(names, settings, drawn, recording.arena)
                mapped(result, self.on_device, self.name)
            graph = recording.end()
        except BaseException as error:
            recording.abandon()
            watch.undo()
            if getattr(error, "what", None) in AGAIN and self.retries:
                self.retries -= 1
                return self.warm_up(device, args, kwargs, tensors)
            if (told := reasons.refused(self.name, error)) is None or str(error).startswith("capture: "):
                raise
            raise told from error
        watch.undo_schedules()
        self.captures, self.retries = self.captures + 1, RETRIES
        fixed = {i: (t, t.array) for i, (_, t) in enumerate(tensors) if statics[i] is None}
        gradients = Gradients(watch)
        guards = [Modules([*watch.modules.values(), *names.modules]), Names(self.step, args), gradients]
        result = mapped(result, detached, self.name)
        made = Recorded(graph, result, statics, fixed, guards, gradients, self.name)
        self.recorded = [made, *self.recorded[:MOST - 1]]
        return made.replay(tensors)

    def check(self, names, settings, drawn, arena):
        """Raise for what the step did in Python, which replays would leave out."""
        if (changed := names.changed(arena.held)) is not None:
            label, before, after = changed
            raise CaptureError(f"capture: {self.name} changes `{label}` in Python ({before} -> {after}), which replays "
                               "would not: do that outside the step, or in place on a tensor on the device")
        if (reason := settings.misfit()) is not None:
            raise CaptureError(f"capture: within {self.name} {reason}, which replays would not do: do it outside")
        if chance() != drawn:
            raise CaptureError(f"capture: {self.name} draws random numbers on the host, which replays would repeat: "
                               "draw on the device (rand(..., device='cuda')), or before the step")
        if dropped := arena.dropped():
            raise CaptureError(f"capture: {self.name} replaces a tensor that it has read at {dropped[0]}, so that "
                               "replays would go on reading the old one: change it in place (x.copy_(...))")

    def on_device(self, t):
        """Refuse results on the CPU."""
        if is_host(t.array):
            raise CaptureError(f"capture: {self.name} returns a tensor on the CPU, which replays would not compute")


class Captured:
    """What `capture` makes of a step. captures, replays: how many graphs were recorded, and calls answered by them."""

    def __init__(self, step, warmup=2):
        if not callable(step):
            raise TypeError(f"capture() takes a function, got {type(step).__name__}")
        if not isinstance(warmup, int) or warmup < 1:
            raise ValueError(f"capture: warmup={warmup!r}, expected a whole number of calls, at least 1: kernels are "
                             "compiled in them")
        functools.update_wrapper(self, step, updated=())
        self.step, self.warmup, self.plans, self.calls = step, warmup, {}, 0

    captures = property(lambda self: sum(plan.captures for plan in self.plans.values()))
    replays = property(lambda self: sum(plan.replays for plan in self.plans.values()))

    def __call__(self, *args, **kwargs):
        device = runtime.current_device() if alive and runtime.is_available() else None
        if device is None or device.pool.capturing:  # nothing to capture on; or inside of another step's capture
            return self.step(*args, **kwargs)
        self.calls += 1
        tensors = []
        key = (device, Same(device.stream), circumstances(), flattened(args, tensors, "argument"),
               flattened(kwargs, tensors, "argument"))
        plan = self.plans.get(key)
        if plan is None:
            if len(self.plans) >= SIGNATURES and 4 * self.replays < self.calls:
                raise CaptureError(f"capture: {len(self.plans)} different kinds of calls, few of them repeated: pass "
                                   "numbers that change (rates, counts) as tensors on the device, and few shapes")
            plan = self.plans[key] = Plan(self.step, self.warmup)
        return plan(device, args, kwargs, tensors)

    def __get__(self, owner, kind=None):
        return self if owner is None else functools.partial(self, owner)

    def reset(self):
        """Forget all graphs, whose memory goes back; the next calls are warm-up again."""
        self.plans.clear()

    def __repr__(self):
        return f"capture({self.step!r})"


def capture(step=None, *, warmup=2):
    """A function that runs `step` as one CUDA graph: the same numbers, bit for bit, and nothing done by Python.

        @tritonnet.capture
        def step(x, y):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

    The first `warmup` calls are ordinary ones, in which kernels are compiled; the next one is recorded and from then on
    it is replayed: batches, forward, backward, clipping, optimizers, loss scales, dropout and batch norm included.
    Rates follow the schedules, whether these step inside or outside. On the CPU it stays a plain call.

    Tensors among the arguments must be on the device; they are copied into the graph's memory, unless each call passes
    the same one. Another shape, type, number or object as an argument, another mode (train and eval, autocast, no_grad)
    or a replaced parameter makes a graph of its own. Results have no history and are the caller's to keep; a step that
    returns None does nothing but replay.

    Raises CaptureError, naming the line, where a replay could not do the same: reading values on the host, copies from
    the host, computing on the CPU, Python variables or random numbers that change within the step, tensors replaced by
    new ones. Whatever else a step does in Python (printing, appending to what it does not name) happens when it is
    recorded, never in replays.
    """
    return functools.partial(capture, warmup=warmup) if step is None else Captured(step, warmup)
