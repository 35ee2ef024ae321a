"""What a training step must move and hold at least, worked out from the shapes alone.

    minimum = Minimum.of(model, batch)          # runs the model once, with hooks that note what goes in and out
    minimum.bytes(fused=False), minimum.peak()

Two figures for bytes. *Unfused*: every layer is a pass of its own that reads what its maths needs once and writes
its result once; only a relu before a max-pool has no backward of its own, as the pool knows where it lets gradients
through. *Fused*: activations, dropout and pools take place where the layer before them writes its result, so that
what lies between never exists; a norm's statistics are gathered on the way, too. Backward, a layer with weights reads
dy once for dw and db, once more for dx. The peak counts what is alive at the worst moment of the unfused step:
parameters, gradients made so far, optimizer state, what backward still needs, and the two arrays at work.
"""

from __future__ import annotations

import dataclasses

FLOAT = 4
MOVED = {"SGD": 5, "Adam": 7}     # floats per parameter: p, g and each moment read, p and each moment written
STATE = {"SGD": 1, "Adam": 2}     # moments per parameter (SGD with momentum)
WEIGHTED = ("Conv2d", "Linear")
LEADING = (*WEIGHTED, "BatchNorm2d", "LayerNorm", "Add")       # what others can be fused to,
TAKEN_IN = ("ReLU", "Dropout", "MaxPool2d", "AdaptiveAvgPool2d")   # and these: their derivatives need no input


@dataclasses.dataclass
class Layer:
    """One module that was called: sizes in bytes; arrays by number, views of one memory having the same."""

    kind: str
    read: list                     # (array, bytes) of the inputs
    made: tuple                    # (array, bytes) of the result
    weights: int                   # bytes of its parameters
    elements: int                  # of the result
    wants_dx: bool                 # whether the input has a gradient
    through: bool = False          # a relu whose gradient is ready when it comes: only a max-pool read the result

    x = property(lambda self: self.read[0][1])
    y = property(lambda self: self.made[1])
    index = property(lambda self: self.elements if self.kind == "MaxPool2d" else 0, doc="a byte per window")

    def forward(self, written=None):
        """Bytes of the forward; written: by the last of those that are fused to this one, or None where none is."""
        if self.kind == "Flatten":                                          # a view
            return 0
        read = sum(size for _, size in self.read)
        if self.kind == "BatchNorm2d" and written is None:                  # statistics first
            read *= 2
        return read + self.weights + (self.y + self.index if written is None else written)

    def backward(self, dy=None):
        """Bytes of the backward, where reading the gradient means reading so many (default: y's); dx is like x."""
        dx, dy = self.x if self.wants_dx else 0, self.y + self.index if dy is None else dy
        if self.kind in WEIGHTED:
            return self.x + dy + self.weights + (dy + self.weights + dx if dx else 0)
        if not dx or self.kind == "Flatten" or self.through:
            return 0
        if self.kind == "BatchNorm2d":                                      # sums first
            return 2 * (self.x + dy) + dx
        if self.kind == "Attention":                                        # delta; dq; dk with dv
            return 2 * (self.x + dy) + self.y + dx
        if self.kind == "Add":                                              # two gradients meet where x was forked
            return 2 * self.y + dy
        return dy + dx + (self.x if self.kind in ("ReLU", "GELU", "LayerNorm") else 0)

    def kept(self):
        """(array, bytes) of what backward needs beside parameters, or None where it needs only its own numbers."""
        if self.kind in (*WEIGHTED, "BatchNorm2d", "LayerNorm", "GELU"):
            return [self.read[0]]
        if self.kind == "Attention":
            return [self.read[0], self.made]
        if self.kind == "MaxPool2d":
            return [(("index", self.made[0]), self.elements)]
        return [self.made] if self.kind == "ReLU" else []


@dataclasses.dataclass
class Minimum:
    """The layers of a model in the order they were called, and what surrounds them."""

    layers: list
    parameters: int                # bytes
    batch: int                     # bytes of the inputs and targets
    logits: int                    # bytes

    @classmethod
    def of(cls, model, x, target):
        """Of a step on x and target; the model is run once."""
        layers, numbers, alive, hooks = [], {}, [], []

        def number(tensor):
            alive.append(tensor)                           # so that no other array takes its place
            owner = tensor.array.owner
            return numbers.setdefault(id(owner), len(numbers)), tensor.array.nbytes

        def note(module, inputs, result):
            kind = type(module).__name__
            made = number(result)
            layers.append(Layer(kind, [number(t) for t in inputs], made,
                                sum(p.array.nbytes for p in module.parameters()), result.array.size,
                                any(t.requires_grad for t in inputs)))

        for module in model.modules():
            if not list(module.children()):
                hooks.append(module.register_forward_hook(note))
        logits = model(x)
        for hook in hooks:
            hook.remove()
        for relu, after in zip(layers, layers[1:]):
            relu.through = (relu.kind, after.kind) == ("ReLU", "MaxPool2d") and after.read[0][0] == relu.made[0]
        return cls(layers, sum(p.array.nbytes for p in model.parameters()), x.array.nbytes + target.array.nbytes,
                   logits.array.nbytes)

    def bytes(self, optimizer, fused=False) -> int:
        """Of one step: forward, loss (logits read, dlogits written), backward, update."""
        moved = sum(layer.forward() + layer.backward() for layer in self.layers) if not fused else self._fused()
        return moved + 2 * self.logits + MOVED[optimizer] * self.parameters

    def _fused(self):
        """The same with those that follow a layer taken in. Where the group ends in a max-pool, its index tells what
        relu did, too; else the result is read once more for that."""
        total, at = 0, 0
        while at < len(self.layers):
            group, at = [self.layers[at]], at + 1
            if group[0].kind in LEADING:
                while at < len(self.layers) and self.layers[at].kind in TAKEN_IN:
                    group, at = [*group, self.layers[at]], at + 1
            first, last, index = group[0], group[-1], sum(layer.index for layer in group)
            mask = last.y if not index and any(layer.kind == "ReLU" for layer in group) else 0
            written = last.y + index if first.kind in LEADING else None
            total += first.forward(written) + first.backward(written)
            total += mask if first.wants_dx or first.kind in WEIGHTED else 0
        return total

    def peak(self, optimizer) -> int:
        """Bytes alive at the worst moment, gradients being made anew in each step."""
        fixed = self.parameters * (1 + STATE[optimizer]) + self.batch
        saved, worst = {}, 0
        for layer in self.layers:
            live = dict(saved)
            live.update(layer.read)
            live.update([layer.made])
            worst = max(worst, sum(live.values()))
            saved.update(layer.kept())
        mine = {self.layers[0].read[0][0]}                 # the batch is counted
        gradients, order = 0, list(self.layers)
        dy = self.logits
        while order:
            layer = order.pop()
            gradients += layer.weights
            held = {}
            for earlier in (*order, layer):
                held.update(earlier.kept())
            dx = layer.x if layer.wants_dx and not layer.through and layer.kind not in ("Flatten", "Add") else 0
            waiting = layer.y if layer.kind == "Add" else 0
            worst = max(worst, sum(n for a, n in held.items() if a not in mine) + dy + dx + waiting + gradients)
            dy = layer.x if layer.wants_dx else 0
        return fixed + max(worst, gradients)
