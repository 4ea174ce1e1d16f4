"""Segmentation mask 1.1 and PASCAL VOC 1.1: the pictures that Datumaro paints come back to the pixel."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pixelproof.data.images import Array
from stages.cvat.archive import Export
from stages.cvat.formats import masks as module
from stages.cvat.model import Annotated, Painted, Parsed
from tests.stages.cvat.formats.made import (
    LABELS,
    areas,
    export,
    item,
    mask_items,
    masks,
    opened,
    photo,
    refusal,
    written,
    zipped,
)

COLOURS = {"background": (0, 0, 0), "road": (128, 64, 128), "car": (250, 200, 30), "lake": (40, 110, 220)}
LABELMAP = "# label:color_rgb:parts:actions\nbackground:0,0,0::\nroad:128,64,128::\ncar:250,200,30::\n"


def voc(folder: Path, items: list[Any], kind: str = "voc_segmentation") -> Path:
    """As CVAT exports: its labels' colours, and a background."""
    label_map = {name: [colour, [], []] for name, colour in COLOURS.items()}
    return export(folder, kind, items, save_media=True, label_map=label_map, apply_colormap=True)


def parsed(path: Path) -> Parsed:
    """What the reader says."""
    with opened(path) as found:
        assert module.matches(found)
        return module.read(found)


def picture(found: Export, member: str) -> Array:
    """A picture's colours, through Pillow alone."""
    return np.asarray(Image.open(io.BytesIO(found.read(member))).convert("RGB"))


def painted(found: Export, image: Annotated) -> tuple[Array, Array]:
    """The masks of label ids (255: none) and of objects that the pictures show."""
    assert isinstance(image.labels, Painted) and image.labels.objects
    classes, objects = (picture(found, member) for member in (image.labels.classes, image.labels.objects))
    labels = np.full(classes.shape[:2], 255)
    for colour, label in image.labels.colours.items():
        if label:
            labels[(classes == colour).all(axis=2)] = LABELS.index(label)
    numbers = objects.astype(int) @ (1 << 16, 1 << 8, 1)
    return labels, numbers


def png(pixels: Array) -> bytes:
    """The file of a picture."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def square(colour: tuple[int, int, int] = COLOURS["car"], width: int = 20, height: int = 16) -> bytes:
    """A picture that is black on the left and coloured on the right."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, width // 2 :] = colour
    return png(pixels)


def by_hand(folder: Path, **changes: bytes | str | None) -> Path:
    """A small export; each change replaces or removes a file, by its name without folders and extension."""
    files: dict[str, bytes | str] = {
        "labelmap.txt": LABELMAP,
        "ImageSets/Segmentation/train.txt": "a\n",
        "SegmentationClass/a.png": square(),
        "SegmentationObject/a.png": square(),
        "JPEGImages/a.png": photo(),
    }
    names = dict(zip(("labelmap", "train", "classes", "objects", "photograph"), files, strict=True))
    for name, content in changes.items():
        if content is None:
            del files[names[name]]
        else:
            files[names[name]] = content
    return written(folder, dict(files))


@pytest.mark.parametrize("kind", ["voc_segmentation", "voc"])
def test_painted_masks_come_back_to_the_pixel(tmp_path: Path, kind: str) -> None:
    truth = {"flight 1/图片.jpg": masks(1), "b.png": masks(2)}
    items = [item(name, mask_items(*pair), "Train") for name, pair in truth.items()]
    items += [item("empty.png", [], "Validation", 30, 10)]
    path = zipped(voc(tmp_path / "x", items, kind))
    result = parsed(path)
    assert result.labels == {"car": "#fac81e", "lake": "#286edc", "road": "#804080"}
    found = {image.name: image for image in result.images}
    assert found.keys() == {*truth, "empty.png"} and not result.undrawn
    with opened(path) as files:
        for name, (labels, objects) in truth.items():
            image = found[name]
            assert (image.subset, image.member, image.width, image.height) == ("Train", f"JPEGImages/{name}", 20, 16)
            drawn_labels, drawn_objects = painted(files, image)
            np.testing.assert_array_equal(drawn_labels, labels)
            assert areas(drawn_objects) == areas(objects)
    empty = found["empty.png"]
    assert (empty.subset, empty.labels, empty.width, empty.height) == ("Validation", (), 30, 10)


def test_without_colours_in_the_labelmap_they_are_vocs(tmp_path: Path) -> None:
    truth = masks(4)
    path = export(tmp_path / "x", "voc_segmentation", [item("a.png", mask_items(*truth))], save_media=True)
    assert "background:::" in (path / "labelmap.txt").read_text()
    result = parsed(path)
    assert result.labels == {"road": "#800000", "car": "#008000", "lake": "#808000"}
    with opened(path) as found:
        np.testing.assert_array_equal(painted(found, result.images[0])[0], truth[0])


def test_boxes_in_xml_and_photographs_without_a_mask_are_counted(tmp_path: Path) -> None:
    import datumaro as dm

    boxes = [dm.Bbox(1, 1, 4, 4, label=0), dm.Bbox(2, 2, 4, 4, label=1)]
    items = [item("a.png", mask_items(*masks(1))), item("b.png", boxes)]
    result = parsed(voc(tmp_path / "x", items, "voc"))
    assert [image.name for image in result.images] == ["a.png"]
    assert result.undrawn == {"box": 2} and "Annotations/b.xml" in result.undrawn_at["box"]
    assert result.notes == {"photographs left out: the labels do not name them": 1}


