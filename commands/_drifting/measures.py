"""What is measured of an image as a network sees it: colours, what it predicts, how far it is from what it learnt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelproof.data.images import Array
from pixelproof.nn.build import class_logits
from pixelproof.nn.runtime import Compute

Floats = NDArray[np.float64]
NEAR = 5  # neighbours
COLOURS = ("lightness", "green to red", "blue to yellow", "contrast", "sharpness")
CERTAINTY, DISTANCE = "certainty", "distance to what was learnt"


@dataclass(frozen=True)
class Seen:
    """What a network makes of an image.

    Args:
        numbers: colours, certainty, and the share of each class.
        features: the mean of its deepest features over the image; none of a network without an encoder.
    """

    numbers: Floats
    features: Floats | None


@dataclass
class Eye:
    """A network with something to hold its encoder's output.

    Args:
        model: in evaluation mode.
        device: that it is on.
        compute: the precision to predict in.
        classes: their names.
    """

    model: Any
    device: str
    compute: Compute
    classes: Sequence[str]

    def __post_init__(self) -> None:
        self._held: list[Any] = []
        if (encoder := getattr(self.model, "backbone", None)) is not None:
            encoder.register_forward_hook(lambda module, given, output: self._held.append(deepest(output)))

    @property
    def names(self) -> list[str]:
        """The measures in `Seen.numbers`."""
        return [*COLOURS, CERTAINTY, *(f"share of {name}" for name in self.classes)]

    def see(self, image: Array) -> Seen:
        """Pass one image through it."""
        self._held.clear()
        logits = class_logits(self.model, [image], self.compute, self.device)
        probabilities = logits.float().softmax(dim=1)[0]
        certainty, labels = (found.cpu().numpy() for found in probabilities.max(dim=0))
        shares = np.bincount(labels.ravel(), minlength=len(self.classes)) / labels.size
        numbers = np.array([*colours(image), np.float64(certainty.mean(dtype=np.float64)), *stretched(shares)])
        held = next((found for found in self._held if found is not None), None)
        if held is None:
            return Seen(numbers, None)
        return Seen(numbers, held.float().mean(dim=(2, 3))[0].cpu().numpy().astype(np.float64))


def deepest(output: Any) -> Any:
    """The last of an encoder's maps, as it has passed them on; None of one that gives something else."""
    found = output[-1] if isinstance(output, list | tuple) and output else output
    return found if getattr(found, "ndim", 0) == 4 else None


def colours(image: Array) -> tuple[float, ...]:
    """Mean lightness, green to red, blue to yellow (CIE L*a*b*); the spread of lightness; the logarithm of sharpness.

    Sharpness is the variance of the Laplacian (Pech-Pacheco et al. 2000); its logarithm is what spreads evenly.

    Args:
        image: RGB.

    Example:
        >>> [round(value, 1) for value in colours(np.full((8, 8, 3), 255, np.uint8))]
        [100.0, 0.0, 0.0, 0.0, 0.0]
    """
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab).astype(np.float64)
    edges = cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_64F)
    return (*map(float, lab.mean(axis=(0, 1))), float(lab[..., 0].std()), float(np.log10(1 + edges.var())))


def stretched(shares: Floats) -> Floats:
    """Shares so that their spread does not depend on how large they are (Anscombe's arcsine of the root)."""
    return np.arcsin(np.sqrt(shares))


def distances(features: Floats, learnt: Floats) -> Floats:
    """How far images are from what was learnt: the mean cosine distance to the nearest images there.

    Args:
        features: a row for each image.
        learnt: the same of what the network learnt from.

    Returns:
        The logarithm of the distances, to base 10.

    Example:
        >>> distances(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]] * 9))
        array([0.])
    """
    units = [rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12) for rows in (features, learnt)]
    apart = np.sort(1 - units[0] @ units[1].T, axis=1)[:, :NEAR]
    found: Floats = np.log10(np.maximum(apart.mean(axis=1), 1e-9))
    return found
