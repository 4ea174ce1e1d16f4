"""The formulas of the metrics, over the counts of a stack of confusion matrices at once. Pure: no files, no network.

Each function takes `Counts` and gives a number for each class, [..., C], or a single one, [...]; catalogue.py says
which metric is computed by which. Where the pixels cannot tell, a number is NaN, and is neither 0 nor 1:

- IoU, F1 and precision of a class that neither truth nor prediction holds;
- recall of a class that the truth does not hold.

A class that the truth holds and the network never predicts has precision 0: leaving it out would reward a network for
giving up on small classes. docs/metrics.md has an example worked by hand.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelproof.scoring.counts import Counts

Floats = NDArray[np.float64]


def iou(of: Counts) -> Floats:
    """Of each class: the overlap of truth and prediction, over their union (Jaccard)."""
    return ratio(of.hits, of.truth + of.predicted - of.hits)


def precision(of: Counts) -> Floats:
    """Of each class: the share of its predicted pixels that are right."""
    return np.where((of.predicted == 0) & (of.truth > 0), 0.0, ratio(of.hits, of.predicted))


def recall(of: Counts) -> Floats:
    """Of each class: the share of its true pixels that are found."""
    return ratio(of.hits, of.truth)


def f1(of: Counts) -> Floats:
    """Of each class: the harmonic mean of precision and recall (Dice)."""
    return ratio(2 * of.hits, of.truth + of.predicted)


def weighted_iou(of: Counts) -> Floats:
    """The IoU of the classes, each weighted by its true pixels."""
    return ratio(np.where(of.truth > 0, iou(of) * of.truth, 0.0).sum(axis=-1), of.truth.sum(axis=-1))


def pixel_accuracy(of: Counts) -> Floats:
    """The share of all pixels that are right."""
    return ratio(of.hits.sum(axis=-1), of.truth.sum(axis=-1))


# --- what they are made of -------------------------------------------------------------------------------------------


def ratio(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    """Part of whole; NaN where there is no whole.

    >>> ratio(np.array([8, 0]), np.array([13, 0]))
    array([0.61538462,        nan])
    """
    return np.asarray(np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0))


def mean(values: Floats, axis: int = -1) -> Floats:
    """The mean of what is there; NaN where nothing is.

    >>> float(mean(np.array([0.5, np.nan, 1.0])))
    0.75
    """
    there = ~np.isnan(values)
    return ratio(np.where(there, values, 0.0).sum(axis=axis), there.sum(axis=axis))
