"""Optimizers with PyTorch's names, arguments and state; on a GPU each step is one launch per element type."""

from tritonnet.optim import lr_scheduler
from tritonnet.optim.adadelta import Adadelta
from tritonnet.optim.adagrad import Adagrad
from tritonnet.optim.adam import Adam, AdamW
from tritonnet.optim.optimizer import Optimizer
from tritonnet.optim.rmsprop import RMSprop
from tritonnet.optim.sgd import SGD

__all__ = ["SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "lr_scheduler"]
