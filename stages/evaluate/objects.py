"""Objects of `thing` classes: found, missed or invented, by class and by area. Pure: no files, no network.

pixelproof/scoring/objects.py defines objects, and matches predicted to true ones. An unmatched predicted object with
more than half of its pixels ignored does not count as invented: it cannot be judged.

An object that is cut off by the image's edge has the area that is visible. The area of a found or missed object is the
true one, that of an invented one is the predicted one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixelproof.data.dataset import IGNORE
from pixelproof.scoring.objects import Instances, Labels, Objects, match, true_objects
from stages.evaluate.shares import mean, precision, share


class Object(NamedTuple):
    """One object, as in objects.parquet. Areas and boxes are of pixels that are not ignored."""

    category: int  # class id
    kind: Literal["found", "missed", "invented"]
    area: int
    right: int  # its pixels that are predicted correctly
    iou: float | None  # with the object that it matches
    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class Prediction:
    """The predicted classes of an image, and the predicted objects."""

    labels: Labels
    objects: Objects


def find(
    truth: Labels, prediction: Prediction, instances: Instances | None, things: Sequence[int], threshold: float
) -> list[Object]:
    """One image's objects: the true ones by class and number, then the invented ones."""
    known, right = truth != IGNORE, truth == prediction.labels
    true = true_objects(truth, instances, things)
    hidden, guessed = prediction.objects.mostly_outside(known), prediction.objects.within(known)
    pairs = match(true, guessed, threshold)
    iou_of, taken = {pair.true: pair.iou for pair in pairs}, {pair.predicted for pair in pairs}
    objects = []
    for number, (category, area, good, box) in enumerate(described(true, right), start=1):
        iou = iou_of.get(number)
        objects.append(Object(category, "missed" if iou is None else "found", area, good, iou, *box))
    for number, (category, area, good, box) in enumerate(described(guessed, right), start=1):
        if number not in taken and not hidden[number]:
            objects.append(Object(category, "invented", area, good, None, *box))
    return objects


def described(objects: Objects, right: NDArray[np.bool_]) -> list[tuple[int, int, int, tuple[int, int, int, int]]]:
    """Class, area, right pixels and box of each object, number 1 first."""
    columns = objects.areas().tolist(), objects.areas(right).tolist(), extents(objects)
    return list(zip(objects.classes.tolist(), *(column[1:] for column in columns), strict=True))


def compute(objects: Iterable[Object], names: Mapping[int, str]) -> dict[str, dict[str, Any]]:
    """The detection scores of each class of things (`id -> name`)."""
    of: dict[int, list[Object]] = {label: [] for label in names}
    for one in objects:
        of[one.category].append(one)
    return {name: scores(of[label]) for label, name in names.items()}


def compute_by_area(objects: Sequence[Object], names: Mapping[int, str], medium: int, large: int) -> dict[str, Any]:
    """The same for all things together: of any area, then small, medium and large ones, by class too."""
    strata = {"all": (0, np.inf), "small": (0, medium), "medium": (medium, large), "large": (large, np.inf)}
    found: dict[str, Any] = {}
    for stratum, (low, high) in strata.items():
        inside = [one for one in objects if low <= one.area < high]
        found[stratum] = scores(inside) | ({} if stratum == "all" else {"classes": compute(inside, names)})
    return found


def scores(objects: Iterable[Object]) -> dict[str, float | int | None]:
    """Counts, detection scores, the mean IoU of found objects, and the share of true pixels that are right."""
    of: dict[str, list[Object]] = {"found": [], "missed": [], "invented": []}
    for one in objects:
        of[one.kind].append(one)
    true = of["found"] + of["missed"]
    found, predicted = len(of["found"]), len(of["found"]) + len(of["invented"])
    return {
        **{kind: len(those) for kind, those in of.items()},
        "precision": precision(found, predicted, len(true)),
        "recall": share(found, len(true)),
        "f1": share(2 * found, len(true) + predicted),
        "iou": mean(one.iou for one in of["found"]),
        "pixel_recall": share(sum(one.right for one in true), sum(one.area for one in true)),
    }


def extents(objects: Objects) -> list[tuple[int, int, int, int]]:
    """Left, top, width and height of each object; [0] belongs to none."""
    height, width = objects.shape
    ends = []
    for along in (objects.indices % width, objects.indices // width):
        first = np.full(len(objects.classes) + 1, height * width)
        last = np.zeros_like(first)
        np.minimum.at(first, objects.numbers, along)
        np.maximum.at(last, objects.numbers, along)
        ends += [first, last - first + 1]
    left, across, top, down = (end.tolist() for end in ends)
    return list(zip(left, top, across, down, strict=True))
