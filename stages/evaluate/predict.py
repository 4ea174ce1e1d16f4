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
from pixelproof.data.grid import Grid
from pixelproof.data.resize import pad
from pixelproof.data.shape import Shape
from pixelproof.nn.build import build_model, class_logits, load_weights, read_config
from pixelproof.nn.overrides import overridden
from pixelproof.nn.runtime import Compute, set_up
from stages.evaluate.augmented import augmented
from stages.evaluate.params import Inference
from stages.evaluate.slide import Image, Network, bands, slide

if TYPE_CHECKING:
    import torch

WHOLE = 2**24  # pixels whose logits are held together
TOGETHER = 2**18  # pixels of windows in a forward pass: a network holds many numbers for each of them
Example = tuple[Sample, Image, Image]  # its index entry, the image, the true mask


@dataclass(frozen=True)
class Prediction:
    """A prediction for images of one size: the class of each pixel, and the probability of that class."""

    labels: NDArray[np.uint8]
    certainty: NDArray[np.float32]


Predict = Callable[[list[Image]], Prediction]


def batches(examples: Iterable[Example], most: int) -> Iterator[list[Example]]:
    """Group examples into batches, in order; a batch also ends where the size of the images changes, or their fold."""
    batch: list[Example] = []
    for example in examples:
        if batch and (batch[0][1].shape, batch[0][0].fold) != (example[1].shape, example[0].fold):
            yield batch
            batch = []
        batch.append(example)
        del example  # large images should not outlive their use
        if len(batch) == most:
            yield batch
            batch = []
    if batch:
        yield batch


