"""Runs a trained network over images, in batches and in a fixed order; gives class ids and certainties."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pixelproof.data.dataset import Sample
from pixelproof.nn.build import build_model, class_logits, load_weights, read_config
from pixelproof.nn.overrides import overridden
from pixelproof.nn.runtime import Compute, set_up
from stages.evaluate.augmented import augmented
from stages.evaluate.params import Inference
from stages.evaluate.slide import Image, Network, slide

if TYPE_CHECKING:
    import torch

Example = tuple[Sample, Image, Image]  # its index entry, the image, the true mask


@dataclass(frozen=True)
class Prediction:
    """A prediction for images of one size: the class of each pixel, and the probability of that class."""

    labels: NDArray[np.uint8]
    certainty: NDArray[np.float32]


Predict = Callable[[list[Image]], Prediction]


def batches(examples: Iterable[Example], most: int) -> Iterator[list[Example]]:
    """Group examples into batches, in order; a batch also ends where the size of the images changes."""
    batch: list[Example] = []
    for example in examples:
        if batch and (len(batch) == most or batch[0][1].shape != example[1].shape):
            yield batch
            batch = []
        batch.append(example)
    if batch:
        yield batch


def load_network(
    config: Path,
    weights: Path,
    classes: int,
    compute: Compute,
    overrides: Mapping[str, Any] | None = None,
    inference: Inference | None = None,
) -> Predict:
    """Build the network of a resolved config and load its weights: a function from RGB images to predictions."""
    network = load_logits(config, weights, classes, compute, overrides, inference)
    return lambda images: prediction(network(images))


def load_logits(
    config: Path,
    weights: Path,
    classes: int,
    compute: Compute,
    overrides: Mapping[str, Any] | None = None,
    inference: Inference | None = None,
) -> Network:
    """The same, to logits.

    Overrides change the network but not its weights: other rates and strides, denser maps. `inference` says how images
    are passed through it; by default, whole and once.
    """
    device = set_up(compute)
    model = build_network(config, classes, compute, overrides)
    fix = f"remove from evaluate.overrides.{config.stem} what needs other weights"
    load_weights(model, weights, *([fix] if overrides else []))
    network = partial(class_logits, model.to(device).eval(), compute=compute, device=device)
    return through(network, inference) if inference else network


def build_network(config: Path, classes: int, compute: Compute, overrides: Mapping[str, Any] | None = None) -> Any:
    """The network of a resolved config as it is evaluated, with random weights."""
    resolved = read_config(config)
    if overrides:
        key = f"evaluate.overrides.{resolved['architecture']}"
        resolved |= {"model": overridden(resolved["model"], overrides, key)}
    return build_model(resolved, classes, compute)


def through(network: Network, inference: Inference) -> Network:
    """The network with sliding windows and test-time augmentation, as params say."""
    tta = inference.tta
    if inference.window:
        network = partial(slide, network, window=inference.window, stride=inference.stride)
    if tta.flips or tta.scales != [1.0]:
        network = partial(augmented, network, flips=tta.flips, scales=tta.scales)
    return network


def prediction(logits: torch.Tensor) -> Prediction:
    """The most probable class of each pixel and its probability, from logits of any precision (NCHW)."""
    import torch

    labels = logits.argmax(dim=1)
    certainty = logits.float().softmax(dim=1).gather(1, labels[:, None])[:, 0]
    return Prediction(labels.to(torch.uint8).cpu().numpy(), certainty.cpu().numpy())
