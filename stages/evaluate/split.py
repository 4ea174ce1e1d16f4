"""Evaluates one split in one pass: writes predictions as PNGs, and collects what its numbers are computed from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelproof.core.progress import track
from pixelproof.data.dataset import Header, Sample, iterate, read_instances, read_split
from pixelproof.data.grid import strips
from pixelproof.data.images import Array, write_png
from pixelproof.scoring.confusion import confusion
from pixelproof.scoring.counts import counts, unstacked
from pixelproof.scoring.objects import Objects, numbered
from stages.evaluate import boundary, calibration, objects
from stages.evaluate.detect import Detect
from stages.evaluate.instances import InstanceTally, Said, Seen, said_of
from stages.evaluate.metrics import Labels, Matrix, compute, image_means, intervals, update, validate
from stages.evaluate.params import Evaluate, Quality
from stages.evaluate.predict import Predict, batches

Certainty = NDArray[np.float32]
Row = tuple[str, str, str, int, int, int]  # split, id, group, truth, prediction, count
ObjectRow = tuple[Any, ...]  # split, id, group, and the fields of an Object
AT_ONCE = 2**20  # pixels that are counted together: memory must not grow with the image


@dataclass(frozen=True)
class Evaluation:
    """One split's numbers and the data behind them."""

    metrics: dict[str, Any]
    rows: list[Row]  # the matrix of each image, row by row, only counts above 0
    objects: list[ObjectRow] = field(default_factory=list)
    calibration: dict[str, Any] = field(default_factory=dict)  # the data of its diagrams
    detections: list[ObjectRow] = field(default_factory=list)  # what AP follows from
    segments: list[ObjectRow] = field(default_factory=list)  # what PQ follows from


class Tally:
    """What the numbers of a split are computed from, collected image by image."""

    def __init__(self, split: str, header: Header, params: Quality, own_objects: bool = False) -> None:
        self.split, self.params, self.names = split, params, header.names()
        self.things = {c.id: c.name for c in header.classes if c.thing}
        self.matrix: Matrix = np.zeros((len(self.names), len(self.names)), np.int64)
        self.edges = boundary.empty(len(self.names), params.boundary.tolerances)
        self.certain = calibration.empty()
        self.counts, self.groups = list[Matrix](), list[str]()  # of each image
        self.rows, self.objects = list[Row](), list[ObjectRow]()
        self.instances = InstanceTally(header, params.objects, own_objects)

    def add(
        self,
        sample: Sample,
        truth: Labels,
        said: Said,
        instances: Array | None = None,
    ) -> None:
        """Add one image's ground truth and prediction."""
        labels, certainty = said.labels, said.certainty
        where, classes, quality = f"{self.split}/{sample.id}", len(self.names), self.params
        validate(where, truth, labels, classes)
        calibration.validate(where, truth, certainty)
        matrix, certain = np.zeros((classes, classes), np.int64), calibration.empty()
        for rows in strips(truth.shape, AT_ONCE):
            matrix += confusion(truth[rows], labels[rows], classes)
            certain += calibration.count(truth[rows], labels[rows], certainty[rows])
        self.matrix = update(self.matrix, matrix)
        self.counts.append(counts(matrix).stacked())
        self.groups.append(sample.group)
        self.rows += image_rows(self.split, sample, matrix)
        edges = boundary.count(truth, labels, classes, quality.boundary.tolerances)
        self.edges = boundary.update(self.edges, edges)
        self.certain = calibration.update(self.certain, certain)
        if self.things:
            self.add_objects(sample, truth, said, instances)

    def add_objects(self, sample: Sample, truth: Labels, said: Said, instances: Array | None) -> None:
        """Add one image's objects."""
        things, known = list(self.things), objects.Prediction(said.labels, said.objects)
        found = objects.find(truth, known, instances, things, self.params.objects.match)
        self.objects += [(self.split, sample.id, sample.group, *one) for one in found]
        self.instances.add(Seen(sample, truth, numbered(truth, instances, things), said.labels, said.each))

    def evaluation(self) -> Evaluation:
        """The numbers of all images added."""
        sizes, bins = self.params.objects.sizes, self.params.calibration.bins
        found = [objects.Object(*row[3:]) for row in self.objects]
        images = unstacked(np.array(self.counts, np.int64).reshape(-1, 3, len(self.names)))
        metrics = compute(self.matrix, self.names) | {
            "image_means": image_means(images, self.names),
            "intervals": intervals(images, self.groups, self.names, self.params.intervals.confidence),
            "boundary": boundary.compute(self.edges, self.params.boundary.tolerances, self.names),
            "objects": objects.compute(found, self.things),
            "sizes": objects.compute_by_area(found, self.things, sizes.medium, sizes.large),
            "calibration": calibration.compute(self.certain, bins),
        }
        if self.things:
            metrics["instances"] = self.instances.metrics(self.params.intervals.confidence)
        diagrams = {
            "bins": calibration.reliability(self.certain, bins),
            "risk_coverage": calibration.risk_coverage(self.certain),
        }
        each = self.instances
        return Evaluation(
            metrics, self.rows, self.objects, diagrams, each.detections(self.split), each.segments(self.split)
        )


