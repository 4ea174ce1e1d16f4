"""Reads a network's predictions for each image of a split, with the ground truth and the scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pixelproof.core.errors import DataError, StateError
from pixelproof.data.dataset import Sample, check_mask, read_image, read_instances, read_mask, read_split
from pixelproof.data.images import Array, decode
from pixelproof.data.resize import own_size


@dataclass(frozen=True)
class Example:
    """One image, its ground truth, and a network's prediction."""

    sample: Sample
    image: Array  # RGB
    truth: Array  # class ids, 255 = ignored
    instances: Array | None  # true objects, where the source has them
    labels: Array  # predicted class ids
    objects: Array  # uint16: the number of each pixel's predicted object, 0 for none
    certainty: Array  # uint8: 255 times the probability of the predicted class
    metres_per_pixel: float | None


def examples(
    data: Path, split: str, evaluated: Path, classes: int, metres_per_pixel: float | None, rerun: str
) -> Iterator[Example]:
    """Every image of a split in the order of its index; `metres_per_pixel` is for those without one."""
    samples = read_split(data, split)
    for folder in (evaluated / kind / split for kind in ("masks", "instances", "certainty")) if samples else ():
        if not folder.is_dir():
            raise StateError(str(folder), "no such folder", f"run `{rerun}`")
    for sample in samples:
        own = sample.metres_per_pixel
        image, truth = read_image(data, split, sample), read_mask(data, split, sample, classes)
        certainty = _certainty(evaluated / "certainty" / split / f"{sample.id}.png", sample, rerun)
        rows, columns = own_size(image, truth)
        certainty[rows:], certainty[:, columns:] = 0, 0  # nobody lands on padding, whatever a network says of it
        yield Example(
            sample,
            image,
            truth,
            read_instances(data, split, sample),
            _labels(evaluated / "masks" / split / f"{sample.id}.png", sample, classes, rerun),
            _numbers(evaluated / "instances" / split / f"{sample.id}.png", sample, rerun),
            certainty,
            metres_per_pixel if own is None else own,
        )


def _labels(path: Path, sample: Sample, classes: int, rerun: str) -> Array:
    labels = _grey(path, rerun)
    check_mask(path, labels, (sample.height, sample.width), classes)
    return labels


def _numbers(path: Path, sample: Sample, rerun: str) -> Array:
    numbers, size = _grey(path, rerun), (sample.height, sample.width)
    if numbers.shape != size or numbers.dtype != np.uint16:
        raise DataError(path, f"objects of {size} in uint16", f"{numbers.shape} {numbers.dtype}", f"run `{rerun}`")
    return numbers


def _certainty(path: Path, sample: Sample, rerun: str) -> Array:
    certainty, size = _grey(path, rerun), (sample.height, sample.width)
    if certainty.shape != size or certainty.dtype != np.uint8:
        found = f"{certainty.shape} {certainty.dtype}"
        raise DataError(path, f"certainties of {size} in uint8", found, f"run `{rerun}`")
    return certainty


def _grey(path: Path, rerun: str) -> Array:
    if not path.is_file():
        raise StateError(str(path), "no such file", f"run `{rerun}`")
    return decode(path, cv2.IMREAD_UNCHANGED)
