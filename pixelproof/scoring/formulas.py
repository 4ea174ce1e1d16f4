"""The formulas of the metrics, for a whole stack of confusion matrices at once. Pure: no file or network access.

Each function takes `Counts` and returns one number per class, [..., C], or a single one, [...]; catalogue.py says which
metric uses which. Undefined numbers are NaN, neither 0 nor 1:

- IoU, F1 and precision of a class that is in neither the ground truth nor the prediction;
- recall of a class that is not in the ground truth.

A class that is in the ground truth but never predicted has precision 0: leaving it out would reward a network for
giving up on small classes. docs/metrics.md has an example worked by hand.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelproof.scoring.counts import Counts

Floats = NDArray[np.float64]


def iou(of: Counts) -> Floats:
    """The IoU of each class: the intersection of truth and prediction, over their union (Jaccard)."""
    return ratio(of.hits, of.truth + of.predicted - of.hits)


def precision(of: Counts) -> Floats:
    """The precision of each class: the share of its predicted pixels that are correct."""
    return np.where((of.predicted == 0) & (of.truth > 0), 0.0, ratio(of.hits, of.predicted))


def recall(of: Counts) -> Floats:
    """The recall of each class: the share of its true pixels that are found."""
    return ratio(of.hits, of.truth)


def f1(of: Counts) -> Floats:
    """The F1 of each class: the harmonic mean of precision and recall (Dice)."""
    return ratio(2 * of.hits, of.truth + of.predicted)


def weighted_iou(of: Counts) -> Floats:
    """The mean IoU of the classes, each weighted by its true pixels (frequency-weighted IoU)."""
    return ratio(np.where(of.truth > 0, iou(of) * of.truth, 0.0).sum(axis=-1), of.truth.sum(axis=-1))


def pixel_accuracy(of: Counts) -> Floats:
    """The share of all pixels that are correct."""
    return ratio(of.hits.sum(axis=-1), of.truth.sum(axis=-1))


# --- helpers ---------------------------------------------------------------------------------------------------------


def ratio(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    """`part / whole`, and NaN where `whole` is 0.

    >>> ratio(np.array([8, 0]), np.array([13, 0]))
    array([0.61538462,        nan])
    """
    return np.asarray(np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0))


def mean(values: Floats, axis: int = -1) -> Floats:
    """The mean of the values that are not NaN; NaN if all are.

    >>> float(mean(np.array([0.5, np.nan, 1.0])))
    0.75
    """
    there = ~np.isnan(values)
    return ratio(np.where(there, values, 0.0).sum(axis=axis), there.sum(axis=axis))
