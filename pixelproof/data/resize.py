"""Bringing an image, its mask and its instances to a size.

Stands beside the stages because prepare makes by it what networks learn from, and evaluate what they are shown.
"""

from __future__ import annotations

import math
from dataclasses import replace

import cv2

from pixelproof.data.dataset import Sample
from pixelproof.data.images import Array


def resize_image(image: Array, width: int, height: int) -> Array:
    """Averaged over areas when it shrinks, linear when it grows."""
    shrinks = width <= image.shape[1] and height <= image.shape[0]
    resized: Array = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return resized


def resize_labels(labels: Array, width: int, height: int) -> Array:
    """The label of the nearest pixel centre, so that labels lie where the image's content went."""
    resized: Array = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return resized


def resize_sample(sample: Sample, width: int, height: int) -> Sample:
    """The index line at the new size; where the aspect changes, metres_per_pixel keeps areas true."""
    scale = math.sqrt(sample.width * sample.height / (width * height))
    metres = None if sample.metres_per_pixel is None else sample.metres_per_pixel * scale
    return replace(sample, width=width, height=height, metres_per_pixel=metres)
