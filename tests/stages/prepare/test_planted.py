"""Twelve usual mistakes, each planted in a folder of images and masks: one line says what is wrong.

An error ends the stage; a warning stands in the data card, counted, and is printed.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands._folder import init_folder
from pixelproof.core.errors import DataError, ParamsError, PixelproofError
from pixelproof.core.params import read_yaml
from pixelproof.data.dataset import IGNORE, iterate, read_header
from pixelproof.data.images import write_png
from stages.prepare.merge import prepare
from tests.stages.prepare.planted import COLORS, HUES, IDS, prepared, save, scene, scenes, section, similar, table

ROOT = Path(__file__).parents[3]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Scenes without a mistake, by split."""
    return scenes(tmp_path / "in")


def image(root: Path, split: str, number: int) -> Path:
    """An image of a split; train has 0 to 11, val 12 to 17, test 18 to 23."""
    return root / split / f"images/flight{number:02d}/a.png"


def mask(root: Path, split: str, number: int) -> Path:
    """Its mask."""
    return root / split / f"masks/flight{number:02d}/a.png"


def refused(root: Path, expected: str, *lines: str) -> None:
    """One line says it, and nothing is written."""
    with pytest.raises(PixelproofError, match=expected) as error:
        prepared(root, *lines)
    assert "\n" not in str(error.value)
    assert not (root.parent / "data/prepared").exists()


def test_without_a_mistake_nothing_is_said(root: Path) -> None:
    card = prepared(root)
    assert card["warnings"] == []
    assert [found["count"] for found in card["duplicates"].values()] == [0, 0, 0, 0]


def test_1_masks_of_0_and_255_read_as_ids(root: Path) -> None:
    for path in root.glob("*/masks/*/*.png"):
        save(path, (np.asarray(Image.open(path)) == 2).astype(np.uint8) * 255)
    refused(root, r"found 255 in \d+ pixels", "0,ground,no", "1,roof,yes")
    refused(root, r"expected pixels of 2 classes, found only 'ground' \(0\) and ignored ones \(255\); masks of 0",
            "0,ground,no", "1,roof,yes", "255,ignore,no")  # fmt: skip
    assert prepared(root, "0,ground,no", "255,roof,yes")["warnings"] == []


def test_2_void_as_a_class(root: Path) -> None:
    lines = ("0,Void,no", "1,grass,no", "2,roof,yes")
    refused(
        root, r"prepare.map.download: found no entry for 'Void', which would count as a class; add {\"Void\": ", *lines
    )
    prepared(root, *lines, map={"download": {"Void": "ignore"}})
    assert read_header(root.parent / "data/prepared").names() == ["grass", "roof"]
    ((_, _, found), *_) = iterate(root.parent / "data/prepared", "train")
    np.testing.assert_array_equal(found, np.array([IGNORE, 0, 1], np.uint8)[scene(0)[1]])
    prepared(root, *lines, accept=["void"])
    assert read_header(root.parent / "data/prepared").names() == ["Void", "grass", "roof"]


def test_3_masks_saved_as_jpeg(root: Path) -> None:
    path = mask(root, "train", 3)
    save(path.with_suffix(".jpg"), np.asarray(Image.open(path)) * 100)
    path.unlink()
    refused(root, r"masks/flight03/a.jpg: expected a mask without loss, found a JPEG")


