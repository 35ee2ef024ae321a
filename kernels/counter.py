"""A number that moves on from launch to launch, whoever launches: Python, or a graph that is replayed.

    array, offset = counter.take(n)      # the kernel reads  array[BASE] + offset
    counter.number                       # n further now

Called from Python the base is 0 and the offset the whole number. Within a graph offsets count from the beginning of
the step and the base lies in memory of the graph, whose first launch moves it on (the first, so that a backward after
the graph still finds it); a replay moves `number`, too. So a replay goes on where Python stopped, and the other way
round: the numbers are the same as without a graph.
"""

from __future__ import annotations

import numpy as np

from tritonnet.kernels.arrays import to_device
from tritonnet.kernels.arrays.device_array import DeviceArray
from tritonnet.kernels.arrays.transfer import upload
from tritonnet.kernels.kernel import kernel, tl
from tritonnet.kernels.runtime.errors import CaptureError

INT64 = np.dtype(np.int64)


@kernel
def advance_kernel(number, by):
    """The first launch of a captured step that reads the number."""
    tl.store(number, tl.load(number) + tl.load(by))


class Counter:
    """A number on a device. words: what lies in memory around the base (64 bits each); base: which of them it is."""

    def __init__(self, device, words=(0,), base=0):
        self.device, self.base = device, base
        self.restart(words)

    def restart(self, words=None, number=0):
        """Go on from a number; words: other ones, in memory of their own: what was launched before keeps the old."""
        if self.device is not None and self.device.pool.capturing:
            raise CaptureError("cannot seed a generator while a graph is being captured", "seed a generator")
        self.number = number
        if words is not None:
            self.words, self.array = tuple(words), None

    def in_memory(self, *more):
        """The words, and more of them behind, for the device."""
        return np.concatenate([np.array(self.words, np.uint64).view(np.int64), np.array(more, np.int64)])

    def take(self, n: int):
        """(array, offset) of the number as it is; then it moves on by n."""
        before, capturing = self.number, self.device.pool.capturing
        self.number += n
        if capturing is not None:
            part = capturing.parts.get(self) or capturing.parts.setdefault(self, Part(self, capturing, before))
            return part.array, before - part.start
        if self.array is None:
            self.array = to_device(self.in_memory(0), self.device)
            advance_kernel.variant(self.device).compile(*self.moving(self.array))  # not possible while capturing
        return self.array, before

    def moving(self, array):
        """(base, by how much it moves), out of what lies in memory."""
        return array[self.base:self.base + 1], array[len(self.words):]


class Part:
    """What a counter keeps for one graph. start: its number when the graph first took some; by: how many it takes."""

    def __init__(self, counter, capturing, start):
        self.counter, self.start, self.by, self.shown = counter, start, 0, None
        shape = (len(counter.words) + 1,)
        owner = counter.device.pool.take(8 * shape[0], "", fresh=True)  # nothing else in the graph writes there
        self.array = DeviceArray(owner.ptr, shape, (1,), INT64, counter.device, owner)
        capturing.finishing.append(self.finish)
        capturing.undo.append(self.undo)
        capturing.each_replay.append(self.replay)
        advance_kernel[(1,)](*counter.moving(self.array))

    def finish(self):
        """The end of the step: nothing was computed yet, so that the number is where it was."""
        self.by = self.counter.number - self.start
        self.undo()

    def undo(self):
        """The step was not captured."""
        self.counter.number = self.start

    def replay(self):
        """Go on where the counter is, which others may have moved; then both are `by` further."""
        counter = self.counter
        if (counter.words, counter.number) != self.shown:
            words = counter.in_memory(self.by)
            words[counter.base] = counter.number - self.by
            upload(self.array, words)
        counter.number += self.by
        self.shown = counter.words, counter.number
