"""Runs a trained network over images: class ids out, in batches of a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.dataset import Sample
from stages.models.build import build_model, class_ids, load_weights, read_config
from stages.models.runtime import Compute, set_up

Image = NDArray[np.uint8]
Example = tuple[Sample, Image, Image]  # its line of the index, the image, the true mask
Predict = Callable[[list[Image]], NDArray[np.uint8]]


def batches(examples: Iterable[Example], size: int) -> Iterator[list[Example]]:
    """Cut examples into batches in their order; a batch also ends where the images' size changes."""
    batch: list[Example] = []
    for example in examples:
        if batch and (len(batch) == size or batch[0][1].shape != example[1].shape):
            yield batch
            batch = []
        batch.append(example)
    if batch:
        yield batch


def load_network(config: Path, weights: Path, classes: int, compute: Compute) -> Predict:
    """Build the network of a resolved config and load its weights; returns a function from RGB images to class ids."""
    device = set_up(compute)
    model = build_model(read_config(config), classes, compute)
    load_weights(model, weights)
    model = model.to(device).eval()
    return lambda images: class_ids(model, images, compute, device)
