"""A device in host memory: every launch runs the Triton source through the interpreter, checked."""

from tritonnet.kernels.runtime.simulation.driver import SimulatedDriver
from tritonnet.kernels.runtime.simulation.dry import DryDriver

__all__ = ["DryDriver", "SimulatedDriver"]
