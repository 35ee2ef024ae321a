"""Layers that learn the number of their input features from their first input, and are ordinary ones from then on."""

from __future__ import annotations

import inspect

import tritonnet
from tritonnet.nn.modules.batchnorm import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
)
from tritonnet.nn.modules.conv import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from tritonnet.nn.modules.linear import Linear
from tritonnet.nn.parameter import UninitializedBuffer, UninitializedParameter

UNINITIALIZED = (UninitializedParameter, UninitializedBuffer)


class _Lazy:
    """`becomes`: the ordinary layer; `infer(input)` notes the number of features, `shapes()` tells what follows."""

    becomes = None

    def _prepare(self, names, device, dtype):
        """Put what has no shape yet in the place of parameters and buffers of no size."""
        for name in names:
            if name.startswith("running"):
                self.register_buffer(name, UninitializedBuffer(device=device, dtype=dtype))
            else:
                self.register_parameter(name, UninitializedParameter(device=device, dtype=dtype))
        self._hook = self.register_forward_pre_hook(_Lazy._first)

    def _uninitialized(self):
        return {name: t for name, t in (*self._parameters.items(), *self._buffers.items())
                if isinstance(t, UNINITIALIZED)}

    def has_uninitialized_params(self):
        """Whether the layer still waits for its first input."""
        return bool(self._uninitialized())

    def reset_parameters(self):
        """Draw anew what has a shape."""
        if not self._uninitialized() and self._known():
            super().reset_parameters()

    def initialize_parameters(self, input):
        """Shapes from this input; values are drawn."""
        waiting = self._uninitialized()
        if waiting:
            with tritonnet.no_grad():
                self.infer(input)
                shapes = self.shapes()
                for name, tensor in waiting.items():
                    tensor.materialize(shapes[name])
                self.reset_parameters()

    @staticmethod
    def _first(module, inputs):
        module.initialize_parameters(*inputs)
        module._grown()

    def _grown(self):
        self._hook.remove()
        del self._hook
        self.__class__ = self.becomes

    def _load_from_state_dict(self, state_dict, prefix, *rest):
        for name, tensor in self._uninitialized().items():
            given = state_dict.get(prefix + name)
            if given is not None and not isinstance(given, UNINITIALIZED):
                tensor.materialize(given.shape)
        super()._load_from_state_dict(state_dict, prefix, *rest)


class LazyLinear(_Lazy, Linear):
    """Linear whose in_features are the last dimension of its first input."""

    becomes = Linear

    def __init__(self, out_features, bias=True, device=None, dtype=None):
        super().__init__(0, 0, False)
        self.out_features = out_features
        self._prepare(["weight", "bias"] if bias else ["weight"], device, dtype)

    def _known(self):
        return self.in_features != 0

    def infer(self, input):
        self.in_features = input.shape[-1]

    def shapes(self):
        return {"weight": (self.out_features, self.in_features), "bias": (self.out_features,)}


class _LazyConv(_Lazy):
    def __init__(self, out_channels, kernel_size, *args, **kwargs):
        given = inspect.signature(self.becomes.__init__).bind(self, 0, out_channels, kernel_size, *args, **kwargs)
        given.apply_defaults()
        options = {k: v for k, v in given.arguments.items() if k not in ("self", "in_channels", "out_channels")}
        bias, place = options["bias"], {k: options[k] for k in ("device", "dtype")}
        super().__init__(0, 0, **options | {"bias": False})
        self.out_channels = out_channels
        self._prepare(["weight", "bias"] if bias else ["weight"], **place)

    def _known(self):
        return self.in_channels != 0

    def infer(self, input):
        if input.ndim not in (self.ndim + 1, self.ndim + 2):
            raise RuntimeError(f"Expected {self.ndim + 1}D (unbatched) or {self.ndim + 2}D (batched) input to "
                               f"{type(self).__name__}, but got input of size: {list(input.shape)}")
        self.in_channels = input.shape[-self.ndim - 1]
        if self.in_channels % self.groups:
            raise ValueError("in_channels must be divisible by groups")

    def shapes(self):
        first, second = self.out_channels, self.in_channels
        if self.transposed:
            first, second = second, first
        return {"weight": (first, second // self.groups, *self.kernel_size), "bias": (self.out_channels,)}


class _LazyNorm(_Lazy):
    def __init__(
        self, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True, device=None, dtype=None, *, bias=True,
    ):
        super().__init__(0, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        own = ["weight", *(["bias"] if bias else [])] if affine else []
        self._prepare(own + (["running_mean", "running_var"] if track_running_stats else []), device, dtype)

    def _known(self):
        return self.num_features != 0

    def reset_running_stats(self):
        """Forget the batches seen."""
        if not self._uninitialized() and self._known():
            super().reset_running_stats()

    def infer(self, input):
        self._check_input_dim(input)
        self.num_features = input.shape[1]

    def shapes(self):
        return dict.fromkeys(("weight", "bias", "running_mean", "running_var"), (self.num_features,))


def _lazy(kind, layer):
    """The lazy kind of a layer."""
    name = f"Lazy{layer.__name__}"
    learned = "in_channels" if kind is _LazyConv else "num_features"
    made = type(name, (kind, layer), {"becomes": layer, "__module__": __name__, "__doc__": (
        f"{layer.__name__} whose {learned} are those of its first input.")})
    made.__qualname__ = name
    if kind is _LazyConv:  # the layer's arguments without in_channels
        shown = inspect.signature(layer.__init__)
        kept = [p for n, p in shown.parameters.items() if n != "in_channels"]

        def __init__(self, *args, **kwargs):
            kind.__init__(self, *args, **kwargs)

        __init__.__signature__ = shown.replace(parameters=kept)
        made.__init__ = __init__
    return made


LazyConv1d, LazyConv2d, LazyConv3d = (_lazy(_LazyConv, layer) for layer in (Conv1d, Conv2d, Conv3d))
LazyConvTranspose1d, LazyConvTranspose2d, LazyConvTranspose3d = (
    _lazy(_LazyConv, layer) for layer in (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d))
LazyBatchNorm1d, LazyBatchNorm2d, LazyBatchNorm3d = (
    _lazy(_LazyNorm, layer) for layer in (BatchNorm1d, BatchNorm2d, BatchNorm3d))
LazyInstanceNorm1d, LazyInstanceNorm2d, LazyInstanceNorm3d = (
    _lazy(_LazyNorm, layer) for layer in (InstanceNorm1d, InstanceNorm2d, InstanceNorm3d))
