"""How well boundaries are drawn: boundary F1 and boundary IoU of each class, pooled over a split. Pure.

- The **boundary** of a class is its pixels next to (left, right, above, below) a pixel of another class.
- **Boundary F1** (Csurka et al. 2013, "What is a good evaluation measure for semantic segmentation?"): precision is the
  share of a class's predicted boundary pixels that have a true boundary pixel of that class within the tolerance,
  recall the share of its true ones that have a predicted one, both by the Euclidean distance between pixel centres.
- **Boundary IoU** (Cheng et al. 2021, "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation"): IoU of
  two bands, in ground truth and prediction: the pixels of a class that erosion by a 3x3 square, repeated `tolerance`
  times, takes away. As in their code, what lies outside the image is of no class, so that the band also runs along the
  image's edge.

Both are computed from sums over the whole split; the papers take means over images.

What lies on ignored pixels (255) is unknown, so no class ends there. For F1 none ends at the image's edge either: every
prediction would have it right. Predictions on ignored pixels are disregarded: no boundary or band lies there, and they
cause none. A boundary whose counterpart may be hidden there still counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelproof.data.dataset import IGNORE
from pixelproof.data.grid import strips
from stages.evaluate.shares import mean, precision, share

Labels = NDArray[np.uint8]
Where = NDArray[np.bool_]
Counts = NDArray[np.int64]  # tolerances x COUNTED x classes: pixels
COUNTED = ("predicted", "predicted_near", "true", "true_near", "predicted_band", "true_band", "both_bands")
SCORES = ("precision", "recall", "f1", "iou")
AT_ONCE = 2**20  # pixels that are counted together: memory must not grow with the image


def empty(classes: int, tolerances: Sequence[int]) -> Counts:
    """The counts of a split without images."""
    return np.zeros((len(tolerances), len(COUNTED), classes), np.int64)


def count(truth: Labels, prediction: Labels, classes: int, tolerances: Sequence[int]) -> Counts:
    """One image's pixels, for each tolerance (ascending) and class.

    They are counted strip by strip, each among the rows around it that a boundary, and what is near it, can depend on.
    """
    height, beyond = truth.shape[0], tolerances[-1] + 1
    found = empty(classes, tolerances)
    for rows in strips(truth.shape, AT_ONCE):
        around = slice(max(rows.start - beyond, 0), min(rows.stop + beyond, height))
        inner = slice(rows.start - around.start, rows.stop - around.start)
        found += _count(truth[around], prediction[around], classes, tolerances, inner)
    return found


def _count(truth: Labels, prediction: Labels, classes: int, tolerances: Sequence[int], inner: slice) -> Counts:
    """The pixels of some rows of a part of an image."""
    counted = np.zeros(truth.shape, np.bool_)
    counted[inner] = True
    known, right = truth != IGNORE, (truth == prediction).ravel()
    true_edge, predicted_edge = (edge(labels, known) for labels in (truth, prediction))
    true_bands, predicted_bands = (bands(labels, known, tolerances) for labels in (truth, prediction))
    true, predicted = (
        _Pixels.of(labels, where & counted) for labels, where in ((truth, true_edge), (prediction, predicted_edge))
    )
    near = within(np.where(true_edge, truth, IGNORE), np.where(predicted_edge, prediction, IGNORE), tolerances)
    found = empty(classes, tolerances)
    for at, (true_near, predicted_near) in enumerate(near):
        true_band = _Pixels.of(truth, next(true_bands) & counted)
        predicted_band = next(predicted_bands) & counted
        labels = (
            predicted.labels,
            predicted.labels_where(predicted_near.ravel()),
            true.labels,
            true.labels_where(true_near.ravel()),
            prediction[predicted_band],
            true_band.labels,
            true_band.labels_where(right & predicted_band.ravel()),
        )
        found[at] = [np.bincount(of, minlength=classes) for of in labels]
    return found


@dataclass(frozen=True)
class _Pixels:
    """Some pixels of an image by index: they are few, so counting them is faster than masking the whole image."""

    indices: NDArray[np.int64]
    labels: Labels

    @classmethod
    def of(cls, labels: Labels, where: Where) -> _Pixels:
        indices = np.flatnonzero(where)
        return cls(indices, labels.ravel()[indices])

    def labels_where(self, where: Where) -> Labels:
        return self.labels[where[self.indices]]


def update(total: Counts, image: Counts) -> Counts:
    """A split's counts with those of one image added."""
    return total + image


