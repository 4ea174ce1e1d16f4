"""The error gallery: test images, each network's predictions, and their mistakes.

The numbers are for whole images, from the confusion matrices that evaluate stored; only the pictures are shrunk.
gallery.js shows them. The images are chosen here, so that the page stays small enough to send.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelproof.core.errors import DataError, StateError
from pixelproof.data.dataset import IGNORE, Sample, check_mask, read_image, read_mask, read_split
from pixelproof.data.images import Array, decode
from pixelproof.scoring.counts import counts
from pixelproof.scoring.formulas import Floats, mean
from pixelproof.scoring.scores import scores
from stages.report import pictures
from stages.report.advice import border_of
from stages.report.figures import ranking
from stages.report.gather import Results, Run
from stages.report.measured import read_rows

TITLE = "Error gallery"
ORDER = 50
GROUP = "Mistakes"
BUDGET = 9_000_000  # bytes of pictures; images beyond it are left out, and the page says so
STEPS = 10  # of certainty: tenths are enough for the eye, and take a quarter of the bytes
PAIRS = 90  # mistakes of an image that are kept: all of them with ten classes
STILL = 4  # images that a page without scripts shows
FIX = "run `dvc repro`"

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Scored:
    """The scores of all test images for every network; NaN if undefined."""

    ids: list[str]
    groups: list[str]
    matrices: Ints  # [networks, images, classes, classes]
    iou: Floats  # [networks, images, classes]
    miou: Floats  # [networks, images]: the mean over the classes in ground truth or prediction
    right: Floats  # [networks, images]: the share of pixels that are right


def context(results: Results) -> dict[str, Any] | None:
    """The images that were chosen, their pictures and their numbers; None if params ask for no gallery."""
    count = results.params.report.gallery
    if count == 0:
        return None
    samples = read_split(results.data, "test")
    if not samples:
        return {"data": None, "total": 0}
    names = ranking(results)
    runs = [results.runs[name][0] for name in names]
    of = scored(samples, runs, len(results.header.classes))
    missed = [missed_small(run, of.ids, border_of(results)) for run in runs]
    chosen = choose(of.miou, of.iou, of.groups, count, evidence(of.matrices, missed))
    shown = list(within_budget(results, [samples[i] for i in chosen], runs))
    images = [
        {"id": of.ids[i], "group": of.groups[i], **picture, "scores": numbers(of, i, missed)}
        for i, picture in zip(chosen, shown, strict=False)
    ]
    return {
        "data": {
            "classes": [{"name": info.name, "color": info.color} for info in results.header.classes],
            "networks": names,
            "images": images,
        },
        "total": len(samples),
        "left_out": len(chosen) - len(images),
        "budget": BUDGET // 1_000_000,
        "stills": [still(results, samples[i], runs[0], of.miou[0, i]) for i in chosen[: min(STILL, len(shown))]],
    }


# --- numbers ---------------------------------------------------------------------------------------------------------


def scored(samples: Sequence[Sample], runs: Sequence[Run], classes: int) -> Scored:
    """The scores of each image from the matrices of each run, which must have the same images."""
    ids = [sample.id for sample in samples]
    stack = []
    for run in runs:
        found = run.matrices.get("test")
        if found is None or found.ids != ids:
            path = run.folder / "evaluate/matrices.parquet"
            raise StateError(str(path), "test images other than those of data/prepared", FIX)
        stack.append(found.counts)
    matrices = np.stack(stack).reshape(len(runs), len(ids), classes, classes)
    of = scores(counts(matrices), ["iou", "mIoU", "pixel_accuracy"])
    groups = [sample.group for sample in samples]
    return Scored(ids, groups, matrices, of["iou"], of["mIoU"], of["pixel_accuracy"])


def numbers(of: Scored, image: int, missed: Sequence[Ints]) -> list[dict[str, Any]]:
    """The numbers of one image for each network; None if undefined."""
    return [
        {
            "miou": told(of.miou[network, image]),
            "right": told(of.right[network, image]),
            "iou": [told(value) for value in of.iou[network, image]],
            "mistakes": mistakes(of.matrices[network, image]),
            "small": int(missed[network][image]),
        }
        for network in range(len(of.miou))
    ]


def missed_small(run: Run, ids: Sequence[str], border: int | None) -> Ints:
    """How many objects smaller than `border` pixels a network misses in each test image."""
    found = np.zeros(len(ids), np.int64)
    if border is None:
        return found
    at = {name: image for image, name in enumerate(ids)}
    for row in read_rows(run, "objects", ["split", "id", "kind", "area"], stage="evaluate"):
        if row["split"] == "test" and row["kind"] == "missed" and row["area"] < border and row["id"] in at:
            found[at[row["id"]]] += 1
    return found


def told(value: float) -> float | None:
    """A number with four decimals, or None."""
    return None if np.isnan(value) else round(float(value), 4)


def mistakes(matrix: Ints) -> list[list[int]]:
    """[truth, prediction, pixels], the largest first; of very many, the largest and that of each class."""
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")
    seen: set[int] = set()
    kept: list[list[int]] = []
    for cell in order[: np.count_nonzero(wrong)].tolist():
        pair = divmod(cell, len(wrong))
        if len(kept) < PAIRS or not seen.issuperset(pair):
            kept.append([*pair, int(wrong[pair])])
            seen.update(pair)
    return kept


# --- which images ----------------------------------------------------------------------------------------------------


def choose(
    miou: Floats, iou: Floats, groups: Sequence[str], count: int, evidence: Sequence[Sequence[int]] = ()
) -> list[int]:
    """`count` images in turns: the worst for a network or a class, one of the spread, and what findings speak of.

    Networks and classes take turns among themselves. An image that is already taken is skipped; one without a score is
    never the worst.
    """
    turns = [
        [worst(of) for of in miou],
        [worst(of) for of in mean(iou, axis=0).T],
        [iter(spread(groups))],
        [iter(images) for images in evidence],
    ]
    taken: dict[int, None] = {}  # in the order of choice
    turn = 0
    while len(taken) < min(count, len(groups)):
        queue = turns[turn % len(turns)]
        if queue:
            first = queue.pop(0)
            image = next((i for i in first if i not in taken), None)
            if image is not None:
                taken[image] = None
                queue.append(first)
        turn += 1
    return list(taken)


def evidence(matrices: Ints, missed: Sequence[Ints]) -> list[list[int]]:
    """For each network, images by the pixels of its top confusion, and by the small objects missed; the most first."""
    found = []
    for own, small in zip(matrices, missed, strict=True):
        wrong = own.sum(axis=0)
        np.fill_diagonal(wrong, 0)
        top = divmod(int(wrong.argmax()), len(wrong))
        found += [by_most(own[:, top[0], top[1]] if wrong.any() else small * 0), by_most(small)]
    return found


def by_most(amounts: Ints) -> list[int]:
    """The images that have any, those with the most first."""
    return [int(image) for image in np.argsort(-amounts, kind="stable") if amounts[image]]


def worst(of: Floats) -> Iterator[int]:
    """Images by ascending score, without those that have none."""
    order = np.argsort(of, kind="stable")
    return iter(order[: np.count_nonzero(~np.isnan(of))].tolist())


def spread(groups: Sequence[str]) -> list[int]:
    """All images, ordered so that any number from the front is spread over the groups.

    One of each group before a second of any; groups are in van der Corput's order, which halves the largest gap.
    """
    names = sorted(set(groups))
    bits = len(names).bit_length()
    place = {name: int(f"{i:0{bits}b}"[::-1], 2) for i, name in enumerate(names)}
    seen: dict[str, int] = {}
    keys = []
    for image, group in enumerate(groups):
        seen[group] = seen.get(group, 0) + 1
        keys.append((seen[group], place[group], image))
    return [image for _, _, image in sorted(keys)]


# --- pictures --------------------------------------------------------------------------------------------------------


def within_budget(results: Results, samples: Sequence[Sample], runs: Sequence[Run]) -> Iterator[dict[str, Any]]:
    """The pictures of each image, as long as all together stay within the budget."""
    used = 0
    for sample in samples:
        picture = of_image(results, sample, runs)
        used += len(picture["photo"]) + len(picture["maps"])
        if used > BUDGET:
            return
        yield picture


def of_image(results: Results, sample: Sample, runs: Sequence[Run]) -> dict[str, Any]:
    """A photo and, packed: the truth, what each network predicted, and how certain each was (255: not a class)."""
    classes = len(results.header.classes)
    maps = [read_mask(results.data, "test", sample, classes)]
    maps += [prediction(run, sample, classes) for run in runs]
    maps += [certainty(run, sample) for run in runs]
    photo = pictures.photo(read_image(results.data, "test", sample))
    height, width = pictures.shrink(maps[0], cv2.INTER_NEAREST).shape
    return {"photo": photo, "width": width, "height": height, "maps": pictures.packed(maps)}


def prediction(run: Run, sample: Sample, classes: int, split: str = "test") -> Array:
    """A network's prediction for an image."""
    return stored(run.folder / "evaluate/masks" / split, sample, classes)


def certainty(run: Run, sample: Sample) -> Array:
    """How certain a network was of each pixel, in steps."""
    found = stored(run.folder / "evaluate/certainty/test", sample, classes=IGNORE)
    return np.round(found / 255 * STEPS).astype(np.uint8)


def stored(folder: Path, sample: Sample, classes: int) -> Array:
    """A map that evaluate stored for an image: a byte for each pixel, below `classes` or 255."""
    path = folder / f"{sample.id}.png"
    try:
        found = decode(path, cv2.IMREAD_UNCHANGED)
        check_mask(path, found, (sample.height, sample.width), classes)
    except DataError as error:
        raise StateError("evaluate's pictures", str(error), FIX) from None
    return found


def still(results: Results, sample: Sample, run: Run, miou: float) -> dict[str, Any]:
    """One image for a page without scripts: the photo, the ground truth and the prediction of the best network."""
    classes = len(results.header.classes)
    palette = pictures.colours(results.header)
    return {
        "id": sample.id,
        "miou": told(miou),
        "photo": pictures.photo(read_image(results.data, "test", sample)),
        "truth": pictures.painted(read_mask(results.data, "test", sample, classes), palette),
        "prediction": pictures.painted(prediction(run, sample, classes), palette),
    }
