"""Datasets with a mask for each image, each from a miniature in its publisher's layout."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat

from pixelproof.core.errors import DataError, ParamsError
from pixelproof.data.dataset import read_header, read_image, read_split
from pixelproof.data.images import Array
from pixelproof.sources import ade20k, cityscapes, oxford_pet, pascal_context, semantic_drone, voc
from tests.pixelproof.sources import miniatures
from tests.pixelproof.sources.converted import convert, digest, instances, masks
from tests.pixelproof.sources.miniatures import save

VOC12 = {"train": ["2007_000032", "2008_000002"], "val": ["2007_000033"]}
VOC07 = {"train": ["000032"], "val": ["000063"], "test": ["000068"]}


def raw(path: Path) -> Array:
    """What a mask's file holds, by Pillow alone."""
    return np.asarray(Image.open(path)).astype(int)


def mapped(values: Array, table: dict[int, int]) -> Array:
    """Each value through a table, one pixel at a time."""
    return np.array([[table[int(value)] for value in row] for row in values])


def classes_and_objects(found: Array | None, objects: Array) -> None:
    """Check that instances divide the pixels as some numbers do."""
    assert found is not None
    pairs = {(int(a), int(b)) for a, b in zip(found.ravel(), objects.ravel(), strict=True)}
    assert len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs)
    assert {a for a, b in pairs if b == 0} <= {0} and sorted({a for a, _ in pairs} | {0}) == list(
        range(int(found.max()) + 1)
    )


# --- Oxford-IIIT Pet -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("variant", "classes"), [("", 2), ("species", 3), ("breeds", 38)])
def test_pet_takes_what_the_lists_name_by_trimap_species_or_breed(tmp_path: Path, variant: str, classes: int) -> None:
    root = miniatures.oxford_pet(tmp_path / "in")
    out = convert(oxford_pet, root, tmp_path / "out", variant=variant)
    names = {key.split("/")[1]: key.split("/")[0] for key in masks(out)}
    assert names.keys() == {"Abyssinian_1", "Abyssinian_34", "beagle_2", "pug_7", "pug_9"}
    assert names["pug_9"] == "test" and "test" not in {split for name, split in names.items() if name != "pug_9"}
    assert len(read_header(out).classes) == classes
    trimap = raw(root / "annotations/trimaps/beagle_2.png")
    expected = mapped(trimap, {1: {"": 1, "species": 2, "breeds": 5}[variant], 2: 0, 3: 255})
    np.testing.assert_array_equal(masks(out)[f"{names['beagle_2']}/beagle_2"], expected)


def test_pet_reads_images_by_their_content(tmp_path: Path) -> None:
    root = miniatures.oxford_pet(tmp_path / "in")
    out = convert(oxford_pet, root, tmp_path / "out")
    assert {path.name for path in out.glob("*/images/*")} >= {"Abyssinian_34.png", "beagle_2.png", "Abyssinian_1.jpg"}
    for split in ("train", "val"):
        for sample in read_split(out, split):
            if sample.id == "beagle_2":
                expected = np.asarray(Image.open(root / "images/beagle_2.jpg").convert("RGB"))
                np.testing.assert_array_equal(read_image(out, split, sample), expected)


# --- Pascal VOC ------------------------------------------------------------------------------------------------------


def test_voc_2012_keeps_its_lists_its_indices_and_its_border(tmp_path: Path) -> None:
    root = miniatures.voc(tmp_path / "in", "2012", VOC12)
    out = convert(voc, root, tmp_path / "out")
    assert masks(out).keys() == {"train/2007_000032", "train/2008_000002", "val/2007_000033"}
    for key, mask in masks(out).items():
        name = key.split("/")[1]
        ids = raw(root / f"VOCdevkit/VOC2012/SegmentationClass/{name}.png")
        np.testing.assert_array_equal(mask, ids)
        objects = raw(root / f"VOCdevkit/VOC2012/SegmentationObject/{name}.png")
        classes_and_objects(instances(out)[key], np.where((ids == 0) | (ids == 255), 0, objects))


def test_voc_2007_comes_in_two_archives_with_the_same_folders(tmp_path: Path) -> None:
    miniatures.voc(tmp_path / "in/VOCtrainval_06-Nov-2007", "2007", {k: v for k, v in VOC07.items() if k != "test"})
    miniatures.voc(tmp_path / "in/VOCtest_06-Nov-2007", "2007", {"test": VOC07["test"]})
    apart = convert(voc, tmp_path / "in", tmp_path / "apart", variant="2007")
    assert masks(apart).keys() == {"train/000032", "val/000063", "test/000068"}


