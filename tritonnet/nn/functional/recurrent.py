"""Steps of recurrent layers, and the loop over time.

A step takes the input's share of the gates (N, G), the state (a tuple, h (N, H) first) and the weights of the state.

    RNN   h' = tanh(x + h W^T + b), or relu
    LSTM  i, f, g, o = x + h W^T + b,    c' = sigma(f) c + sigma(i) tanh(g),    h' = sigma(o) tanh(c')
    GRU   r, z = sigma(x + h W^T + b),    n = tanh(x_n + r (h W^T + b)_n),    h' = n + z (h - n)

Source: Hochreiter & Schmidhuber 1997, Cho et al. 2014; projections of h: Sak et al. 2014.
"""

from __future__ import annotations

import tritonnet
from tritonnet.nn.functional.conv import linear

__all__ = []


def tanh_step(x, state, weight, bias):
    """The step of an RNN with tanh."""
    return ((x + linear(state[0], weight, bias)).tanh(),)


def relu_step(x, state, weight, bias):
    """The step of an RNN with relu."""
    return ((x + linear(state[0], weight, bias)).relu(),)


def lstm_step(x, state, weight, bias, project=None):
    """The step of an LSTM; project: (P, H), makes h (N, P)."""
    h, c = state
    i, f, g, o = (x + linear(h, weight, bias)).chunk(4, 1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    h = o.sigmoid() * c.tanh()
    return (h if project is None else linear(h, project)), c


def gru_step(x, state, weight, bias):
    """The step of a GRU."""
    (h,) = state
    size = h.shape[1]
    y = linear(h, weight, bias)
    r, z = (x[:, : 2 * size] + y[:, : 2 * size]).sigmoid().chunk(2, 1)
    n = (x[:, 2 * size:] + r * y[:, 2 * size:]).tanh()
    return (n + z * (h - n),)


def recur(step, input, state, weights, sizes=None, reverse=False):
    """Run `step` over time, backwards if `reverse`. Returns what h was at each time, and the last state.

    input: (T, N, F), or packed: (sum of sizes, F), sizes[t] sequences still running at time t, in decreasing order.
    """
    w_input, weight, b_input, bias, *project = weights
    gates = linear(input, w_input, b_input)
    times = gates.unbind(0) if sizes is None else gates.split(sizes)
    first, ended, outputs = state, [], []
    if sizes is not None and reverse:
        state = tuple(s[: sizes[-1]] for s in first)
    for x in reversed(times) if reverse else times:
        if sizes is not None and (n := x.shape[0]) != (running := state[0].shape[0]):
            if reverse:  # shorter sequences begin
                state = tuple(tritonnet.cat([s, f[running:n]]) for s, f in zip(state, first))
            else:  # and end
                ended.append(tuple(s[n:] for s in state))
                state = tuple(s[:n] for s in state)
        state = step(x, state, weight, bias, *project)
        outputs.append(state[0])
    if ended:
        state = tuple(tritonnet.cat(parts) for parts in zip(state, *reversed(ended)))
    if reverse:
        outputs.reverse()
    return tritonnet.stack(outputs) if sizes is None else tritonnet.cat(outputs), state
