"""Objects found, missed and invented: shapes drawn by hand, and SciPy's labels with every pair tried."""

from __future__ import annotations

from collections import Counter
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import find_objects, label

from pixelproof.scoring.objects import components
from stages.evaluate.objects import Object, Prediction, compute, compute_by_area, find

Labels = NDArray[np.uint8]
GREY = 255
THINGS = {1: "car", 2: "person"}


def drawn(text: str) -> Labels:
    """A mask from its picture: `.` ground, `#` to ignore, digits as they are."""
    codes = {".": 0, "#": GREY}
    return np.array([[codes.get(c) if c in codes else int(c) for c in line] for line in text.split()], np.uint8)


def said(labels: Labels) -> Prediction:
    """Predicted classes, and what hangs together as objects."""
    return Prediction(labels, components(labels, list(THINGS)))


def seen(truth: str, prediction: str, instances: str | None = None, threshold: float = 0.5) -> list[Object]:
    """The objects of a drawn image."""
    numbers = None if instances is None else drawn(instances).astype(np.uint16)
    return find(drawn(truth), said(drawn(prediction)), numbers, list(THINGS), threshold)


def test_found_missed_and_invented() -> None:
    found = seen(
        "11..2... 11..2... ........ .1....11",
        "11..1... 1...1..2 ........ 1.......",
    )
    assert found == [
        Object(1, "found", 4, 3, 3 / 4, 0, 0, 2, 2),
        Object(1, "missed", 1, 0, None, 1, 3, 1, 1),  # the prediction is beside it
        Object(1, "missed", 2, 0, None, 6, 3, 2, 1),
        Object(2, "missed", 2, 0, None, 4, 0, 1, 2),  # predicted as another class
        Object(1, "invented", 2, 0, None, 4, 0, 1, 2),
        Object(1, "invented", 1, 0, None, 0, 3, 1, 1),
        Object(2, "invented", 1, 0, None, 7, 1, 1, 1),
    ]


def test_diagonal_neighbours_are_one_object_and_half_is_not_enough() -> None:
    assert [o.kind for o in seen("1... .1.. ..11 ....", "1... .1.. ..11 ....")] == ["found"]
    assert [o.kind for o in seen("11..", "1...")] == ["missed", "invented"]  # IoU is 0.5, not above it
    assert [o.kind for o in seen("111.", "11..")] == ["found"]


def test_instances_part_what_touches_and_join_what_is_apart() -> None:
    # Two cars that touch, one predicted blob over both: one cannot be two. The left one is 6 of its 9 pixels.
    found = seen("111111.11", "11111111.", instances="111122.33")
    assert [(o.kind, o.area, o.iou) for o in found] == [
        ("missed", 4, None),
        ("missed", 2, None),
        ("missed", 2, None),
        ("invented", 8, None),
    ]
    found = seen("111111.22", "1111...22", instances="111122.33")
    assert [(o.category, o.kind, o.iou) for o in found] == [(1, "found", 1), (1, "missed", None), (2, "found", 1)]
    # One car behind a pole is one; pixels of a thing without a number are cut into components.
    found = seen("11.11..1", "11.11..1", instances="33.33...")
    assert [(o.kind, o.area, o.left, o.width) for o in found] == [
        ("missed", 4, 0, 5),
        ("found", 1, 7, 1),
        ("invented", 2, 0, 2),
        ("invented", 2, 3, 2),
    ]
    assert [o.right for o in found] == [4, 1, 2, 2]


def test_below_one_half_the_largest_overlap_goes_first() -> None:
    truth, prediction = "11111111.", "11.111..."
    assert [o.iou for o in seen(truth, prediction, threshold=0.2)] == [3 / 8, None]
    assert [o.kind for o in seen(truth, prediction, threshold=0.2)] == ["found", "invented"]
    assert [o.left for o in seen(truth, "111.111..", threshold=0.2)] == [0, 4]  # equal: the first
    two = seen("11111111.", "11111111.", instances="11112222.", threshold=0.2)  # and no blob is two cars
    assert [(o.kind, o.left) for o in two] == [("found", 0), ("missed", 4)]


def test_ignored_pixels_are_no_area_and_hide_what_may_be_there() -> None:
    # 2 of 3 known pixels; what is predicted under the ignored ones does not count against it.
    assert seen("111###", "111111")[0].iou == 1
    assert seen("111###", ".11111") == [Object(1, "found", 3, 2, 2 / 3, 0, 0, 3, 1)]
    assert seen("..####", "..1111") == []
    assert seen("..####", ".11111") == []  # more than half of it is hidden
    assert seen(".##...", ".11110") == [Object(1, "invented", 2, 0, None, 3, 0, 2, 1)]  # just half of it


