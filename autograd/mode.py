"""Whether operations are recorded: no_grad, enable_grad, inference_mode; one setting per thread."""

import contextlib
import functools
import inspect
import threading


class _State(threading.local):
    grad = True
    inference = False
    asked = frozenset()  # ids of the nodes whose gradients the running backward pass was asked for
    deferred = None  # leaf -> its gradient so far, of leaves whose hooks wait for the end of the backward pass


state = _State()


class _Mode(contextlib.ContextDecorator):
    """A context manager that also decorates functions and generators; enters anew for each call."""

    inference = None  # left as it is

    def __init__(self, grad: bool):
        self.grad, self.before = grad, []

    def __enter__(self):
        self.before.append((state.grad, state.inference))
        state.grad = self.grad
        if self.inference is not None:
            state.inference = self.inference

    def __exit__(self, *_):
        state.grad, state.inference = self.before.pop()

    def _again(self):
        return type(self)()

    def __call__(self, function):
        if inspect.isclass(function):
            raise TypeError(f"{type(self).__name__} decorates functions, got the class {function.__name__}")
        if inspect.isgeneratorfunction(function):
            return self._generator(function)

        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            with self._again():
                return function(*args, **kwargs)

        return wrapped

    def _generator(self, function):
        """A generator runs in the mode, its consumer does not."""

        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            inner = function(*args, **kwargs)
            sent = None
            while True:
                try:
                    with self._again():
                        item = inner.send(sent)
                except StopIteration as stop:
                    return stop.value
                sent = yield item

        return wrapped


class no_grad(_Mode):
    """Record nothing inside: results do not require gradients. Context manager or decorator."""

    def __new__(cls, function=None):
        made = super().__new__(cls)
        if function is None:
            return made
        made.__init__()
        return made(function)  # used as a bare decorator: @no_grad

    def __init__(self, function=None):
        super().__init__(False)


class enable_grad(no_grad):
    """Record inside, whatever the setting outside. Context manager or decorator."""

    def __init__(self, function=None):
        _Mode.__init__(self, True)


class inference_mode(_Mode):
    """As no_grad, and results can never be part of a recorded graph's saved values in PyTorch; here it is no_grad."""

    def __new__(cls, mode=True):
        made = super().__new__(cls)
        if not callable(mode):
            return made
        made.__init__()
        return made(mode)

    def __init__(self, mode=True):
        super().__init__(not mode and state.grad)
        self.inference = bool(mode)

    def _again(self):
        return inference_mode(self.inference)


class set_grad_enabled(_Mode):
    """Switch recording at once; as a context manager, switches back afterwards."""

    def __init__(self, mode: bool):
        super().__init__(bool(mode))
        self.at_construction = (state.grad, state.inference)
        state.grad = self.grad

    def __enter__(self):
        self.before.append(self.at_construction)
        state.grad = self.grad

    def __call__(self, function):
        state.grad, state.inference = self.at_construction
        return super().__call__(function)

    def _again(self):
        return set_grad_enabled(self.grad)


def is_grad_enabled() -> bool:
    """Whether operations are recorded now, in this thread."""
    return state.grad


def is_inference_mode_enabled() -> bool:
    """Whether inference mode is on, in this thread."""
    return state.inference
