"""Objects of `thing` classes: found, missed or invented, by class and by size. Pure: no files, no network.

- A **true object** is what one instance id and one class share, where the dataset has instance ids. Pixels of a thing
  without an id, and all of them in a dataset without ids, are cut into connected components (8 neighbours).
- A **predicted object** is a connected component of a thing's class: networks here tell classes apart, not objects.
  Two cars that touch are one to them, and at most one of the two is found.
- They are **matched** one to one within a class, the largest IoU first, where IoU is above a threshold. From 0.5 on no
  other matching is possible (Kirillov et al. 2019, "Panoptic segmentation"); below, ties go to the object that begins
  further up, then further left.
- **Ignored pixels** (255) count neither for area nor for IoU. A predicted object without a match that lies by more than
  half on them is not called invented: nobody knows (Kirillov et al. again).

An object that the image's edge cuts is an object of the size that is seen. The size of a found or missed object is the
true one, that of an invented one what was predicted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelproof.data.dataset import IGNORE
from pixelproof.scoring.matching import Pair, one_to_one
from stages.evaluate.shares import mean, precision, share

Labels = NDArray[np.uint8]
Instances = NDArray[np.uint16]
Numbers = NDArray[np.int64]


class Object(NamedTuple):
    """One object, as objects.parquet has it. Areas and boxes are of pixels that are not ignored."""

    category: int  # class id
    kind: Literal["found", "missed", "invented"]
    area: int
    right: int  # pixels of it where the prediction is the truth
    iou: float | None  # with the object it is matched with
    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class Pieces:
    """Objects by number (1, 2, ...): the pixels that belong to one, by their place in the flattened image."""

    places: Numbers
    numbers: Numbers  # of the object that has the pixel
    classes: Numbers  # of number 1, 2, ...

    def sums(self, where: NDArray[np.bool_] | None = None) -> list[int]:
        """The pixels of each object, of all or of those that lie where; [0] is of none of them."""
        numbers = self.numbers if where is None else self.numbers[where.ravel()[self.places]]
        counted: list[int] = np.bincount(numbers, minlength=len(self.classes) + 1).tolist()
        return counted


def find(
    truth: Labels, prediction: Labels, instances: Instances | None, things: Sequence[int], threshold: float
) -> list[Object]:
    """One image's objects: the true ones by class and number, then the invented ones."""
    known, right = truth != IGNORE, truth == prediction
    true, guessed = true_objects(truth, instances, things), components(prediction, things)
    matched, taken = match(true, guessed, right, known, threshold)
    objects = []
    for number, (category, area, good, box) in enumerate(described(true, known, right), start=1):
        iou = matched.get(number)
        objects.append(Object(category, "missed" if iou is None else "found", area, good, iou, *box))
    whole = guessed.sums()
    for number, (category, area, good, box) in enumerate(described(guessed, known, right), start=1):
        if number not in taken and whole[number] <= 2 * area:
            objects.append(Object(category, "invented", area, good, None, *box))
    return objects


def described(
    pieces: Pieces, known: NDArray[np.bool_], right: NDArray[np.bool_]
) -> list[tuple[int, int, int, tuple[int, int, int, int]]]:
    """Class, known pixels, right ones and box of each object, number 1 first."""
    columns = pieces.sums(known), pieces.sums(right), extents(pieces, known)
    return list(zip(pieces.classes.tolist(), *(column[1:] for column in columns), strict=True))


def compute(objects: Iterable[Object], names: Mapping[int, str]) -> dict[str, dict[str, Any]]:
    """The detection scores of each class of things (`id -> name`)."""
    of: dict[int, list[Object]] = {label: [] for label in names}
    for one in objects:
        of[one.category].append(one)
    return {name: scores(of[label]) for label, name in names.items()}


def compute_sizes(objects: Sequence[Object], names: Mapping[int, str], medium: int, large: int) -> dict[str, Any]:
    """The same of all things together: of all sizes, then of small, medium and large ones, by class too."""
    strata = {"all": (0, np.inf), "small": (0, medium), "medium": (medium, large), "large": (large, np.inf)}
    found: dict[str, Any] = {}
    for stratum, (low, high) in strata.items():
        inside = [one for one in objects if low <= one.area < high]
        found[stratum] = scores(inside) | ({} if stratum == "all" else {"classes": compute(inside, names)})
    return found