def test_scores_by_class_and_size() -> None:
    objects = [
        Object(1, "found", 100, 90, 0.8, 0, 0, 10, 10),
        Object(1, "found", 10, 8, 0.6, 0, 0, 5, 2),
        Object(1, "missed", 9, 0, None, 0, 0, 3, 3),
        Object(1, "invented", 30, 5, None, 0, 0, 6, 5),
        Object(2, "missed", 4, 1, None, 0, 0, 2, 2),
    ]
    by_class = compute(objects, THINGS | {3: "tree"})
    assert by_class["car"] == {
        "found": 2, "missed": 1, "invented": 1, "precision": 2 / 3, "recall": 2 / 3, "f1": 4 / 6,
        "iou": pytest.approx(0.7), "pixel_recall": 98 / 119,
    }  # fmt: skip
    person = {"found": 0, "missed": 1, "invented": 0, "precision": 0, "recall": 0, "f1": 0, "iou": None}
    assert by_class["person"] == person | {"pixel_recall": 1 / 4}
    none: dict[str, Any] = dict.fromkeys(by_class["car"])
    assert by_class["tree"] == none | {"found": 0, "missed": 0, "invented": 0}

    sizes = compute_by_area(objects, THINGS, 10, 100)
    assert {k: (v["found"], v["missed"], v["invented"]) for k, v in sizes.items()} == {
        "all": (2, 2, 1), "small": (0, 2, 0), "medium": (1, 0, 1), "large": (1, 0, 0),
    }  # fmt: skip
    assert sizes["small"]["pixel_recall"] == 1 / 13 and sizes["all"]["pixel_recall"] == 99 / 123
    assert sizes["medium"]["classes"]["car"]["precision"] == 1 / 2
    assert sizes["large"]["classes"]["person"]["recall"] is None


# --- SciPy -----------------------------------------------------------------------------------------------------------


def expected(truth: Labels, prediction: Labels, instances: NDArray[np.uint16] | None) -> Counter[Object]:
    """Every true object with every predicted one of its class; above one half there is at most one."""

    def components(mask: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
        numbers, count = label(mask, np.ones((3, 3)))
        return [numbers == n for n in range(1, count + 1)]

    def row(category: int, kind: Any, whole: NDArray[np.bool_], iou: float | None) -> Object:
        area = whole & known
        rows, columns = find_objects(area.astype(int))[0]
        box = columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start
        return Object(category, kind, int(area.sum()), int((area & (truth == prediction)).sum()), iou, *box)

    known, found = truth != GREY, Counter[Object]()
    for category in THINGS:
        inside = truth == category
        true = components(inside if instances is None else inside & (instances == 0))
        if instances is not None:
            true += [inside & (instances == n) for n in range(1, 12) if (inside & (instances == n)).any()]
        guessed, used = components(prediction == category), set[int]()
        for one in true:
            ious = [(one & other).sum() / ((one | other) & known).sum() for other in guessed]
            best = int(np.argmax(ious)) if ious and max(ious) > 0.5 else None
            found[row(category, "missed" if best is None else "found", one, None if best is None else ious[best])] += 1
            used |= set() if best is None else {best}
        for at, other in enumerate(guessed):
            if at not in used and (other & ~known).sum() <= other.sum() / 2:
                found[row(category, "invented", other, None)] += 1
    return found


@pytest.mark.parametrize("ignored", [0.0, 0.1])
@pytest.mark.parametrize("numbered", [False, True])
def test_equals_every_pair_tried(ignored: float, numbered: bool) -> None:
    draw = np.random.default_rng(5)
    kinds = Counter[str]()
    for _ in range(12):
        truth, prediction = np.zeros((2, 40, 30), np.uint8)
        instances = np.zeros((40, 30), np.uint16)
        for number in range(1, 12):
            category, centre = int(draw.integers(0, 3)), draw.integers(0, 30, 2)
            axes, turn = draw.integers(1, 6, 2).tolist(), float(draw.integers(0, 180))
            cv2.ellipse(truth, centre.tolist(), axes, turn, 0, 360, category, -1)
            cv2.ellipse(instances, centre.tolist(), axes, turn, 0, 360, number if category and number % 3 else 0, -1)
            if draw.random() < 0.9:
                moved = (centre + draw.integers(-1, 2, 2)).tolist()
                cv2.ellipse(prediction, moved, axes, turn, 0, 360, category if draw.random() < 0.9 else 2, -1)
        truth[draw.random(truth.shape) < ignored] = GREY
        numbers = instances if numbered else None
        found = find(truth, said(prediction), numbers, list(THINGS), 0.5)
        assert Counter(found) == expected(truth, prediction, numbers)
        kinds.update(one.kind for one in found)
    assert min(kinds[kind] for kind in ("found", "missed", "invented")) > 20  # else this test would say little
