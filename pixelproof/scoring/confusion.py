"""Confusion matrices and the IoU they give: what train's validation and evaluate both stand on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def confusion(truth: NDArray[np.uint8], prediction: NDArray[np.uint8], classes: int) -> NDArray[np.int64]:
    """Pixels by true class (rows) and predicted class (columns); ignored pixels are not counted.

    Two bytes hold any pair of ids. Those to ignore (255) are counted beyond the last row: faster than to look for them.
    """
    pairs = truth.astype(np.uint16) * classes + prediction
    cells = classes * classes
    return np.bincount(pairs.ravel(), minlength=cells)[:cells].reshape(classes, classes)


def iou(matrix: NDArray[np.int64]) -> NDArray[Any]:
    """Intersection over union of each class; NaN for a class that neither truth nor prediction holds."""
    hits = np.diag(matrix)
    union = matrix.sum(axis=0) + matrix.sum(axis=1) - hits
    with np.errstate(invalid="ignore"):
        return hits / np.where(union == 0, np.nan, union)
