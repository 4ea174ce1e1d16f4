"""Which networks judge the labels of an image, and what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from commands._predict import Way, way_of
from commands._trained import PREPARED, find, find_all
from pixelproof.core.errors import StateError
from pixelproof.core.params import load
from pixelproof.data.dataset import Header, Sample
from pixelproof.nn.runtime import out_of_memory
from stages.evaluate.params import Params
from stages.evaluate.predict import through
from stages.evaluate.slide import Image

if TYPE_CHECKING:
    import torch

LEARNT_FROM = "train"


@dataclass(frozen=True)
class Judge:
    """Networks whose probabilities are averaged, and whether they learnt from the image."""

    ways: Sequence[Way]
    learnt: bool

    def __call__(self, image: Image, name: str) -> NDArray[np.float32]:
        """The probability of each class at each pixel (CHW).

        Raises:
            StateError: the image is too large for the memory.
        """
        try:
            total = sum((_probabilities(way, image) for way in self.ways[1:]), _probabilities(self.ways[0], image))
            found: NDArray[np.float32] = (total / len(self.ways)).cpu().numpy()
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            raise StateError(name, "out of memory", "set prepare.shape to tiles, or evaluate.window") from None
        return found


class Judges(Protocol):
    """Chooses who judges an image: with networks trained on folds, those that did not learn from it."""

    header: Header

    def of(self, split: str, sample: Sample) -> Judge:
        """The judge of one image."""


class OneForAll:
    """The networks of an architecture, one for each seed: the same for each image."""

    def __init__(self, arch: str, seeds: Sequence[int]) -> None:
        """Load them.

        Raises:
            PixelproofError: one is not trained, or params.yaml is wrong.
        """
        params, trained = load("evaluate", Params), [find(arch, seed) for seed in seeds]
        self.header = trained[0].header
        ways = [way_of([one], params, params.evaluate) for one in trained]
        self._learnt, self._not = Judge(ways, learnt=True), Judge(ways, learnt=False)

    def of(self, split: str, sample: Sample) -> Judge:
        """The judge of one image."""
        return self._learnt if split == LEARNT_FROM else self._not


class InFolds:
    """The networks of an architecture in folds: those that did not learn from an image; all, where none did."""

    def __init__(self, arch: str, seeds: Sequence[int]) -> None:
        """Load them.

        Raises:
            PixelproofError: one is not trained, or params.yaml is wrong.
        """
        params, trained = load("evaluate", Params), [one for seed in seeds for one in find_all(arch, seed)]
        self.header, self.arch = trained[0].header, arch
        ways = [(one.fold, way_of([one], params, params.evaluate)) for one in trained]
        self._every = Judge([way for _, way in ways], learnt=False)
        self._of = {
            fold: Judge([way for other, way in ways if other == fold], learnt=False)
            for fold in {one.fold for one in trained}
        }

    def of(self, split: str, sample: Sample) -> Judge:
        """The judge of one image.

        Raises:
            StateError: its fold is none of the networks'.
        """
        if sample.fold is None:
            return self._every
        if sample.fold not in self._of:
            found = f"{split}/{sample.id} is in fold {sample.fold}, which no network of {self.arch} was kept from"
            raise StateError(str(PREPARED), found, "run `dvc repro`")
        return self._of[sample.fold]


def _probabilities(way: Way, image: Image) -> torch.Tensor:
    return through(way.network, way.inference, way.tiles)([image]).float().softmax(dim=1)[0]
