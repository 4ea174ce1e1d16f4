"""Ultralytics YOLO Segmentation 1.0: polygons come back to the pixel, and what is broken is refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pixelproof.data.images import Array
from pixelproof.data.outlines import Polygon
from stages.cvat.formats import yolo
from stages.cvat.model import Parsed
from tests.stages.cvat.formats.made import LABELS, areas, drawn, export, item, opened, photo, refusal, written, zipped

SQUARE = "1 0.1 0.125 0.4 0.125 0.4 0.375 0.1 0.375\n"  # 2..8 of 20, 2..6 of 16


def parsed(path: Path) -> Parsed:
    """What the reader says."""
    with opened(path) as found:
        assert yolo.matches(found)
        return yolo.read(found)


def config(**subsets: Any) -> str:
    """data.yaml as CVAT writes it."""
    return yaml.dump({"path": ".", "names": dict(enumerate(LABELS)), **subsets})


def by_hand(folder: Path, text: str | bytes | None = SQUARE, **changes: str | bytes) -> Path:
    """An export with one image, as CVAT writes it."""
    files: dict[str, Any] = {"data.yaml": config(train="train.txt"), "train.txt": "images/train/a.png\n"}
    files |= {"images/train/a.png": photo()} | ({} if text is None else {"labels/train/a.txt": text})
    names = {"config": "data.yaml", "list": "train.txt", "photograph": "images/train/a.png"}
    return written(folder, files | {names[name]: content for name, content in changes.items()})


def rectangles(seed: int, width: int, height: int) -> tuple[str, Array, Array]:
    """Lines of rectangles in CVAT's six decimals, and the masks of labels and objects that they cover."""
    random = np.random.default_rng(seed)
    labels, objects, lines = np.full((height, width), 255), np.zeros((height, width), int), ""
    for number in range(1, 8):
        left, top = int(random.integers(0, width - 3)), int(random.integers(0, height - 3))
        right, bottom = int(random.integers(left + 1, width + 1)), int(random.integers(top + 1, height + 1))
        label = int(random.integers(0, len(LABELS)))
        labels[top:bottom, left:right], objects[top:bottom, left:right] = label, number
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        lines += f"{label} " + " ".join(f"{x / width:.6f} {y / height:.6f}" for x, y in corners) + "\n"
    return lines, labels, objects


def test_rectangles_come_back_to_the_pixel_from_both_subsets_of_a_zip(tmp_path: Path) -> None:
    truth = {("train", "flight 1/图片.jpg"): rectangles(1, 53, 37), ("val", "b.png"): rectangles(2, 41, 29)}
    files: dict[str, Any] = {"data.yaml": config(train="train.txt", val="val.txt")}
    for (subset, name), (lines, labels, _) in truth.items():
        height, width = labels.shape
        files[f"images/{subset}/{name}"] = photo(width, height, Path(name).suffix)
        files[f"labels/{subset}/{Path(name).with_suffix('.txt')}"] = lines
        files[f"{subset}.txt"] = f"data/images/{subset}/{name}\n"
    result = parsed(zipped(written(tmp_path / "x", files)))
    assert result.labels == dict.fromkeys(LABELS, "") and not result.undrawn
    assert {(image.subset, image.name) for image in result.images} == truth.keys()
    for image in result.images:
        _, labels, objects = truth[(image.subset, image.name)]
        assert image.member == f"images/{image.subset}/{image.name}"
        found_labels, found_objects = drawn(image)
        np.testing.assert_array_equal(found_labels, labels)
        assert areas(found_objects.astype(int)) == areas(objects)


def test_boxes_that_datumaro_writes_are_counted(tmp_path: Path) -> None:
    import datumaro as dm

    items = [item("sub/a b.jpg", [dm.Bbox(1, 1, 4, 4, label=0)], "train"), item("b.png", [], "val")]
    result = parsed(export(tmp_path / "x", "yolo_ultralytics", items, save_media=True))
    assert result.undrawn == {"box": 1}
    found = {(image.subset, image.name, image.member, image.labels) for image in result.images}
    assert found == {("train", "sub/a b.jpg", "images/train/sub/a b.jpg", ()), ("val", "b.png", "images/val/b.png", ())}


def test_tracks_boxes_and_images_without_labels(tmp_path: Path) -> None:
    text = SQUARE.strip() + " 17\n\n0 0.5 0.5 0.2 0.2\n0 0.5 0.5 0.2 0.2 17\n"
    result = parsed(by_hand(tmp_path / "x", text))
    assert result.undrawn == {"box": 2}
    (image,) = result.images
    assert isinstance(image.labels, tuple) and len(image.labels) == 1
    outline = image.labels[0].outline
    assert image.labels[0].label == "car" and isinstance(outline, Polygon)
    np.testing.assert_allclose(outline.rings[0], [[2, 2], [8, 2], [8, 6], [2, 6]])
    (image,) = parsed(by_hand(tmp_path / "y", None)).images
    assert image.labels == ()


