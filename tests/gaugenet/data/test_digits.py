"""Digits: what an npz file of MNIST holds, and what to do where there is none."""

import sys

import numpy as np
import pytest
import torch

from gaugenet.data.digits import bundled_digits, mnist


def test_the_first_images_to_train_and_all_to_test(tmp_path):
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (6, 28, 28), dtype=np.uint8), rng.integers(0, 10, 6, dtype=np.uint8)
    np.savez(tmp_path / "mnist.npz", x_train=pixels, y_train=labels, x_test=pixels[4:], y_test=labels[4:])
    digits = mnist(tmp_path / "mnist.npz", 3)
    assert digits.train.dtype == torch.float32
    assert digits.train_label.dtype == torch.int64
    np.testing.assert_allclose(digits.train.numpy(), pixels[:3] / 255, rtol=1e-6)
    np.testing.assert_array_equal(digits.train_label.numpy(), labels[:3])
    np.testing.assert_allclose(digits.test.numpy(), pixels[4:] / 255, rtol=1e-6)
    assert len(mnist(tmp_path / "mnist.npz").train) == 6


def test_a_file_with_something_else_is_refused_by_what_it_lacks(tmp_path):
    np.savez(tmp_path / "other.npz", x_train=np.zeros(1))
    with pytest.raises(ValueError, match="has no y_train, x_test, y_test; it has x_train"):
        mnist(tmp_path / "other.npz")


def test_without_data_it_is_said_what_to_give(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ValueError, match="--data"):
        bundled_digits()
    with pytest.raises(ValueError, match="no file"):
        mnist(tmp_path / "nothing.npz")
