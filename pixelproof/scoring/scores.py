"""Scores from confusion matrices, over stacks of them at once. Pure: no files, no network.

A matrix counts pixels: row = true class, column = predicted class; pixels to ignore are never in it. All leading
dimensions are kept: [C, C] is one matrix, [images, C, C] one for each image, [resamples, seeds, C, C] and so on. Where
the pixels cannot tell, a score is NaN and stays out of the means, and is neither 0 nor 1:

- IoU, F1 and precision of a class that neither truth nor prediction holds;
- recall and accuracy of a class that the truth does not hold.

A class that the truth holds and the network never predicts has precision 0: leaving it out would reward a network for
giving up on small classes. docs/metrics.md has the formulas and an example.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PER_CLASS = ("iou", "precision", "recall", "f1", "accuracy")
MEANS = {
    "mIoU": "iou",
    "mean_precision": "precision",
    "mean_recall": "recall",
    "mean_f1": "f1",
    "mean_accuracy": "accuracy",
}
POOLED = (*MEANS, "fwIoU", "pixel_accuracy")


class Counts(NamedTuple):
    """All that the scores need of a matrix: pixels of each class that are right, true and predicted, each [..., C].

    Whole numbers, as integers or as floats: sums of them are exact, so their order and the machine do not matter.
    """

    hits: NDArray[Any]
    truth: NDArray[Any]
    predicted: NDArray[Any]

    def stacked(self) -> NDArray[Any]:
        """One array [..., 3, C], to be summed and resampled as one."""
        return np.stack(self, axis=-2)


def unstacked(array: NDArray[Any]) -> Counts:
    """The counts in an array [..., 3, C]."""
    return Counts(array[..., 0, :], array[..., 1, :], array[..., 2, :])


def counts(matrices: NDArray[Any]) -> Counts:
    """The counts of matrices [..., C, C]."""
    return Counts(np.diagonal(matrices, axis1=-2, axis2=-1), matrices.sum(axis=-1), matrices.sum(axis=-2))


def scores(of: Counts) -> dict[str, Floats]:
    """Every score by name: those of `PER_CLASS` are [..., C], those of `POOLED` are [...]."""
    hits, truth, predicted = of
    recall = ratio(hits, truth)
    found = {
        "iou": ratio(hits, truth + predicted - hits),
        "precision": np.where((predicted == 0) & (truth > 0), 0.0, ratio(hits, predicted)),
        "recall": recall,
        "f1": ratio(2 * hits, truth + predicted),
        "accuracy": recall,
    }
    means = {name: mean(found[of]) for name, of in MEANS.items()}
    pixels = truth.sum(axis=-1)
    weighted = ratio(np.where(truth > 0, found["iou"] * truth, 0.0).sum(axis=-1), pixels)
    return {**found, **means, "fwIoU": weighted, "pixel_accuracy": ratio(hits.sum(axis=-1), pixels)}


def ratio(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    """Part of whole; NaN where there is no whole."""
    return np.asarray(np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0))


def mean(values: Floats, axis: int = -1) -> Floats:
    """The mean of what is there; NaN where nothing is."""
    there = ~np.isnan(values)
    return ratio(np.where(there, values, 0.0).sum(axis=axis), there.sum(axis=axis))


def columns(metrics: Sequence[str], classes: Sequence[str]) -> list[tuple[str, str | None]]:
    """What `table` has in each column: a metric, and the class where it has one for each."""
    return [(name, label) for name in metrics for label in (classes if name in PER_CLASS else [None])]


def table(of: Counts, metrics: Sequence[str]) -> Floats:
    """These metrics side by side, [..., columns]."""
    found = scores(of)
    return np.concatenate([found[name] if name in PER_CLASS else found[name][..., None] for name in metrics], axis=-1)
