"""Training data in which each sample depends on (seed, position, id) alone.

Positions count the images of a run from its start. Each epoch has a new permutation, drawn from (seed, epoch); a
sample's augmentation is drawn from (seed, position, id). So neither the number of loader workers, nor validations, nor
resuming a run changes a pixel.
"""

from __future__ import annotations

import hashlib
import resource
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pixelproof.augmentation.apply import apply, needs_objects
from pixelproof.augmentation.steps import Flip as FlipStep
from pixelproof.augmentation.steps import Step
from pixelproof.augmentation.view import Around, View
from pixelproof.core.errors import DataError
from pixelproof.data import dataset
from pixelproof.data.dataset import IGNORE
from pixelproof.data.grid import Grid
from pixelproof.data.resize import pad
from pixelproof.scoring.objects import numbered
from stages.train.endings import outlive
from stages.train.params import Flip

if TYPE_CHECKING:
    from torch.utils.data import DataLoader

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]
Example = tuple[NDArray[Any], ...]  # image and mask, and for networks that learn objects the number of each pixel's
ORDER, SAMPLE = 1, 2  # separate streams of random numbers
ALONE = Around()
FLIPS: dict[str, Step] = {
    "horizontal": FlipStep(name="flip", p=0.5, axis="horizontal"),
    "vertical": FlipStep(name="flip", p=0.5, axis="vertical"),
}


@dataclass(frozen=True)
class Labelled:
    """The images of some splits, read and checked on demand."""

    items: tuple[tuple[Path, str, dataset.Sample], ...]
    names: list[str]
    things: tuple[int, ...] = ()  # the classes whose objects can be counted

    @classmethod
    def open(cls, splits: list[tuple[Path, str]]) -> Labelled:
        """Open splits that share their classes and have an image; all images must have one size."""
        found = filled(cls.of_any_size(splits), splits)
        sizes = {(sample.width, sample.height) for _, _, sample in found.items}
        if len(sizes) > 1:
            where = ", ".join(str(root / split) for root, split in splits)
            listed = f"{len(found)} of sizes {sorted(sizes)}"
            raise DataError(where, "images of one size", listed, "see `prepare` in params.yaml")
        return found

    @classmethod
    def of_any_size(cls, splits: list[tuple[Path, str]]) -> Labelled:
        """Open splits that share their classes."""
        headers = {root: dataset.read_header(root) for root, _ in splits}
        first = headers[splits[0][0]]
        for root, header in headers.items():
            if header.names() != first.names():
                raise DataError(root, f"the classes {first.names()}", str(header.names()), "run `dvc repro`")
        items = tuple((root, split, sample) for root, split in splits for sample in dataset.read_split(root, split))
        return cls(items, first.names(), tuple(info.id for info in first.classes if info.thing))

    def __len__(self) -> int:
        return len(self.items)

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(self.names)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of every image."""
        return self.items[0][2].width, self.items[0][2].height

    def id(self, index: int) -> str:
        """The id of an image."""
        return self.items[index][2].id

    def read(self, index: int) -> Pair:
        """Image and mask."""
        root, split, sample = self.items[index]
        return dataset.read_image(root, split, sample), dataset.read_mask(root, split, sample, self.classes)

    def instances(self, index: int) -> NDArray[np.uint16] | None:
        """Instance ids; None if the image has none."""
        root, split, sample = self.items[index]
        return dataset.read_instances(root, split, sample)

    def has_instances(self) -> bool:
        """Whether an image has instance ids."""
        return any((root / split / "instances").is_dir() for root, split in {item[:2] for item in self.items})


class Windows:
    """Images of any size as windows of one size, in which each pixel counts once.

    Where windows overlap, the later one ignores what the earlier ones hold; what lies beyond an image is ignored too.
    An image is decoded once for its windows if they are read in order.
    """

    def __init__(self, data: Labelled, size: tuple[int, int]) -> None:
        self.data, self.size, (width, height) = data, size, size
        self.grid = Grid(height, width, height, width)
        self.places = [
            (index, x, y)
            for index, (_, _, sample) in enumerate(data.items)
            for x, y in self.grid.corners(sample.height, sample.width)
        ]
        self.latest: tuple[int, Pair] | None = None

    def __len__(self) -> int:
        return len(self.places)

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return self.data.classes

    def id(self, index: int) -> str:
        """The id of an image."""
        return self.data.id(self.places[index][0])

    def read(self, index: int) -> Pair:
        """Image and mask of a window."""
        of, x, y = self.places[index]
        if self.latest is None or self.latest[0] != of:
            self.latest = of, self.data.read(of)
        image, mask = self.latest[1]
        own = mask[y : y + self.grid.height, x : x + self.grid.width].copy()
        own[: -y % self.grid.height, :] = IGNORE
        own[:, : -x % self.grid.width] = IGNORE
        part = image[y : y + self.grid.height, x : x + self.grid.width]
        return pad(part, *self.size, 0), pad(own, *self.size, IGNORE)


def to_validate(split: list[tuple[Path, str]], size: tuple[int, int]) -> Labelled | Windows:
    """The images of splits at the size of training: as they are if all have it, or else in windows."""
    return fitting(filled(Labelled.of_any_size(split), split), size)


def filled(data: Labelled, splits: list[tuple[Path, str]]) -> Labelled:
    """The images of splits, which must have some."""
    if not data.items:
        where = ", ".join(str(root / split) for root, split in splits)
        raise DataError(where, "images", "none", "see `prepare` in params.yaml")
    return data


def fitting(data: Labelled, size: tuple[int, int]) -> Labelled | Windows:
    """Images at the size of training: as they are if all have it, or else in windows."""
    if all((sample.width, sample.height) == size for _, _, sample in data.items):
        return data
    return Windows(data, size)


class Images(Protocol):
    """Images and masks by their index: decoded each time (`Labelled`), or kept decoded (`Decoded`)."""

    def __len__(self) -> int: ...

    def id(self, index: int) -> str:
        """The id of an image."""

    def read(self, index: int) -> Pair:
        """Image and mask."""

    def instances(self, index: int) -> NDArray[np.uint16] | None:
        """Instance ids; None if the image has none."""


@dataclass(frozen=True)
class TrainSet:
    """A dataset for torch's loader; its keys are (position, index). Flips come first, then the policy."""

    data: Images
    seed: tuple[int, int]
    flips: tuple[Flip, ...]
    policy: tuple[Step, ...] = ()
    around: Around = ALONE
    things: tuple[int, ...] = ()  # the classes whose objects are learnt

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, key: tuple[int, int]) -> Example:
        position, index = key
        steps = [step for axis, step in FLIPS.items() if axis in self.flips] + list(self.policy)
        around = replace(self.around, others=len(self), read=self.view)
        name = int.from_bytes(hashlib.sha256(self.data.id(index).encode()).digest()[:8], "big")
        changed = apply(steps, self.view(index), np.random.default_rng([*self.seed, SAMPLE, position, name]), around)
        if not self.things:
            return changed.image, changed.mask
        return changed.image, changed.mask, numbered(changed.mask, changed.instances, self.things)

    def view(self, index: int) -> View:
        """An image and its labels, with instances if they are learnt, or if a step looks at them."""
        needed = self.things or needs_objects(self.policy)
        return View(*self.data.read(index), self.data.instances(index) if needed else None)


