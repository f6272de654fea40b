"""Handwritten digits: MNIST from a file, and the small ones that scikit-learn brings along."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Digits(NamedTuple):
    """Grey values float32 [N, 28, 28] from 0 to 1, labels int64 [N], and what they are called."""

    train: Tensor
    train_label: Tensor
    test: Tensor
    test_label: Tensor
    name: str


def mnist(path: Path, n_train: int | None = None) -> Digits:
    """Training images in order, all or the first of them, and all test images of an npz file with x_train, y_train,
    x_test, y_test.

    Raises:
        ValueError: the file is missing, or holds something else.
    """
    if not path.is_file():
        raise ValueError(f"no file {path}: give an npz file with x_train, y_train, x_test, y_test (uint8 28 × 28)")
    with np.load(path) as file:
        missing = [k for k in ("x_train", "y_train", "x_test", "y_test") if k not in file]
        if missing:
            raise ValueError(f"{path} has no {', '.join(missing)}; it has {', '.join(file)}")
        train, train_label = file["x_train"][:n_train], file["y_train"][:n_train]
        test, test_label = file["x_test"], file["y_test"]
    return Digits(_grey(train, 255), _labels(train_label), _grey(test, 255), _labels(test_label), "MNIST")


def bundled_digits() -> Digits:
    """The 1,797 digits of 8 × 8 pixels that scikit-learn brings along, enlarged to 28 × 28; the first 1,437 to train.

    Raises:
        ValueError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ValueError("give MNIST by --data mnist.npz, or install scikit-learn for its small digits") from error
    images, label = load_digits(return_X_y=True)
    small = _grey(images.reshape(-1, 1, 8, 8), 16)
    large = torch.nn.functional.interpolate(small, size=(28, 28), mode="bilinear", align_corners=False)[:, 0]
    target = _labels(label)
    return Digits(large[:1437], target[:1437], large[1437:], target[1437:], "scikit-learn's digits")


def _grey(pixels: np.ndarray, white: float) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels)).float() / white


def _labels(labels: np.ndarray) -> Tensor:
    return torch.from_numpy(labels.astype(np.int64))
