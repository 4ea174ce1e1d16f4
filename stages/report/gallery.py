"""The gallery: test images with their truth and what each architecture made of them, as images inside the page."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.dataset import IGNORE, Array, Header, Sample, check_mask, decode, read_image, read_mask, read_split
from stages.report.gather import Run

WIDTH = 360  # pixels: wide enough for any screen the gallery is shown on, small enough to be sent by mail
WRONG = (255, 45, 85, 255)


@dataclass(frozen=True)
class Tile:
    """A label map over its photo, as data URIs; `right` is the share of labelled pixels that are right."""

    title: str
    mask: str
    wrong: str | None = None
    right: float | None = None


@dataclass(frozen=True)
class Row:
    """One test image: the photo, the truth, and a prediction of each architecture."""

    id: str
    group: str
    photo: str
    width: int
    height: int
    truth: Tile
    predictions: list[Tile]


def gallery(data: Path, header: Header, runs: dict[str, list[Run]], count: int) -> list[Row]:
    """Rows for `count` test images, predicted by the first seed of each architecture."""
    samples = pick(read_split(data, "test"), count)
    return [_row(data, header, sample, {name: of[0] for name, of in runs.items()}) for sample in samples]


def pick(samples: list[Sample], count: int) -> list[Sample]:
    """Images spread evenly over the groups, one of each while there are enough groups."""
    first = {sample.group: sample for sample in reversed(samples)}
    pool = [first[group] for group in sorted(first)] if len(first) >= count else samples
    count = min(count, len(pool))
    return [pool[(2 * i + 1) * len(pool) // (2 * count)] for i in range(count)]


def _row(data: Path, header: Header, sample: Sample, runs: dict[str, Run]) -> Row:
    classes = len(header.classes)
    palette = colours(header)
    truth = read_mask(data, "test", sample, classes)
    photo = shrink(read_image(data, "test", sample), cv2.INTER_AREA)
    tiles = []
    for name, run in runs.items():
        path = run.folder / "masks/test" / f"{sample.id}.png"
        mask = decode(path, cv2.IMREAD_UNCHANGED)
        check_mask(path, mask, (sample.height, sample.width), classes)
        tiles.append(prediction_tile(name, truth, mask, palette))
    size = photo.shape[1], photo.shape[0]
    return Row(sample.id, sample.group, data_uri(photo), *size, Tile("truth", paint(truth, palette)), tiles)


def prediction_tile(title: str, truth: Array, mask: Array, palette: NDArray[np.uint8]) -> Tile:
    """A prediction in its colours, and where it is wrong."""
    wrong = (mask != truth) & (truth != IGNORE)
    labelled = int((truth != IGNORE).sum())
    marked = np.zeros((*mask.shape, 4), np.uint8)
    marked[wrong] = WRONG
    right = 1 - int(wrong.sum()) / labelled if labelled else None
    return Tile(title, paint(mask, palette), data_uri(shrink(marked, cv2.INTER_NEAREST)), right)


def colours(header: Header) -> NDArray[np.uint8]:
    """RGBA by class id; what is to be ignored is transparent."""
    palette = np.zeros((256, 4), np.uint8)
    for info in header.classes:
        palette[info.id] = (*info.color, 255)
    return palette


def paint(mask: Array, palette: NDArray[np.uint8]) -> str:
    """A label map in the classes' colours, as a data URI."""
    return data_uri(palette[shrink(mask, cv2.INTER_NEAREST)])


def shrink(array: Array, how: int) -> Array:
    """No wider than the page needs."""
    height, width = array.shape[:2]
    if width <= WIDTH:
        return array
    smaller: Array = cv2.resize(array, (WIDTH, max(1, round(height * WIDTH / width))), interpolation=how)
    return smaller


def data_uri(array: Array) -> str:
    """An RGB or RGBA image as a PNG inside a URI, the same for the same pixels."""
    code = cv2.COLOR_RGBA2BGRA if array.shape[2] == 4 else cv2.COLOR_RGB2BGR
    _, encoded = cv2.imencode(".png", cv2.cvtColor(array, code), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    return "data:image/png;base64," + base64.b64encode(encoded.tobytes()).decode()