@dataclass
class Order:
    """The sampler: the (position, index) of every image of a run, from `start` on, for one of several processes."""

    images: int
    seed: tuple[int, int]
    batch: int
    iterations: int
    rank: int = 0
    world: int = 1
    start: int = 0

    def __len__(self) -> int:
        return (self.iterations - self.start) * self.batch // self.world

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for iteration in range(self.start, self.iterations):
            yield from self.keys(iteration)

    def keys(self, iteration: int) -> list[tuple[int, int]]:
        """This process's share of the batch of an iteration, counted from 0."""
        share = self.batch // self.world
        first = iteration * self.batch + self.rank * share
        return [
            (position, int(permutation(self.seed, position // self.images, self.images)[position % self.images]))
            for position in range(first, first + share)
        ]


@lru_cache(maxsize=2)
def permutation(seed: tuple[int, int], epoch: int, images: int) -> NDArray[np.int64]:
    """The order of the images in an epoch."""
    return np.random.default_rng([*seed, ORDER, epoch]).permutation(images)


def collate(examples: list[Example]) -> dict[str, Any]:
    """A batch as the network's preprocessor expects it: uint8 images NCHW, masks NHW, and perhaps objects NHW."""
    import torch

    images, *labels = (torch.from_numpy(np.stack(arrays)) for arrays in zip(*examples, strict=True))
    return {"inputs": images.permute(0, 3, 1, 2)} | dict(zip(("masks", "objects"), labels, strict=False))


def loader(train_set: TrainSet, order: Order, workers: int, pin: bool) -> DataLoader[Any]:
    """A torch loader over a training set in a given order.

    Its processes are forked: they are children of the training, whose end they wait for, and share what it has read.
    """
    from torch.utils.data import DataLoader

    allow_open_files()
    return DataLoader(
        train_set,  # type: ignore[arg-type]
        batch_size=order.batch // order.world,
        sampler=order,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=pin,
        multiprocessing_context="fork" if workers else None,
        worker_init_fn=outlive,
    )


def allow_open_files(count: int = 4096) -> None:
    """Let this process have many files open at once: each loader process takes a few, and systems allow 1024 or 256."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
