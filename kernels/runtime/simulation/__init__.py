"""A device in host memory: every launch runs the Triton source through the interpreter, checked."""

from tritonnet.kernels.runtime.simulation.driver import SimulatedDriver

__all__ = ["SimulatedDriver"]
