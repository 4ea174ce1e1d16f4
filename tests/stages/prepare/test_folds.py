"""Folds of train and val: which image is in which, and how they are written."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pixelproof.core.errors import DataError, ParamsError
from pixelproof.data.dataset import COLUMNS, read_split, verify
from pixelproof.data.splitting import fold_of
from stages.prepare.findings import Findings, unlabelled
from stages.prepare.merge import prepare
from tests.stages.prepare.test_prepare import OWN, both, digests, section, write

TILES = {"mode": "tile", "width": 16, "height": 16, "overlap": 0}


def folded(data: Path, folds: int = 3, **changes: Any) -> dict[str, int | None]:
    """Prepare with folds; the fold of each image that is judged."""
    split = {"folds": folds} | changes.pop("split", {})
    prepare(data, data / "cards", section(split=split, **changes))
    return {sample.id: sample.fold for sample in read_split(data / "prepared", "val")}


def test_train_and_val_are_divided_and_test_stays(tmp_path: Path) -> None:
    """Both published splits and ours; train and val have the same images, of the same bytes."""
    both(tmp_path)
    prepare(tmp_path, tmp_path / "cards", section())
    test, learnt = digests(tmp_path / "prepared/test"), {"p0", "p1", "p2", "p3"}
    before = {s.id for split in ("train", "val") for s in read_split(tmp_path / "prepared", split)}
    folds = folded(tmp_path)
    verify(tmp_path / "prepared")
    assert folds.keys() == before >= learnt
    assert digests(tmp_path / "prepared/test") == test
    assert digests(tmp_path / "prepared/train") == digests(tmp_path / "prepared/val")
    for sample in read_split(tmp_path / "prepared", "train"):
        assert folds[sample.id] == sample.fold == fold_of(sample.group, 3, 4)


def test_val_can_be_learnt_too(tmp_path: Path) -> None:
    """Published splits and ours; test stays as it is, and val is there, without images."""
    both(tmp_path)
    prepare(tmp_path, tmp_path / "cards", section())
    test = digests(tmp_path / "prepared/test")
    before = {s.id for split in ("train", "val") for s in read_split(tmp_path / "prepared", split)}
    prepare(tmp_path, tmp_path / "cards", section(split={"learn_val": True}))
    verify(tmp_path / "prepared")
    assert {sample.id for sample in read_split(tmp_path / "prepared", "train")} == before
    assert read_split(tmp_path / "prepared", "val") == [] and digests(tmp_path / "prepared/test") == test
    with pytest.raises(ValidationError, match="set folds to 0, or learn_val to false"):
        section(split={"learn_val": True, "folds": 2})


def test_without_folds_the_index_has_no_column(tmp_path: Path) -> None:
    both(tmp_path)
    prepare(tmp_path, tmp_path / "cards", section())
    with (tmp_path / "prepared/train/index.csv").open(newline="") as file:
        assert next(csv.reader(file)) == COLUMNS[:-1] and COLUMNS[-1] == "fold"
    assert "folds" not in json.loads((tmp_path / "cards/train.json").read_text())


def test_more_images_move_none_between_folds(tmp_path: Path) -> None:
    both(tmp_path, groups=9)
    before = folded(tmp_path)
    both(tmp_path, groups=14)
    assert before.items() < folded(tmp_path).items()


def test_a_tile_is_in_its_images_fold(tmp_path: Path) -> None:
    """Networks learn from tiles and are judged by whole images."""
    both(tmp_path)
    folds = folded(tmp_path, shape=TILES)
    tiles = read_split(tmp_path / "prepared", "train")
    assert {tile.parent for tile in tiles} == folds.keys()
    assert all(tile.fold == folds[str(tile.parent)] for tile in tiles)


def test_the_cards_count_the_folds(tmp_path: Path) -> None:
    both(tmp_path)
    folds = folded(tmp_path)
    card = json.loads((tmp_path / "cards/train.json").read_text())
    assert [one["images"] for one in card["folds"]] == [[*folds.values()].count(fold) for fold in range(3)]
    assert sum(one["groups"] for one in card["folds"]) == card["groups"]
    for number, info in enumerate(card["classes"]):
        for key in ("pixels", "pixels_where_present"):
            assert sum(one["classes"][number][key] for one in card["folds"]) == info[key]
    page = (tmp_path / "cards/card.md").read_text()
    assert f"| 1 | {[*folds.values()].count(1)} |" in page.split("## Folds")[1]


def test_an_image_without_labels_is_counted_once() -> None:
    """In folds, train and val are the same images."""
    for folds, told in ((3, "3 (train and val 2, test 1)"), (0, "5 (train 2, val 2, test 1)")):
        found = Findings(section(split={"folds": folds}), {})
        found.unlabelled.update({"train": 2, "val": 2, "test": 1})
        assert unlabelled(found)[0].startswith(f"images without a labelled pixel: {told};")


def test_an_empty_fold_names_the_salt_that_fills_all(tmp_path: Path) -> None:
    """Also where every split is published: folds are ours. Too few groups are an error that says so."""
    published = {"train": ["a/a", "b/b", "c/c"], "val": ["d/d"], "test": ["e/e"]}
    write(tmp_path, "cvat", OWN, **published)
    asked: dict[str, Any] = {"sources": ["cvat"], "map": {}}
    empty = next(salt for salt in range(50) if len({fold_of(group, 3, salt) for group in "abcd"}) < 3)
    with pytest.raises(ParamsError, match=f"prepare.split.salt: found {empty}, which puts none of the 4 .* fold") as e:
        folded(tmp_path, split={"salt": empty}, **asked)
    better = int(str(e.value).split("set it to ")[1].split(",")[0])
    assert {*folded(tmp_path, split={"salt": better}, **asked).values()} == {0, 1, 2}
    with pytest.raises(ParamsError, match="no salt fills every fold"):
        folded(tmp_path, folds=5, **asked)
    with pytest.raises(ValueError, match="expected 0 or at least 2"):
        section(split={"folds": 1})


def test_one_picture_in_two_folds_is_an_error(tmp_path: Path) -> None:
    """It would be judged by a network that learnt from it."""
    write(tmp_path, "cvat", OWN, all=[f"g{n}/own{n}" for n in range(9)])
    apart = {fold_of(f"g{n}", 2, 4): n for n in range(9)}
    images = tmp_path / "cvat/all/images"
    groups = {sample.id: sample for sample in read_split(tmp_path / "cvat", "all")}
    first, second = (f"own{n}" for n in apart.values())
    (images / f"{first}.png").write_bytes((images / f"{second}.png").read_bytes())
    assert fold_of(groups[first].group, 2, 4) != fold_of(groups[second].group, 2, 4)
    with pytest.raises(DataError, match=r"in two: .*fold [01]/own\d and fold [01]/own\d"):
        folded(tmp_path, folds=2, sources=["cvat"], map={}, split={"test": 0.0})
