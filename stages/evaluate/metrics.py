"""The numbers of a segmentation, from one confusion matrix over a whole split. Pure: no files, no network.

A matrix counts pixels: row = true class, column = predicted class; pixels to ignore are never in it. Where a split
cannot tell (its pixels hold no such case) a number is None and stays out of the means, and is neither 0 nor 1:

- IoU, F1 and precision of a class that neither truth nor prediction holds;
- recall and accuracy of a class that the truth does not hold.

A class that the truth holds and the network never predicts has precision 0: leaving it out would reward a network for
giving up on small classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.dataset import IGNORE
from stages.errors import DataError

Labels = NDArray[np.uint8]
Matrix = NDArray[np.int64]
MEANS = {"mIoU": "iou", "mean_accuracy": "accuracy", "precision": "precision", "recall": "recall", "f1": "f1"}


def validate(where: str, truth: Labels, prediction: Labels, classes: int) -> None:
    """Two label maps of one size: true classes (or 255, to ignore), and predicted classes without 255."""
    if truth.shape != prediction.shape:
        raise DataError(where, f"a prediction of {truth.shape}", f"{prediction.shape}", "evaluate the same images")
    for kind, unknown in (("true", truth[(truth >= classes) & (truth != IGNORE)]), ("predicted", prediction)):
        if (unknown >= classes).any():
            raise DataError(where, f"{kind} class ids below {classes}", f"id {unknown.max()}", "run `dvc repro`")


def update(total: Matrix, image: Matrix) -> Matrix:
    """A split's matrix with one more image in it."""
    return total + image


def compute(matrix: Matrix, names: list[str]) -> dict[str, Any]:
    """Every number of a split: scalars, and for each class its own."""
    hits, truth, predicted = np.diagonal(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    classes: dict[str, dict[str, float | None]] = {}
    for name, hit, true, guess in zip(names, hits.tolist(), truth.tolist(), predicted.tolist(), strict=True):
        union = true + guess - hit
        recall = ratio(hit, true)
        classes[name] = {
            "iou": ratio(hit, union),
            "precision": ratio(hit, guess) if guess or not union else 0.0,
            "recall": recall,
            "accuracy": recall,
            "f1": ratio(2 * hit, true + guess),
            "pixels": true,
        }
    means = {key: mean([numbers[of] for numbers in classes.values()]) for key, of in MEANS.items()}
    return {**means, "pixel_accuracy": ratio(int(hits.sum()), int(matrix.sum())), "classes": classes}


def ratio(part: int, whole: int) -> float | None:
    """Part of whole; None where there is no whole."""
    return part / whole if whole else None


def mean(values: list[float | None]) -> float | None:
    """The mean of what is there; None where nothing is."""
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None
