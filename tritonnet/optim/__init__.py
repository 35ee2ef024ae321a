"""Optimizers with PyTorch's names, arguments and state; on a GPU each step is one launch per element type.

(Of SGD, Adam, AdamW and RMSprop; the others take a few launches per parameter.)
"""

from tritonnet.optim import lr_scheduler
from tritonnet.optim.adadelta import Adadelta
from tritonnet.optim.adagrad import Adagrad
from tritonnet.optim.adam import Adam, AdamW
from tritonnet.optim.adamax import Adamax
from tritonnet.optim.asgd import ASGD
from tritonnet.optim.lbfgs import LBFGS
from tritonnet.optim.nadam import NAdam
from tritonnet.optim.optimizer import Optimizer
from tritonnet.optim.radam import RAdam
from tritonnet.optim.rmsprop import RMSprop
from tritonnet.optim.rprop import Rprop
from tritonnet.optim.sgd import SGD

__all__ = ["ASGD", "LBFGS", "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "Optimizer", "RAdam",
           "RMSprop", "Rprop", "lr_scheduler", "swa_utils"]


def __getattr__(name):
    if name == "swa_utils":  # it needs nn, which is not imported with the optimizers
        import importlib

        return importlib.import_module("tritonnet.optim.swa_utils")
    raise AttributeError(f"module 'tritonnet.optim' has no attribute {name!r}")