@pytest.mark.parametrize("lines", [IDS, HUES])
@pytest.mark.parametrize("ending", [".png", ".jpg"])
def test_4_swapped_folders(root: Path, ending: str, lines: tuple[str, ...], tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        (root / split / "images").rename(root / split / "x")
        (root / split / "masks").rename(root / split / "images")
        (root / split / "x").rename(root / split / "masks")
    for path in root.glob("*/masks/*/*.png") if ending == ".jpg" else ():
        save(path.with_suffix(".jpg"), np.asarray(Image.open(path)))
        path.unlink()
    expected = r"a" + ending + r": expected a mask, found a picture of \d+ colours, .* folders .* seem to be swapped"
    refused(root, expected, *lines)
    (root / "classes.csv").unlink()
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    with pytest.raises(DataError, match=expected):
        init_folder(root, tmp_path)
    assert not (root / "classes.csv").exists()


def test_5_one_image_twice(root: Path) -> None:
    shutil.copy(image(root, "train", 2), image(root, "train", 5))
    card = prepared(root)
    said = (
        "pictures that stand twice in one split: 1 (train/train-flight02-a and train/train-flight05-a with other labels"
    )
    assert any(line.startswith(said) for line in card["warnings"])
    assert card["duplicates"]["equal"]["count"] == 1
    shutil.rmtree(root.parent / "data")
    shutil.copy(image(root, "train", 3), image(root, "test", 20))
    shutil.copy(mask(root, "train", 3), mask(root, "test", 20))
    refused(
        root, r"expected each picture in one split, found 1 in two: test/test-flight20-a and train/train-flight03-a;"
    )
    warnings = prepared(root, accept=["twice"])["warnings"]
    assert any(line.startswith("pictures that stand in two splits, as prepare.accept allows: 1 (") for line in warnings)


def test_6_near_duplicates_across_splits(root: Path) -> None:
    save(image(root, "val", 14), similar(scene(4)[0]))
    save(image(root, "train", 5), similar(scene(6)[0]))  # within a split: no harm
    (line,) = (line for line in prepared(root)["warnings"] if "look alike" in line)
    assert line.startswith(
        "pairs of images in different splits that look alike (up to 12 of 64 bits of their hashes differ): 1"
    )
    assert "(train/train-flight04-a and val/val-flight14-a); if they show one place, give both one group" in line


def test_7_a_mask_of_another_image(root: Path) -> None:
    one, other = mask(root, "train", 1), mask(root, "test", 19)
    for path, number in ((one, 19), (other, 1)):
        save(path, scene(number)[1])
    (line,) = prepared(root)["warnings"]
    assert line.startswith("masks that lie on the edges of another image, not of their own: 2 (")
    assert "test/test-flight19-a (fits train/train-flight01-a)" in line
    assert "train/train-flight01-a (fits test/test-flight19-a)" in line
    save(other, scene(19)[1])
    assert any(
        line.startswith("images that have the mask of another image: 1 (") for line in prepared(root)["warnings"]
    )


def test_8_wrong_size(root: Path) -> None:
    save(mask(root, "val", 13), scene(13)[1][:-1])
    refused(root, r"val/masks/flight13/a.png: expected 64x64 pixels as a.png has, found 64x63")


def test_9_palettes_of_another_order(root: Path, tmp_path: Path) -> None:
    for number in range(12):
        order = [0, 2, 1] if number == 8 else [0, 1, 2]
        save(mask(root, "train", number), np.array(order, np.uint8)[scene(number)[1]], [COLORS[each] for each in order])
    refused(
        root, r"flight08/a.png: expected a palette with #3C8C3C as 1, as a.png has, found #D25A28; their orders differ"
    )
    for number in range(12, 24):
        split = "val" if number < 18 else "test"
        save(mask(root, split, number), scene(number)[1], COLORS)
    (root / "classes.csv").unlink()
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    assert any("read as colours" in line for line in init_folder(root, tmp_path))
    prepared(root, *HUES)
    found = {sample.id: labels for sample, _, labels in iterate(root.parent / "data/prepared", "train")}
    np.testing.assert_array_equal(found["train-flight08-a"], scene(8)[1])


def test_10_colours_in_the_order_bgr(root: Path) -> None:
    for split, numbers in (("train", range(12)), ("val", range(12, 18)), ("test", range(18, 24))):
        for number in numbers:
            save(mask(root, split, number), np.array(COLORS, np.uint8)[scene(number)[1]][..., ::-1].copy())
    refused(root, r"its red and blue are exchanged \(BGR written as RGB\)", *HUES)


def test_11_ids_above_the_classes(root: Path) -> None:
    save(mask(root, "train", 0), scene(0)[1] + np.uint8(1))
    refused(root, r"train/masks/flight00/a.png: expected one of 3 known values, found 3 in \d+ pixels")
    save(mask(root, "train", 0), scene(0)[1])
    prepared(root)
    path = root.parent / "data/download/train/masks/train-flight00-a.png"
    write_png(path, scene(0)[1] + np.uint8(1))
    with pytest.raises(DataError, match=r"train-flight00-a.png: expected class ids 0 to 2, or 255, found id 3"):
        prepare(root.parent / "data", root.parent / "cards", section())


def test_12_a_class_that_only_one_split_has(root: Path) -> None:
    for path in [*root.glob("val/masks/*/*.png"), *root.glob("test/masks/*/*.png")]:
        save(path, np.minimum(np.asarray(Image.open(path)), 1))
    warnings = prepared(root)["warnings"]
    assert warnings == ["classes that only one split has: 1 (roof (train)); bring images of them in more groups"]


def test_a_salt_that_spreads_a_class_is_named(tmp_path: Path) -> None:
    root = scenes(tmp_path / "in", by_split=False)
    for path in sorted(root.glob("masks/*/*.png"))[4:]:
        save(path, np.minimum(np.asarray(Image.open(path)), 1))  # four groups have roofs
    table(root, *IDS)
    for salt in range(20):
        split = section().split.model_dump() | {"salt": salt}
        warnings = prepared(root, split=split)["warnings"]
        if any("classes that only one split has: 1 (roof" in line for line in warnings):
            break
    (line,) = (line for line in warnings if "only one split" in line)
    better = int(line.split("prepare.split.salt: ")[1].split()[0])
    card = prepared(root, split=split | {"salt": better})
    assert all(card["splits"][name]["classes"][2]["pixels"] for name in ("train", "val", "test"))


def test_init_takes_a_salt_that_spreads_it(tmp_path: Path) -> None:
    root = scenes(tmp_path / "in", by_split=False)
    paths = sorted(root.glob("masks/*/*.png"))
    for path in paths[:13] + paths[17:]:  # four groups have roofs; for images alone, they would all be in train
        save(path, np.minimum(np.asarray(Image.open(path)), 1))
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    init_folder(root, tmp_path)
    split = read_yaml(tmp_path / "params.yaml")["prepare"]["split"]
    card = prepared(root, split=split)
    assert all(card["splits"][name]["classes"][2]["pixels"] for name in ("train", "val", "test"))
    assert card["warnings"] == []


def test_no_salt_is_named_that_is_no_better(tmp_path: Path) -> None:
    root = scenes(tmp_path / "in", by_split=False)
    for path in sorted(root.glob("masks/*/*.png"))[1:]:
        save(path, np.minimum(np.asarray(Image.open(path)), 1))  # one group has roofs
    warnings = prepared(root)["warnings"]
    assert any(line.endswith("); bring images of them in more groups") for line in warnings)


def test_an_unmapped_void_is_an_error_of_params(root: Path) -> None:
    with pytest.raises(ParamsError):
        prepared(root, "0,unlabeled,no", "1,grass,no", "2,roof,yes")