def test_voc_with_sbd_trains_on_what_neither_list_has(tmp_path: Path) -> None:
    root = miniatures.sbd(miniatures.voc(tmp_path / "in", "2012", VOC12), ["2007_000033", "2008_000002", "2010_000001"])
    out = convert(voc, root, tmp_path / "out", variant="2012-sbd")
    assert masks(out).keys() == {"train/2007_000032", "train/2008_000002", "train/2010_000001", "val/2007_000033"}
    matlab = loadmat(root / "benchmark_RELEASE/dataset/cls/2010_000001.mat")["GTcls"][0, 0]["Segmentation"]
    np.testing.assert_array_equal(masks(out)["train/2010_000001"], matlab)


def test_an_unknown_variant_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"download.variant: found '2013'; allowed: '', 2007, 2012, 2012-sbd"):
        convert(voc, tmp_path, tmp_path / "out", variant="2013")


# --- Cityscapes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variant", "table"),
    [
        ("", {0: 255, 1: 255, 4: 255, 7: 0, 9: 255, 18: 255, 24: 11, 26: 13, 29: 255, 33: 18}),  # the table of trainIds
        ("all", {0: 255, 1: 255, 4: 0, 7: 3, 9: 5, 18: 14, 24: 20, 26: 22, 29: 25, 33: 29}),
    ],
)
def test_cityscapes_by_train_ids_or_all_thirty(tmp_path: Path, variant: str, table: dict[int, int]) -> None:
    root = miniatures.cityscapes(tmp_path / "in")
    out = convert(cityscapes, root, tmp_path / "out", variant=variant)
    assert len(read_header(out).classes) == {"": 19, "all": 30}[variant]
    assert [(s.id, s.group) for s in read_split(out, "train")] == [
        ("aachen_000000_000019", "aachen"), ("bochum_000000_000313", "bochum"),
    ]  # fmt: skip
    assert masks(out).keys() == {
        "train/aachen_000000_000019",
        "train/bochum_000000_000313",
        "val/munster_000000_000019",
    }
    for key, mask in masks(out).items():
        split, name = key.split("/")
        start = root / "gtFine" / split / name.split("_")[0] / name
        np.testing.assert_array_equal(mask, mapped(raw(Path(f"{start}_gtFine_labelIds.png")), table))
        objects = raw(Path(f"{start}_gtFine_instanceIds.png"))
        classes_and_objects(instances(out)[key], np.where((objects < 1000) | (mask == 255), 0, objects))


# --- ADE20K ----------------------------------------------------------------------------------------------------------


def test_ade20k_ignores_what_is_in_no_class(tmp_path: Path) -> None:
    root = miniatures.ade20k(tmp_path / "in")
    out = convert(ade20k, root, tmp_path / "out")
    assert len(read_header(out).classes) == 150 and sum(info.thing for info in read_header(out).classes) == 100
    ids = raw(root / "ADEChallengeData2016/annotations/validation/ADE_val_00000002.png")
    np.testing.assert_array_equal(masks(out)["val/ADE_val_00000002"], mapped(ids, {0: 255, 1: 0, 77: 76, 150: 149}))


# --- Semantic Drone --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kaggle", [False, True])
@pytest.mark.parametrize(("variant", "ids"), [("", (0, 1, 15, 23)), ("22-classes", (255, 0, 14, 255))])
def test_semantic_drone_in_both_layouts(tmp_path: Path, kaggle: bool, variant: str, ids: tuple[int, ...]) -> None:
    root = miniatures.semantic_drone(tmp_path / "in", kaggle)
    out = convert(semantic_drone, root, tmp_path / "out", variant=variant)
    assert len(read_header(out).classes) == (22 if variant else 24)
    colors = ((0, 0, 0), (128, 64, 128), (255, 22, 96), (255, 0, 0))
    if kaggle:
        path = root / "dataset/semantic_drone_dataset/label_images_semantic/002.png"
        expected = mapped(raw(path), dict(zip((0, 1, 15, 23), ids, strict=True)))
    else:
        path = root / "semantic_drone_dataset/training_set/gt/semantic/label_images/002.png"
        expected = np.array([[ids[colors.index(tuple(pixel))] for pixel in row] for row in raw(path).tolist()])
    np.testing.assert_array_equal(masks(out)["all/002"], expected)


