"""Recurrent layers: RNN, LSTM, GRU. See `functional.recurrent` for the formulas."""

from __future__ import annotations

import math
import warnings

import tritonnet
from tritonnet.nn import functional as F
from tritonnet.nn import init
from tritonnet.nn.functional import recurrent
from tritonnet.nn.modules.linear import fresh
from tritonnet.nn.modules.module import Module
from tritonnet.nn.utils.rnn import PackedSequence

GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}
STEPS = {"RNN_TANH": recurrent.tanh_step, "RNN_RELU": recurrent.relu_step, "LSTM": recurrent.lstm_step,
         "GRU": recurrent.gru_step}


class RNNBase(Module):
    """What recurrent layers share.

    Per layer l and direction (_reverse): weight_ih_l (G H, in), weight_hh_l (G H, H), bias_ih_l and bias_hh_l (G H,)
    for G gates, all drawn from U(-k, k), k = 1 / sqrt(hidden_size).
    """

    def __init__(
        self, mode, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0,
        bidirectional=False, proj_size=0, device=None, dtype=None,
    ):
        super().__init__()
        _check_sizes(input_size, hidden_size, num_layers, bias, batch_first, dropout, proj_size)
        if dropout > 0 and num_layers == 1:
            warnings.warn("dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
                          f"num_layers greater than 1, but got {dropout=} and {num_layers=}", stacklevel=2)
        self.mode, self.input_size, self.hidden_size, self.num_layers = mode, input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout, self.bidirectional = bias, batch_first, float(dropout), bidirectional
        self.proj_size = proj_size
        rows, state = GATES[mode] * hidden_size, proj_size or hidden_size
        for layer in range(num_layers):
            columns = input_size if layer == 0 else state * (1 + bidirectional)
            for end in self._ends(layer):
                shapes = {"weight_ih": (rows, columns), "weight_hh": (rows, state)}
                if bias:
                    shapes.update(bias_ih=(rows,), bias_hh=(rows,))
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                for name, shape in shapes.items():
                    self.register_parameter(name + end, fresh(*shape, device=device, dtype=dtype))
        self.reset_parameters()

    def _ends(self, layer):
        """How the names of a layer's parameters end, for each direction."""
        return [f"_l{layer}", f"_l{layer}_reverse"][: 1 + self.bidirectional]

    def reset_parameters(self):
        """Draw all parameters anew."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def flatten_parameters(self):
        """Does nothing: it is cuDNN that wants weights in one piece."""

    @property
    def all_weights(self):
        """The parameters of each layer and direction."""
        return [[w for w in self._weights(end) if w is not None]
                for layer in range(self.num_layers) for end in self._ends(layer)]

    def _weights(self, end):
        names = ["weight_ih", "weight_hh", *(["bias_ih", "bias_hh"] if self.bias else [None, None]),
                 *(["weight_hr"] if self.proj_size else [])]
        return [name and getattr(self, name + end) for name in names]

    def forward(self, input, hx=None):
        packed = isinstance(input, PackedSequence)
        sizes = order = None
        if packed:
            data, batch_sizes, order, _ = input
            sizes = batch_sizes.tolist()
            batch, expected = sizes[0], 2
        else:
            if input.ndim not in (2, 3):
                kind = "tensor instead" if self.mode.startswith("RNN") else "instead"
                raise ValueError(f"{self._get_name()}: Expected input to be 2D or 3D, got {input.ndim}D {kind}")
            data = input if input.ndim == 3 else input.unsqueeze(0 if self.batch_first else 1)
            data = data.transpose(0, 1) if self.batch_first else data
            batch, expected = data.shape[1], 3
        batched = packed or input.ndim == 3
        state = self._first_state(hx, data, batch, batched, order)
        self._check_input(data, expected)
        self._check_state(state, batch)
        output, state = self._run(data, state, sizes)
        if packed:
            restore = input.unsorted_indices
            state = tuple(s if restore is None else s.index_select(1, restore) for s in state)
            return PackedSequence(output, batch_sizes, order, restore), self._shown(state)
        output = output.transpose(0, 1) if self.batch_first else output
        if not batched:
            output, state = output.squeeze(0 if self.batch_first else 1), tuple(s.squeeze(1) for s in state)
        return output, self._shown(state)

    def _shown(self, state):
        """The state as users get it: h, or (h, c)."""
        return state[0]

    def _given(self, hx, batched):
        """The state that was passed, as a tuple of (layers, N, H)."""
        if batched and hx.ndim != 3 or not batched and hx.ndim != 2:
            kind, n = ("batched 3-D", 3) if batched else ("unbatched 2-D", 2)
            raise RuntimeError(f"For {kind} input, hx should also be {n}-D but got {hx.ndim}-D tensor")
        return (hx,)

    def _first_state(self, hx, data, batch, batched, order):
        if hx is None:
            layers, kind = self.num_layers * (1 + self.bidirectional), dict(dtype=data.dtype, device=data.device)
            return tuple(tritonnet.zeros(layers, batch, n, **kind) for n in self._widths())
        state = self._given(hx, batched)
        if not batched:
            state = tuple(s.unsqueeze(1) for s in state)
        return state if order is None else tuple(s.index_select(1, order) for s in state)

    def _widths(self):
        return [self.hidden_size]

    def _check_input(self, input, ndim):
        weight = self.weight_ih_l0
        if input.dtype is not weight.dtype:
            raise ValueError(f"RNN input dtype ({input.dtype}) does not match weight dtype ({weight.dtype}). Convert "
                             f"input: input.to({weight.dtype}), or convert model: model.to({input.dtype})")
        if input.ndim != ndim:
            raise RuntimeError(f"input must have {ndim} dimensions, got {input.ndim}")
        if input.shape[-1] != self.input_size:
            raise RuntimeError("input.size(-1) must be equal to input_size. Expected "
                               f"{self.input_size}, got {input.shape[-1]}")

    def _check_state(self, state, batch):
        for s, name, width in zip(state, self._state_names(), self._widths()):
            wanted = (self.num_layers * (1 + self.bidirectional), batch, width)
            if tuple(s.shape) != wanted:
                raise RuntimeError(f"Expected {name} size {wanted}, got {list(s.shape)}")

    def _state_names(self):
        return ["hidden"]

    def _run(self, data, state, sizes):
        """All layers over (T, N, F) or packed data."""
        last, number = [], 0
        for layer in range(self.num_layers):
            outputs = []
            for end in self._ends(layer):
                output, ended = recurrent.recur(
                    STEPS[self.mode], data, tuple(s[number] for s in state), self._weights(end), sizes,
                    reverse=end.endswith("reverse"))
                outputs.append(output)
                last.append(ended)
                number += 1
            data = outputs[0] if len(outputs) == 1 else tritonnet.cat(outputs, -1)
            if self.dropout and layer + 1 < self.num_layers:
                data = F.dropout(data, self.dropout, self.training)
        return data, tuple(tritonnet.stack(parts) for parts in zip(*last))

    def extra_repr(self):
        shown = f"{self.input_size}, {self.hidden_size}"
        for name, usual in (("proj_size", 0), ("num_layers", 1), ("bias", True), ("batch_first", False),
                            ("dropout", 0), ("bidirectional", False)):
            if getattr(self, name) != usual:
                shown += f", {name}={getattr(self, name)}"
        return shown


class RNN(RNNBase):
    """h' = tanh(x W_ih^T + b_ih + h W_hh^T + b_hh), or relu, over (T, N, input_size), batch_first: (N, T, input_size).

    Takes input_size, hidden_size, num_layers=1, nonlinearity="tanh", bias, batch_first, dropout, bidirectional.
    Returns the outputs (T, N, directions H) and the last h (layers directions, N, H). PackedSequence works too.
    """

    def __init__(self, *args, **kwargs):
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if len(args) > 3:
            self.nonlinearity, args = args[3], args[:3] + args[4:]
        else:
            self.nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if self.nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{self.nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__("RNN_" + self.nonlinearity.upper(), *args, **kwargs)


class GRU(RNNBase):
    """Gated recurrent units (Cho et al. 2014); arguments and results as of RNN, without nonlinearity."""

    def __init__(self, *args, **kwargs):
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)


class LSTM(RNNBase):
    """Long short-term memory (Hochreiter & Schmidhuber 1997); as RNN, with a state (h, c) instead of h.

    proj_size: h is projected to this many numbers (Sak et al. 2014).
    """

    def __init__(self, *args, **kwargs):
        super().__init__("LSTM", *args, **kwargs)

    def _shown(self, state):
        return state

    def _given(self, hx, batched):
        if any(s.ndim != 2 + batched for s in hx):
            kind, n = ("batched 3-D", 3) if batched else ("unbatched 2-D", 2)
            raise RuntimeError(f"For {kind} input, hx and cx should also be {n}-D but got ({hx[0].ndim}-D, "
                               f"{hx[1].ndim}-D) tensors")
        return tuple(hx)

    def _widths(self):
        return [self.proj_size or self.hidden_size, self.hidden_size]

    def _state_names(self):
        return ["hidden[0]", "hidden[1]"]


def _check_sizes(input_size, hidden_size, num_layers, bias, batch_first, dropout, proj_size):
    if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0 <= dropout <= 1:
        raise ValueError("dropout should be a number in range [0, 1] representing the probability of an element being "
                         "zeroed")
    for name, value, kind in (("bias", bias, bool), ("batch_first", batch_first, bool), ("input_size", input_size, int),
                              ("hidden_size", hidden_size, int)):
        if not isinstance(value, kind):
            raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")
    for name, value in (("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers)):
        if value <= 0:
            raise ValueError(f"{name} must be greater than zero")
    if proj_size < 0:
        raise ValueError("proj_size should be a positive integer or zero to disable projections")
    if proj_size >= hidden_size:
        raise ValueError("proj_size has to be smaller than hidden_size")
