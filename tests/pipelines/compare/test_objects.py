"""From what two revisions' networks found to verdicts on AP and PQ, scored as evaluate does it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.compare.object_pairs import with_same_objects
from pipelines.compare.objects import ObjectPair, judge_objects
from pipelines.compare.pieces import ObjectPieces, Wanted, read_pieces
from pipelines.compare.significance import Row
from pixelproof.core.errors import DataError, StateError
from pixelproof.data.dataset import ClassInfo, Header, Sample
from pixelproof.scoring.instances import Instance, from_objects
from pixelproof.scoring.objects import numbered, true_objects
from pixelproof.scoring.resampling import student
from stages.evaluate.instances import InstanceTally, Seen
from stages.evaluate.params import Objects, Sizes
from stages.evaluate.write import DETECTIONS, SEGMENTS, parquet
from tests.pipelines.compare.test_significance import PARAMS

CLASSES = ["ground", "tree", "car"]
HEADER = Header("tiny", tuple(ClassInfo(i, name, (i, 0, 0), i > 0) for i, name in enumerate(CLASSES)))
HOW = Objects(match=0.5, sizes=Sizes(medium=20, large=60))
Image = tuple[Sample, Any, Any]


def images(count: int, groups: int, seed: int = 1) -> list[Image]:
    """Scenes with trees and cars, some of which touch; a group has as many of them as chance gives it."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        truth, instances = np.zeros((24, 30), np.uint8), np.zeros((24, 30), np.uint16)
        for one in range(1, int(rng.integers(3, 8))):
            top, left = rng.integers(0, 18), rng.integers(0, 24)
            window = slice(top, top + rng.integers(3, 7)), slice(left, left + rng.integers(3, 7))
            truth[window], instances[window] = rng.integers(1, 3), one
        sample = Sample(f"image-{number:03}", f"flight-{number % groups}", 30, 24, "tiny")
        found.append((sample, truth, instances))
    return found


def network(seed: int, misses: float, of: Sequence[Image]) -> InstanceTally:
    """Finds each object but for a share of them, some a pixel beside, and now and then one that is not there."""
    rng, tally = np.random.default_rng(seed), InstanceTally(HEADER, HOW)
    for sample, truth, instances in of:
        every = from_objects(true_objects(truth, instances, [1, 2]), np.ones(truth.shape, np.float32))
        found = [one._replace(score=float(rng.uniform(0.5, 1))) for one in every if rng.random() > misses]
        found = [
            one._replace(mask=one.mask[1:] if len(one.mask) > 4 and rng.random() < 0.3 else one.mask) for one in found
        ]
        if rng.random() < 0.3:
            found.append(Instance(1, float(rng.uniform(0.5, 1)), 0, 0, np.ones((3, 3), bool)))
        labels = np.where(truth > 0, 0, truth).astype(np.uint8)
        found.sort(key=lambda one: -one.score)
        tally.add(Seen(sample, truth, numbered(truth, instances, [1, 2]), labels, found))
    return tally


def stored(tally: InstanceTally) -> tuple[bytes, bytes]:
    """The tables that evaluate writes."""
    return parquet(tally.detections("val"), DETECTIONS), parquet(tally.segments("val"), SEGMENTS)


def pieces(tally: InstanceTally, ids: Sequence[str] | None = None) -> ObjectPieces:
    """What is read of them."""
    wanted = Wanted("val", ids or [sample.id for sample in tally.samples], range(len(CLASSES)), len(CLASSES))
    return read_pieces(stored(tally), wanted, "head")


def pair(base: Sequence[InstanceTally], head: Sequence[InstanceTally]) -> ObjectPair:
    """One architecture on validation, with a seed for each tally."""
    groups = [sample.group for sample in head[0].samples]
    before, after = (dict(enumerate(map(pieces, side))) for side in (base, head))
    return ObjectPair("val", "mask-rcnn", groups, before, after)


def rows(base: Sequence[InstanceTally], head: Sequence[InstanceTally]) -> dict[tuple[str, str | None], Row]:
    """The rows by metric and class."""
    return {(row.metric, row.label): row for row in judge_objects([pair(base, head)], CLASSES, PARAMS)}


