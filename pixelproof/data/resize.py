"""Resize and pad an image, its mask and its instances.

Shared, so that images are changed in the same way for training (prepare) and for prediction (evaluate).
"""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np

from pixelproof.data.dataset import IGNORE, Sample
from pixelproof.data.images import Array


def resize_image(image: Array, width: int, height: int) -> Array:
    """Resize an image: by area averaging if it shrinks, by bilinear interpolation if it grows in either direction."""
    shrinks = width <= image.shape[1] and height <= image.shape[0]
    resized: Array = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return resized


def resize_labels(labels: Array, width: int, height: int) -> Array:
    """Resize a label map to the label of the nearest pixel centre, so that it stays aligned with the image."""
    resized: Array = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return resized


def resize_sample(sample: Sample, width: int, height: int) -> Sample:
    """The sample at its new size; if the aspect ratio changes, metres_per_pixel is chosen to keep areas correct."""
    scale = math.sqrt(sample.width * sample.height / (width * height))
    metres = None if sample.metres_per_pixel is None else sample.metres_per_pixel * scale
    return replace(sample, width=width, height=height, metres_per_pixel=metres)


def pad(array: Array, width: int, height: int, value: int) -> Array:
    """Pad an image or a label map on the right and at the bottom, so that its own pixels keep their places.

    Args:
        array: What may be too small in either direction; one that is not is returned unchanged.
        width: That the result has at least.
        height: That the result has at least.
        value: Of the new pixels: 0 in images (black) and instances, 255 (ignored) in masks.

    Example:
        >>> pad(np.array([[1, 2]]), 3, 2, 255).tolist()
        [[1, 2, 255], [255, 255, 255]]
    """
    rows, columns = array.shape[:2]
    missing = max(height - rows, 0), max(width - columns, 0)
    if not any(missing):
        return array
    around = ((0, missing[0]), (0, missing[1]), *[(0, 0)] * (array.ndim - 2))
    padded: Array = np.pad(array, around, constant_values=value)
    return padded


def own_size(image: Array, mask: Array) -> tuple[int, int]:
    """How many rows and columns of a padded image are its own: no line of padding has a colour or a label.

    Args:
        image: RGB.
        mask: Its class ids.

    Example:
        >>> own_size(pad(np.ones((2, 3, 3), np.uint8), 4, 4, 0), pad(np.zeros((2, 3), np.uint8), 4, 4, IGNORE))
        (2, 3)
    """
    rows, columns = mask.shape
    while rows and not image[rows - 1].any() and (mask[rows - 1] == IGNORE).all():
        rows -= 1
    while columns and not image[:, columns - 1].any() and (mask[:, columns - 1] == IGNORE).all():
        columns -= 1
    return rows, columns