def compute(total: Counts, tolerances: Sequence[int], names: Sequence[str]) -> dict[str, Any]:
    """By tolerance: the scores of each class, and their means over the classes for which they are defined."""
    return {str(tolerance): _scores(total[at], names) for at, tolerance in enumerate(tolerances)}


def _scores(counts: Counts, names: Sequence[str]) -> dict[str, Any]:
    classes = {name: _of_class(*column) for name, column in zip(names, counts.T.tolist(), strict=True)}
    return {key: mean(scores[key] for scores in classes.values()) for key in SCORES} | {"classes": classes}


def _of_class(
    predicted: int, predicted_near: int, true: int, true_near: int, predicted_band: int, true_band: int, both: int
) -> dict[str, float | None]:
    """The scores of one class, in the order of COUNTED."""
    right, found = precision(predicted_near, predicted, true), share(true_near, true)
    f1 = 2 * right * found / (right + found) if right and found else share(0, predicted + true)
    return {"precision": right, "recall": found, "f1": f1, "iou": share(both, predicted_band + true_band - both)}


def edge(labels: Labels, known: Where) -> Where:
    """The known pixels next to a known pixel of another class, for all classes at once.

    A pixel has one if the largest and the smallest class id around it differ. OpenCV takes the outside of the image as
    smaller than anything in a dilation and as larger than anything in an erosion; so do we with unknown pixels.
    """
    low, high = np.where(known, labels, np.uint8(0)), np.where(known, labels, np.uint8(IGNORE))
    found: Where = (cv2.dilate(low, disk(1)) != cv2.erode(high, disk(1))) & known
    return found


def bands(labels: Labels, known: Where, distances: Iterable[int]) -> Iterator[Where]:
    """For each distance, the known pixels that erosion takes away from their class, for all classes at once.

    These have a known pixel of another class, or the outside of the image, in the square of that distance around them.
    In the dilation the outside has an id that is larger than that of any class.
    """
    low, high = np.where(known, labels, np.uint8(0)), np.where(known, labels, np.uint8(IGNORE))
    for distance in distances:
        around = np.ones((2 * distance + 1, 2 * distance + 1), np.uint8)
        largest = cv2.dilate(low, around, borderType=cv2.BORDER_CONSTANT, borderValue=IGNORE)
        yield (largest != cv2.erode(high, around)) & known


@cache
def disk(radius: int) -> Labels:
    """1 where a pixel's centre lies within `radius` of the centre of the disk."""
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    inside: Where = y * y + x * x <= radius * radius
    return inside.astype(np.uint8)


def within(true: Labels, predicted: Labels, tolerances: Sequence[int]) -> Iterator[tuple[Where, Where]]:
    """For each tolerance (ascending), which pixels of two maps have one of their class within it in the other map.

    Pixels to leave out are 255, and their results are meaningless. Each pair must be read before the next.

    One step for each offset in the disk, for all pixels and classes at once: the maps are padded, to keep rows apart,
    and flattened, so that an offset is one shift of the whole map.
    """
    reach = tolerances[-1]
    height, width = true.shape
    wide, high = width + reach, height + 2 * (reach + 1)
    start, stop = (reach + 1) * wide, (reach + 1 + height) * wide
    framed = np.full((2, high, wide), IGNORE, np.uint8)
    framed[:, reach + 1 : -reach - 1, :width] = true, predicted
    flat, near = framed.reshape(2, -1), np.zeros((2, high * wide), np.bool_)
    meet = np.empty(stop - start, np.bool_)
    y, x = np.nonzero(disk(reach))
    squared = (y - reach) ** 2 + (x - reach) ** 2
    shifts = (y - reach) * wide + x - reach
    inner = 0
    for tolerance in tolerances:
        for shift in shifts[(inner <= squared) & (squared <= tolerance * tolerance)].tolist():
            np.equal(flat[0][start + shift : stop + shift], flat[1][start:stop], out=meet)
            near[0][start + shift : stop + shift] |= meet
            near[1][start:stop] |= meet
        inner = tolerance * tolerance + 1
        found = [of[start:stop].reshape(height, wide)[:, :width] for of in near]
        yield found[0], found[1]
