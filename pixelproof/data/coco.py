"""Areas as COCO's JSON has them, checked before anything is drawn: rings of points, and run lengths.

Run lengths go column by column: a list of numbers, or compressed to a string of pycocotools. pycocotools itself
hides the lengths, reads beyond the end of a string that is cut, and writes beyond its own memory where runs are long.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelproof.core.errors import DataError
from pixelproof.data.outlines import Floats, Outline, Polygon, Runs

REDRAW = "fix this shape and export again"
LONGEST_OUTLINE = 1 << 28  # pixels from left to right and back, in all: some seconds to draw
DIGITS = 7  # of five bits each, at most: enough for 2^34 pixels
BROKEN = "run lengths that pycocotools wrote"


def outline_of(where: str, segmentation: Any, width: int, height: int) -> Outline:
    """The outline of an object: polygons `[[x, y, ...], ...]`, or run lengths.

    Args:
        where: Names the file, the image and the annotation in errors.
        segmentation: The JSON value.
        width: Of the image.
        height: Of the image.

    Raises:
        DataError: It is neither, or not of this image.
    """
    if isinstance(segmentation, dict):
        return runs_of(where, segmentation, width, height)
    if not isinstance(segmentation, list) or not segmentation or not isinstance(segmentation[0], list):
        raise DataError(where, "polygons `[[x, y, ...], ...]` or run lengths", short(segmentation), REDRAW)
    return Polygon(tuple(ring(where, points, width, height) for points in segmentation))


def ring(where: str, values: Any, width: int, height: int) -> Floats:
    """Three or more points [n, 2] from a flat list `x, y, x, y, ...`, near the image.

    Raises:
        DataError: They are fewer, no numbers, further outside the image than it is long, or never come to an end.
    """
    flat = numbers(where, "points", values)
    if flat.size < 6 or flat.size % 2:
        raise DataError(where, "three or more points `x, y, x, y, ...`", f"{flat.size} numbers", REDRAW)
    points: Floats = flat.reshape(-1, 2)
    near(where, points, width, height)
    check_length(where, points)
    return points


def numbers(where: str, key: str, values: Any) -> Floats:
    """A list of finite numbers.

    Raises:
        DataError: It is something else.
    """
    try:
        array = np.asarray(values) if isinstance(values, list) else None
    except ValueError:  # lists of different lengths
        array = None
    if array is None or array.ndim != 1 or (array.size and array.dtype.kind not in "iuf"):
        raise DataError(where, f"a list of numbers as {key}", short(values), REDRAW)
    floats: Floats = array.astype(np.float64)
    if not np.isfinite(floats).all():
        raise DataError(where, f"finite numbers as {key}", str(floats[~np.isfinite(floats)][0]), REDRAW)
    return floats


def near(where: str, points: Floats, width: int, height: int) -> None:
    """Check that points are outside the image by at most the image's side: others are mistakes.

    Raises:
        DataError: One is not.
    """
    for values, side in zip(points.T, (width, height), strict=True):
        far = values[(values < -side) | (values > 2 * side)]
        if far.size:
            raise DataError(where, f"points within {-side} to {2 * side}", str(far[0]), REDRAW)


def check_length(where: str, points: Floats) -> None:
    """Refuse an outline that goes back and forth without end: it would be drawn for minutes.

    Raises:
        DataError: It is longer than any that somebody drew.
    """
    if (length := float(np.abs(np.diff(points[:, 0])).sum())) > LONGEST_OUTLINE:
        raise DataError(where, f"an outline of at most {LONGEST_OUTLINE} pixels", f"one of {length:.0f}", REDRAW)


def is_whole(value: Any) -> bool:
    """Whether a JSON value is a whole number: `true` is not."""
    return isinstance(value, int) and not isinstance(value, bool)


def runs_of(where: str, rle: Any, width: int, height: int) -> Runs:
    """The runs of a mask `{"size": [height, width], "counts": ...}` that covers the whole image.

    Args:
        where: Names the file, the image and the annotation in errors.
        rle: The JSON object.
        width: Of the image.
        height: Of the image.

    Raises:
        DataError: It is no such object, its size is not the image's, or its runs do not add up to it.
    """
    size, counts = (rle.get("size"), rle.get("counts")) if isinstance(rle, dict) else (None, None)
    if size != [height, width]:
        raise DataError(where, f"a mask of the image's size {[height, width]}", repr(size)[:60], REDRAW)
    lengths = expanded(where, counts) if isinstance(counts, str) else _listed(where, counts)
    pixels = width * height
    wrong = lengths[(lengths < 0) | (lengths > pixels)]
    if wrong.size:  # their sum could overflow
        raise DataError(where, f"run lengths from 0 to {pixels}", str(wrong[0]), REDRAW)
    if (covered := int(lengths.sum())) != pixels:
        raise DataError(where, f"run lengths of {pixels} pixels ({width}x{height})", str(covered), REDRAW)
    return Runs(0, 0, width, height, lengths, by_column=True)


def expanded(where: str, text: str) -> NDArray[np.int64]:
    """The run lengths of pycocotools' compressed string.

    Each number is written in digits of five bits, the lowest first; a sixth bit says that another digit follows. From
    the fourth number on, the difference to the last but one is written.

    Args:
        where: Names the file, the image and the annotation in errors.
        text: The string.

    Raises:
        DataError: It is cut, or has other characters.
    """
    try:
        digits = np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int64) - 48
    except UnicodeEncodeError:
        raise DataError(where, BROKEN, repr(text)[:60], REDRAW) from None
    if not digits.size or digits.min() < 0 or digits.max() >= 64 or digits[-1] & 32:
        raise DataError(where, BROKEN, repr(text)[:60] if text else "an empty string", REDRAW)
    ends = np.flatnonzero(digits & 32 == 0)
    starts = np.concatenate(([0], ends[:-1] + 1))
    widths = ends - starts + 1
    if widths.max() > DIGITS:
        raise DataError(where, BROKEN, f"a number of {widths.max()} digits", REDRAW)
    places = np.arange(digits.size) - np.repeat(starts, widths)
    numbers: NDArray[np.int64] = np.add.reduceat((digits & 31) << (5 * places), starts)
    numbers -= np.where(digits[ends] & 16, np.int64(1) << (5 * widths), 0)  # two's complement
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers


def _listed(where: str, counts: Any) -> NDArray[np.int64]:
    if not isinstance(counts, list) or not all(is_whole(count) and abs(count) < 1 << 40 for count in counts):
        raise DataError(where, "run lengths: a list of whole numbers, or a string", repr(counts)[:60], REDRAW)
    return np.array(counts, np.int64)


def short(value: Any, most: int = 60) -> str:
    """A value as an error shows it."""
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."
