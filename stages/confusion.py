"""Confusion matrices and the IoU they give: what train's validation and evaluate both stand on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.dataset import IGNORE


def confusion(truth: NDArray[np.uint8], prediction: NDArray[np.uint8], classes: int) -> NDArray[np.int64]:
    """Pixels by true class (rows) and predicted class (columns); ignored pixels are not counted."""
    counted = truth != IGNORE
    pairs = truth[counted].astype(np.int64) * classes + prediction[counted]
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def iou(matrix: NDArray[np.int64]) -> NDArray[Any]:
    """Intersection over union of each class; NaN for a class that neither truth nor prediction holds."""
    hits = np.diag(matrix)
    union = matrix.sum(axis=0) + matrix.sum(axis=1) - hits
    with np.errstate(invalid="ignore"):
        return hits / np.where(union == 0, np.nan, union)