def scores(objects: Iterable[Object]) -> dict[str, float | int | None]:
    """Counts, detection scores, the mean IoU of what is found, and the share of true pixels that are right."""
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


def true_objects(truth: Labels, instances: Instances | None, things: Sequence[int]) -> Pieces:
    """The instances of each class, and the components of what has no instance id."""
    if instances is None:
        return components(truth, things)
    is_thing = np.zeros(IGNORE + 1, np.bool_)
    is_thing[list(things)] = True
    of_things = is_thing[truth]
    numbered = of_things & (instances > 0)
    rest = components(np.where(numbered, np.uint8(IGNORE), truth), things if (of_things != numbered).any() else ())
    places = np.flatnonzero(numbered)
    ids = truth.ravel()[places].astype(np.int64) << 16 | instances.ravel()[places]
    there = np.zeros((max(things) + 1) << 16, np.bool_)
    there[ids] = True
    keys = np.flatnonzero(there)
    return Pieces(
        np.concatenate([places, rest.places]),
        np.concatenate([np.searchsorted(keys, ids) + 1, rest.numbers + len(keys)]),
        np.concatenate([keys >> 16, rest.classes]),
    )


def components(labels: Labels, things: Sequence[int]) -> Pieces:
    """Connected components (8 neighbours) of each class, numbered by class and by their first pixel."""
    places, numbers, classes = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], list[int]()
    for label in things:
        inside = labels == label
        at = np.flatnonzero(inside)
        if not at.size:
            continue
        count, found = cv2.connectedComponents(inside.view(np.uint8), connectivity=8, ltype=cv2.CV_32S)
        of = found.ravel()[at]
        first = np.zeros(count, np.int64)
        first[of[::-1]] = at[::-1]  # the last one that is written stays: the first of each
        rank = np.zeros(count, np.int64)
        rank[1 + np.argsort(first[1:])] = np.arange(1, count)
        places.append(at)
        numbers.append(rank[of] + len(classes))
        classes += [label] * (count - 1)
    return Pieces(np.concatenate(places), np.concatenate(numbers), np.array(classes, np.int64))


def match(
    true: Pieces, guessed: Pieces, right: NDArray[np.bool_], known: NDArray[np.bool_], threshold: float
) -> tuple[dict[int, float], dict[int, float]]:
    """IoU by number of the true and of the predicted objects that belong together."""
    other_of = np.zeros(known.size, np.int64)
    other_of[guessed.places] = guessed.numbers
    both = right.ravel()[true.places]  # the same class there, so a predicted object of that class too
    span = len(guessed.classes) + 1
    pairs, overlaps = np.unique(true.numbers[both] * span + other_of[true.places[both]], return_counts=True)
    areas, others = true.sums(known), guessed.sums(known)
    overlapping = []
    for pair, overlap in zip(pairs.tolist(), overlaps.tolist(), strict=True):
        one, other = divmod(pair, span)
        overlapping.append(Pair(overlap / (areas[one] + others[other] - overlap), one, other))
    kept = one_to_one(overlapping, threshold)
    return {pair.true: pair.iou for pair in kept}, {pair.predicted: pair.iou for pair in kept}


def extents(pieces: Pieces, known: NDArray[np.bool_]) -> list[tuple[int, int, int, int]]:
    """Left, top, width and height of each object's known pixels; [0] is of none of them."""
    counted = known.ravel()[pieces.places]
    places, numbers = pieces.places[counted], pieces.numbers[counted]
    ends = []
    for along in (places % known.shape[1], places // known.shape[1]):
        first = np.full(len(pieces.classes) + 1, known.size)
        last = np.zeros_like(first)
        np.minimum.at(first, numbers, along)
        np.maximum.at(last, numbers, along)
        ends += [first, last - first + 1]
    left, width, top, height = (end.tolist() for end in ends)
    return list(zip(left, top, width, height, strict=True))
