"""Indices drawn with given probabilities."""

import numpy as np
import pytest

import tritonnet as tn

WEIGHTS = [[1.0, 0.0, 3.0, 4.0, 0.0], [0.0, 2.0, 0.0, 0.0, 2.0]]


@pytest.fixture(autouse=True)
def seed():
    tn.manual_seed(7)


def test_shares_with_replacement():
    drawn = tn.multinomial(tn.tensor(WEIGHTS), 20000, replacement=True)
    assert drawn.dtype is tn.int64 and drawn.shape == (2, 20000)
    for row, weights in zip(drawn.numpy(), WEIGHTS):
        np.testing.assert_allclose(np.bincount(row, minlength=5) / 20000, np.array(weights) / sum(weights), atol=0.02)


def test_without_replacement_each_index_comes_once_and_likely_ones_first():
    drawn = tn.multinomial(tn.tensor(WEIGHTS[:1] * 20000), 3).numpy()
    assert (np.sort(drawn, axis=1) == [0, 2, 3]).all()
    np.testing.assert_allclose(np.bincount(drawn[:, 0], minlength=5) / 20000, [1 / 8, 0, 3 / 8, 1 / 2, 0], atol=0.02)
    second = np.bincount(drawn[drawn[:, 0] == 3, 1], minlength=5)
    np.testing.assert_allclose(second / second.sum(), [1 / 4, 0, 3 / 4, 0, 0], atol=0.02)


def test_one_row_one_index_and_too_few():
    assert tn.multinomial(tn.tensor([0.0, 0.0, 1.0, 0.0]), 1).tolist() == [2]
    with pytest.raises(RuntimeError, match="not enough"):
        tn.multinomial(tn.tensor(WEIGHTS), 3)
