"""einsum: sums of products named by letters, done by permutations and matrix products, two operands at a time."""

from __future__ import annotations

import math
import string

from tritonnet.autograd.autocast import LOW, listed
from tritonnet.autograd.ops.matmul import MatMul


def _error(message):
    return RuntimeError(f"einsum(): {message}")


def _labels(term, ndim, operand, spare):
    """The letters of one operand, its ellipsis written out with letters from `spare` (aligned at the right)."""
    for i, letter in enumerate(term.replace("...", "")):
        if letter not in string.ascii_letters:
            raise _error(f"invalid subscript given at index {i} in the equation string, subscripts must be in [a-zA-Z]")
    if term.count("...") > 1:
        raise _error(f"found '.' for operand {operand} for which an ellipsis was already found")
    letters = len(term.replace("...", ""))
    if "..." not in term:
        if letters != ndim:
            raise _error(f"the number of subscripts in the equation ({letters}) does not match the number of "
                         f"dimensions ({ndim}) for operand {operand} and no ellipsis was given")
        return term
    if letters > ndim:
        raise _error(f"the number of subscripts in the equation ({letters}) is more than the number of dimensions "
                     f"({ndim}) for operand {operand}")
    hidden = ndim - letters
    return term.replace("...", spare[len(spare) - hidden:] if hidden else "")


def _parse(equation, operands):
    """(labels of each operand, labels of the result)."""
    equation = equation.replace(" ", "")
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        more, fewer = ("more operands", "specified") if len(terms) < len(operands) else ("fewer operands", "specified")
        raise _error(f"{more} were provided than {fewer} in the equation")
    unused = [c for c in string.ascii_letters if c not in equation]
    hidden = max((x.ndim - len(t.replace("...", "")) for t, x in zip(terms, operands) if "..." in t), default=0)
    spare = "".join(unused[:max(0, hidden)])
    labels = [_labels(t, x.ndim, i, spare) for i, (t, x) in enumerate(zip(terms, operands))]
    if arrow:
        result = right.replace("...", spare)
    else:                                                # implicit: the ellipsis, then what occurs once, by letter
        every = "".join(terms)
        result = spare + "".join(sorted(c for c in set(every) - {"."} if every.count(c) == 1))
    for c in result:
        if result.count(c) > 1:
            raise _error(f"output subscript {c} appears more than once in the output")
        if not any(c in term for term in labels):
            raise _error(f"output subscript {c} does not appear in the equation for any input operand")
    return labels, result


def _sizes(labels, operands):
    """{letter: size}, where size 1 broadcasts."""
    sizes: dict[str, int] = {}
    for i, (term, x) in enumerate(zip(labels, operands)):
        for c, n in zip(term, x.shape):
            if sizes.setdefault(c, n) == 1:
                sizes[c] = n
            elif n not in (1, sizes[c]):
                raise _error(f"subscript {c} has size {n} for operand {i} which does not broadcast with previously "
                             f"seen size {sizes[c]}")
    return sizes


def _diagonal(x, term):
    """The operand with each letter once: repeated ones take the diagonal."""
    for c in sorted(set(term)):
        while term.count(c) > 1:
            first = term.index(c)
            second = term.index(c, first + 1)
            x = x.diagonal(0, first, second)
            term = term[:first] + term[first + 1:second] + term[second + 1:] + c
    return x, term


def _sum_out(x, term, keep):
    """Sum over letters that nobody else needs."""
    gone = [i for i, c in enumerate(term) if c not in keep]
    return (x.sum(gone) if gone else x), "".join(c for c in term if c in keep)


def _contract(x, a, y, b, keep, sizes):
    """The product of two operands over the letters both have and `keep` has not; (tensor, its letters)."""
    x, a = _sum_out(x, a, b + keep)
    y, b = _sum_out(y, b, a + keep)
    x, y = (_expanded(t, term, sizes, other) for t, term, other in ((x, a, b), (y, b, a)))
    batch = [c for c in a if c in b and c in keep]
    inner = [c for c in a if c in b and c not in keep]
    left, right = [c for c in a if c not in b], [c for c in b if c not in a]
    size = lambda letters: math.prod(sizes[c] for c in letters)
    shape = lambda t, term, letters: [t.shape[term.index(c)] for c in letters]
    lengths = shape(x, a, batch + left) + shape(y, b, right)
    x = x.permute([a.index(c) for c in batch + left + inner])
    y = y.permute([b.index(c) for c in batch + inner + right])
    x = x.reshape(size(batch), math.prod(x.shape[len(batch):len(batch) + len(left)]), size(inner))
    y = y.reshape(size(batch), size(inner), math.prod(y.shape[len(batch) + len(inner):]))
    return MatMul.apply(x, y).reshape(lengths), "".join(batch + left + right)


def _expanded(x, term, sizes, shared):
    """The operand with the letters it shares at full size: where it has 1, it is repeated."""
    shape = [sizes[c] if c in shared else n for c, n in zip(term, x.shape)]
    return x if shape == list(x.shape) else x.expand(shape)


@listed(cuda=LOW)
def einsum(equation, *operands):
    """Sums of products in Einstein's notation: "ij,jk->ik" multiplies matrices, "ii" is a trace.

    operands: tensors of one element type, or one list of them. Letters that the result lacks are summed over; without
    "->" the result has those that occur once, in alphabetical order.

    >>> import tritonnet
    >>> tritonnet.einsum("i,j->ij", tritonnet.tensor([1., 2.]), tritonnet.tensor([3., 4.]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    if not operands:
        raise _error("must provide at least one operand")
    labels, result = _parse(equation, operands)
    sizes = _sizes(labels, operands)
    pairs = [_diagonal(x, term) for x, term in zip(operands, labels)]
    x, a = pairs[0]
    for i, (y, b) in enumerate(pairs[1:], 1):
        later = result + "".join(term for _, term in pairs[i + 1:])
        x, a = _contract(x, a, y, b, later, sizes)
    x, a = _sum_out(x, a, result)
    return x.permute([a.index(c) for c in result])
