"""Shapes by hand, and by hypothesis: what happens to an image, its mask and its instances, and what the card says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import (
    IGNORE,
    SPLITS,
    ClassInfo,
    Header,
    Sample,
    SplitWriter,
    read_image,
    read_instances,
    read_mask,
    read_split,
    verify,
    write_header,
)
from pixelproof.data.images import Array
from pixelproof.data.shape import Shape, scaled_size
from stages.prepare.merge import prepare
from stages.prepare.params import Prepare
from stages.prepare.shape import Fate, Piece, shaped

CLASSES = tuple(ClassInfo(i, name, (i, 0, 0), name == "car") for i, name in enumerate(["road", "car"]))


def shape(mode: str, width: int = 16, height: int = 16, overlap: int = 0) -> Shape:
    return Shape.model_validate({"mode": mode, "width": width, "height": height, "overlap": overlap})


def numbered(width: int, height: int) -> tuple[Array, Array, Array]:
    """Every pixel says its own column and row (and 7), also in its labels: what moves, moves visibly."""
    y, x = np.mgrid[:height, :width]
    image = np.stack([x, y, np.full_like(x, 7)], axis=2).astype(np.uint8)
    return image, (x % 2).astype(np.uint8), (x + 300 * y).astype(np.uint16)


def piece(width: int, height: int, metres: float | None = None) -> Piece:
    image, mask, instances = numbered(width, height)
    sample = Sample("a", "flight", width, height, "download", metres)
    return Piece.whole(sample, image, mask, instances, Path("a.png"))


def one(mode: str, width: int, height: int, metres: float | None = None) -> Piece:
    (found,) = shaped(piece(width, height, metres), shape(mode), "train")
    assert found.instances is not None and found.file is None
    assert found.image.shape == (16, 16, 3) and found.mask.shape == found.instances.shape == (16, 16)
    assert (found.sample.width, found.sample.height) == (16, 16)
    return found


# --- by hand ---------------------------------------------------------------------------------------------------------


def test_fit_scales_by_one_factor_and_pads_below() -> None:
    """32x16 becomes 16x8, each pixel the mean of four; the lower half is black, ignored and of no instance."""
    found = one("fit", 32, 16, metres=0.5)
    columns, rows = found.image[:8, :, 0], found.image[:8, :, 1]
    assert np.abs(columns.astype(float) - (2 * np.arange(16) + 0.5)).max() <= 0.5
    assert np.abs(rows.astype(float) - (2 * np.arange(8) + 0.5)[:, None]).max() <= 0.5
    assert (found.image[8:] == 0).all() and (found.mask[8:] == IGNORE).all()
    assert found.instances is not None and (found.instances[8:] == 0).all()
    assert set(np.unique(found.mask[:8])) <= {0, 1} and found.own == (8, 16)
    assert found.sample.metres_per_pixel == 1.0  # twice as much ground in a pixel's side
    # The labels are those of a pixel that the mean is of: image, mask and instances are aligned.
    x, y = (found.instances[:8] % 300).astype(int), (found.instances[:8] // 300).astype(int)
    assert (np.abs(x - columns) <= 1).all() and (np.abs(y - rows) <= 1).all()
    assert (found.mask[:8] == x % 2).all()


def test_fit_pads_a_tall_image_on_the_right() -> None:
    found = one("fit", 8, 16)
    assert found.own == (16, 8) and (found.mask[:, 8:] == IGNORE).all() and (found.image[:, 8:] == 0).all()
    assert (found.image[:, :8] == numbered(8, 16)[0]).all()  # of the right height already: not scaled


def test_crop_keeps_the_centre() -> None:
    """36x18 would be 32x16: eight columns on either side are cut off. At 32x16 nothing is scaled."""
    found = one("crop", 32, 16)
    assert (found.image[..., 0] == np.arange(8, 24)).all() and found.own == (16, 16)
    assert found.instances is not None and (found.instances % 300 == np.arange(8, 24)).all()
    assert (found.mask == np.arange(8, 24) % 2).all()
    scaled = one("crop", 36, 18, metres=0.5)
    assert np.abs(scaled.image[8, :, 0].astype(float) - (9 + (np.arange(16) + 0.5) * 18 / 16 - 0.5)).max() <= 1
    assert scaled.sample.metres_per_pixel == pytest.approx(0.5 * 18 / 16)


def test_stretch_is_as_it_was() -> None:
    found = one("stretch", 32, 16, metres=0.5)
    assert found.own == (16, 16) and (found.mask != IGNORE).all()
    assert found.sample.metres_per_pixel == pytest.approx(0.5 * 2**0.5)


def test_tiles_are_cut_where_they_say() -> None:
    """20 columns, tiles of 16 that share 4: at 0 and, moved back, at 4; 30 rows: at 0, 12 and 14."""
    found = list(shaped(piece(20, 30, metres=0.5), shape("tile", overlap=4), "train"))
    places = [(tile.sample.x, tile.sample.y) for tile in found]
    assert places == [(0, 0), (4, 0), (0, 12), (4, 12), (0, 14), (4, 14)]
    for tile, (x, y) in zip(found, places, strict=True):
        assert x is not None and y is not None and tile.instances is not None
        assert tile.sample == Sample(f"a-{x}-{y}", "flight", 16, 16, "download", 0.5, "a", x, y)
        assert (tile.image[..., 0] == x + np.arange(16)).all() and (y + np.arange(16) == tile.image[..., 1].T).all()
        assert (tile.instances == tile.image[..., 0] + 300 * tile.image[..., 1].astype(int)).all()


def test_an_image_smaller_than_a_tile_is_padded() -> None:
    (tile,) = shaped(piece(10, 12), shape("tile"), "train")
    assert tile.own == (12, 10) and (tile.image[:12, :10] == numbered(10, 12)[0]).all()
    assert (tile.mask[12:] == IGNORE).all() and (tile.mask[:, 10:] == IGNORE).all()
    assert tile.sample.id == "a-0-0" and (tile.sample.width, tile.sample.height) == (16, 16)


@pytest.mark.parametrize("mode", ["stretch", "fit", "crop", "tile"])
@pytest.mark.parametrize("split", SPLITS)
def test_an_image_of_the_size_stays_itself(mode: str, split: str) -> None:
    whole = piece(16, 16)
    assert list(shaped(whole, shape(mode), split)) == [whole] and whole.file is not None


@pytest.mark.parametrize("split", ["val", "test"])
def test_what_is_scored_stays_whole(split: str) -> None:
    whole = piece(50, 40)
    assert list(shaped(whole, shape("tile"), split)) == [whole]


# --- for any size ----------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(16, 24), st.integers(16, 24), st.integers(0, 15))
def test_every_pixel_is_in_a_tile_at_its_place(width: int, height: int, wide: int, high: int, overlap: int) -> None:
    whole, asked, seen = piece(width, height), shape("tile", wide, high, overlap), np.zeros((height, width), int)
    for tile in shaped(whole, asked, "train"):
        assert tile.mask.shape == (high, wide)
        x, y, (rows, columns) = tile.sample.x or 0, tile.sample.y or 0, tile.own
        here = slice(y, y + rows), slice(x, x + columns)
        assert (tile.image[:rows, :columns] == whole.image[here]).all()
        assert (tile.mask[:rows, :columns] == whole.mask[here]).all()
        assert (tile.mask[rows:] == IGNORE).all() and (tile.mask[:, columns:] == IGNORE).all()
        seen[here] += 1
    assert (seen > 0).all()


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 9000), st.integers(1, 9000), st.integers(16, 900), st.integers(16, 900))
def test_fit_fits_and_crop_covers(width: int, height: int, wide: int, high: int) -> None:
    inside, over = (scaled_size(shape(mode, wide, high), width, height) for mode in ("fit", "crop"))
    assert inside[0] <= wide and inside[1] <= high and (inside[0] == wide or inside[1] == high)
    assert over[0] >= wide and over[1] >= high and (over[0] == wide or over[1] == high)
    for across, down in (inside, over):  # the aspect is kept within the rounding to a pixel
        assert min(abs(across - width * down / height), abs(down - height * across / width)) <= 0.5 or 1 in (
            across,
            down,
        )


# --- what the card says ----------------------------------------------------------------------------------------------


def dataset(root: Path, **sizes: tuple[int, int]) -> None:
    """An image of each size in every split."""
    head = Header("download", CLASSES, ({"name": "download"},))
    write_header(root / "download", head)
    for split in SPLITS:
        writer = SplitWriter(root / "download", split, head)
        for name, (width, height) in sizes.items():
            image, mask, instances = numbered(width, height)
            mask[:, 32:] = IGNORE  # nothing is labelled there
            writer.add(Sample(f"{split}-{name}", split, width, height, "download", 0.5), image, mask, instances)
        writer.close()


def prepared(root: Path, asked: Shape) -> dict[str, Any]:
    """The cards of the splits."""
    split = {"val": 0.3, "test": 0.3, "folds": 0, "salt": 0, "frozen": "data/frozen.csv"}
    values = {"sources": ["download"], "shape": asked.model_dump(), "map": {}, "accept": ["twice"], "split": split}
    prepare(root, root / "cards", Prepare.model_validate(values))
    verify(root / "prepared")
    return {name: json.loads((root / f"cards/{name}.json").read_text()) for name in SPLITS}


def of(root: Path, split: str) -> Iterator[tuple[Sample, Array, Array, Array | None]]:
    for sample in read_split(root, split):
        yield (
            sample, read_image(root, split, sample), read_mask(root, split, sample, 2),
            read_instances(root, split, sample),
        )  # fmt: skip


def test_tiles_are_for_training_alone(tmp_path: Path) -> None:
    """A large image of 48x32, whose last column of tiles is blank; one of a tile's size; one that is smaller."""
    dataset(tmp_path, large=(48, 32), tile=(16, 16), small=(10, 12))
    cards = prepared(tmp_path, shape("tile"))
    train = {sample.id: sample for sample in read_split(tmp_path / "prepared", "train")}
    large = [f"train-large-{x}-{y}" for x in (0, 16) for y in (0, 16)]
    assert sorted(train) == sorted([*large, "train-small-0-0", "train-tile"])
    assert {train[name].parent for name in large} == {"train-large"} and train["train-tile"].parent is None
    assert {sample.group for sample in train.values()} == {"train"}
    for sample, image, mask, instances in of(tmp_path / "prepared", "val"):
        source = tmp_path / f"download/val/images/{sample.id}.png"
        assert (tmp_path / f"prepared/val/images/{sample.id}.png").read_bytes() == source.read_bytes()
        assert image.shape[:2] == mask.shape == (sample.height, sample.width) and instances is not None
    assert {(s.width, s.height) for s in read_split(tmp_path / "prepared", "val")} == {(48, 32), (16, 16), (10, 12)}
    said = cards["train"]["shape"]
    assert said["tiles"] == {"kept": 5, "blank": 2} and (said["images"], said["tiled"], said["unchanged"]) == (3, 2, 1)
    assert said["share_padded"] == (16 * 16 - 10 * 12) / (6 * 16 * 16) and said["padded"] == 1
    assert said["pixel_covers"] == {"least": 1, "median": 1, "most": 1}
    assert said["metres_per_pixel"] == {"least": 0.5, "median": 0.5, "most": 0.5}
    assert (
        "2 of 3 images are cut into 5 tiles of 16x16, without 2 in which nothing is labelled; what is counted here"
        " are tiles and their pixels: what lies in two counts twice"
    ) in cards["train"]["notes"]
    assert cards["val"]["notes"] == [] and cards["val"]["shape"]["unchanged"] == 3


