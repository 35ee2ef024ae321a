"""How tensors print: PyTorch's layout, its choice of digits and of scientific notation included."""

from __future__ import annotations

import math

import numpy as np

from tritonnet.kernels import arrays, dtypes


class options:
    """What set_printoptions changes."""

    precision, threshold, edgeitems, linewidth, sci_mode = 4, 1000, 3, 80, None


def set_printoptions(precision=None, threshold=None, edgeitems=None, linewidth=None, profile=None, sci_mode=None):
    """Digits, when to summarise, items at the edges, line width; profile: 'default', 'short' or 'full'."""
    if profile is not None:
        known = {"default": (4, 1000, 3, 80), "short": (2, 1000, 2, 80), "full": (4, math.inf, 3, 80)}
        if profile not in known:
            raise ValueError(f"set_printoptions: profile {profile!r}, expected one of {', '.join(known)}")
        options.precision, options.threshold, options.edgeitems, options.linewidth = known[profile]
    for name, value in (("precision", precision), ("threshold", threshold), ("edgeitems", edgeitems),
                        ("linewidth", linewidth)):
        if value is not None:
            setattr(options, name, value)
    options.sci_mode = sci_mode


class _Formatter:
    """One width and one notation for all shown elements."""

    def __init__(self, shown):
        self.floating, self.int_mode, self.sci = shown.dtype.kind == "f", True, False
        self.width = 1
        if not self.floating:
            self.width = max([len(str(v)) for v in shown.ravel().tolist()], default=1)
            return
        counted = shown[np.isfinite(shown) & (shown != 0)].ravel()
        if not counted.size:
            return
        size = np.abs(counted).astype(np.float64)
        low, high = size.min(), size.max()
        self.int_mode = bool(np.all(size == np.ceil(size)))
        self.sci = high / low > 1000 or high > 1e8 or low < 1e-4 if options.sci_mode is None else options.sci_mode
        self.width = max(len(self._number(float(v))) for v in counted)

    def _number(self, v):
        if not math.isfinite(v):
            return str(v)
        if self.sci:
            return f"{v:.{options.precision}e}"
        if self.int_mode:
            return f"{v:.0f}."
        return f"{v:.{options.precision}f}"

    def __call__(self, value):
        return (self._number(value) if self.floating else str(value)).rjust(self.width)


def _vector(a, indent, form, summarize):
    per_line = max(1, int((options.linewidth - indent) // (form.width + 2)))
    edge = options.edgeitems
    if summarize and not edge:
        data = ["..."]
    elif summarize and len(a) > 2 * edge:
        data = [*map(form, a[:edge].tolist()), " ...", *map(form, a[-edge:].tolist())]
    else:
        data = [form(v) for v in a.tolist()]
    lines = [data[i:i + per_line] for i in range(0, len(data), per_line)]
    return "[" + ("," + "\n" + " " * (indent + 1)).join(", ".join(line) for line in lines) + "]"


def _nested(a, indent, form, summarize):
    if a.ndim == 0:
        return form(a.item())
    if a.ndim == 1:
        return _vector(a, indent, form, summarize)
    edge = options.edgeitems
    if summarize and len(a) > 2 * edge:
        rows = [*(_nested(r, indent + 1, form, True) for r in a[:edge]), "...",
                *(_nested(r, indent + 1, form, True) for r in a[len(a) - edge:])]
    else:
        rows = [_nested(r, indent + 1, form, summarize) for r in a]
    return "[" + ("," + "\n" * (a.ndim - 1) + " " * (indent + 1)).join(rows) + "]"


def _edges(a):
    """The elements shown of a summarised array."""
    edge = options.edgeitems
    for axis in range(a.ndim):
        if a.shape[axis] > 2 * edge:
            keep = [*range(edge), *range(a.shape[axis] - edge, a.shape[axis])]
            a = a.take(keep, axis)
    return a


def text(tensor):
    """tensor([...], suffixes): device, dtype where it is not implied, grad_fn or requires_grad."""
    suffixes = []
    dtype, size = tensor.array.dtype, tensor.array.size
    name = "Parameter containing:\n" if type(tensor).__name__ == "Parameter" else ""
    indent = len("tensor(")
    if tensor.is_cuda:
        suffixes.append(f"device='{tensor.device}'")
    implied = dtype in (dtypes.default_float, dtypes.int64, dtypes.bool_)
    if size == 0:
        if tensor.ndim != 1:
            suffixes.append(f"size={tuple(tensor.shape)}")
        if dtype != dtypes.default_float:
            suffixes.append(f"dtype={tensor.dtype}")
        body = "[]"
    else:
        if not implied:
            suffixes.append(f"dtype={tensor.dtype}")
        host = arrays.to_host(tensor.array)
        if dtypes.is_float(dtype) and dtype.kind != "f":
            host = host.astype(np.float32)
        summarize = size > options.threshold
        with np.errstate(all="ignore"):
            form = _Formatter(_edges(host) if summarize else host)
        body = _nested(host, indent, form, summarize)
    node = tensor.grad_fn
    if node is not None:
        suffixes.append(f"grad_fn=<{node.name}>")
    elif tensor.requires_grad:
        suffixes.append("requires_grad=True")
    out = f"tensor({body}"
    length = len(out) - out.rfind("\n") + 1
    for s in suffixes:
        if length + len(s) + 2 > options.linewidth:
            out, length = f"{out},\n{' ' * indent}{s}", indent + len(s)
        else:
            out, length = f"{out}, {s}", length + len(s) + 2
    return f"{name}{out})"
