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
from stages.evaluate.instances import Said
from stages.evaluate.split import in_ids

WHITE, BLACK = (255, 255, 255), (0, 0, 0)


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
    write_bytes(path, cv2.imencode(".png", in_ids(of.objects))[1].tobytes())


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
    from scipy.ndimage import find_objects

    found: NDArray[np.uint8] = picture.copy()
    numbers = of.objects.as_map()
    for number, window in enumerate(find_objects(numbers), start=1):
        if window is None:
            continue
        part, (top, left) = numbers[window] == number, (side.start for side in window)
        how = (cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        outlines, _ = cv2.findContours(part.astype(np.uint8), *how, offset=(left, top))
        cv2.drawContours(found, outlines, -1, WHITE, 1)
        row, column = (int(along.mean()) for along in np.nonzero(part))
        at = (left + column - 4, top + row + 4)
        for colour, thickness in ((BLACK, 3), (WHITE, 1)):
            cv2.putText(found, str(number), at, cv2.FONT_HERSHEY_PLAIN, 0.8, colour, thickness, cv2.LINE_AA)
    return found
