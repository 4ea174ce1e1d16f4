"""Evaluates one split in one pass: predictions as PNGs, and of each image what the numbers of the split add up from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.confusion import confusion
from stages.dataset import Header, Sample, iterate, read_instances, read_split, write_png
from stages.evaluate import boundary, calibration, objects
from stages.evaluate.metrics import Labels, Matrix, compute, update, validate
from stages.evaluate.params import Evaluate
from stages.evaluate.predict import Predict, batches
from stages.progress import track

Certainty = NDArray[np.float32]
Row = tuple[str, str, str, int, int, int]  # split, id, group, truth, prediction, count
ObjectRow = tuple[Any, ...]  # split, id, group, and the fields of an Object


@dataclass(frozen=True)
class Evaluation:
    """One split's numbers and what they are made of."""

    metrics: dict[str, Any]
    rows: list[Row]  # the matrix of each image, row by row, only counts above 0
    objects: list[ObjectRow] = field(default_factory=list)
    calibration: dict[str, Any] = field(default_factory=dict)  # what a diagram of it shows


def evaluate_split(
    data: Path, split: str, header: Header, predict: Predict, params: Evaluate, out: Path, what: str
) -> Evaluation:
    """One pass over a split in the order of its index; writes a mask and a map of certainty for each image."""
    names, things = header.names(), {c.id: c.name for c in header.classes if c.thing}
    classes, tolerances = len(names), params.boundary.tolerances
    matrices: Matrix = np.zeros((classes, classes), np.int64)
    edges, certain = boundary.empty(classes, tolerances), calibration.empty()
    rows, found = list[Row](), list[ObjectRow]()
    count = len(read_split(data, split))
    seen = predictions(data, split, predict, params.batch)
    for sample, truth, labels, certainty in track(seen, f"{what}: {split} images", count):
        where = f"{split}/{sample.id}"
        validate(where, truth, labels, classes)
        calibration.validate(where, truth, certainty)
        matrix = confusion(truth, labels, classes)
        matrices = update(matrices, matrix)
        rows += image_rows(split, sample, matrix)
        edges = boundary.update(edges, boundary.count(truth, labels, classes, tolerances))
        certain = calibration.update(certain, calibration.count(truth, labels, certainty))
        if things:
            instances = read_instances(data, split, sample)
            there = objects.find(truth, labels, instances, list(things), params.objects.match)
            found += [(split, sample.id, sample.group, *one) for one in there]
        write_png(out / "masks" / split / f"{sample.id}.png", labels)
        write_png(out / "certainty" / split / f"{sample.id}.png", np.rint(255 * certainty).astype(np.uint8))
    sizes, bins = params.objects.sizes, params.calibration.bins
    all_objects = [objects.Object(*row[3:]) for row in found]
    # Confidence intervals of the pooled scores will stand beside them here: `rows` has what a bootstrap resamples.
    metrics = compute(matrices, names) | {
        "boundary": boundary.compute(edges, tolerances, names),
        "objects": objects.compute(all_objects, things),
        "sizes": objects.compute_sizes(all_objects, things, sizes.medium, sizes.large),
        "calibration": calibration.compute(certain, bins),
    }
    diagrams = {"bins": calibration.reliability(certain, bins), "risk_coverage": calibration.risk_coverage(certain)}
    return Evaluation(metrics, rows, found, diagrams)


def predictions(
    data: Path, split: str, predict: Predict, batch: int
) -> Iterator[tuple[Sample, Labels, Labels, Certainty]]:
    """Every image's truth and prediction with its certainty, in the order of the index."""
    for examples in batches(iterate(data, split), batch):
        found = predict([image for _, image, _ in examples])
        for (sample, _, truth), labels, certainty in zip(examples, found.labels, found.certainty, strict=True):
            yield sample, truth, labels, certainty


def image_rows(split: str, sample: Sample, matrix: Matrix) -> list[Row]:
    """An image's matrix as rows (split, id, group, truth, prediction, count), sorted, without the zeros.

    An image whose every pixel is ignored has one row that counts nothing: it was looked at all the same.
    """
    cells = list(zip(*np.nonzero(matrix), strict=True)) or [(0, 0)]
    return [(split, sample.id, sample.group, int(t), int(p), int(matrix[t, p])) for t, p in cells]
