"""AP, PQ and counting of a split: perfect and empty answers, by hand, and the same from what is stored of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixelproof.data.dataset import ClassInfo, Header, Sample
from pixelproof.scoring.instances import Instance, from_objects
from pixelproof.scoring.objects import components, numbered, true_objects
from pixelproof.scoring.precision import Pieces, average_precisions
from stages.evaluate.instances import InstanceTally, Seen, apart
from stages.evaluate.params import Objects, Sizes
from tests.test_setup import locked

HEADER = Header(
    "tiny",
    (
        ClassInfo(0, "ground", (0, 0, 0)),
        ClassInfo(1, "car", (255, 0, 0), True),
        ClassInfo(2, "tree", (0, 255, 0), True),
    ),
)
THINGS = [1, 2]
HOW = Objects(match=0.5, sizes=Sizes(medium=20, large=60))


def scene(seed: int) -> tuple[Any, Any]:
    """Classes and instance ids."""
    rng = np.random.default_rng(seed)
    truth, instances = np.zeros((32, 40), np.uint8), np.zeros((32, 40), np.uint16)
    for number in range(1, 7):
        top, left = rng.integers(0, 26), rng.integers(0, 32)
        window = slice(top, top + rng.integers(3, 10)), slice(left, left + rng.integers(3, 12))
        truth[window], instances[window] = rng.integers(1, 3), number
    return truth, instances


def true_instances(truth: Any, instances: Any) -> list[Instance]:
    """What somebody would find who knows the truth."""
    return from_objects(true_objects(truth, instances, THINGS), np.ones(truth.shape, np.float32))


def tally_of(images: list[tuple[Any, Any, Any, list[Instance]]]) -> InstanceTally:
    """Of (truth, instances, predicted labels, predicted objects); each image is a group of its own."""
    tally = InstanceTally(HEADER, HOW)
    for number, (truth, instances, labels, found) in enumerate(images):
        sample = Sample(f"image-{number}", f"group-{number}", 40, 32, "test")
        tally.add(Seen(sample, truth, numbered(truth, instances, THINGS), labels, found))
    return tally


def test_who_knows_the_truth_has_one_everywhere_and_who_finds_nothing_none() -> None:
    scenes = [scene(seed) for seed in range(8)]
    best = tally_of([(*each, each[0], true_instances(*each)) for each in scenes]).metrics(0.95)
    for kind in ("mask", "box"):
        assert [best[kind][name] for name in ("AP", "AP50", "AP75", "AP_small")] == pytest.approx([1.0] * 4)
        low, high = best[kind]["intervals"]["AP"]
        assert 0.6 < low < 1 and high == pytest.approx(1.0)
    assert [best["panoptic"][name] for name in ("PQ", "SQ", "RQ")] == [1.0] * 3 and best["challenge"] == 1.0
    assert best["counting"]["car"] == {"error": 0.0, "bias": 0.0}
    none = tally_of([(*each, np.zeros_like(each[0]), []) for each in scenes]).metrics(0.95)
    assert none["mask"]["AP"] == none["panoptic"]["things"]["PQ"] == none["challenge"] == 0.0
    assert none["counting"]["tree"]["bias"] < 0
    empty = tally_of([]).metrics(0.95)
    assert (
        empty["mask"]["AP"]
        is empty["panoptic"]["PQ"]
        is empty["challenge"]
        is empty["counting"]["car"]["error"]
        is None
    )


def test_three_cars_that_touch_are_one_object_without_instances() -> None:
    truth, instances = np.zeros((32, 40), np.uint8), np.zeros((32, 40), np.uint16)
    truth[10:20, 5:35] = 1
    instances[10:20, 5:15], instances[10:20, 15:25], instances[10:20, 25:35] = 1, 2, 3
    sure = np.full(truth.shape, 0.8, np.float32)
    together = from_objects(components(truth, THINGS), sure)
    found = tally_of([(truth, instances, truth, together)]).metrics(0.95)
    assert found["mask"]["AP50"] == 0.0 and found["counting"]["car"] == {"error": 2.0, "bias": -2.0}
    assert found["panoptic"]["classes"]["car"] == {"PQ": 0.0, "SQ": 0.0, "RQ": 0.0}
    assert found["panoptic"]["classes"]["ground"]["PQ"] == 1.0
    assert found["mask"]["classes"]["tree"]["AP"] is None  # there is none
    none = {"objects": 3, "found": 0.0, "interval": None}
    assert found["touching"] == none | {
        "classes": {"car": {"objects": 3, "found": 0.0}, "tree": {"objects": 0, "found": None}}
    }
    told = tally_of([(truth, instances, truth, true_instances(truth, instances)[:2])])
    assert told.metrics(0.95)["touching"]["found"] == pytest.approx(2 / 3)
    assert [row[-2:] for row in told.segments("val")] == [(0, 0), (3, 2)]


def test_a_watershed_is_asked_for_by_params() -> None:
    rows, columns = np.mgrid[:32, :40]
    truth = np.zeros((32, 40), np.uint8)
    for x in (12, 26):
        truth[(rows - 16) ** 2 + (columns - x) ** 2 <= 64] = 1
    cut = HOW.model_copy(update={"split": "watershed", "neck": 2.0})
    assert [len(apart(truth, THINGS, how).classes) for how in (HOW, cut)] == [1, 2]


def test_what_is_stored_gives_the_same_ap() -> None:
    images = []
    for seed in range(6):
        truth, instances = scene(seed)
        found = true_instances(truth, instances)
        moved = [one._replace(left=one.left + 1, score=0.9 - 0.1 * place) for place, one in enumerate(found[:-1])]
        images.append((truth, instances, truth, [one for one in moved if one.left + one.mask.shape[1] <= 40]))
    tally = tally_of(images)
    wanted, rows = tally.metrics(0.95), tally.detections("val")
    objects = {(row[1], row[3]): row[4:8] for row in tally.segments("val")}
    for label, name in ((1, "car"), (2, "tree")):
        parts = []
        for sample in tally.samples:
            own = [row for row in rows if row[1] == sample.id and row[3] == label and row[4] == "mask"]
            right, counted = (
                np.array([[int(row[column]) >> bit & 1 for row in own] for bit in range(40)], bool).reshape(4, 10, -1)
                for column in (6, 7)
            )
            truths = np.array(objects.get((sample.id, label), [0] * 4))
            parts.append(Pieces(np.array([row[5] for row in own], float), right, counted, truths))
        assert average_precisions(parts)[0].mean() == pytest.approx(wanted["mask"]["classes"][name]["AP"])
        assert 0 < wanted["mask"]["classes"][name]["AP"] < 1


def test_the_version_that_a_watershed_depends_on_is_the_locked_one() -> None:
    versions = json.loads((Path(__file__).parents[3] / "stages/evaluate/versions.json").read_text())
    assert versions == {"scikit-image": locked()["scikit-image"]}
