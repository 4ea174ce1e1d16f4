"""Evaluates one split: predictions as index PNGs, one confusion matrix for each image, the numbers of them all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stages.confusion import confusion
from stages.dataset import Header, Sample, iterate, read_split, write_png
from stages.evaluate.metrics import Labels, Matrix, compute, update, validate
from stages.evaluate.predict import Predict, batches
from stages.progress import track

Row = tuple[str, str, str, int, int, int]  # split, id, group, truth, prediction, count


@dataclass(frozen=True)
class Evaluation:
    """One split's numbers, and the matrix of each image, row by row, only counts above 0."""

    metrics: dict[str, Any]
    rows: list[Row]


def evaluate_split(
    data: Path, split: str, header: Header, predict: Predict, batch: int, out: Path, what: str
) -> Evaluation:
    """One pass over a split in the order of its index; writes a mask for each image below `out`."""
    classes = len(header.classes)
    total: Matrix = np.zeros((classes, classes), np.int64)
    rows: list[Row] = []
    count = len(read_split(data, split))
    for sample, truth, prediction in track(predictions(data, split, predict, batch), f"{what}: {split} images", count):
        validate(f"{split}/{sample.id}", truth, prediction, classes)
        matrix = confusion(truth, prediction, classes)
        total = update(total, matrix)
        rows += image_rows(split, sample, matrix)
        write_png(out / "masks" / split / f"{sample.id}.png", prediction)
    return Evaluation(compute(total, header.names()), rows)


def predictions(data: Path, split: str, predict: Predict, batch: int) -> Iterator[tuple[Sample, Labels, Labels]]:
    """Every image's truth and prediction, in the order of the index."""
    for examples in batches(iterate(data, split), batch):
        found = predict([image for _, image, _ in examples])
        for (sample, _, truth), prediction in zip(examples, found.labels, strict=True):
            yield sample, truth, prediction


def image_rows(split: str, sample: Sample, matrix: Matrix) -> list[Row]:
    """An image's matrix as rows (split, id, group, truth, prediction, count), sorted, without the zeros."""
    cells = zip(*np.nonzero(matrix), strict=True)
    return [(split, sample.id, sample.group, int(t), int(p), int(matrix[t, p])) for t, p in cells]
