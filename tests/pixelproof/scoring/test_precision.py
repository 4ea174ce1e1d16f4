"""AP against pycocotools, on random and on degenerate cases."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pixelproof.scoring.precision import Found, average_precisions, pieces, summary

RANGES = {"all": (0, 1e10), "small": (0, 64), "medium": (64, 256), "large": (256, 1e10)}
SIDE = 48


def a_mask(rng: np.random.Generator) -> Any:
    """A rectangle of any size in an image."""
    top, left = rng.integers(0, SIDE - 2, 2)
    height, width = rng.integers(1, 30, 2)
    found = np.zeros((SIDE, SIDE), np.uint8, order="F")
    found[top : top + height, left : left + width] = 1
    return found


def an_image(rng: np.random.Generator, objects: int, detections: int, crowd: float, ties: bool) -> tuple[Any, ...]:
    """True objects and detections, half of which lie near a true one."""
    true = [(a_mask(rng), int(rng.integers(1, 4)), bool(rng.random() < crowd)) for _ in range(objects)]
    found = []
    for _ in range(detections):
        mask, label = a_mask(rng), int(rng.integers(1, 4))
        if true and rng.random() < 0.6:
            mask, label, _ = true[rng.integers(len(true))]
            mask = np.asfortranarray(np.roll(mask, rng.integers(-2, 3, 2), (0, 1)))
        score = float(rng.integers(1, 5) / 5 if ties else rng.random())
        found.append((mask, label, score))
    return true, found


def by_pycocotools(images: list[tuple[Any, ...]], most: int) -> Any:
    """Its precisions, [thresholds, recalls, classes, ranges]; -1 where there are no objects."""
    annotations, results = list[dict[str, Any]](), list[dict[str, Any]]()
    for number, (true, found) in enumerate(images, start=1):
        for mask, label, crowd in true:
            coded = rle.encode(mask) | {"counts": rle.encode(mask)["counts"].decode()}
            one = {"id": len(annotations) + 1, "image_id": number, "category_id": label, "iscrowd": int(crowd)}
            annotations.append(one | {"segmentation": coded, "area": int(mask.sum()), "bbox": [0, 0, 1, 1]})
        for mask, label, score in found:
            results.append({"image_id": number, "category_id": label, "segmentation": rle.encode(mask), "score": score})
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [{"id": n, "height": SIDE, "width": SIDE} for n in range(1, len(images) + 1)],
            "annotations": annotations,
            "categories": [{"id": n} for n in (1, 2, 3)],
        }
        truth.createIndex()
        guessed = truth.loadRes(results) if results else COCO()
        guessed.dataset = guessed.dataset or truth.dataset | {"annotations": []}
        guessed.createIndex()
        evaluation = COCOeval(truth, guessed, "segm")
        evaluation.params.areaRng = [list(ends) for ends in RANGES.values()]
        evaluation.params.areaRngLbl = list(RANGES)
        evaluation.params.maxDets = [most]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"][..., 0]


def ours(images: list[tuple[Any, ...]], most: int) -> Any:
    """AP of each class, [classes, ranges, thresholds]."""
    found = []
    for label in (1, 2, 3):
        parts = []
        for true, detections in images:
            objects = [(mask, crowd) for mask, of, crowd in true if of == label]
            own = [(mask, score) for mask, of, score in detections if of == label]
            crowd = np.array([crowd for _, crowd in objects], bool)
            overlaps = np.zeros((len(own), len(objects)))
            if own and objects:
                coded = ([rle.encode(mask) for mask, _ in each] for each in (own, objects))
                overlaps = rle.iou(*coded, crowd.tolist())
            given = Found(
                np.array([score for _, score in own]),
                np.array([mask.sum() for mask, _ in own], float),
                overlaps,
                np.array([mask.sum() for mask, _ in objects], float),
                crowd,
            )
            parts.append(pieces(given, list(RANGES.values()), most))
        found.append(average_precisions(parts))
    return np.array(found)


def compared(images: list[tuple[Any, ...]], most: int = 100) -> None:
    """Both are the same."""
    wanted = by_pycocotools(images, most)
    expected = np.where((wanted == -1).all(1), np.nan, wanted.mean(1)).transpose(1, 2, 0)
    found = ours(images, most)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    told = summary({str(label): table for label, table in enumerate(found)}, list(RANGES))
    for name, (place, levels) in {
        "AP": (0, slice(None)),
        "AP50": (0, 0),
        "AP75": (0, 5),
        "AP_small": (1, slice(None)),
    }.items():
        valid = wanted[levels, ..., place][wanted[levels, ..., place] > -1]
        assert told[name] == pytest.approx(valid.mean(), abs=1e-12) if valid.size else told[name] is None


CASES: dict[str, Callable[[np.random.Generator], tuple[Any, ...]]] = {
    "as usual": lambda rng: an_image(rng, int(rng.integers(0, 8)), int(rng.integers(0, 12)), 0.0, False),
    "with crowds": lambda rng: an_image(rng, int(rng.integers(0, 8)), int(rng.integers(0, 12)), 0.4, False),
    "all crowd": lambda rng: an_image(rng, 4, 6, 1.0, False),
    "ties of scores": lambda rng: an_image(rng, 6, 20, 0.2, True),
    "no objects": lambda rng: an_image(rng, 0, 5, 0.0, False),
    "nothing found": lambda rng: an_image(rng, 5, 0, 0.0, False),
    "nothing at all": lambda rng: an_image(rng, 0, 0, 0.0, False),
}


@pytest.mark.parametrize("case", CASES)
def test_ap_is_that_of_pycocotools(case: str) -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        compared([CASES[case](rng) for _ in range(8)])


def test_ap_of_many_objects_and_few_that_count() -> None:
    """A thousand objects in an image; and of the detections only the best, as by COCO's limit."""
    rng = np.random.default_rng(5)
    compared([an_image(rng, 1000, 300, 0.1, False)], most=1000)
    compared([an_image(rng, 20, 40, 0.1, True) for _ in range(3)], most=5)
