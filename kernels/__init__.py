"""Ground floor: arrays, kernels and their NumPy mirrors. Imports nothing from the floors above."""

if __name__ != "tritonnet.kernels":
    raise ImportError(
        f"tritonnet's folder kernels/ was imported as {__name__!r}: import tritonnet.kernels instead. "
        "If you meant the PyPI package 'kernels', keep the tritonnet checkout off sys.path (python -P)."
    )


_LAZY = {  # name -> module: these import triton, so only when asked for
    "Stepper": "lab.stepper", "Trace": "lab.traces", "interpret": "lab.interpreting",
    "log_launches": "runtime.launch_log", "step": "lab.stepper", "uninitialised": "runtime.interpret.fresh",
}


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    return value


def __dir__():
    return [*globals(), *_LAZY]