@pytest.mark.parametrize(
    ("value", "photograph", "text", "name"),
    [
        ("../train/images", "train/images/a.png", "train/labels/a.txt", "a.png"),
        ("images/train", "images/train/s/a.png", "labels/train/s/a.txt", "s/a.png"),
        ("/home/me/set/images", "images/a.png", "labels/a.txt", "a.png"),
        (["./images/train", "images/more"], "images/more/a.png", "labels/more/a.txt", "more/a.png"),
    ],
)
def test_the_layouts_of_other_tools(tmp_path: Path, value: Any, photograph: str, text: str, name: str) -> None:
    files: dict[str, Any] = {"set.yml": yaml.dump({"names": list(LABELS), "nc": 3, "train": value, "test": "../test"})}
    result = parsed(written(tmp_path / "x", files | {photograph: photo(), text: SQUARE}))
    (image,) = result.images
    assert (image.name, image.subset, image.member) == (name, "train", photograph)
    assert isinstance(image.labels, tuple) and len(image.labels) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3 0 0 1 0 1 1\n", "a label's id among the export's (0, 1, 2), found 3"),
        ("1.0 0 0 1 0 1 1\n", "found '1.0'"),
        ("-1 0 0 1 0 1 1\n", "found '-1'"),
        ("0 0 0 1 nan 1 1\n", "finite numbers as points, found nan"),
        ("0 0 0 1 x 1 1\n", "could not convert string to float: 'x'"),
        ("0 0 0 1 0 1 2.5\n", "points within -16 to 32, found 40"),
        ("0 0.1 0.2\n", "three or more points `x, y, x, y, ...`, found 2 numbers"),
        ("0\n", "found 0 numbers"),
        ("0 0 0 1 0 1 \u0661\n", "lines of numbers"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, text: str, expected: str) -> None:
    message = refusal(yolo.read, by_hand(tmp_path / "x", SQUARE + text))
    assert expected in message and "image 'a.png': labels/train/a.txt" in message


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"config": "names: [a\n"}, "data.yaml: expected well-formed YAML"),
        ({"config": "names: " + "[" * 100_000}, "well-formed YAML"),
        ({"config": "names: 3\ntrain: train.txt\n"}, "the classes under `names`, found 3"),
        ({"config": "names: [a, a]\ntrain: train.txt\n"}, "each class once, found 'a' twice"),
        ({"config": "names: [a, [b]]\ntrain: train.txt\n"}, "names of classes, found ['b']"),
        ({"config": "names: [a, b]\ntrain: 3\n"}, "folders or lists under 'train', found 3"),
        ({"config": "names: [a, b]\ntrain: other.txt\n"}, "the list other.txt, found no such file"),
        ({"config": "names: [a, b]\n"}, "labels/train/a.txt: expected its photograph, listed in a subset"),
        ({"list": "images/train/a.png\nimages/train/b.png\n"}, "the photograph images/train/b.png, found none"),
        ({"list": "images/train/a.png\nimages/train/a.png\n"}, "image 'a.png': expected each image once"),
        ({"list": b"\xff"}, "train.txt: expected a text file in UTF-8"),
        ({"photograph": b"x"}, "images/train/a.png: expected a picture"),
    ],
)
def test_a_broken_export_is_named(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    assert expected in refusal(yolo.read, by_hand(tmp_path / "x", **changes))


def test_labels_or_photographs_alone_and_two_photographs_of_one_name(tmp_path: Path) -> None:
    path = by_hand(tmp_path / "x")
    written(path, {"labels/train/b.txt": SQUARE})
    assert "labels/train/b.txt: expected its photograph" in refusal(yolo.read, path)
    path = by_hand(tmp_path / "y", list="images/train/a.png\nimages/train/a.jpg\n")
    message = refusal(yolo.read, written(path, {"images/train/a.jpg": photo(suffix=".jpg")}))
    assert "each image once, found images/train/a.png and images/train/a.jpg" in message
    path = by_hand(tmp_path / "z")
    (path / "images/train/a.png").unlink()
    assert "photographs in images/, found none" in refusal(yolo.read, path)


def test_skeletons_and_other_yaml_do_not_match(tmp_path: Path) -> None:
    path = by_hand(tmp_path / "x", config=config(train="train.txt", kpt_shape=[3, 3]))
    other = by_hand(tmp_path / "y", config="model: names\n")
    for folder in (path, other):
        with opened(folder) as found:
            assert not yolo.matches(found)
