"""Loss scaling: gradients of float16 that would vanish are kept by a bigger loss, and divided again before the step.

On a device the scale, the count of good steps and the marks for infinite gradients stay there: the optimizers' fused
kernels read them, divide while they update, and change nothing where a gradient is infinite.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable
from enum import Enum

import tritonnet
from tritonnet.autograd.function import make
from tritonnet.autograd.tape import modified
from tritonnet.kernels import arrays, elementwise
from tritonnet.kernels import optim as kernels
from tritonnet.kernels.dtypes import float16, int32
from tritonnet.optim.optimizer import Optimizer
from tritonnet.tensor.core import Tensor


class OptState(Enum):
    """How far an optimizer is since the last update()."""

    READY = 0
    UNSCALED = 1
    STEPPED = 2


def _fresh():
    return {"stage": OptState.READY, "found_inf_per_device": {}}


class GradScaler:
    """Scales losses, unscales gradients, skips steps with infinite ones and adapts the scale.

    init_scale, growth_factor (> 1), backoff_factor (< 1); growth_interval: steps without infinities after which the
    scale grows.  enabled=False: scale and the rest do nothing, step is the optimizer's.
    Source: Micikevicius et al. 2018.
    """

    def __init__(self, device="cuda", init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000,
                 enabled=True):
        self._device, self._enabled = device, enabled
        if enabled and device == "cuda" and not tritonnet.cuda.is_available():
            warnings.warn("GradScaler is enabled, but CUDA is not available.  Disabling.", stacklevel=2)
            self._enabled = False
        if not self._enabled:
            return
        if growth_factor <= 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if backoff_factor >= 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        self._init_scale, self._init_growth_tracker = init_scale, 0
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval = growth_interval
        self._scale = self._growth_tracker = None  # made where the first loss is
        self._per_optimizer_states = defaultdict(_fresh)

    def _need_scale(self, name):
        if self._scale is None:
            raise AssertionError(f"Attempted {name} but _scale is None.  This may indicate your script did not use "
                                 "scaler.scale(loss or outputs) earlier in the iteration.")

    def scale(self, outputs):
        """A loss, or several in a list or tuple, times the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            if self._scale is None:
                self._scale = tritonnet.full((), float(self._init_scale), dtype=tritonnet.float32,
                                             device=outputs.device)
                self._growth_tracker = tritonnet.full((), self._init_growth_tracker, dtype=tritonnet.int32,
                                                      device=outputs.device)
            return outputs * self._scale.to(outputs.device)
        if not isinstance(outputs, Iterable):
            raise ValueError("outputs must be a Tensor or an iterable of Tensors")
        scaled = map(self.scale, outputs)
        return type(outputs)(scaled) if isinstance(outputs, (list, tuple)) else scaled

    def _unscale(self, optimizer, write):
        """Look at (and divide) the gradients of an optimizer: {where: the mark for infinities there}."""
        places, found = defaultdict(list), {}
        for group in optimizer.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                grad = p.grad.array
                if write and grad.dtype == float16:
                    raise ValueError("Attempting to unscale FP16 gradients.")
                places[grad.device].append(grad)
                if write and p.grad.requires_grad:
                    modified(grad)
        for place, grads in places.items():
            found[place] = arrays.zeros((), int32, grads[0])
            scale = self._scale if self._scale.array.device == place else self._scale.to(_device_of(place))
            kernels.unscale(grads, scale.array, found[place], write)
        return found

    def unscale_(self, optimizer):
        """Divide the gradients of an optimizer by the scale, for clipping before `step`."""
        if not self._enabled:
            return
        self._need_scale("unscale_")
        state = self._per_optimizer_states[id(optimizer)]
        if state["stage"] is OptState.UNSCALED:
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update().")
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        state["found_inf_per_device"] = self._unscale(optimizer, True)
        state["stage"] = OptState.UNSCALED

    def step(self, optimizer, *args, **kwargs):
        """The optimizer's step with unscaled gradients; nothing changes where one is infinite or NaN.

        On a device the host does not wait, with SGD, Adam, AdamW and RMSprop; other optimizers are asked on the host.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._need_scale("step")
        state = self._per_optimizer_states[id(optimizer)]
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        fused = _reads_scale(optimizer)
        if state["stage"] is OptState.READY and not fused:
            self.unscale_(optimizer)
        ready = state["stage"] is OptState.READY
        if ready:
            state["found_inf_per_device"] = self._unscale(optimizer, False)
        found = state["found_inf_per_device"]
        if not found:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        result = None
        if fused:
            (place, mark), = found.items()
            try:
                optimizer.grad_scale = self._scale.to(_device_of(place)).array if ready else None
                optimizer.found_inf = mark
                result = optimizer.step(*args, **kwargs)
            finally:
                del optimizer.grad_scale, optimizer.found_inf
        elif not sum(mark.item() for mark in found.values()):
            result = optimizer.step(*args, **kwargs)
        state["stage"] = OptState.STEPPED
        return result

    def update(self, new_scale=None):
        """The next scale, once all optimizers of the iteration have stepped: adapted, or the one given."""
        if not self._enabled:
            return
        self._need_scale("update")
        if new_scale is not None:
            if isinstance(new_scale, Tensor):
                if new_scale.device.type != self._device or new_scale.numel() != 1 or new_scale.requires_grad:
                    raise AssertionError("new_scale should be a float or a 1-element tensor on the scaler's device "
                                         "with requires_grad=False.")
                self._scale.copy_(new_scale.reshape(()))
            else:
                self._scale.fill_(new_scale)
        else:
            marks = [(place, mark) for state in self._per_optimizer_states.values()
                     for place, mark in state["found_inf_per_device"].items()]
            if not marks:
                raise AssertionError("No inf checks were recorded prior to update.")
            home, total = self._scale.array, None
            for place, mark in marks:
                if place != home.device:
                    mark = make(mark).to(self._scale.device).array
                total = mark if total is None else elementwise.add(total, mark)
            kernels.update_scale(home, self._growth_tracker.array, total, self._growth_factor, self._backoff_factor,
                                 self._growth_interval)
        self._per_optimizer_states = defaultdict(_fresh)

    def get_scale(self) -> float:
        """The scale; waits for the device. 1.0 where disabled."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else self._scale.item()

    def get_growth_factor(self) -> float:
        """What the scale is multiplied with to grow."""
        return self._growth_factor

    def set_growth_factor(self, new_factor) -> None:
        """Set it."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale is multiplied with after an infinity."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor) -> None:
        """Set it."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """Steps without infinities after which the scale grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval) -> None:
        """Set it."""
        self._growth_interval = new_interval

    def _get_growth_tracker(self):
        return self._init_growth_tracker if self._growth_tracker is None else self._growth_tracker.item()

    def is_enabled(self) -> bool:
        """Whether it does anything."""
        return self._enabled

    def state_dict(self) -> dict:
        """scale, growth_factor, backoff_factor, growth_interval, _growth_tracker; {} where disabled."""
        if not self._enabled:
            return {}
        return {"scale": self.get_scale(), "growth_factor": self._growth_factor,
                "backoff_factor": self._backoff_factor, "growth_interval": self._growth_interval,
                "_growth_tracker": self._get_growth_tracker()}

    def load_state_dict(self, state_dict) -> None:
        """Take over what state_dict returned."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError("The source state dict is empty, possibly because it was saved from a disabled instance "
                               "of GradScaler.")
        self._init_scale, self._init_growth_tracker = state_dict["scale"], state_dict["_growth_tracker"]
        self._growth_factor, self._backoff_factor = state_dict["growth_factor"], state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        if self._scale is not None:
            self._scale.fill_(self._init_scale)
            self._growth_tracker.fill_(self._init_growth_tracker)

    def __getstate__(self):
        state = dict(self.__dict__)
        if self._enabled:
            if self._per_optimizer_states:
                raise AssertionError("A GradScaler instance may only be pickled at the beginning of an iteration, or "
                                     "at the end after scaler.update().")
            state |= {"_init_scale": self.get_scale(), "_init_growth_tracker": self._get_growth_tracker(),
                      "_scale": None, "_growth_tracker": None}
        return state


def _device_of(place):
    return "cpu" if place == "cpu" else f"cuda:{place.index}"


def _reads_scale(optimizer):
    """Whether the optimizer's kernels divide by the scale and heed the mark: all gradients on one device."""
    kind, places = type(optimizer), {p.grad.array.device for g in optimizer.param_groups for p in g["params"]
                                     if p.grad is not None}
    return (isinstance(optimizer, Optimizer) and kind.step is Optimizer.step
            and kind.update_all is Optimizer.update_all and len(places) == 1 and "cpu" not in places)
