"""The weights of classes in a loss, from how many training pixels they have."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pixelproof.core.errors import DataError
from stages.train.params import Kind


def frequency_weights(
    pixels: Sequence[int], kind: Kind, power: float = 0.0, where_present: Sequence[int] | None = None
) -> list[float] | None:
    """The weight of each class, on average 1 for a pixel; None where all are alike.

    `inverse` is 1 / frequency, `power` frequency^-power: 0 weighs no class, 1 is `inverse`. In `median` (Eigen and
    Fergus, "Predicting Depth, Surface Normals and Semantic Labels", ICCV 2015) a class's frequency is its share of the
    pixels of those images that have it (`where_present`), so that a class of few images but large areas stays light.
    The paper's numerator, the median of the frequencies, is one factor for all; the mean of 1 takes its place. So
    without `where_present`, when all images are taken to have all classes, `median` is `inverse`.

    A class without pixels weighs as much as the heaviest one that has some.
    """
    exponent = {"none": 0.0, "inverse": 1.0, "median": 1.0, "power": power}[kind]
    if not exponent:
        return None
    counts = np.array(pixels, np.float64)
    if not counts.any():
        raise DataError("the training masks", "labelled pixels", "none", "see the data card of prepare")
    base = where_present if kind == "median" and where_present is not None else [counts.sum()] * len(counts)
    has = counts > 0
    weights = np.zeros(len(counts))
    weights[has] = (counts[has] / np.array(base, np.float64)[has]) ** -exponent
    weights[~has] = weights.max()
    return [round(float(weight), 6) for weight in weights * counts.sum() / (weights * counts).sum()]
