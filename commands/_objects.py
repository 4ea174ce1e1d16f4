"""Objects that a network finds in images of any size: maps of their numbers, COCO's JSON, and outlines to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelproof.core.files import write_bytes
from pixelproof.data.dataset import Header
from pixelproof.data.images import Array
from pixelproof.data.resize import resize_image
from pixelproof.scoring.instances import Instance, cut_out
from stages.evaluate.instances import Said, said_of
from stages.evaluate.params import Objects
from stages.evaluate.predict import Prediction

WHITE, BLACK = (255, 255, 255), (0, 0, 0)
MOST = 65535  # objects that a PNG can tell apart


def said(found: Prediction, own: Sequence[Instance] | None, header: Header, how: Objects) -> Said:
    """Classes and objects of an image; without objects of its own, those of its classes."""
    things = [info.id for info in header.classes if info.thing]
    return said_of(found.labels, found.certainty, own, things, how)


def enlarged(instances: Sequence[Instance], seen: tuple[int, int], size: tuple[int, int]) -> list[Instance]:
    """Objects as large as the image that they were found in a smaller or larger copy of.

    Args:
        instances: As they were found.
        seen: Height and width of the copy.
        size: Those of the image.
    """
    if seen == size:
        return list(instances)
    found = []
    for one in instances:
        mask = np.zeros(seen, np.float32)
        mask[one.window] = one.mask
        found.append(cut_out(one.label, one.score, resize_image(mask, size[1], size[0]) >= 0.5))
    return [one for one in found if one is not None]


def write_numbers(path: Path, of: Said) -> None:
    """The number of each pixel's object, 0 for none, as a PNG of 16 bits."""
    numbers = of.objects.as_map()
    numbers[numbers > MOST] = 0
    write_bytes(path, cv2.imencode(".png", numbers.astype(np.uint16))[1].tobytes())


class Coco:
    """What is collected for COCO's JSON, image by image."""

    def __init__(self, header: Header) -> None:
        self.categories = [{"id": info.id, "name": info.name} for info in header.classes if info.thing]
        self.images = list[dict[str, Any]]()
        self.annotations = list[dict[str, Any]]()

    def add(self, name: str, of: Said) -> None:
        """Add an image with its objects."""
        rows, columns = size = (of.labels.shape[0], of.labels.shape[1])
        self.images.append({"id": len(self.images) + 1, "file_name": name, "height": rows, "width": columns})
        for one in of.each:
            height, width = one.mask.shape
            self.annotations.append(
                {
                    "id": len(self.annotations) + 1,
                    "image_id": len(self.images),
                    "category_id": one.label,
                    "segmentation": run_lengths(one, size),
                    "area": int(one.mask.sum()),
                    "bbox": [one.left, one.top, width, height],
                    "iscrowd": 0,
                    "score": round(one.score, 6),
                }
            )

    def content(self) -> dict[str, Any]:
        """The JSON."""
        return {"images": self.images, "categories": self.categories, "annotations": self.annotations}


def run_lengths(one: Instance, size: tuple[int, int]) -> dict[str, Any]:
    """COCO's compressed run lengths of an object in an image of a height and width."""
    from pycocotools import mask

    whole = np.zeros(size, np.uint8, order="F")
    whole[one.window] = one.mask
    return {"size": list(size), "counts": mask.encode(whole)["counts"].decode()}


def outlined(picture: Array, of: Said) -> Array:
    """A picture with the outline and the number of each object."""
    found: NDArray[np.uint8] = picture.copy()
    numbers = of.objects.as_map()
    for number in range(1, len(of.objects.classes) + 1):
        rows, columns = np.nonzero(numbers == number)
        if not len(rows):
            continue
        top, left = int(rows.min()), int(columns.min())
        part = (numbers[top : rows.max() + 1, left : columns.max() + 1] == number).astype(np.uint8)
        outlines, _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE, offset=(left, top))
        cv2.drawContours(found, outlines, -1, WHITE, 1)
        at = (int(columns.mean()) - 4, int(rows.mean()) + 4)
        for colour, thickness in ((BLACK, 3), (WHITE, 1)):
            cv2.putText(found, str(number), at, cv2.FONT_HERSHEY_PLAIN, 0.8, colour, thickness, cv2.LINE_AA)
    return found
