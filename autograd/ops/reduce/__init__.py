"""Reductions for the tape. A backward gets `dy` with the reduced axes put back as length 1, and broadcasts."""

from tritonnet.autograd.ops.reduce.additive import CumSum, LogSumExp, Mean, Norm, Prod, Std, Sum, Var
from tritonnet.autograd.ops.reduce.extreme import All, Amax, Amin, Any, ArgMax, ArgMin, Max, Min

__all__ = ["All", "Amax", "Amin", "Any", "ArgMax", "ArgMin", "CumSum", "LogSumExp", "Max", "Mean", "Min", "Norm",
           "Prod", "Std", "Sum", "Var"]
