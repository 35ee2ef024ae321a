"""Anomaly detection: a gradient that is NaN is reported with the operation that made it."""

import pytest

import tritonnet


def nan_gradient():
    x = tritonnet.zeros(2, requires_grad=True)
    return (x.sqrt() * 0).sum()


def test_the_first_nan_is_named():
    with pytest.warns(UserWarning, match="Anomaly Detection"), tritonnet.autograd.detect_anomaly():
        with pytest.raises(RuntimeError, match="Function 'SqrtBackward0' returned nan values in its 0th output"):
            nan_gradient().backward()
        with pytest.raises(RuntimeError, match="SqrtBackward0"):
            nan_gradient().backward(create_graph=True)
    nan_gradient().backward()


def test_it_is_switched_on_and_off():
    with tritonnet.autograd.set_detect_anomaly(True):
        with pytest.raises(RuntimeError, match="SqrtBackward0"):
            nan_gradient().backward()
        (tritonnet.ones(2, requires_grad=True) ** 2).sum().backward()
    tritonnet.autograd.set_detect_anomaly(True, check_nan=False)
    nan_gradient().backward()
    tritonnet.autograd.set_detect_anomaly(False)
    nan_gradient().backward()


def test_on_the_device():
    with tritonnet.cuda.simulated(), tritonnet.autograd.set_detect_anomaly(True):
        x = tritonnet.zeros(2, device="cuda", requires_grad=True)
        with pytest.raises(RuntimeError, match="SqrtBackward0"):
            (x.sqrt() * 0).sum().backward()