def test_a_tile_never_takes_the_id_of_an_image(tmp_path: Path) -> None:
    dataset(tmp_path, large=(48, 32), **{"large-16-0": (16, 16)})
    with pytest.raises(DataError, match=r"^train-large: expected tiles .*, found .train-large-16-0. twice"):
        prepared(tmp_path, shape("tile"))
    assert not (tmp_path / "prepared").exists()


def test_what_is_padded_and_scaled_is_said(tmp_path: Path) -> None:
    """32x16 at half its size fills half of the frame; 16x16 stays. Padding is in no statistic of colours."""
    dataset(tmp_path, wide=(32, 16), same=(16, 16))
    card = prepared(tmp_path, shape("fit"))["val"]
    said = card["shape"]
    assert (said["scaled"], said["padded"], said["cut"], said["share_lost"]) == (1, 1, 0, 0)
    assert said["share_padded"] == 0.25 and said["pixel_covers"] == {"least": 1, "median": 1.5, "most": 2}
    assert card["notes"] == [
        "1 of 2 images are scaled: a pixel covers 1 to 2 pixels of the original in side, 0.75 m on the ground (median)",
        "1 of 2 images are padded to 16x16: 25.0 % of the pixels are padding, ignored",
    ]
    assert card["rgb"]["mean"][2] == pytest.approx(7)  # of every pixel that is not padding
    assert card["rgb"]["std"][2] == pytest.approx(0, abs=1e-6)


def test_what_is_cut_is_said(tmp_path: Path) -> None:
    dataset(tmp_path, wide=(32, 16))
    card = prepared(tmp_path, shape("crop"))["test"]
    assert card["shape"]["share_lost"] == 0.5 and card["shape"]["cut"] == 1
    assert card["notes"] == ["1 of 1 images are cut to 16x16: 50.0 % of the pixels are lost"]


def test_counted_from_sizes_alone() -> None:
    fate = Fate(shape("stretch"), "train")
    fate.add_image(Sample("a", "g", 32, 16, "s"))
    fate.add_image(Sample("b", "g", 32, 32, "s"))
    assert fate.notes() == [
        "1 of 2 images changed their aspect at 16x16",
        "2 of 2 images are scaled: a pixel covers 1.4 to 2 pixels of the original in side",
    ]
