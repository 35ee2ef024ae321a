"""One step of a recurrent layer: RNNCell, LSTMCell, GRUCell. See `functional.recurrent` for the formulas."""

from __future__ import annotations

import math

import tritonnet
from tritonnet.nn import functional as F
from tritonnet.nn import init
from tritonnet.nn.functional import recurrent
from tritonnet.nn.modules.linear import fresh
from tritonnet.nn.modules.module import Module


class RNNCellBase(Module):
    """What cells share: weight_ih (G H, in), weight_hh (G H, H), bias_ih, bias_hh (G H,) ~ U(-1/sqrt(H), 1/sqrt(H))."""

    def __init__(self, input_size, hidden_size, bias, num_chunks, device=None, dtype=None):
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = num_chunks * hidden_size
        self.weight_ih = fresh(rows, input_size, device=device, dtype=dtype)
        self.weight_hh = fresh(rows, hidden_size, device=device, dtype=dtype)
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, fresh(rows, device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw all parameters anew."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def _step(self, step, input, state):
        """One step from the state, a tuple or None for zeros; (N, …) or without N."""
        name, n = self._get_name(), 1 if state is None else len(state)
        if input.ndim not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {input.ndim}D instead")
        for i, s in enumerate(state or ()):
            if s.ndim not in (1, 2):
                what = f"hx[{i}]" if n == 2 else "hidden"
                raise ValueError(f"{name}: Expected {what} to be 1D or 2D, got {s.ndim}D instead")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(f"input has inconsistent input_size: got {input.shape[-1]} expected {self.input_size}")
        x = input if input.ndim == 2 else input.unsqueeze(0)
        if state is None:
            state = (tritonnet.zeros(x.shape[0], self.hidden_size, dtype=x.dtype, device=x.device),) * (
                2 if step is recurrent.lstm_step else 1)
        else:
            state = tuple(s if s.ndim == 2 else s.unsqueeze(0) for s in state)
        for i, s in enumerate(state):
            if s.shape[0] != x.shape[0]:
                raise RuntimeError(f"Input batch size {x.shape[0]} doesn't match hidden{i} batch size {s.shape[0]}")
            if s.shape[1] != self.hidden_size:
                raise RuntimeError(f"hidden{i} has inconsistent hidden_size: got {s.shape[1]}, expected "
                                   f"{self.hidden_size}")
        state = step(F.linear(x, self.weight_ih, self.bias_ih), state, self.weight_hh, self.bias_hh)
        return state if input.ndim == 2 else tuple(s.squeeze(0) for s in state)

    def extra_repr(self):
        shown = f"{self.input_size}, {self.hidden_size}"
        return shown if self.bias else f"{shown}, bias={self.bias}"


class RNNCell(RNNCellBase):
    """h' = tanh(x W_ih^T + b_ih + h W_hh^T + b_hh), or relu.  input: (N, input_size).  hx: (N, hidden_size)."""

    def __init__(self, input_size, hidden_size, bias=True, nonlinearity="tanh", device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input, hx=None):
        steps = {"tanh": recurrent.tanh_step, "relu": recurrent.relu_step}
        if self.nonlinearity not in steps:
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        return self._step(steps[self.nonlinearity], input, None if hx is None else (hx,))[0]

    def extra_repr(self):
        shown = super().extra_repr()
        return shown if self.nonlinearity == "tanh" else f"{shown}, nonlinearity={self.nonlinearity}"


class LSTMCell(RNNCellBase):
    """One step of an LSTM.  hx: (h, c), each (N, hidden_size).  Returns the new (h, c)."""

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input, hx=None):
        return self._step(recurrent.lstm_step, input, hx)


class GRUCell(RNNCellBase):
    """One step of a GRU.  hx: (N, hidden_size).  Returns the new h."""

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input, hx=None):
        return self._step(recurrent.gru_step, input, None if hx is None else (hx,))[0]