@dataclass(frozen=True)
class Whole:
    """A network, or several together: what gives classes, and what gives objects, if it knows them."""

    predict: Predict
    detect: Detect | None = None


@dataclass(frozen=True)
class Network:
    """A trained network, the data to evaluate it on, and the settings."""

    name: str  # in the progress line
    whole: Whole
    judges: Mapping[int, Whole]  # of the images in folds: by fold, what did not learn from it
    batch: int  # images at once
    data: Path
    header: Header
    params: Evaluate


def evaluate_split(network: Network, split: str, out: Path) -> Evaluation:
    """One pass over a split in the order of its index; writes a mask and a certainty map for each image."""
    data, tally = network.data, Tally(split, network.header, network.params, network.whole.detect is not None)
    count = len(read_split(data, split))
    seen = predictions(network, split)
    for sample, truth, said in track(seen, f"{network.name}: {split} images", count):
        tally.add(sample, truth, said, read_instances(data, split, sample) if tally.things else None)
        write_png(out / "masks" / split / f"{sample.id}.png", said.labels)
        write_png(out / "certainty" / split / f"{sample.id}.png", in_bytes(said.certainty))
        write_png(out / "instances" / split / f"{sample.id}.png", in_ids(said.objects))
    return tally.evaluation()


def in_ids(found: Objects) -> NDArray[np.uint16]:
    """The number of each pixel's object; objects beyond the 65,535 that a PNG can tell apart are left out."""
    numbers = found.as_map()
    numbers[numbers > np.iinfo(np.uint16).max] = 0
    return numbers.astype(np.uint16)


def in_bytes(certainty: Certainty) -> Array:
    """Certainties as uint8, 255 for 1."""
    found = np.empty(certainty.shape, np.uint8)
    for rows in strips(certainty.shape, AT_ONCE):
        found[rows] = np.rint(255 * certainty[rows])
    return found


def predictions(network: Network, split: str) -> Iterator[tuple[Sample, Labels, Said]]:
    """Every image's ground truth and prediction, in the order of the index."""
    things = [info.id for info in network.header.classes if info.thing]
    for examples in batches(iterate(network.data, split), network.batch):
        fold = examples[0][0].fold
        whole = network.whole if fold is None else network.judges[fold]
        images = [image for _, image, _ in examples]
        found, objects = whole.predict(images), whole.detect(images) if whole.detect else [None] * len(images)
        known = [(sample, truth) for sample, _, truth in examples]
        del images
        examples.clear()  # large images should not outlive their use
        each = zip(known, found.labels, found.certainty, objects, strict=True)
        for (sample, truth), labels, certainty, own in each:
            yield sample, truth, said_of(labels, certainty, own, things, network.params.objects)


def image_rows(split: str, sample: Sample, matrix: Matrix) -> list[Row]:
    """An image's matrix as rows (split, id, group, truth, prediction, count), sorted, without the zeros.

    An image with only ignored pixels has one row with a count of 0: it was evaluated all the same.
    """
    cells = list(zip(*np.nonzero(matrix), strict=True)) or [(0, 0)]
    return [(split, sample.id, sample.group, int(t), int(p), int(matrix[t, p])) for t, p in cells]
