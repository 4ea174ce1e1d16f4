"""What steps change, and what they may know beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pixelproof.data.dataset import IGNORE
from pixelproof.data.images import Array

Rng = np.random.Generator
Size = tuple[int, int]  # width, height


@dataclass(frozen=True)
class View:
    """An image with its labels. Steps return new arrays and never write to those they are given."""

    image: Array  # uint8 RGB
    mask: Array  # uint8 class ids, 255 = ignored
    instances: Array | None = None  # uint16, 0 = none

    @property
    def size(self) -> Size:
        """Width and height."""
        return self.mask.shape[1], self.mask.shape[0]


@dataclass(frozen=True)
class Around:
    """What a step may know beside the view that it changes."""

    size: Size | None = None  # of the result; None: as large as the image
    things: tuple[int, ...] = ()  # the classes whose objects can be moved
    shares: tuple[float, ...] = ()  # of the training set's labelled pixels, by class; empty: not known
    others: int = 0  # how many images there are to paste from
    read: Callable[[int], View] | None = None  # one of them

    def rarity(self, classes: Array) -> Array:
        """How much more often each of some classes is drawn than their pixels would be: rare ones first.

        Args:
            classes: Class ids.

        Returns:
            Weights that add up to 1: inversely proportional to the classes' shares, or equal if those are not known.

        Example:
            >>> Around(shares=(0.75, 0.25)).rarity(np.array([0, 1])).tolist()
            [0.25, 0.75]
        """
        if not self.shares:
            return np.full(len(classes), 1 / len(classes))
        weights = 1 / np.maximum([self.shares[number] for number in classes], 1e-6)
        rarities: Array = weights / weights.sum()
        return rarities


def empty(view: View, size: Size) -> View:
    """A black view of another size, all of it ignored; it has instances if the given one has."""
    shape = size[1], size[0]
    instances = None if view.instances is None else np.zeros(shape, view.instances.dtype)
    return View(np.zeros((*shape, 3), np.uint8), np.full(shape, IGNORE, np.uint8), instances)
