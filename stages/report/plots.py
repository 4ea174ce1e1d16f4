"""What `dvc plots`, the VS Code extension and Studio show: tables for DVC's own templates, and a folder of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelproof.core.files import write_text
from pixelproof.data.dataset import Sample, read_image, read_mask, read_split
from pixelproof.data.images import Array, write_png
from stages.report.figures import mean_curve, over_seeds, rounded
from stages.report.gather import EVALUATED, Results, Run
from stages.report.pictures import colours, shrink, spread
from stages.report.sections.confusions import pooled
from stages.report.sections.gallery import prediction

CURVES = {"val_mIoU": "val/mIoU", "train_loss": "train/loss"}  # by file
PICTURES = 4  # of each network
GAP = 4  # pixels between the parts of a picture
WHITE = 255


def write_plots(folder: Path, results: Results) -> None:
    """Write the files that the `plots` of dvc.yaml name.

    Without test images, what would be of these is of the validation images, and named so: DVC complains of no files.
    """
    split = next((each for each in EVALUATED if read_split(results.data, each)), EVALUATED[0])
    of_split = "" if split == EVALUATED[0] else f"-{split}"
    for name, curve in CURVES.items():
        write_text(folder / f"{name}.csv", curve_csv(results, curve))
    for name, runs in results.runs.items():
        counts = pooled(runs, len(results.header.classes), split)
        if counts.any():  # of an empty table, DVC would draw nothing and complain
            write_text(folder / f"confusion/{name}{of_split}.csv", confusion_csv(counts, results.header.names()))
            write_text(folder / f"iou/{name}{of_split}.csv", iou_csv(runs, results.header.names(), split))
        for sample, picture in predictions(results, runs[0], split):
            write_png(folder / f"predictions/{name}{of_split}/{sample.id}.png", picture)


def write_vega(path: Path) -> None:
    """Write Vega, Vega-Lite and Vega-Embed as one script, so that DVC's page (.dvc/plots.html) needs no network."""
    import vl_convert

    bundle = vl_convert.javascript_bundle(vl_version="5.8")  # type: ignore[call-arg]  # its stub has no default
    write_text(path, bundle)  # DVC's templates are for 5.2


def curve_csv(results: Results, curve: str) -> str:
    """One curve of every architecture as CSV: a row for each iteration, a column for each architecture."""
    import pandas as pd

    columns = {name: mean_curve([run.curves.get(curve, []) for run in runs]) for name, runs in results.runs.items()}
    frame = pd.DataFrame({name: {i: rounded(value) for i, value in column.items()} for name, column in columns.items()})
    return frame.sort_index().to_csv(index_label="iteration", lineterminator="\n")


def confusion_csv(counts: NDArray[np.int64], labels: list[str]) -> str:
    """A confusion matrix as CSV for a template that counts rows: each is one percent of a true class's pixels."""
    import pandas as pd

    lines = [
        (truth, predicted)
        for truth, row in zip(labels, counts, strict=True)
        for predicted, percent in zip(labels, whole_percents(row).tolist(), strict=True)
        for _ in range(percent)
    ]
    frame = pd.DataFrame(lines, columns=["true class", "predicted class"])
    return frame.to_csv(index=False, lineterminator="\n")


def whole_percents(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Shares in whole percent that add up to 100: those that lost most in rounding down get one more.

    >>> whole_percents(np.array([2, 1, 0, 3])).tolist()
    [33, 17, 0, 50]
    >>> whole_percents(np.array([0, 0])).tolist()
    [0, 0]
    """
    if not counts.any():
        return np.zeros_like(counts)
    percents, lost = np.divmod(100 * counts, counts.sum())
    percents[np.argsort(-lost, kind="stable")[: 100 - percents.sum()]] += 1
    return percents


def iou_csv(runs: list[Run], labels: list[str], split: str) -> str:
    """The IoU of each class of a split as CSV, without those that are undefined."""
    import pandas as pd

    means = ((label, rounded(over_seeds(runs, split, "classes", label, "iou").mean)) for label in labels)
    frame = pd.DataFrame([(label, mean) for label, mean in means if mean is not None], columns=["class", "IoU"])
    return frame.to_csv(index=False, lineterminator="\n")


def predictions(results: Results, run: Run, split: str) -> Iterator[tuple[Sample, Array]]:
    """A few images of a split, spread evenly, each beside its true and its predicted labels; ignored ones are black."""
    classes, palette = len(results.header.classes), colours(results.header)[:, :3]
    for sample in spread(read_split(results.data, split), PICTURES):
        image = shrink(read_image(results.data, split, sample), cv2.INTER_AREA)
        masks = read_mask(results.data, split, sample, classes), prediction(run, sample, classes, split)
        truth, found = (palette[shrink(mask, cv2.INTER_NEAREST)] for mask in masks)
        gap = np.full((len(image), GAP, 3), WHITE, np.uint8)
        yield sample, np.hstack([image, gap, truth, gap, found])
