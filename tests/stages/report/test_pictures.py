"""Pictures in the page: what a browser or a script gets back are the pixels that went in, no wider than shown."""

from __future__ import annotations

import base64
import io
import zlib

import cv2
import numpy as np
from PIL import Image

from stages.report.pictures import WIDTH, colours, packed, painted, photo
from tests.stages.report import fake


def content(uri: str, kind: str) -> bytes:
    """The file in a data URI."""
    head, data = uri.split(",")
    assert head == f"data:image/{kind};base64"
    return base64.b64decode(data)


def test_a_painted_mask_has_the_colours_of_its_classes() -> None:
    mask = np.random.default_rng(0).choice(np.array([0, 3, 8, 255], np.uint8), (40, 50))
    palette = colours(fake.header())
    image = Image.open(io.BytesIO(content(painted(mask, palette), "png")))
    assert image.mode == "P"
    found = np.asarray(image.convert("RGBA"))
    assert (found[mask == 3] == (*list(fake.CLASSES.values())[3], 255)).all()
    assert (found[..., 3] == np.where(mask == 255, 0, 255)).all()
    assert (found == palette[mask])[mask != 255].all()


def test_packed_maps_come_back_one_after_another() -> None:
    maps = list(np.random.default_rng(1).integers(0, 256, (3, 7, 5), dtype=np.uint8))
    assert zlib.decompress(base64.b64decode(packed(maps))) == b"".join(each.tobytes() for each in maps)


def test_wide_images_shrink_and_labels_stay_labels() -> None:
    mask = np.zeros((600, 1200), np.uint8)
    mask[:, 602:] = 8  # not where a shown pixel ends
    shrunk = zlib.decompress(base64.b64decode(packed([mask])))
    assert len(shrunk) == WIDTH * WIDTH // 2 and set(shrunk) == {0, 8}
    image = np.full((600, 1200, 3), (200, 100, 50), np.uint8)
    back = cv2.imdecode(np.frombuffer(content(photo(image), "jpeg"), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert back is not None and back.shape == (WIDTH // 2, WIDTH, 3)
    assert np.abs(back.astype(int) - (200, 100, 50)).max() < 4