def scores(tally: InstanceTally) -> dict[tuple[str, str | None], float]:
    """The same numbers as evaluate has them in metrics.json."""
    found = tally.metrics(0.95)
    mask, panoptic = found["mask"], found["panoptic"]
    close = {("touching", None): found["touching"]["found"]}
    whole = close | {("AP", None): mask["AP"], ("AP50", None): mask["AP50"], ("PQ", None): panoptic["PQ"]}
    of_things = {("AP50", name): mask["classes"][name]["AP50"] for name in CLASSES[1:]}
    return whole | of_things | {("PQ", name): panoptic["classes"][name]["PQ"] for name in CLASSES}


def test_scores_are_those_of_evaluate_and_intervals_those_of_scoring_the_rest_again() -> None:
    seen = images(24, groups=8)
    old, new = network(1, 0.4, seen), network(2, 0.2, seen)
    found = rows([old], [new])
    before, after = scores(old), scores(new)
    assert {key: row.base for key, row in found.items()} == pytest.approx(before)
    assert {key: row.head for key, row in found.items()} == pytest.approx(after)
    without = []  # each group left out, scored by evaluate's own code
    for group in range(8):
        rest = [image for image in seen if image[0].group != f"flight-{group}"]
        ids = {image[0].id for image in rest}
        both = []
        for tally in (old, new):
            part = InstanceTally(HEADER, HOW)
            kept = [place for place, sample in enumerate(tally.samples) if sample.id in ids]
            part.samples = [tally.samples[place] for place in kept]
            part.panoptic = [tally.panoptic[place] for place in kept]
            part.touching = [tally.touching[place] for place in kept]
            part.pieces = {
                kind: {label: [each[place] for place in kept] for label, each in of.items()}
                for kind, of in tally.pieces.items()
            }
            both.append(scores(part))
        without.append({key: both[1][key] - both[0][key] for key in before})
    for key in (("AP", None), ("PQ", None), ("touching", None), ("PQ", "ground"), ("AP50", "tree")):
        row = found[key]
        changes = np.array([each[key] for each in without])
        change = after[key] - before[key]
        error = np.sqrt(((changes - change) ** 2).sum() * 7 / 8)
        assert row.change == pytest.approx(change) and row.low is not None and row.high is not None
        half = (row.high - row.low) / 2
        widest = student(2.0, 0.975) * error  # not all groups weigh alike, and few have objects that touch
        assert student(7.0, 0.975) * error <= half * 1.0001 and half <= widest
        assert (row.groups, row.differing) == ((6, 4) if key[0] == "touching" else (8, 8))


def test_what_is_the_same_is_identical_and_what_is_better_everywhere_improved() -> None:
    seen = images(40, groups=10)
    old, new = network(1, 0.5, seen), network(2, 0.05, seen)
    assert {row.words for row in rows([old], [old]).values()} == {"identical"}
    found = rows([old], [new])
    for key in (("AP", None), ("AP50", None), ("PQ", None), ("PQ", "car")):
        row = found[key]
        assert row.words == "improved" and row.p_holm is not None and row.p_holm < 0.01, key
    assert rows([new], [old])["PQ", None].words == "regressed"
    assert found["AP", None].retraining is None


def test_several_seeds_say_what_retraining_alone_changes() -> None:
    seen = images(40, groups=10)
    found = rows([network(seed, 0.2, seen) for seed in (1, 2)], [network(seed, 0.2, seen) for seed in (3, 4, 5)])
    row = found["AP", None]
    assert row.seeds == (2, 3) and row.retraining is not None and row.retraining > 0
    assert row.words.startswith(("within retraining noise", "no difference shown"))
    assert row.base == pytest.approx(np.mean([scores(network(seed, 0.2, seen))["AP", None] for seed in (1, 2)]))


