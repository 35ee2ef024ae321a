"""Finite differences: compares the gradients of a function with what its values say, in float64.

Each output is weighed with random numbers and every input is moved along random directions u, so that one number is
compared per direction:  (f(x + eps u) - f(x - eps u)) / (2 eps)  against  <grad, u>.
"""

from __future__ import annotations

import numpy as np

from tritonnet.autograd import calls, function
from tritonnet.autograd.function import make
from tritonnet.kernels import arrays


class GradcheckError(RuntimeError):
    """A gradient disagrees with finite differences."""


def _tuple(x):
    return tuple(x) if isinstance(x, (tuple, list)) else (x,)


def _differentiable(outputs):
    return [y for y in outputs if isinstance(y, function.Tensor) and y.requires_grad]


def gradcheck(func, inputs, *, eps=1e-6, atol=1e-5, rtol=1e-3, raise_exception=True, check_undefined_grad=True,
              check_grad_dtypes=False, check_batched_grad=False, check_batched_forward_grad=False,
              check_forward_ad=False, check_backward_ad=True, nondet_tol=0.0, fast_mode=False, masked=False,
              directions=3):
    """True if the gradients of func(*inputs) agree with finite differences; GradcheckError (or False) if not.

    inputs: tensors, of which those that require gradients are checked (give them as float64), and anything else.
    NotImplementedError for what there is not here: derivatives in forward mode, and batched ones.
    """
    if check_forward_ad or check_batched_forward_grad or check_batched_grad:
        raise NotImplementedError("gradcheck: there are no derivatives in forward mode and no batched ones to check")
    inputs = _tuple(inputs)
    checked = [x for x in inputs if isinstance(x, function.Tensor) and x.requires_grad]
    if not checked:
        raise ValueError("gradcheck expects all tensor inputs to require gradients, none does")
    rng = np.random.default_rng(0)
    outputs = _tuple(func(*inputs))
    live = _differentiable(outputs)
    if not live:
        raise RuntimeError("gradcheck: no output requires a gradient")
    which = [i for i, y in enumerate(outputs) if any(y is t for t in live)]
    weights = [rng.standard_normal(tuple(y.array.shape)) for y in live]
    gradients = calls.grad(live, checked, [_like(w, y) for w, y in zip(weights, live)], allow_unused=True)

    def value(moved):
        """sum of weights times outputs, with the checked inputs at other places."""
        swap = iter(moved)
        args = [make(_place(next(swap), x)) if any(x is c for c in checked) else x for x in inputs]
        ys = _tuple(func(*args))
        return sum(float(np.sum(w * _host(ys[i]))) for w, i in zip(weights, which))

    at = [_host(x) for x in checked]
    for k, x in enumerate(checked):
        for _ in range(directions):
            u = rng.standard_normal(at[k].shape)
            ends = [value([a + s * eps * u if i == k else a for i, a in enumerate(at)]) for s in (1, -1)]
            numeric = (ends[0] - ends[1]) / (2 * eps)
            exact = 0.0 if gradients[k] is None else float(np.sum(_host(gradients[k]) * u))
            scale = max(abs(numeric), 1.0)
            if not abs(numeric - exact) <= atol * max(1.0, np.sqrt(u.size)) + rtol * scale:
                message = (f"gradcheck: input {k} of shape {tuple(x.array.shape)}: along a "
                           f"random direction finite differences give {numeric:.9g}, backward gives {exact:.9g}")
                if raise_exception:
                    raise GradcheckError(message)
                return False
    return True


def _host(x):
    return np.asarray(arrays.to_host(x.array), dtype=np.float64)


def _place(host, like):
    """A host array where and as `like` is."""
    a = np.array(host).astype(like.array.dtype)
    return a if arrays.is_host(like.array) else arrays.to_device(a, like.array.device)


def _like(weights, y):
    return make(_place(weights, y))


def gradgradcheck(func, inputs, grad_outputs=None, **options):
    """gradcheck of the gradients of func: its second derivatives."""
    inputs = _tuple(inputs)
    rng = np.random.default_rng(1)
    outputs = _differentiable(_tuple(func(*inputs)))
    grad_outputs = list(grad_outputs or [_like(rng.standard_normal(tuple(y.array.shape)), y) for y in outputs])
    for g in grad_outputs:
        g.requires_grad = True
    wanted = [i for i, x in enumerate(inputs) if isinstance(x, function.Tensor) and x.requires_grad]

    def first(*args):
        moved, weights = args[: len(inputs)], args[len(inputs):]
        leaves = [x if x.requires_grad or i not in wanted else x.detach().requires_grad_() for i, x in enumerate(moved)]
        ys = _differentiable(_tuple(func(*leaves)))
        found = calls.grad(ys, [leaves[i] for i in wanted], weights, create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradcheck(first, (*inputs, *grad_outputs), **options)
