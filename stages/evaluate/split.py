"""Evaluates one split: predictions as index PNGs, one confusion matrix for each image, the numbers of them all."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stages.confusion import confusion
from stages.dataset import Header, Sample, iterate, read_split, write_png
from stages.evaluate.metrics import Matrix, compute, update, validate
from stages.evaluate.predict import Predict, batches

Row = tuple[str, str, str, int, int, int]  # split, id, group, truth, prediction, count


@dataclass(frozen=True)
class Evaluation:
    """One split's numbers, and the matrix of each image, row by row, only counts above 0."""

    metrics: dict[str, Any]
    rows: list[Row]


def evaluate_split(
    data: Path, split: str, header: Header, predict: Predict, batch: int, out: Path, say: Callable[[int, int], None]
) -> Evaluation:
    """One pass over a split in the order of its index; writes a mask for each image below `out`."""
    classes = len(header.classes)
    total: Matrix = np.zeros((classes, classes), np.int64)
    count, rows = len(read_split(data, split)), list[Row]()
    done = 0
    for group in batches(iterate(data, split), batch):
        labels = predict([image for _, image, _ in group])
        for (sample, _, truth), prediction in zip(group, labels, strict=True):
            validate(f"{split}/{sample.id}", truth, prediction, classes)
            matrix = confusion(truth, prediction, classes)
            total = update(total, matrix)
            rows += image_rows(split, sample, matrix)
            write_png(out / "masks" / split / f"{sample.id}.png", prediction)
        done += len(group)
        say(done, count)
    return Evaluation(compute(total, header.names()), rows)


def image_rows(split: str, sample: Sample, matrix: Matrix) -> list[Row]:
    """An image's matrix as rows (split, id, group, truth, prediction, count), sorted, without the zeros."""
    cells = zip(*np.nonzero(matrix), strict=True)
    return [(split, sample.id, sample.group, int(t), int(p), int(matrix[t, p])) for t, p in cells]


def progress(label: str) -> Callable[[int, int], None]:
    """A function that says on stderr how many images are done and how many a second; no result depends on it."""
    started = time.perf_counter()

    def say(done: int, count: int) -> None:
        speed = done / max(time.perf_counter() - started, 1e-9)
        end = "\n" if done == count or not sys.stderr.isatty() else "\r"
        print(f"{label}: {done}/{count} images, {speed:.1f} a second", end=end, file=sys.stderr, flush=True)

    return say
