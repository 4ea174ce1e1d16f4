"""The only module that uses Albumentations: a policy's steps as seeded functions of image and labels."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

import numpy as np

from pixelproof.data.dataset import IGNORE
from pixelproof.data.images import Array
from stages.augment.params import Color, Crop, Flip, Noise, Rotate, Step


def apply(policy: list[Step], rng: np.random.Generator, image: Array, mask: Array, instances: Array) -> list[Array]:
    """Apply the steps that `rng` chooses to image, mask and instances.

    Each step gets its own seed: Albumentations' Compose seeds all its transforms alike, so that all of them fire or
    none. Mask and instances are packed into one plane of 32-bit floats, which hold 24 bits exactly: both move alike,
    and pixels from outside the image become ignored and belong to no instance.
    """
    labels = (instances.astype(np.float32) * 256 + mask).astype(np.float32)
    for step in policy:
        chance, seed = rng.random(), int(rng.integers(2**32))
        if chance >= step.p:
            continue
        transform = _transform(step, image.shape[1], image.shape[0])
        transform.set_random_seed(seed)
        changed = transform(image=image, mask=labels)
        image, labels = changed["image"], changed["mask"]
    both = labels.astype(np.int32)
    return [np.ascontiguousarray(image), (both & 255).astype(np.uint8), (both >> 8).astype(np.uint16)]


@lru_cache(maxsize=64)
def _transform(step: Step, width: int, height: int) -> Any:
    """Albumentations' transform for a step; the caller decides whether it fires."""
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # its version check would go online
    import albumentations as A  # noqa: N812
    import cv2

    match step:
        case Flip():
            return A.HorizontalFlip(p=1) if step.axis == "horizontal" else A.VerticalFlip(p=1)
        case Rotate():
            turn = (-step.degrees, step.degrees)
            return A.Rotate(turn, border_mode=cv2.BORDER_CONSTANT, fill=0, fill_mask=IGNORE, p=1)
        case Crop():
            ratio = width / height
            labels = cv2.INTER_NEAREST_EXACT  # aligned to pixel centres, like the image's interpolation
            area, shape = (step.area, 1), (ratio, ratio)
            return A.RandomResizedCrop((height, width), scale=area, ratio=shape, mask_interpolation=labels, p=1)
        case Color():
            return A.ColorJitter(step.brightness, step.contrast, step.saturation, hue=0, p=1)
        case Noise():
            return A.GaussNoise(std_range=(0, step.std), p=1)