def test_few_groups_are_not_tested_and_a_class_without_objects_has_no_row() -> None:
    seen = [
        (sample, np.where(truth == 2, 1, truth).astype(np.uint8), ids) for sample, truth, ids in images(12, groups=4)
    ]
    found = rows([network(1, 0.5, seen)], [network(2, 0.1, seen)])
    assert found["AP", None].words.startswith("too few groups to tell") and found["AP", None].low is None
    assert ("AP50", "car") not in found and ("AP50", "ground") not in found


def test_two_networks_that_differ_by_chance_alone_are_seldom_told_apart() -> None:
    """At 0.05 about one of 20 is; benchmarks/significance.py asks more closely."""
    seen = images(9, groups=9)
    told = []
    for trial in range(25):
        found = rows([network(2 * trial + 10, 0.3, seen)], [network(2 * trial + 11, 0.3, seen)])
        told += [
            row.p < 0.05 for key, row in found.items() if key in (("AP", None), ("PQ", None)) and row.p is not None
        ]
    assert len(told) == 50 and np.mean(told) <= 0.14  # 2.5 of 50 are expected, more than 7 in 1 % of cases


class Listed:
    """A revision whose data is recorded, and the hashes of whose files are known or not."""

    def __init__(self, files: dict[str, str] | None, recorded: str = "") -> None:
        self.files, self.recorded, self.lock, self.asked = files, recorded, self, 0

    def is_here(self, path: str) -> bool:
        """Nothing is on disk."""
        return False

    def hash_of(self, path: str) -> str:
        """That of the split."""
        assert path == "data/prepared/val"
        return self.recorded or str(id(self))

    def listing(self, path: str) -> dict[str, str] | None:
        """Of the split."""
        assert path == "data/prepared/val"
        self.asked += 1
        return self.files


def test_images_whose_objects_were_told_apart_anew_are_left_out() -> None:
    seen = images(12, groups=6)
    one = pair([network(1, 0.3, seen)], [network(2, 0.3, seen)])
    ids = [sample.id for sample, _, _ in seen]
    files = {f"instances/{name}.png": "same" for name in ids}
    unlike = Listed(files | {"instances/image-003.png": "drawn anew"})
    kept = with_same_objects(one, ids, (Listed(files), unlike))  # type: ignore[arg-type]
    assert len(kept.groups) == 11 and kept.truth.counts.shape[0] == 11
    fewer = images(12, groups=6)
    fewer[5][2][fewer[5][2] > 2] = 2  # two become one: known by their number where no hash is
    other = ObjectPair("val", "x", one.groups, one.base, {0: pieces(network(2, 0.3, fewer))})
    for unknown in ((Listed(None), Listed(files)), (Listed(files), Listed(None)), (Listed({}), Listed({}))):
        assert len(with_same_objects(other, ids, unknown).groups) == 11  # type: ignore[arg-type]
    alike = Listed(None, "as before"), Listed(None, "as before")
    assert len(with_same_objects(one, ids, alike).groups) == 12  # type: ignore[arg-type]
    assert alike[0].asked == 0, "what is recorded alike need not be here"


def test_another_order_of_classes_is_told_apart_and_foreign_tables_are_one_line(tmp_path: Path) -> None:
    seen = images(6, groups=6)
    tally = network(1, 0.3, seen)
    ids = [sample.id for sample, _, _ in seen]
    moved = read_pieces(stored(tally), Wanted("val", ids, [0, 3, 1], 4), "head")
    own = pieces(tally)
    assert np.array_equal(moved.objects[:, [0, 3, 1]], own.objects) and not moved.objects[:, 2].any()
    assert len(read_pieces(stored(tally), Wanted("test", ids, [0, 1, 2], 3), "head").objects.nonzero()[0]) == 0
    with pytest.raises(DataError, match=r"^head/detections\.parquet: expected class ids below 2"):
        read_pieces(stored(tally), Wanted("val", ids, [0, 1], 2), "head")
    with pytest.raises(StateError, match=r"^head/detections\.parquet: not the table that evaluate writes"):
        read_pieces((b"PAR1", stored(tally)[1]), Wanted("val", ids, [0, 1, 2], 3), "head")