def test_an_export_without_photographs_lists_or_objects(tmp_path: Path) -> None:
    (image,) = parsed(by_hand(tmp_path / "x", photograph=None, train=None, objects=None)).images
    assert (image.name, image.subset, image.member, image.width, image.height) == ("a", "", None, 20, 16)
    assert isinstance(image.labels, Painted) and image.labels.objects is None


def test_the_palette_pictures_of_voc_and_its_trainval(tmp_path: Path) -> None:
    indices = Image.fromarray(np.arange(320, dtype=np.uint8).reshape(16, 20) % 3, "P")
    indices.putpalette([0, 0, 0, 128, 64, 128, 250, 200, 30])
    file = io.BytesIO()
    indices.save(file, "png")
    path = by_hand(tmp_path / "x", classes=file.getvalue())
    written(path, {"ImageSets/Segmentation/trainval.txt": "a\n", "ImageSets/Segmentation/val.txt": ""})
    (image,) = parsed(path).images
    with opened(path) as found:
        np.testing.assert_array_equal(painted(found, image)[0].ravel()[:3], [255, 0, 1])


def test_a_label_named_background_that_is_not_black_is_a_label(tmp_path: Path) -> None:
    labelmap = "background:250,200,30::\nroad: 1,2,3::\na:b:9,9,9::\n"
    result = parsed(by_hand(tmp_path / "x", labelmap=labelmap))
    assert result.labels == {"background": "#fac81e", "road": "#010203", "a:b": "#090909"}
    labels = result.images[0].labels
    assert isinstance(labels, Painted) and labels.colours[(250, 200, 30)] == "background"
    assert labels.colours[(0, 0, 0)] is None


def test_a_photograph_turned_by_exif_has_the_size_that_it_is_shown_in(tmp_path: Path) -> None:
    file = io.BytesIO()
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (16, 20)).save(file, "jpeg", exif=turned)
    path = by_hand(tmp_path / "x", photograph=None)
    (image,) = parsed(written(path, {"JPEGImages/a.JPG": file.getvalue()})).images
    assert (image.name, image.width, image.height) == ("a.JPG", 20, 16)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"classes": square((1, 2, 3))}, "only colours of labelmap.txt, found 1,2,3 in 160 pixels"),
        ({"classes": square(width=21)}, "a photograph of 21x16, as the annotations say, found 20x16"),
        ({"objects": square(width=21)}, "the size of SegmentationClass/a.png, 20x16, found 21x16"),
        ({"objects": b"x"}, "found no picture"),
        ({"classes": square()[:-30]}, "a whole picture"),
        ({"classes": b""}, "a whole picture"),
        ({"labelmap": None}, "the labels' colours in labelmap.txt, found no such file"),
        ({"labelmap": "car\n"}, "lines `name:red,green,blue:parts:actions`, found 'car'"),
        ({"labelmap": "car:1,2::\n"}, "a colour `red,green,blue` from 0 to 255, found '1,2'"),
        ({"labelmap": "car:1,2,256::\n"}, "found '1,2,256'"),
        ({"labelmap": f"car:1,2,{'1' * 5000}::\n"}, "found '1,2,1"),
        ({"labelmap": LABELMAP + "car:1,2,3::\n"}, "each label once, found 'car' twice"),
        (
            {"labelmap": LABELMAP + "van:250,200,30::\n"},
            "for each label, found 'car' and 'van' alike",
        ),
        ({"labelmap": LABELMAP + "tar:0,0,0::\n"}, "found 'background' and 'tar' alike"),
        ({"train": "b\n"}, "SegmentationClass/a.png: expected its name in a list"),
        ({"train": "a\na\n"}, "each name once, found it in ImageSets/Segmentation/train.txt too"),
        ({"train": "a\n../b\n"}, "without `..`"),
        ({"train": "a\nb\n"}, "image 'b': expected its photograph in JPEGImages/, found none"),
        ({"train": b"\xff\n"}, "a text file in UTF-8"),
        ({"train": None, "classes": None}, "pictures in SegmentationClass/, found PASCAL VOC without masks"),
        ({"classes": None, "photograph": b"x"}, "image 'a': JPEGImages/a.png: expected a picture"),
    ],
)
def test_a_broken_export_is_named(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    assert expected in refusal(module.read, by_hand(tmp_path / "x", **changes))


def test_two_subsets_or_photographs_of_one_name_and_hostile_xml(tmp_path: Path) -> None:
    path = by_hand(tmp_path / "x")
    written(path, {"ImageSets/Segmentation/val.txt": "a\n"})
    assert "each name once, found it in ImageSets/Segmentation/train.txt too" in refusal(module.read, path)
    path = written(by_hand(tmp_path / "y"), {"JPEGImages/a.jpg": photo(suffix=".jpg")})
    assert "one picture of each name" in refusal(module.read, path)
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]><annotation><object>&a;</object></annotation>'
    path = written(by_hand(tmp_path / "z"), {"Annotations/a.xml": bomb})
    assert "well-formed XML, found EntitiesForbidden" in refusal(module.read, path)


def test_other_exports_do_not_match(tmp_path: Path) -> None:
    path = written(tmp_path / "x", {"annotations.xml": "<annotations/>", "images/a.png": photo()})
    with opened(path) as found:
        assert not module.matches(found)
