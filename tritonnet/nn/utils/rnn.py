"""Sequences of different lengths in one tensor: padded, or packed without the padding."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

import tritonnet
from tritonnet.tensor.core import Tensor

__all__ = ["PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence", "pad_packed_sequence",
           "pad_sequence", "unpack_sequence", "unpad_sequence"]


class _Packed(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Packed):
    """Sequences by time: data (sum of batch_sizes, …), of which batch_sizes[t] rows belong to time t.

    The longest sequence comes first; sorted_indices says which those were, unsorted_indices undoes it.
    """

    def __new__(cls, data, batch_sizes=None, sorted_indices=None, unsorted_indices=None):
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args, **kwargs):
        """The sequences in another type or place; batch_sizes stay where they are."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        order, back = (i if i is None else i.to(data.device) for i in (self.sorted_indices, self.unsorted_indices))
        return type(self)(data, self.batch_sizes, order, back)

    def cuda(self, *args, **kwargs):
        """The sequences on a GPU."""
        return self.to("cuda")

    def cpu(self):
        """The sequences on the host."""
        return self.to("cpu")

    @property
    def is_cuda(self):
        """Whether the data are on a GPU."""
        return self.data.is_cuda


def invert_permutation(permutation):
    """The permutation (N,) that undoes this one; None gives None."""
    return None if permutation is None else permutation.argsort()


def pack_padded_sequence(input, lengths, batch_first=False, enforce_sorted=True):
    """Pack `input` (T, N, …), or (N, T, …) if batch_first, of which lengths[i] steps belong to sequence i.

    enforce_sorted: lengths decrease already; otherwise they are sorted, which the result remembers.
    """
    lengths = np.asarray(lengths.tolist() if isinstance(lengths, Tensor) else lengths, np.int64)
    order = None
    if not enforce_sorted:
        indices = np.argsort(-lengths, kind="stable")
        lengths, order = lengths[indices], tritonnet.tensor(indices, device=input.device)
        input = input.index_select(0 if batch_first else 1, order)
    steps = input.transpose(0, 1) if batch_first else input
    if len(lengths) != steps.shape[1]:
        raise RuntimeError(f"Expected `len(lengths)` to be equal to batch_size, but got {len(lengths)} "
                           f"(batch_size={steps.shape[1]})")
    if (lengths <= 0).any():
        raise RuntimeError("Length of all samples has to be greater than 0, but found an element in 'lengths' that is "
                           "<= 0")
    if (np.diff(lengths) > 0).any():
        raise RuntimeError("`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can "
                           "pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this "
                           "requirement if you do not need ONNX exportability.")
    if lengths[0] > steps.shape[0]:
        raise RuntimeError(f"Expected lengths of at most {steps.shape[0]}, the input's steps, but got {lengths[0]}")
    sizes = (lengths[:, None] > np.arange(lengths[0])).sum(0)
    data = tritonnet.cat([steps[t, :n] for t, n in enumerate(sizes.tolist())])
    return PackedSequence(data, tritonnet.tensor(sizes), order)


def pad_packed_sequence(sequence, batch_first=False, padding_value=0.0, total_length=None):
    """Undo pack_padded_sequence: the padded sequences and their lengths (N,).

    total_length: how many steps the result has, at least the longest length.
    """
    sizes = np.asarray(sequence.batch_sizes.tolist())
    longest = len(sizes)
    if total_length is not None and total_length < longest:
        raise ValueError("Expected total_length to be at least the length of the longest sequence in input, but got "
                         f"total_length={total_length} and max sequence length being {longest}")
    lengths = (sizes[None] > np.arange(sizes[0])[:, None]).sum(1)
    data, device = sequence.data, sequence.data.device
    rows = np.full((total_length or longest, sizes[0]), len(data))  # the row after the last: padding
    starts = np.cumsum(sizes) - sizes
    for t, n in enumerate(sizes):
        rows[t, :n] = starts[t] + np.arange(n)
    back = sequence.unsorted_indices
    if back is not None:
        rows, lengths = rows[:, back.tolist()], lengths[back.tolist()]
    padding = data.new_full((1, *data.shape[1:]), padding_value)
    padded = tritonnet.cat([data, padding])[tritonnet.tensor(rows, device=device)]
    return (padded.transpose(0, 1) if batch_first else padded), tritonnet.tensor(lengths)


def pad_sequence(sequences, batch_first=False, padding_value=0.0, padding_side="right"):
    """Stack tensors (T_i, …) as (longest T, N, …), or (N, T, …) if batch_first, filled with padding_value."""
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    try:
        sequences = list(sequences)
    except TypeError:
        raise RuntimeError("pad_sequence: Expected iterable for input sequences, but got arg of type: "
                           f"{type(sequences)}") from None
    if not sequences:
        raise RuntimeError("received an empty list of sequences")
    longest, rest = max(len(s) for s in sequences), sequences[0].shape[1:]
    rows = []
    for s in sequences:
        if s.shape[1:] != rest:
            raise RuntimeError(f"pad_sequence: expected sequences that differ in their first dimension only, but got "
                               f"{list(sequences[0].shape)} and {list(s.shape)}")
        missing = longest - len(s)
        filler = [s.new_full((missing, *rest), padding_value)] if missing else []
        rows.append(tritonnet.cat([*filler, s] if padding_side == "left" else [s, *filler]) if missing else s)
    return tritonnet.stack(rows, 0 if batch_first else 1)


def unpad_sequence(padded_sequences, lengths, batch_first=False):
    """The tensors (lengths[i], …) that pad_sequence had stacked."""
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[:n] for row, n in zip(rows, lengths.tolist())]


def pack_sequence(sequences, enforce_sorted=True):
    """Pack a list of tensors (T_i, …)."""
    return pack_padded_sequence(pad_sequence(sequences), [len(s) for s in sequences], enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences):
    """The list of tensors that pack_sequence had packed."""
    return unpad_sequence(*pad_packed_sequence(packed_sequences))
