"""Class weights for a loss, from the number of training pixels of each class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pixelproof.core.errors import DataError
from stages.train.params import Kind


def frequency_weights(
    pixels: Sequence[int], kind: Kind, power: float = 0.0, where_present: Sequence[int] | None = None
) -> list[float] | None:
    """The weight of each class, 1 on average over the pixels; None if all are equal.

    `inverse` is 1 / frequency, `power` frequency^-power: 0 weights no class, 1 is `inverse`. In `median` (Eigen and
    Fergus, "Predicting Depth, Surface Normals and Semantic Labels", ICCV 2015) a class's frequency is its share of the
    pixels of the images that contain it (`where_present`), so that a class with large areas in few images gets a low
    weight. The paper's numerator, the median of the frequencies, is a common factor; here the mean of 1 replaces it.
    So without `where_present`, as if every image had every class, `median` is `inverse`.

    A class without pixels gets the largest weight of the others.
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
