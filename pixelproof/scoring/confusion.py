"""Confusion matrices and the IoU computed from them, for train's validation and for evaluate alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def confusion(truth: NDArray[np.uint8], prediction: NDArray[np.uint8], classes: int) -> NDArray[np.int64]:
    """The confusion matrix of pixels: true class in rows, predicted class in columns. Ignored pixels are not counted.

    A pair of ids fits into 16 bits. Ignored pixels (255) fall beyond the last row and are cut off after counting, which
    is faster than masking them first.

    Args:
        truth: Class ids, 255 for ignored pixels.
        prediction: Class ids, of the same shape.
        classes: The number of classes.

    Example:
        >>> truth = np.array([[0, 0, 1, 255]], np.uint8)
        >>> prediction = np.array([[0, 1, 1, 0]], np.uint8)
        >>> confusion(truth, prediction, classes=2)
        array([[1, 1],
               [0, 1]])
    """
    pairs = truth.astype(np.uint16) * classes + prediction
    cells = classes * classes
    return np.bincount(pairs.ravel(), minlength=cells)[:cells].reshape(classes, classes)


def iou(matrix: NDArray[np.int64]) -> NDArray[Any]:
    """The intersection over union of each class.

    Args:
        matrix: A confusion matrix, as `confusion` returns it.

    Returns:
        One number per class, NaN for a class that is neither in the ground truth nor in the prediction.

    Example:
        >>> iou(np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0]]))
        array([0.5, 0.5, nan])
    """
    hits = np.diag(matrix)
    union = matrix.sum(axis=0) + matrix.sum(axis=1) - hits
    with np.errstate(invalid="ignore"):
        return hits / np.where(union == 0, np.nan, union)