@dataclass(frozen=True)
class Tiles:
    """For a network that learnt from tiles: its windows, and how many of them are passed through it at once."""

    grid: Grid
    together: int

    @classmethod
    def of(cls, shape: Shape, inference: Inference, batch: int) -> Tiles | None:
        """The tiles of `prepare.shape`, or the windows of `evaluate` instead; None if networks saw whole images."""
        if not shape.tiled:
            return None
        grid = Grid.square(inference.window, inference.stride) if inference.window else shape.grid
        return cls(grid, max(1, min(batch, TOGETHER // (grid.height * grid.width))))


def load_network(
    config: Path,
    weights: Path,
    classes: int,
    compute: Compute,
    overrides: Mapping[str, Any] | None = None,
    inference: Inference | None = None,
    tiles: Tiles | None = None,
) -> Predict:
    """Build the network of a resolved config and load its weights: a function from RGB images to predictions.

    `inference` and `tiles` say how images are passed through it; by default, whole and once.
    """
    return predictor(load_logits(config, weights, classes, compute, overrides), inference, tiles)


def load_logits(
    config: Path, weights: Path, classes: int, compute: Compute, overrides: Mapping[str, Any] | None = None
) -> Network:
    """The same, to logits of whole images.

    Overrides change the network but not its weights: other rates and strides, denser maps.
    """
    model, device = load_model(config, weights, classes, compute, overrides)
    return partial(class_logits, model, compute=compute, device=device)


def load_model(
    config: Path, weights: Path, classes: int, compute: Compute, overrides: Mapping[str, Any] | None = None
) -> tuple[Any, str]:
    """The network itself, ready to predict, and the device that it is on."""
    device = set_up(compute)
    model = build_network(config, classes, compute, overrides)
    fix = f"remove from evaluate.overrides.{config.stem} what needs other weights"
    load_weights(model, weights, *([fix] if overrides else []))
    return model.to(device).eval(), device


def build_network(config: Path, classes: int, compute: Compute, overrides: Mapping[str, Any] | None = None) -> Any:
    """The network of a resolved config as it is evaluated, with random weights."""
    resolved = read_config(config)
    if overrides:
        key = f"evaluate.overrides.{resolved['architecture']}"
        resolved |= {"model": overridden(resolved["model"], overrides, key)}
    return build_model(resolved, classes, compute)


def predictor(network: Network, inference: Inference | None = None, tiles: Tiles | None = None) -> Predict:
    """From a network to predictions, with windows and test-time augmentation as params say.

    Large images are predicted a few rows at a time, small ones at once: torch's softmax gives other last bits if it is
    asked for other pixels together. Of tiles, each is augmented by itself: nothing needs a whole image's logits.
    """
    if tiles:
        return partial(by_tiles, with_views(network, inference), tiles)
    whole = through(network, inference) if inference else network
    if not inference or not inference.window or augments(inference):
        return lambda images: prediction(whole(images))
    grid = Grid.square(inference.window, inference.stride)

    def by_windows(images: list[Image]) -> Prediction:
        height, width = images[0].shape[:2]
        if len(images) * height * width <= WHOLE:
            return prediction(whole(images))
        return joined(bands(network, images, grid), len(images), height, width)

    return by_windows


def through(network: Network, inference: Inference, tiles: Tiles | None = None) -> Network:
    """The same, to logits of whole images."""
    if tiles:
        return partial(tiled_logits, with_views(network, inference), tiles.grid)
    if inference.window:
        network = partial(slide, network, grid=Grid.square(inference.window, inference.stride))
    return with_views(network, inference)


def tiled_logits(network: Network, grid: Grid, images: list[Image]) -> torch.Tensor:
    """The logits of images of one size from windows, which one that is smaller is padded to."""
    height, width = images[0].shape[:2]
    logits = slide(network, [pad(image, grid.width, grid.height, 0) for image in images], grid)
    return logits[..., :height, :width]


def with_views(network: Network, inference: Inference | None) -> Network:
    """The network with test-time augmentation alone."""
    if not inference or not augments(inference):
        return network
    return partial(augmented, network, tta=inference.tta)


def window_size(inference: Inference, tiles: Tiles | None) -> tuple[int, int] | None:
    """Height and width of the windows; None if images are predicted whole."""
    if tiles:
        return tiles.grid.height, tiles.grid.width
    return (inference.window, inference.window) if inference.window else None


def augments(inference: Inference) -> bool:
    """Whether params ask for more views than the image itself."""
    return bool(inference.tta.flips) or inference.tta.scales != [1.0] or inference.tta.rotations != [0.0]


def by_tiles(network: Network, tiles: Tiles, images: list[Image]) -> Prediction:
    """Predict images of any one size in windows; one smaller than a window is padded as prepare pads tiles."""
    height, width = images[0].shape[:2]
    found = []
    for image in images:
        whole = pad(image, tiles.grid.width, tiles.grid.height, 0)
        seen = ((rows, part[..., :width]) for rows, part in bands(network, [whole], tiles.grid, tiles.together))
        found.append(joined(seen, 1, height, width))
    if len(found) == 1:
        return found[0]
    return Prediction(*(np.concatenate(parts) for parts in zip(*((f.labels, f.certainty) for f in found), strict=True)))


def joined(parts: Iterable[tuple[slice, torch.Tensor]], images: int, height: int, width: int) -> Prediction:
    """The prediction for images from the logits of some of their rows after others; rows below them are padding."""
    whole = Prediction(np.empty((images, height, width), np.uint8), np.empty((images, height, width), np.float32))
    for rows, logits in parts:
        part = prediction(logits[:, :, : max(height - rows.start, 0)])
        whole.labels[:, rows], whole.certainty[:, rows] = part.labels, part.certainty
    return whole


def prediction(logits: torch.Tensor) -> Prediction:
    """The most probable class of each pixel and its probability, from logits of any precision (NCHW)."""
    import torch

    labels = logits.argmax(dim=1)
    certainty = logits.float().softmax(dim=1).gather(1, labels[:, None])[:, 0]
    return Prediction(labels.to(torch.uint8).cpu().numpy(), certainty.cpu().numpy())
