"""A frozen test split stays what it is while data grows."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
import pytest

from commands._freeze import freeze, thaw
from pixelproof.core.errors import DataError, StateError
from pixelproof.data.dataset import (
    SPLITS,
    ClassInfo,
    Header,
    Sample,
    SplitWriter,
    read_split,
    write_header,
)
from pixelproof.data.images import write_png
from stages.prepare.__main__ import main as stage
from stages.prepare.frozen import read_frozen
from stages.prepare.merge import prepare
from stages.prepare.params import Prepare
from tests.stages.prepare.planted import SIDE, scene, section

ROOT = Path(__file__).parents[3]
NAMES = ("ground", "grass", "roof")


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with an empty list and 20 flights of 2 images."""
    (tmp_path / "data").mkdir()
    for name in ("dvc.yaml", "data/frozen.csv"):
        shutil.copy(ROOT / name, tmp_path / name)
    text = (ROOT / "params.yaml").read_text().replace("  - download\n  - cvat", "  - cvat")
    (tmp_path / "params.yaml").write_text(text.replace("    cvat:\n      vehicle: car", "    cvat: {}"))
    write(tmp_path, range(20))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(
    root: Path, flights: Iterable[int], shots: int = 2, names: tuple[str, ...] = NAMES, split: str = "all",
    more: Mapping[str, Iterable[int]] = MappingProxyType({}),
) -> None:  # fmt: skip
    """Write data/cvat with these flights, and more of them in other splits."""
    head = Header("own", tuple(ClassInfo(i, name, (i, 0, 0)) for i, name in enumerate(names)))
    shutil.rmtree(root / "data/cvat", ignore_errors=True)
    write_header(root / "data/cvat", head)
    ids = np.array([names.index(name) for name in NAMES], np.uint8)
    for place, those in {split: flights, **more}.items():
        writer = SplitWriter(root / "data/cvat", place, head)
        for flight in those:
            for shot in range(shots):
                image, mask = scene(10 * flight + shot)
                writer.add(Sample(f"f{flight}-{shot}", f"f{flight}", SIDE, SIDE, "own"), image, ids[mask])
        writer.close()


def splits() -> dict[str, str]:
    """`id -> split` of what prepare makes of it."""
    params = Prepare.model_validate({**section(sources=["cvat"]).model_dump(), "split": {**SPLIT}})
    prepare(Path("data"), Path("cards"), params)
    return {sample.id: split for split in SPLITS for sample in read_split(Path("data/prepared"), split)}


SPLIT = {"val": 0.15, "test": 0.15, "folds": 0, "salt": 0, "frozen": "data/frozen.csv"}


def test_test_stays_while_data_grows(clone: Path) -> None:
    before = splits()
    told = freeze(clone, again=False)
    test = {name for name, split in before.items() if split == "test"}
    assert set(read_frozen(clone / "data/frozen.csv")) == test
    assert told[0] == f"data/frozen.csv: {len(test)} test images of {len(test) // 2} groups"
    assert splits() == before
    write(clone, range(60), shots=3)
    after = splits()
    assert {name for name, split in after.items() if split == "test"} == test
    assert before.items() <= after.items()
    new = {f"f{flight}-{shot}" for flight in range(60) for shot in range(3)}
    held = {f"{name[:-2]}-2" for name in test}
    assert new - after.keys() == held  # further images of the test flights would leak into train
    card = Path("cards/card.md").read_text()
    assert f"images that are in no split: {len(held)} (" in card and f"frozen test split of {len(test)} images" in card
    thaw(clone)
    assert {name for name, split in splits().items() if split == "test"} > test


def test_encodings_and_further_classes_change_nothing(clone: Path) -> None:
    before = splits()
    freeze(clone, again=False)
    write(clone, range(20), names=("car", *reversed(NAMES)))
    for path in (clone / "data/cvat/all/images").glob("*.png"):
        cv2.imwrite(str(path), cv2.imread(str(path)), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    assert splits() == before


@pytest.mark.parametrize("changed", ["image", "labels"])
def test_a_changed_image_or_label_is_one_line_until_it_is_frozen_again(clone: Path, changed: str) -> None:
    splits()
    freeze(clone, again=False)
    name = min(read_frozen(clone / "data/frozen.csv"))
    image, mask = scene(int(name[1:-2]) * 10 + int(name[-1]))
    if changed == "image":
        image[0, 0] = image[0, 0] ^ 1
        write_png(clone / f"data/cvat/all/images/{name}.png", image)
    else:
        mask[0, 0] = (mask[0, 0] + 1) % 3
        write_png(clone / f"data/cvat/all/masks/{name}.png", mask)
    expected = (
        rf"data/frozen.csv: expected \d+ images as they were, found 1 changed: {name} \({changed}\); bring them back"
    )
    with pytest.raises(DataError, match=expected):
        splits()
    with pytest.raises(StateError, match=rf"changed: {name}; `bin/pixelproof freeze --again`"):
        freeze(clone, again=False)
    assert f"listed anew: {name}" in freeze(clone, again=True)
    assert splits()[name] == "test"


def test_a_missing_image_is_one_line_until_the_rest_is_frozen_again(clone: Path) -> None:
    splits()
    freeze(clone, again=False)
    before = read_frozen(clone / "data/frozen.csv")
    gone = min(before)[:-2]
    write(clone, [flight for flight in range(20) if f"f{flight}" != gone])
    with pytest.raises(
        DataError, match=rf"expected {len(before)} images, found 2 of them missing: {gone}-0, {gone}-1; .*--again"
    ):
        splits()
    assert f"no longer listed: {gone}-0, {gone}-1" in freeze(clone, again=True)
    assert {name for name, split in splits().items() if split == "test"} == before.keys() - {f"{gone}-0", f"{gone}-1"}


def test_an_image_that_its_publisher_moved_is_one_line(clone: Path) -> None:
    splits()
    freeze(clone, again=False)
    write(clone, range(20), split="train")
    with pytest.raises(DataError, match=r"expected images of the test split, found f\d+-0 in train"):
        splits()


@pytest.mark.parametrize(
    "text", ["id,group\n", "id,group,image,labels\na,b,c\n", "", "id,group,image,labels\na,b,c,d\na,b,c,d\n"]
)
def test_a_broken_list_is_one_line(clone: Path, text: str) -> None:
    Path("data/frozen.csv").write_text(text)
    with pytest.raises(DataError, match=r"^data/frozen.csv: expected [^\n]*; restore it from git$"):
        splits()


def test_a_published_test_split_stays_too(clone: Path) -> None:
    write(clone, range(4), split="train", more={"val": [4], "test": [5, 6]})
    before = splits()
    freeze(clone, again=False)
    assert set(read_frozen(clone / "data/frozen.csv")) == {"f5-0", "f5-1", "f6-0", "f6-1"}
    write(clone, range(4), split="train", more={"val": [4, 7], "test": [5, 6, 8]})
    assert splits() == before | {"f7-0": "val", "f7-1": "val"}
    assert "images that are in no split: 2 (f8-0, f8-1)" in Path("cards/card.md").read_text()


def test_the_stage_prints_warnings(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    freeze(clone, again=False)
    write(clone, range(20), shots=3)
    monkeypatch.setattr("sys.argv", ["prepare"])
    stage()
    assert "prepare: warning: images that are in no split: " in capsys.readouterr().out
