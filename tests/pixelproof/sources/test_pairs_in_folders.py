"""Images and masks in folders: `dubai`, `folder` and the classes.csv between them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands._values import count
from pixelproof.core.errors import DataError
from pixelproof.data.dataset import read_header, read_image, read_split
from pixelproof.sources import dubai, folder
from pixelproof.sources.pairs import find_pairs
from pixelproof.sources.table import NAME, read_table
from tests.pixelproof.sources import miniatures
from tests.pixelproof.sources.converted import convert, digest, masks
from tests.pixelproof.sources.miniatures import DUBAI, DUBAI_COLORS, photo, rgb_of, save

OPTIONS = {"lossy_masks": False}


def own(root: Path, *lines: str) -> dict[str, object]:
    """A classes.csv, and the options of the source for the folder."""
    (root / NAME).write_text("\n".join(["value,name,thing", *lines]) + "\n")
    return {"path": str(root), **OPTIONS}


def test_dubai_has_its_true_colours_tiles_as_groups_and_void_ignored(tmp_path: Path) -> None:
    root = miniatures.dubai(tmp_path / "in")
    out = convert(dubai, root, tmp_path / "out")
    assert {s.group for s in read_split(out, "all")} == set(DUBAI)
    found = masks(out)
    assert len(found) == 8 and "all/Tile-1-image_part_001" in found
    numbers = {rgb_of(color): number for number, color in enumerate(DUBAI_COLORS[:5])}
    for tile in DUBAI:
        rgb = np.asarray(Image.open(root / tile / "masks/image_part_002.png").convert("RGB"))
        expected = [[numbers.get(tuple(pixel), 255) for pixel in row] for row in rgb.tolist()]
        np.testing.assert_array_equal(found[f"all/{tile.replace(' ', '-')}-image_part_002"], expected)


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_change_no_byte(tmp_path: Path, workers: int) -> None:
    root = miniatures.dubai(tmp_path / "in")
    one = digest(convert(dubai, root, tmp_path / "one"))
    assert digest(convert(dubai, root, tmp_path / "more", workers)) == one


def test_an_unknown_colour_is_one_line_with_the_file(tmp_path: Path) -> None:
    root = miniatures.dubai(tmp_path / "in")
    save(root / "Tile 1/masks/image_part_001.png", np.full((24, 24, 3), (80, 227, 194), np.uint8))
    with pytest.raises(DataError, match=r"Tile 1/masks/image_part_001.png: .* found #50E3C2 in 576 pixels; [^\n]*$"):
        convert(dubai, root, tmp_path / "out", workers=2)


def test_a_folder_by_split_with_ids_and_a_void(tmp_path: Path) -> None:
    root, rng = tmp_path / "in", np.random.default_rng(0)
    for split in ("training", "valid", "Test"):
        photo(root / split / "images/1.JPG", rng, format="JPEG")
        save(root / split / "masks/1_mask.png", np.arange(192, dtype=np.uint8).reshape(12, 16) % 3)
    out = convert(folder, None, tmp_path / "out", options=own(root, "0,ground,no", "1,ignore,", "2,car,yes"))
    assert [(c.name, c.thing) for c in read_header(out).classes] == [("ground", False), ("car", True)]
    expected = np.array([0, 255, 1])[np.arange(192).reshape(12, 16) % 3]
    assert masks(out).keys() == {"train/training-1", "val/valid-1", "test/Test-1"}
    for mask in masks(out).values():
        np.testing.assert_array_equal(mask, expected)


def test_lines_of_one_name_are_one_class_and_palettes_are_read_by_index(tmp_path: Path) -> None:
    root, rng = tmp_path / "in", np.random.default_rng(0)
    ids = (np.arange(192).reshape(12, 16) % 4).astype(np.uint8)
    photo(root / "images/a.png", rng)
    save(root / "masks/a.png", ids, [(9, 9, 9), (7, 0, 0), (0, 7, 0), (0, 0, 7)])
    out = convert(folder, None, tmp_path / "out", options=own(root, "0,b,no", "1,a,no", "2,b,no", "3,a,no"))
    np.testing.assert_array_equal(masks(out)["all/a"], ids % 2)


def test_a_jpeg_mask_is_refused_unless_accepted_and_then_taken_by_nearness(tmp_path: Path) -> None:
    root, rng = tmp_path / "in", np.random.default_rng(0)
    mask = np.where(np.arange(64) < 32, 0, 255).astype(np.uint8)[None].repeat(64, 0)
    photo(root / "images/a.png", rng, 64, 64)
    save(root / "masks/a.jpg", mask, quality=60)
    options = own(root, "0,ground,no", "255,thing,yes")
    with pytest.raises(DataError, match=r"masks/a.jpg: expected a mask without loss, found a JPEG"):
        convert(folder, None, tmp_path / "out", options=options)
    (root / NAME).write_text("value,name,within\n0,ground,127\n255,thing,127\n")
    out = convert(folder, None, tmp_path / "out", options=options | {"lossy_masks": True})
    np.testing.assert_array_equal(masks(out)["all/a"], mask // 255)


def test_labels_in_the_alpha_channel_are_refused_and_other_transparency_is_not(tmp_path: Path) -> None:
    root, rng = tmp_path / "in", np.random.default_rng(0)
    drawn = (np.arange(192).reshape(12, 16) % 2 * 255).astype(np.uint8)
    photo(root / "images/a.png", rng)
    options = own(root, "#000000,ground,no", "#FF0000,thing,yes", "#FFFFFF,other,no")
    opaque, white = np.full_like(drawn, 255), np.full_like(drawn, 255)
    for mask in (np.dstack([white, white, white, drawn]), np.dstack([white, drawn])):
        save(root / "masks/a.png", mask)
        for read in (lambda: convert(folder, None, tmp_path / "out", options=options), lambda: count(find_pairs(root))):
            with pytest.raises(DataError, match=r"masks/a.png: .* differ in transparency, which is not read; [^\n]*$"):
                read()
    for alpha in (opaque, drawn):
        save(root / "masks/a.png", np.dstack([drawn, drawn * 0, drawn * 0, alpha]))
        out = convert(folder, None, tmp_path / "out", options=options)
        np.testing.assert_array_equal(masks(out)["all/a"], drawn // 255)


def test_a_turned_photograph_keeps_the_pixels_that_its_mask_was_drawn_on(tmp_path: Path) -> None:
    root, rng = tmp_path / "in", np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    photo(root / "images/a.jpg", rng, exif=exif)
    save(root / "masks/a.png", np.zeros((12, 16), np.uint8))
    out = convert(folder, None, tmp_path / "out", options=own(root, "0,a,no"))
    (sample,) = read_split(out, "all")
    assert (sample.width, sample.height) == (16, 12)
    stored = np.asarray(Image.open(root / "images/a.jpg"))
    assert np.abs(read_image(out, "all", sample).astype(int) - stored).max() <= 3  # two JPEG decoders


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["images/a.png"], r"none with an image in it|folder `images` beside"),
        (["images/a.png", "masks/b.png"], r"images/a.png: expected a mask a in masks, found none"),
        (["images/a.png", "masks/a.png", "masks/b.png"], r"masks/b.png: expected its image in images, found none"),
        (["images/a.png", "images/a.jpg", "masks/a.png"], r"images/a.png: expected one file of this name"),
        (["train/images/a.png", "train/masks/a.png", "x/images/a.png", "x/masks/a.png"], r"expected a place in train"),
        (["x y/images/a.png", "x y/masks/a.png", "x-y/images/a.png", "x-y/masks/a.png"], r"the id 'x-y-a', as"),
    ],
)
def test_what_has_no_partner_or_no_place_is_an_error(tmp_path: Path, names: list[str], message: str) -> None:
    for name in names:
        save(tmp_path / name, np.zeros((4, 4), np.uint8))
    with pytest.raises(DataError, match=message):
        find_pairs(tmp_path)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["0,a,maybe"], r"classes.csv:2: expected thing: yes or no, found 'maybe'"),
        (["0,,no"], r"classes.csv:2: expected a name"),
        (["x,a,no"], r"classes.csv:2: expected a value such as 3 or #8429F6, found 'x'"),
        (["0,a,no", "0,b,no"], r"expected each value once, found 0"),
        (["0,a,no", "#000001,b,no"], r"all numbers or all colours"),
        (["0,ignore,no"], r"expected 1 to 254 classes, found 0"),
        ([], r"found no line"),
    ],
)
def test_a_wrong_classes_file_names_the_line(tmp_path: Path, lines: list[str], message: str) -> None:
    photo(tmp_path / "images/a.png", np.random.default_rng(0))
    save(tmp_path / "masks/a.png", np.zeros((12, 16), np.uint8))
    with pytest.raises(DataError, match=message):
        convert(folder, None, tmp_path / "out", options=own(tmp_path, *lines))


def test_a_reach_beyond_all_values_is_an_error(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("value,name,within\n0,a,300\n")
    with pytest.raises(DataError, match=r"classes.csv:2: expected within: a number from 0 to 255, found '300'"):
        read_table(tmp_path)
    (tmp_path / NAME).write_text("value,name,within\n0,a,255\n1,b,\n")
    assert [line.within for line in read_table(tmp_path).lines] == [255, 0]


@pytest.mark.parametrize("broken", ["cut", "size", "sixteen"])
def test_a_broken_image_or_mask_is_one_line_with_its_name(tmp_path: Path, broken: str) -> None:
    path = photo(tmp_path / "images/a.png", np.random.default_rng(0))
    save(tmp_path / "masks/a.png", np.zeros((12, 20 if broken == "size" else 16), np.uint8))
    if broken == "cut":
        path.write_bytes(path.read_bytes()[:-20])
    if broken == "sixteen":
        save(path, np.full((12, 16), 4000, np.uint16))
    with pytest.raises(DataError, match=r"^\S+/a.png: expected [^\n]+$"):
        convert(folder, None, tmp_path / "out", options=own(tmp_path, "0,a,no"))
