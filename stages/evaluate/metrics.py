"""The numbers in metrics.json that come from confusion matrices. Pure: no files, no network.

The scores are the catalogue's (pixelproof/scoring), and null where they are NaN. There are three kinds, by name:

- pooled (`mIoU`, `iou`): from one matrix over the whole split;
- by image (`image_mIoU`, `image_iou`): the mean of the scores of each image alone;
- intervals: where a pooled score would lie for other images of the same kind.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import IGNORE
from pixelproof.scoring.catalogue import CATALOGUE, Metric, of_matrices
from pixelproof.scoring.counts import Counts, counts, unstacked
from pixelproof.scoring.formulas import mean
from pixelproof.scoring.resampling import group_sums, interval, jackknife
from pixelproof.scoring.scores import columns, scores, side_by_side

Labels = NDArray[np.uint8]
Matrix = NDArray[np.int64]


def validate(where: str, truth: Labels, prediction: Labels, classes: int) -> None:
    """Check two label maps of one size: true classes (or 255, to ignore), and predicted classes without 255."""
    if truth.shape != prediction.shape:
        raise DataError(where, f"a prediction of {truth.shape}", f"{prediction.shape}", "evaluate the same images")
    for kind, unknown in (("true", truth[(truth >= classes) & (truth != IGNORE)]), ("predicted", prediction)):
        if (unknown >= classes).any():
            raise DataError(where, f"{kind} class ids below {classes}", f"id {unknown.max()}", "run `dvc repro`")


def update(total: Matrix, image: Matrix) -> Matrix:
    """A split's matrix with that of one image added."""
    return total + image


def compute(matrix: Matrix, names: Sequence[str]) -> dict[str, Any]:
    """The pooled numbers of a split: scalars, and those of each class."""
    found, truth = scores(counts(matrix)), matrix.sum(axis=1)
    classes = {
        label: {key(metric): number(found[metric.name][i]) for metric in of_matrices() if metric.per_class}
        | {"pixels": int(truth[i])}
        for i, label in enumerate(names)
    }
    whole = {key(metric): number(found[metric.name]) for metric in of_matrices() if not metric.per_class}
    return {**whole, "classes": classes}


def key(metric: Metric) -> str:
    """The key of a metric in metrics.json: `f1` of a split is the mean of the classes' `f1`."""
    (name,) = metric.keys
    return name


def image_means(images: Counts, names: Sequence[str]) -> dict[str, Any]:
    """The means over the images of their own scores, from the counts of each image: [images, classes].

    Large objects weigh less here than in pooled scores, because all images count the same. An image for which a score
    is undefined (the class is neither present nor predicted) is left out of that mean.
    """
    found, truth = scores(images), images.truth
    each = {f"image_{key}": mean(found[key], axis=0) for key in ("iou", "f1")}
    classes = {
        label: {key: number(values[i]) for key, values in each.items()} | {"images": int((truth[:, i] > 0).sum())}
        for i, label in enumerate(names)
    }
    pooled = {f"image_{key}": number(mean(found[key], axis=0)) for key in ("mIoU", "pixel_accuracy")}
    return {**pooled, "classes": classes}


def intervals(images: Counts, groups: Sequence[str], names: Sequence[str], confidence: float) -> dict[str, Any]:
    """An interval [low, high] for each pooled score, under the same names as in `compute`; null with too few groups.

    Its units are groups (flights, scenes), because images of one group resemble each other. A group weighs as much as
    it has true pixels: of the class, where the score is that of a class.
    """
    metrics = [metric.name for metric in of_matrices()]
    named = columns(metrics, names)
    units = group_sums(images.stacked(), groups)
    pixels = units[:, 1].astype(np.float64)
    weights = [pixels.sum(axis=1) if label is None else pixels[:, names.index(label)] for _, label in named]
    scored, variance = jackknife(units, lambda totals: side_by_side(unstacked(totals), metrics))
    low, high = interval(scored, variance, np.stack(weights, axis=1), confidence)
    found: dict[str, Any] = {"confidence": confidence, "groups": len(units)}
    classes: dict[str, dict[str, Any]] = {label: {} for label in names}
    for (name, label), *ends in zip(named, low, high, strict=True):
        of_it = found if label is None else classes[label]
        of_it[key(CATALOGUE[name])] = None if math.isnan(ends[0]) else [number(end) for end in ends]
    return {**found, "classes": classes}


def number(value: Any) -> float | None:
    """A score for JSON: null if it is undefined."""
    return None if math.isnan(value) else float(value)
