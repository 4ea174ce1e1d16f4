"""What a proposal is made from, as plain numbers: the prepared data, this machine, and what a training step takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pixelproof.data.splitting import Split

Size = tuple[int, int]  # width, height


@dataclass(frozen=True)
class Division:
    """Which groups are where."""

    places: Mapping[str, str]  # group -> its split; with folds, those of train and val are all of `train`
    split: Split  # what params.yaml says
    drawn: bool  # whether prepare drew all splits by it: none is published, or frozen

    @property
    def learning(self) -> list[str]:
        """The groups outside test."""
        return sorted(group for group, split in self.places.items() if split != "test")

    @property
    def judging(self) -> int:
        """The groups of validation, or how many there would be without folds."""
        if not self.split.folds:
            return sum(split == "val" for split in self.places.values())
        return round(len(self.learning) * self.split.val / (1 - self.split.test))


@dataclass(frozen=True)
class Content:
    """What images show."""

    shares: Mapping[str, float]  # of the labelled pixels that networks learn from, by class
    sides: Mapping[str, float]  # of the median object of a class, in pixels
    typical: float  # pixels: nine objects of ten have no larger side; 0 where none is known
    upside: float  # how far the classes of upper and lower halves differ: 0 not at all, 1 entirely
    aside: float  # the same of left and right halves, which differ by chance
    uneven: float  # standard deviation of the mean grey of images, of 255

    @property
    def upright(self) -> bool:
        """Whether images have an up and a down: what differs more than left and right do is no chance."""
        return self.upside > max(0.1, 2 * self.aside)

    @property
    def least(self) -> tuple[str, float]:
        """The class whose median object is smallest, and its side; nothing of both where no object is known."""
        return min(self.sides.items(), key=lambda found: found[1], default=("", 0.0))


@dataclass(frozen=True)
class Facts:
    """All that is known before a network is timed."""

    size: Size  # of the images that networks learn from
    tiled: bool  # whether these are tiles, and validation images are whole
    learnt: float  # images of the train split, or how many it would have without folds
    judged: float  # the same of val, in images of that size
    division: Division
    content: Content
    device: Literal["cpu", "cuda"]
    memory: int  # bytes that the device has
    packaged: bool  # whether the ImageNet weights of EfficientNet-Lite0 are installed


@dataclass(frozen=True)
class Pace:
    """What a training step takes on this machine, measured."""

    step: float  # seconds, whatever its images: for small ones that is most of it
    seconds: float  # for a million pixels, beside these
    held: int  # bytes, whatever its images: of weights, of the optimizer
    bytes: float  # for a million pixels, beside these


@dataclass(frozen=True)
class Line:
    """A setting that is proposed."""

    key: str  # its path in params.yaml
    value: object
    why: str
