"""Ground floor: arrays, kernels and their NumPy mirrors. Imports nothing from the floors above."""

if __name__ != "tritonnet.kernels":
    raise ImportError(
        f"tritonnet's folder kernels/ was imported as {__name__!r}: import tritonnet.kernels instead. "
        "If you meant the PyPI package 'kernels', keep the tritonnet checkout off sys.path (python -P)."
    )


def interpret(kernel, grid, *args, **options):
    """Run one Triton kernel on NumPy arrays, bounds-checked: see `tritonnet.kernels.runtime.interpret`."""
    from tritonnet.kernels.runtime.interpret import interpret  # imports triton: only when asked for

    return interpret(kernel, grid, *args, **options)
