"""Photographs of exports: what is copied, what is written anew, turned as CVAT shows them, 16 bits by a window."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import image_path, read_image, read_split, verify
from stages.cvat.convert import convert
from tests.stages.cvat.fake import FakeExport, encoded, params, picture, shape, square

POINTS = square(1, 1, 5, 5)


def converted(tmp_path: Path, name: str, content: bytes, width: int = 20, height: int = 16, **changes: Any) -> Path:
    """A dataset of one photograph."""
    export = FakeExport().add(name, shape("polygon", points=POINTS), width=width, height=height)
    export.files[f"images/{name}"] = content
    convert([export.zip(tmp_path / "one.zip")], tmp_path / "out", params(**changes))
    verify(tmp_path / "out", ("all",))
    return tmp_path / "out"


def image_of(root: Path) -> tuple[Path, Any]:
    """The file and the pixels of a dataset's only image."""
    (sample,) = read_split(root, "all")
    return image_path(root, "all", sample.id), read_image(root, "all", sample)


@pytest.mark.parametrize(
    ("name", "content", "ending"),
    [
        ("1.jpg", encoded(20, 16, ".jpg"), ".jpg"),
        ("1.jpg", encoded(20, 16, ".jpg") + bytes(9) + encoded(8, 8, ".jpg"), ".jpg"),
        ("1.png", encoded(20, 16, ".jpg"), ".jpg"),
        ("1.jpg", encoded(20, 16, ".png"), ".png"),
        ("1.tif", encoded(20, 16, ".png"), ".png"),
    ],
)
def test_what_needs_no_change_is_copied_with_the_ending_of_what_it_is(
    tmp_path: Path, name: str, content: bytes, ending: str
) -> None:
    path, _ = image_of(converted(tmp_path, name, content))
    assert path.suffix == ending and path.read_bytes() == content


@pytest.mark.parametrize("suffix", [".bmp", ".tiff", ".png"])
def test_other_formats_and_transparency_become_png(tmp_path: Path, suffix: str) -> None:
    image = picture(20, 16)
    rgba = np.dstack([image, np.full((16, 20), 5, np.uint8)])
    content = cv2.imencode(suffix, image if suffix == ".bmp" else rgba)[1].tobytes()
    path, pixels = image_of(converted(tmp_path, f"1{suffix}", content))
    assert path.suffix == ".png" and path.read_bytes() != content
    np.testing.assert_array_equal(pixels, image[..., ::-1])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_labels_are_for_the_image_as_cvat_shows_it(tmp_path: Path, kind: str, orientation: int) -> None:
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    Image.fromarray(picture(20, 16)).save(file, kind, exif=exif)
    size = (20, 16) if orientation == 3 else (16, 20)
    path, pixels = image_of(converted(tmp_path, "1.png", file.getvalue(), *size))
    expected = np.asarray(ImageOps.exif_transpose(Image.open(file)).convert("RGB"))
    assert np.abs(pixels.astype(int) - expected).max() <= 3  # two JPEG decoders
    assert (path.read_bytes() == file.getvalue()) == (kind != "TIFF")


def test_what_only_xmp_asks_to_turn_is_written_turned(tmp_path: Path) -> None:
    """Pillow, by which CVAT turns images, follows it; OpenCV, which reads datasets, does not."""
    xmp, file = b'<x:xmpmeta xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>', io.BytesIO()
    Image.fromarray(picture(20, 16)).save(file, "JPEG", xmp=xmp)
    path, pixels = image_of(converted(tmp_path, "1.jpg", file.getvalue(), 16, 20))
    expected = np.asarray(ImageOps.exif_transpose(Image.open(file)))
    assert path.suffix == ".png" and np.abs(pixels.astype(int) - expected).max() <= 3


def deep(seed: int) -> Any:
    """A dim photograph of 16 bits: all of it would be black in 8."""
    return np.random.default_rng(seed).integers(0, 256, (16, 20)).astype(np.uint16)


def test_16_bits_come_in_through_the_stated_window(tmp_path: Path) -> None:
    content = cv2.imencode(".tiff", deep(0))[1].tobytes()
    root = converted(tmp_path, "1.tif", content, window={"low": 51, "high": 204})
    _, pixels = image_of(root)
    expected = np.floor((deep(0).clip(51, 204) - 51) / 153 * 255 + 0.5)
    assert np.abs(pixels - expected[..., None]).max() == 0
    assert json.loads((root / "dataset.json").read_text())["sources"] == [
        {"exports": "annotations", "name": "cvat", "window": "{low: 51, high: 204}"}
    ]


def test_without_a_window_the_error_names_the_measured_one(tmp_path: Path) -> None:
    export = FakeExport().add("0.png").add("1.png").add("2.png")
    for number in (1, 2):
        export.files[f"images/{number}.png"] = cv2.imencode(".png", deep(number))[1].tobytes()
    path = export.zip(tmp_path / "one.zip")
    low, high = np.percentile(np.stack([deep(1), deep(2)]), [0.5, 99.5], method="inverted_cdf")
    with pytest.raises(DataError) as error:
        convert([path], tmp_path / "out", params())
    message = str(error.value)
    assert (
        "one.zip: images/1.png: expected 8 bits per channel, or a window, found 16 bits per channel (2 such" in message
    )
    assert f"percentiles give `cvat.window: {{low: {low:.0f}, high: {high:.0f}}}` in params.yaml" in message
    assert "\n" not in message and not (tmp_path / "out").exists()


def test_without_16_bits_the_window_is_not_stated(tmp_path: Path) -> None:
    root = converted(tmp_path, "1.png", encoded(20, 16))
    assert json.loads((root / "dataset.json").read_text())["sources"] == [{"exports": "annotations", "name": "cvat"}]
