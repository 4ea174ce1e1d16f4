"""How much speaks for it that a label is wrong. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from commands._ranking.regions import Labels, Region

POWER = 0.75  # of the area: a region twice as large counts 2^(1/4) as much
Surprise = NDArray[np.float64]


def confusions(labels: Labels, predicted: Labels, classes: int) -> NDArray[np.int64]:
    """How many pixels of each label (rows) are predicted as each class (columns).

    Args:
        labels: class ids, 255 for ignored pixels.
        predicted: the network's, 255 at the same pixels.
        classes: how many there are.
    """
    known = labels < classes
    pairs = labels[known].astype(np.int64) * classes + predicted[known]
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def surprise_of(counts: NDArray[np.int64]) -> Surprise:
    """How surprising each prediction is for each label: minus the logarithm of its share of the label's pixels.

    A network that takes soil for grass all the time says little when it does so once more.

    Args:
        counts: pixels by label and prediction, over all images. One is added to each, so that none is 0.

    Example:
        >>> surprise_of(np.array([[97, 1], [0, 2]])).round(2).tolist()
        [[0.02, 3.91], [1.39, 0.29]]
    """
    share = (counts + 1) / (counts + 1).sum(axis=1, keepdims=True)
    found: Surprise = -np.log(share)
    return found


def score(region: Region, surprise: Surprise) -> float:
    """The sum over the region of odds times surprise, over the area to the power of 3/4.

    That is the mean over its pixels times the fourth root of its area: size counts, but does not decide.

    Args:
        region: which pixels.
        surprise: by label and predicted class.
    """
    total = sum(odds * surprise[pair] for pair, odds in region.odds.items())
    return float(total / region.area**POWER)
