"""The counts that every score of a confusion matrix is computed from: correct, true and predicted pixels of each class.

A matrix counts pixels: row = true class, column = predicted class; ignored pixels are never counted. All leading
dimensions are kept: [C, C] is one matrix, [images, C, C] one for each image, [resamples, seeds, C, C] and so on.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Counts(NamedTuple):
    """The correct, true and predicted pixels of each class, each [..., C].

    Whole numbers, as integers or as floats: their sums are exact, whatever the order and the machine.
    """

    hits: NDArray[Any]
    truth: NDArray[Any]
    predicted: NDArray[Any]

    def stacked(self) -> NDArray[Any]:
        """One array [..., 3, C], so that all three can be summed and resampled together."""
        return np.stack(self, axis=-2)


def unstacked(array: NDArray[Any]) -> Counts:
    """The counts in an array [..., 3, C], as `Counts.stacked` makes it."""
    return Counts(array[..., 0, :], array[..., 1, :], array[..., 2, :])


def counts(matrices: NDArray[Any]) -> Counts:
    """The counts of matrices [..., C, C].

    >>> counts(np.array([[8, 5], [0, 12]]))
    Counts(hits=array([ 8, 12]), truth=array([13, 12]), predicted=array([ 8, 17]))
    """
    return Counts(np.diagonal(matrices, axis1=-2, axis2=-1), matrices.sum(axis=-1), matrices.sum(axis=-2))