# --- Pascal Context --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("variant", "last"), [("59", ("tvmonitor", "wood")), ("33", ("sky", "ceiling"))])
def test_pascal_context_with_59_and_33_classes(tmp_path: Path, variant: str, last: tuple[str, str]) -> None:
    root = miniatures.pascal_context(tmp_path / "in")
    out = convert(pascal_context, root, tmp_path / "out", variant=variant)
    names = [info.name for info in read_header(out).classes]
    assert len(names) == int(variant) and last == (names[19 if variant == "59" else 20], names[-1])
    ids = raw(root / f"{variant}_context_labels/2008_000002.png")
    np.testing.assert_array_equal(masks(out)["val/2008_000002"], np.where(ids == 0, 255, ids - 1))
    assert masks(out).keys() == {"train/2008_000008", "train/2008_000015", "val/2008_000002"}


# --- all -------------------------------------------------------------------------------------------------------------

MADE: dict[ModuleType, Callable[[Path], Path]] = {
    oxford_pet: miniatures.oxford_pet,
    voc: lambda root: miniatures.voc(root, "2012", VOC12),
    cityscapes: miniatures.cityscapes,
    ade20k: miniatures.ade20k,
    semantic_drone: miniatures.semantic_drone,
    pascal_context: miniatures.pascal_context,
}
SOURCES = pytest.mark.parametrize("source", MADE, ids=[source.NAME for source in MADE])


@SOURCES
def test_workers_change_no_byte(source: ModuleType, tmp_path: Path) -> None:
    root = MADE[source](tmp_path / "in")
    assert digest(convert(source, root, tmp_path / "one")) == digest(convert(source, root, tmp_path / "two", 2))


@SOURCES
def test_hidden_files_of_macos_are_no_images(source: ModuleType, tmp_path: Path) -> None:
    root = MADE[source](tmp_path / "in")
    expected = digest(convert(source, root, tmp_path / "one"))
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        for hidden in (path.with_name(f"._{path.name}"), root / "__MACOSX" / path.relative_to(root)):
            hidden.parent.mkdir(parents=True, exist_ok=True)
            hidden.write_bytes(b"Mac OS X")
    assert digest(convert(source, root, tmp_path / "two")) == expected


BROKEN = {  # a mask of each: its path, and a value that it cannot have
    oxford_pet: ("annotations/trimaps/pug_7.png", 4),
    voc: ("VOCdevkit/VOC2012/SegmentationClass/2007_000033.png", 21),
    cityscapes: ("gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png", 34),
    ade20k: ("ADEChallengeData2016/annotations/training/ADE_train_00000001.png", 151),
    semantic_drone: ("semantic_drone_dataset/training_set/gt/semantic/label_images/001.png", 24),
    pascal_context: ("59_context_labels/2008_000015.png", 60),
}


@SOURCES
@pytest.mark.parametrize("broken", ["missing", "cut", "value", "size", "lossy"])
def test_a_broken_mask_is_one_line_that_names_it(source: ModuleType, tmp_path: Path, broken: str) -> None:
    root = MADE[source](tmp_path / "in")
    name, value = BROKEN[source]
    path = root / name
    if broken == "missing":
        path.unlink()
    if broken == "cut":
        path.write_bytes(path.read_bytes()[:-16])
    if broken == "value":
        save(path, np.full((12, 16), value, np.uint8))
    if broken == "lossy":
        Image.fromarray(np.ones((12, 16), np.uint8)).save(path, format="jpeg")
    if broken == "size":
        save(path, np.full((12, 20), 1, np.uint8))
    with pytest.raises(DataError, match=r"^[^\n]+: expected [^\n]+, found [^\n]+$") as caught:
        convert(source, root, tmp_path / "out")
    assert path.stem.split("_gtFine")[0] in str(caught.value)
    if broken in ("missing", "lossy"):
        assert "check the archive" in str(caught.value)


@SOURCES
def test_a_missing_folder_is_one_line(source: ModuleType, tmp_path: Path) -> None:
    root = MADE[source](tmp_path / "in")
    for folder in ("annotations", "gtFine", "VOCdevkit", "ADEChallengeData2016/annotations", "semantic_drone_dataset"):
        shutil.rmtree(root / folder, ignore_errors=True)
    with pytest.raises(DataError, match=r"^[^\n]+: expected [^\n]+, found n(one|either); [^\n]+$"):
        convert(source, root, tmp_path / "out")
