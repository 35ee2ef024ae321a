"""What PyTorch has in torch.compiler, as far as it means something where nothing is traced."""

from __future__ import annotations

import functools

from tritonnet.fusion.pending import apart


def disable(fn=None, recursive=True, *, reason=None):
    """Decorate a function (or wrap a module): nothing fuses in its calls, also within compiled ones.

    recursive: True; otherwise RuntimeError, as nothing is compiled by itself. reason: for readers.
    """
    if not recursive:
        raise RuntimeError("compiler.disable: only recursive=True, there is no frame to be left out by itself")
    if fn is None:
        return functools.partial(disable, reason=reason)

    @functools.wraps(fn)
    def called(*args, **kwargs):
        with apart():
            return fn(*args, **kwargs)

    return called


def is_compiling() -> bool:
    """False: programs run as they are."""
    return False


def is_dynamo_compiling() -> bool:
    """False, likewise."""
    return False


def reset():
    """Nothing is kept, so there is nothing to forget."""
