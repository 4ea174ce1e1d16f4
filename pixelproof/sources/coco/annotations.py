"""Reads COCO's JSON: which labels each image has, and the pixels that polygons and run lengths cover."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pixelproof.core.errors import DataError
from pixelproof.data.coco import outline_of
from pixelproof.data.images import Array, content_of
from pixelproof.data.outlines import area
from pixelproof.sources.layout import CHECK


@dataclass(frozen=True)
class Annotated:
    """An image with the annotations or the segments that a JSON has for it."""

    image: Path
    labels: list[dict[str, Any]]


def annotated(path: Path, photos: Path) -> list[Annotated]:
    """All images of a JSON with their labels, sorted by name; one without labels is all background.

    Args:
        path: `instances_*.json`, or `panoptic_*.json`, whose annotations are one for each image with its segments.
        photos: The folder of the images.

    Raises:
        DataError: The JSON is damaged, or an annotation is of no image.
    """
    try:
        content = json.loads(content_of(path))
        names = {image["id"]: image["file_name"] for image in content["images"]}
        labels: dict[Any, list[dict[str, Any]]] = {number: [] for number in names}
        for annotation in content["annotations"]:
            labels[annotation["image_id"]] += annotation.get("segments_info", [annotation])
    except ValueError as error:
        raise DataError(path, "JSON", str(error), CHECK) from None
    except (KeyError, TypeError) as error:
        raise DataError(path, "images, and annotations of these", f"{type(error).__name__} {error}", CHECK) from None
    return [Annotated(photos / name, labels[number]) for number, name in sorted(names.items(), key=lambda one: one[1])]


def drawn(where: Path, segmentation: Any, height: int, width: int) -> Array:
    """The pixels that an annotation covers, by the rule of COCO's own tools.

    Args:
        where: The image, for the error.
        segmentation: Polygons, or run lengths: plain or compressed.
        height: Of the image.
        width: Of the image.

    Raises:
        DataError: It is none of these, or is of another size.
    """
    whole = np.zeros((height, width), bool)
    window, inside = area(outline_of(str(where), segmentation, width, height), width, height)
    whole[window] = inside
    return whole
