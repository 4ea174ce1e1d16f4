"""Steps that change colours and leave labels alone.

Tables of 256 values and whole-number matrices: every processor gives the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from pixelproof.augmentation.geometry import between
from pixelproof.augmentation.steps import (
    Blur,
    Brightness,
    Color,
    Contrast,
    Gamma,
    Hue,
    Jpeg,
    Lighting,
    Noise,
    Saturation,
    ShuffleChannels,
)
from pixelproof.augmentation.view import Around, Rng, View
from pixelproof.data.images import Array

ONE = 1024  # 1 in the matrices of colours
GREY = (0.299, 0.587, 0.114)  # how bright red, green and blue are (Rec. 601)
# Deviations and directions of ImageNet's colours, from 0 to 1 (Krizhevsky 2012, as published with its ports).
DEVIATIONS = (0.2175, 0.0188, 0.0045)
DIRECTIONS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))


def factor(by: float, rng: Rng) -> float:
    """A factor of 1 +- at most `by`."""
    return 1 + by * (2 * rng.random() - 1)


def replaced(image: Array, value: Callable[[int], float]) -> Array:
    """Replace each value by the nearest whole number to a function of it, from 0 to 255."""
    table = [min(max(math.floor(value(old) + 0.5), 0), 255) for old in range(256)]
    changed: Array = cv2.LUT(image, np.array(table, np.uint8))
    return changed


def mixed(image: Array, matrix: Array) -> Array:
    """Multiply every colour by a matrix; greys stay as they are.

    Products and sums are whole numbers below 2^24, which 32-bit floats hold exactly.

    Args:
        image: RGB.
        matrix: 3x3; the rows add up to 1.
    """
    whole = np.rint(matrix * ONE)
    whole[np.diag_indices(3)] += ONE - whole.sum(axis=1)
    mixed = cv2.transform(image.astype(np.float32), whole.astype(np.float32))
    return rounded(mixed * np.float32(1 / ONE))


def rounded(values: Array) -> Array:
    """The nearest values of an image."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def brightness(view: View, step: Brightness, rng: Rng, around: Around) -> View:
    """Multiply values."""
    return replace(view, image=brightened(view.image, factor(step.by, rng)))


def brightened(image: Array, by: float) -> Array:
    """Multiply values by a factor."""
    return replaced(image, lambda value: value * by)


def contrast(view: View, step: Contrast, rng: Rng, around: Around) -> View:
    """Multiply distances from the mean."""
    return replace(view, image=contrasted(view.image, factor(step.by, rng)))


def contrasted(image: Array, by: float) -> Array:
    """Multiply distances from the mean by a factor."""
    mean = int(image.sum(dtype=np.int64)) / image.size
    return replaced(image, lambda value: mean + (value - mean) * by)


def saturation(view: View, step: Saturation, rng: Rng, around: Around) -> View:
    """Multiply distances from grey."""
    return replace(view, image=saturated(view.image, factor(step.by, rng)))


def saturated(image: Array, by: float) -> Array:
    """Multiply distances from grey by a factor."""
    return mixed(image, by * np.eye(3) + (1 - by) * np.array([GREY] * 3))


def color(view: View, step: Color, rng: Rng, around: Around) -> View:
    """Brightness, contrast and saturation; one whose change is 0 draws its factor too, and is left out."""
    image = view.image
    for by, change in ((step.brightness, brightened), (step.contrast, contrasted), (step.saturation, saturated)):
        drawn = factor(by, rng)
        image = change(image, drawn) if by else image
    return replace(view, image=image)


def hue(view: View, step: Hue, rng: Rng, around: Around) -> View:
    """Turn colours."""
    return replace(view, image=hued(view.image, step.degrees * (2 * rng.random() - 1)))


def hued(image: Array, degrees: float) -> Array:
    """Turn colours around the axis of greys (Rodrigues' formula)."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    return mixed(image, cos * np.eye(3) + (1 - cos) / 3 + sin * cross)


def gamma(view: View, step: Gamma, rng: Rng, around: Around) -> View:
    """Raise to a power."""
    power = between(1 / (1 + step.by), 1 + step.by, rng)
    return replace(view, image=replaced(view.image, lambda value: 255 * math.pow(value / 255, power)))


def lighting(view: View, step: Lighting, rng: Rng, around: Around) -> View:
    """Add one colour to all pixels."""
    weights = [deviation * step.std * rng.standard_normal() for deviation in DEVIATIONS]
    added = [255 * sum(w * d for w, d in zip(weights, row, strict=True)) for row in DIRECTIONS]
    values = np.arange(256)[:, None] + np.array(added)
    return replace(view, image=cv2.LUT(view.image, rounded(values)[None]))


def shuffle_channels(view: View, step: ShuffleChannels, rng: Rng, around: Around) -> View:
    """Exchange channels."""
    return replace(view, image=np.ascontiguousarray(view.image[..., rng.permutation(3)]))


def noise(view: View, step: Noise, rng: Rng, around: Around) -> View:
    """Add noise, of a random strength."""
    std = np.float32(255 * step.std * rng.random())
    return replace(view, image=rounded(rng.standard_normal(view.image.shape, np.float32) * std + view.image))


def blur(view: View, step: Blur, rng: Rng, around: Around) -> View:
    """Blur, by a random strength."""
    sigma = max(0.1, step.sigma * rng.random())
    return replace(view, image=cv2.GaussianBlur(view.image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101))


def jpeg(view: View, step: Jpeg, rng: Rng, around: Around) -> View:
    """Compress and decode."""
    quality = int(rng.integers(step.quality, 96))
    _, file = cv2.imencode(".jpg", cv2.cvtColor(view.image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return replace(view, image=cv2.cvtColor(cv2.imdecode(file, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB))
