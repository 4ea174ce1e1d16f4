"""Makes the copies; each depends on (seed, id, copy) alone, not on the process that makes it or the order.

One that a step pastes into, or that prefers rare classes, depends on the other images too: on all of the split.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from pixelproof.augmentation.apply import apply, needs_shares
from pixelproof.augmentation.view import Around, Size, View
from pixelproof.core.files import whole_folder
from pixelproof.core.pool import mapped
from pixelproof.core.progress import track
from pixelproof.data.dataset import (
    Header,
    Sample,
    SplitWriter,
    read_header,
    read_image,
    read_instances,
    read_mask,
    read_split,
    write_header,
)
from pixelproof.data.images import Array
from stages.augment.params import Augment

SPLIT = "train"
Shares = dict[int | None, tuple[float, ...]]  # of the classes, by fold; None without folds


def augment(prepared: Path, target: Path, params: Augment, seed: int) -> int:
    """Write the copies of the train split as a separate dataset; return their number."""
    read = read_header(prepared)
    header = Header("augmented", read.classes, read.sources)
    samples = read_split(prepared, SPLIT)
    with whole_folder(target) as root:
        write_header(root, header)
        writer = SplitWriter(root, SPLIT, header)
        split = Split(prepared, header)
        shares = split.shares() if params.rare.copies or needs_shares(params.policy) else {}
        work = partial(make_copies, split, root, params, seed, shares)
        chunk = max(1, min(32, len(samples) // (4 * params.workers)))
        with mapped(work, samples, params.workers, chunk) as copies:
            for made in track(copies, "augment: images", len(samples)):
                writer.samples.update((sample.id, sample) for sample in made)
        return len(writer.close())


@dataclass(frozen=True)
class Split:
    """The images that copies are made of; each process reads the index when it first needs it."""

    root: Path
    header: Header

    @cached_property
    def samples(self) -> list[Sample]:
        """The index in the order of its ids."""
        return sorted(read_split(self.root, SPLIT), key=lambda sample: sample.id)

    def view(self, sample: Sample) -> View:
        """An image with its labels."""
        mask = read_mask(self.root, SPLIT, sample, len(self.header.classes))
        return View(read_image(self.root, SPLIT, sample), mask, read_instances(self.root, SPLIT, sample))

    def shares(self) -> Shares:
        """Each class's share of the labelled pixels, in each fold: copies must not tell of other folds' labels."""
        classes = len(self.header.classes)
        counts: dict[int | None, Array] = defaultdict(lambda: np.zeros(256, np.int64))
        for sample in self.samples:
            counts[sample.fold] += np.bincount(read_mask(self.root, SPLIT, sample, classes).ravel(), minlength=256)
        return {
            fold: tuple(int(count) / max(int(of[:classes].sum()), 1) for count in of[:classes])
            for fold, of in counts.items()
        }

    def around(self, shares: tuple[float, ...], size: Size | None = None, fold: int | None = None) -> Around:
        """What steps may know beside an image: others of its fold, or a copy shows a network what it must not see."""
        things = tuple(info.id for info in self.header.classes if info.thing)
        others = [sample for sample in self.samples if fold is None or sample.fold == fold]
        return Around(size, things, shares, len(others), lambda index: self.view(others[index]))


def make_copies(split: Split, root: Path, params: Augment, seed: int, shares: Shares, sample: Sample) -> list[Sample]:
    """Write every copy of one image; return their index entries."""
    own = shares.get(sample.fold, ())
    view, around = split.view(sample), split.around(own, fold=sample.fold)
    writer = SplitWriter(root, SPLIT, split.header)
    more = params.rare.copies if has_rare(view.mask, own, params.rare.below) else 0
    for copy in range(1, params.copies + more + 1):
        changed = apply(params.policy, view, generator(seed, sample.id, copy), around)
        writer.add(copy_of(sample, copy), changed.image, changed.mask, changed.instances)
    return list(writer.samples.values())


def has_rare(mask: Array, shares: tuple[float, ...], below: float) -> bool:
    """Whether a mask holds a class whose share is below a limit."""
    return any(share < below and bool((mask == number).any()) for number, share in enumerate(shares))


def generator(seed: int, sample_id: str, copy: int) -> np.random.Generator:
    """The random generator for one copy of one image."""
    return np.random.default_rng([seed, copy, *hashlib.sha256(sample_id.encode()).digest()])


def copy_of(sample: Sample, copy: int) -> Sample:
    """A copy's index entry: a new id, the original as parent, the same group and fold, and no scale."""
    return replace(sample, id=f"{sample.id}.aug{copy}", parent=sample.id, metres_per_pixel=None, x=None, y=None)
