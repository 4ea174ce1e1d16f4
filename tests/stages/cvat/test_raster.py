"""Drawing: crowds, objects that are many, and labels that are pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import IGNORE, ClassInfo
from pixelproof.data.images import Array
from pixelproof.data.outlines import Box, Runs
from stages.cvat.model import Annotated, Painted, Shape
from stages.cvat.raster import Palette, draw, draw_painted

ROAD, CAR = 0, 1
PALETTE = Palette.of((ClassInfo(ROAD, "road", (1, 1, 1)), ClassInfo(CAR, "car", (2, 2, 2), thing=True)), IGNORE)
RED, BLUE, GREY, BLACK = (255, 0, 0), (0, 0, 255), (128, 128, 128), (0, 0, 0)
MEANINGS = {RED: "car", BLUE: "road", BLACK: None}


def test_a_crowd_has_a_label_and_is_no_object() -> None:
    mask, instances = draw(
        [
            Shape("car", Box(0, 0, 4, 1), crowd=True),
            Shape("car", Box(4, 0, 5, 1)),
            Shape("car", Box(0, 0, 1, 1)),
        ],
        6, 1, PALETTE,
    )  # fmt: skip
    assert mask.tolist() == [[CAR] * 5 + [IGNORE]]
    assert instances.tolist() == [[2, 0, 0, 0, 1, 0]]


def test_a_road_over_a_car_hides_its_object() -> None:
    _, instances = draw([Shape("car", Box(0, 0, 4, 1)), Shape("road", Box(1, 0, 3, 1))], 5, 1, PALETTE)
    assert instances.tolist() == [[1, 0, 0, 1, 0]] and instances.dtype == np.uint16


def test_more_objects_than_16_bits_hold_are_left_to_whoever_writes_them() -> None:
    one = np.array([0, 1])
    shapes = [Shape("car", Runs(x, y, 1, 1, one)) for x in range(260) for y in range(260)]
    _, instances = draw(shapes, 260, 260, PALETTE)
    assert instances.max() == 67600 and len(np.unique(instances)) == 67600


def picture(*rows: list[tuple[int, int, int]]) -> bytes:
    rgb = np.array(rows, np.uint8)
    return bytes(cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1].tobytes())


def painted(
    classes: bytes, objects: bytes | None = None, width: int = 4, height: int = 1
) -> tuple[Array, Array | None]:
    labels = Painted("c.png", None if objects is None else "o.png", MEANINGS)
    image = Annotated("1.png", "", "", width, height, labels, None)
    return draw_painted("one.zip", image, labels, {"c.png": classes, "o.png": objects or b""}.__getitem__, PALETTE)


def test_colours_are_labels_and_objects() -> None:
    mask, instances = painted(picture([RED, RED, BLUE, BLACK]))
    assert mask.tolist() == [[CAR, CAR, ROAD, IGNORE]] and instances is None
    mask, instances = painted(picture([RED, RED, RED, BLUE]), picture([GREY, RED, BLACK, BLUE]))
    assert instances is not None and instances.tolist() == [[1, 2, 0, 0]]  # sorted by colour; a road is no object


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (
            picture([RED, GREY, GREY, BLACK]),
            r"one\.zip: c\.png: .* the 3 colours .* found #808080 in 2 pixels; ",
        ),
        (picture([RED, RED]), r"c\.png: expected the size of its image, 4x1, found 2x1"),
        (b"", r"c\.png: expected a whole image, found 0 bytes"),
        (picture([RED, RED, RED, RED])[:-30], r"c\.png: expected a whole image, found "),
    ],
)
def test_pictures_that_are_wrong(classes: bytes, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        painted(classes)
