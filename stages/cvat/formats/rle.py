"""COCO's run lengths, column by column: as a list of numbers, or compressed to a string of pycocotools."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelproof.core.errors import DataError
from stages.cvat.formats.checks import REDRAW, is_whole
from stages.cvat.model import Runs

DIGITS = 7  # of five bits each, at most: enough for 2^34 pixels
BROKEN = "run lengths that pycocotools wrote"


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
    the fourth number on, the difference to the last but one is written. pycocotools itself hides the lengths, and
    reads beyond the end of a string that is cut.

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
