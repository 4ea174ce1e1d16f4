"""The images with the largest drops and gains, and their pictures: both predictions, what changed, the image."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.compare.labels import DATA, Classes, decoded
from pipelines.compare.runs import folder
from pipelines.compare.store import Outputs
from pixelproof.data.dataset import IGNORE
from pixelproof.scoring.counts import counts
from pixelproof.scoring.matrices import Matrices
from pixelproof.scoring.scores import scores

WIDTH = 360  # pixels: three of them side by side
BEHIND = (128, 128, 128)  # for unlabelled pixels
# of the map of what changed, far apart in lightness, for colour-blind readers too
BETTER, WORSE, WRONG, RIGHT = (0, 114, 178), (230, 120, 0), (70, 70, 70), (232, 232, 228)


@dataclass(frozen=True)
class Extreme:
    """One image whose mIoU changed much: the mean over the seeds, and how many of its labelled pixels are wrong."""

    arch: str
    split: str
    id: str
    base: float
    head: float
    base_wrong: int
    head_wrong: int
    labelled: int
    seed: int  # whose prediction is shown

    @property
    def change(self) -> float:
        """Above 0 if the head is better."""
        return self.head - self.base


@dataclass(frozen=True)
class Tile:
    """A picture as a data URI; None if it is not available."""

    title: str
    uri: str | None


def extremes(
    arch: str, split: str, base: Sequence[Matrices], head: Sequence[Matrices], count: int, seed: int
) -> tuple[list[Extreme], list[Extreme]]:
    """The `count` images with the largest drops, and those with the largest gains; of equal ones the first by id.

    Both sides hold the same images in the same order, a stack of matrices for each seed.
    """
    ids = base[0].ids
    old, new = (np.stack([found.counts for found in side]) for side in (base, head))
    before, after = (scores(counts(side), ["mIoU"])["mIoU"].mean(axis=0) for side in (old, new))
    change = after - before  # NaN where an image has no labelled pixel
    order = [int(row) for row in np.argsort(change, kind="stable") if change[row] == change[row] and change[row] != 0]

    def extreme(row: int) -> Extreme:
        wrong = [round(float(np.mean([_wrong(matrix) for matrix in side[:, row]]))) for side in (old, new)]
        own = float(before[row]), float(after[row])
        return Extreme(arch, split, ids[row], *own, wrong[0], wrong[1], int(new[0, row].sum()), seed)

    worse = [row for row in order if change[row] < 0][:count]
    better = sorted((row for row in order if change[row] > 0), key=lambda row: (-change[row], row))[:count]
    return [extreme(row) for row in worse], [extreme(row) for row in better]


def _wrong(matrix: NDArray[np.int64]) -> int:
    return int(matrix.sum() - np.trace(matrix))


def tiles(of: Extreme, base: Outputs, head: Outputs, classes: tuple[Classes | None, Classes | None]) -> list[Tile]:
    """Both predictions and what changed between them, then image and ground truth as the head has them."""
    data, results = f"{DATA}/{of.split}", folder(of.arch, of.seed)
    photo = head.read(data, f"images/{of.id}.png") or head.read(data, f"images/{of.id}.jpg")
    truth = decoded(head.read(data, f"masks/{of.id}.png"))
    predicted = f"masks/{of.split}/{of.id}.png"
    old, new = (decoded(side.read(results, predicted)) for side in (base, head))
    return [
        Tile("base", painted(old, truth, classes[0])),
        Tile("head", painted(new, truth, classes[1])),
        Tile("better and worse", _changed(truth, old, new, classes)),
        Tile("image", photo_of(photo)),
        Tile("truth", painted(truth, truth, classes[1])),
    ]


def change_map(truth: NDArray[np.uint8], old: NDArray[np.uint8], new: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB: what became right or wrong, what is wrong or right in both, and what is unlabelled."""
    before, after = old == truth, new == truth
    colours = np.where(
        before[..., None], np.where(after[..., None], RIGHT, WORSE), np.where(after[..., None], BETTER, WRONG)
    )
    return np.where((truth == IGNORE)[..., None], BEHIND, colours).astype(np.uint8)


def _changed(
    truth: NDArray[np.uint8] | None,
    old: NDArray[np.uint8] | None,
    new: NDArray[np.uint8] | None,
    classes: tuple[Classes | None, Classes | None],
) -> str | None:
    """The map, where all is there, of one size, and of the same classes."""
    import cv2

    if truth is None or old is None or new is None or not truth.shape == old.shape == new.shape:
        return None
    if classes[0] is None or classes[1] is None or classes[0].names != classes[1].names:
        return None
    small = (shrunk(labels, cv2.INTER_NEAREST) for labels in (truth, old, new))  # first: colours take much memory
    return as_uri(change_map(*small)[..., ::-1])


def fetch(found: Sequence[Extreme], base: Outputs, head: Outputs) -> None:
    """Fetch what the pictures need, all at once."""
    predicted = [(folder(of.arch, of.seed), f"masks/{of.split}/{of.id}.png") for of in found]
    base.fetch(predicted)
    names = ("images/{}.png", "images/{}.jpg", "masks/{}.png")
    head.fetch(predicted + [(f"{DATA}/{of.split}", name.format(of.id)) for of in found for name in names])


def photo_of(content: bytes | None) -> str | None:
    import cv2

    array = None if not content else cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    return None if array is None else as_uri(shrunk(array, cv2.INTER_AREA))


def painted(mask: NDArray[np.uint8] | None, truth: NDArray[np.uint8] | None, classes: Classes | None) -> str | None:
    """A label map in its class colours; where the image is unlabelled, the prediction is not shown either."""
    return None if mask is None else as_uri(coloured(mask, truth, classes)[..., ::-1])


def coloured(mask: NDArray[np.uint8], truth: NDArray[np.uint8] | None, classes: Classes | None) -> NDArray[np.uint8]:
    """The same as RGB."""
    import cv2

    palette = np.full((256, 3), BEHIND, np.uint8)
    if classes and classes.colors:
        palette[: len(classes.colors)] = classes.colors
    shown = mask if truth is None or truth.shape != mask.shape else np.where(truth == IGNORE, IGNORE, mask)
    colours: NDArray[np.uint8] = palette[shrunk(shown.astype(np.uint8, copy=False), cv2.INTER_NEAREST)]
    return colours


def shrunk(array: NDArray[np.uint8], how: int) -> NDArray[np.uint8]:
    """An image not wider than `WIDTH`, by one of OpenCV's interpolations."""
    import cv2

    height, width = array.shape[:2]
    if width <= WIDTH:
        return array
    smaller = cv2.resize(np.ascontiguousarray(array), (WIDTH, max(1, round(height * WIDTH / width))), interpolation=how)
    return np.asarray(smaller, np.uint8)


def as_uri(bgr: NDArray[np.uint8]) -> str:
    """An image as the data URI of a PNG."""
    import cv2

    _, encoded = cv2.imencode(".png", np.ascontiguousarray(bgr), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    return "data:image/png;base64," + base64.b64encode(encoded.tobytes()).decode()
