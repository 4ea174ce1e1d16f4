"""Usual mistakes, told from the images themselves: images that stand twice, look alike, or have another's mask.

Everything here is a pure function of small traces of the images, taken while they are read anyway. Sums are whole
numbers, so that the answers do not depend on the processor.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np

from pixelproof.data.dataset import SPLITS
from pixelproof.data.images import Array
from stages.prepare.frozen import Frozen

SIDE = 48  # pixels: images are squashed to a square of this side, in which all are compared
TILE = 16  # pixels: of the picture in which near-duplicates are confirmed
# In photographs that were saved again, brightened or cut by 2 %, up to 11 bits changed. As few differ between flat ones
# by chance (dark ones under a microscope), but nothing correlates there.
BITS = 12  # of 64: how many bits of the difference hashes of near-duplicates may differ
ALIKE = 0.95  # the least correlation of near-duplicates
BLOCK = 512  # images that are compared with all others at a time: bounds memory
FEW = 12  # images: with fewer, nothing says how well masks of other images fit
OTHERS = 256  # images that tell how well a mask fits images that are not its own
EDGE = (20, 0.6)  # a mask with fewer pixels on its edges, or a larger share of them, says too little
# No mask of CamVid, Dubai, the nuclei and rendered scenes is taken for another's. Of masks that were swapped, 3 in 4 or
# more are (rendered scenes, nuclei), or hardly any (Dubai, and CamVid, where all scenes have one layout).
UNFIT = 1.5  # deviations above the median of other images: nearly all right masks are higher
BEYOND = 3.0  # deviations by which another image must fit better than the best of so many does by chance
LEAST = 1.0  # of 255: the least deviation, for images that are all alike


@dataclass(frozen=True)
class Trace:
    """What is kept of an image to compare it with the others."""

    split: str  # or its fold
    state: Frozen  # id, group and digests
    hash: int  # difference hash
    small: Array  # TILE x TILE grey values
    steep: Array  # SIDE x SIDE ranks of the image's gradients, 0 to 255
    edges: Array  # SIDE x SIDE bits: where the mask's class changes

    @property
    def id(self) -> str:
        """The image's."""
        return self.state.id


def looked(image: Array, mask: Array) -> tuple[int, Array, Array, Array]:
    """What a trace keeps of an image's pixels and of its mask: the last four fields."""
    square = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    labels = cv2.resize(mask, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST_EXACT)
    grey = cv2.cvtColor(square, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (TILE, TILE), interpolation=cv2.INTER_AREA)
    return difference_hash(grey), small, steepness(square), np.packbits(edges(labels))


def difference_hash(grey: Array) -> int:
    """64 bits: whether each pixel of a picture of 9x8 is brighter than its left neighbour."""
    tiny = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA)
    return int.from_bytes(np.packbits(tiny[:, 1:] > tiny[:, :-1]).tobytes(), "big")


def steepness(image: Array) -> Array:
    """The rank of each pixel's gradient among those of its image, from 0 to 255."""
    slopes = np.abs(cv2.Sobel(image, cv2.CV_16S, 1, 0)) + np.abs(cv2.Sobel(image, cv2.CV_16S, 0, 1))
    order = slopes.max(axis=2).ravel().argsort(kind="stable")
    ranks = np.empty(order.size, np.uint8)
    ranks[order] = np.arange(order.size) * 256 // order.size
    return ranks


def edges(mask: Array) -> Array:
    """Where a mask's class changes, on both sides."""
    found = np.zeros(mask.shape, bool)
    for one, other in ((np.s_[:, 1:], np.s_[:, :-1]), (np.s_[1:], np.s_[:-1])):
        differs = mask[one] != mask[other]
        found[one] |= differs
        found[other] |= differs
    return found


@dataclass(frozen=True)
class Pair:
    """Two images that are the same, or look it."""

    first: Trace
    second: Trace
    bits: int = 0  # by which their hashes differ

    @property
    def across(self) -> bool:
        """Whether they are in different splits."""
        return self.first.split != self.second.split

    @property
    def said(self) -> str:
        """Both, by split and id."""
        one, other = self.first.state, self.second.state
        labels = " with other labels" if one.image == other.image and one.labels != other.labels else ""
        return f"{self.first.split}/{self.first.id} and {self.second.split}/{self.second.id}{labels}"


def equal_images(traces: list[Trace]) -> list[Pair]:
    """Images with the pixels of an earlier one, each with the first of these in its split, else in any."""
    first: dict[str, list[Trace]] = {}
    pairs = []
    for one in traces:
        there = first.setdefault(one.state.image, [])
        pairs += [Pair(other, one) for other in there if other.split == one.split or other is there[0]]
        if all(other.split != one.split for other in there):
            there.append(one)
    return pairs


def near_images(traces: list[Trace]) -> list[Pair]:
    """Pairs of images in different splits or folds that look alike, without those that are equal; the nearest first."""
    folds = sorted({one.split for one in traces} - {*SPLITS}, key=lambda name: (len(name), name))
    by_split = [[one for one in traces if one.split == split] for split in (*SPLITS, *folds)]
    pairs = [pair for some, others in combinations(by_split, 2) if some and others for pair in _alike(some, others)]
    different = [pair for pair in pairs if pair.first.state.image != pair.second.state.image]
    return sorted(different, key=lambda pair: (pair.bits, pair.first.id, pair.second.id))


def _alike(some: list[Trace], others: list[Trace]) -> Iterator[Pair]:
    hashes, pictures = _hashes(others), _pictures(others)
    for start in range(0, len(some), BLOCK):
        block = some[start : start + BLOCK]
        bits = np.bitwise_count(_hashes(block)[:, None] ^ hashes[None])
        alike = (bits <= BITS) & (_correlations(_pictures(block), pictures) >= ALIKE)
        for row, column in zip(*np.nonzero(alike), strict=True):
            yield Pair(block[row], others[column], int(bits[row, column]))


def _hashes(traces: list[Trace]) -> Array:
    return np.array([one.hash for one in traces], np.uint64)


def _pictures(traces: list[Trace]) -> Array:
    return np.stack([one.small.ravel() for one in traces]).astype(np.float32)


def _correlations(some: Array, others: Array) -> Array:
    """The correlation of each picture with each other one; 0 for flat ones. Sums are below 2^24: exact in any order."""
    count = some.shape[1]
    products = (some @ others.T).astype(np.float64)
    first, second = (values.sum(axis=1, dtype=np.float64) for values in (some, others))
    spread = [
        count * (v.astype(np.float64) ** 2).sum(axis=1) - v.sum(axis=1, dtype=np.float64) ** 2 for v in (some, others)
    ]
    below = np.sqrt(spread[0][:, None] * spread[1][None])
    result: Array = (count * products - first[:, None] * second[None]) / np.maximum(below, 1)
    return result


@dataclass(frozen=True)
class Misfit:
    """An image whose mask has its edges where another image has them."""

    image: Trace
    better: Trace  # the image that the mask fits best

    @property
    def said(self) -> str:
        """What to look at."""
        return f"{self.image.split}/{self.image.id} (fits {self.better.split}/{self.better.id})"


def misfits(traces: list[Trace]) -> list[Misfit]:
    """Masks whose edges lie on another image's edges, and on their own image's no more than on any.

    How well a mask fits an image is the mean rank of the image's gradients on the mask's edges. What it is for other
    images says what to expect of a mask that is not the image's: their median, and deviations from it.
    """
    clear = [one for one in traces if _tells(one)]
    if len(clear) < FEW:
        return []
    steep = np.stack([one.steep for one in clear])
    compared = np.unique(np.linspace(0, len(clear) - 1, min(OTHERS, len(clear))).astype(int))
    found: list[Misfit] = []
    for start in range(0, len(clear), BLOCK):
        here = np.arange(start, min(start + BLOCK, len(clear)))
        on_edge = np.stack([np.unpackbits(clear[at].edges) for at in here])
        others = _fits(on_edge, steep[compared])
        median = np.median(others, axis=1)
        spread = np.maximum(1.4826 * np.median(np.abs(others - median[:, None]), axis=1), LEAST)
        own = ((on_edge * steep[here].astype(np.int64)).sum(axis=1) / on_edge.sum(axis=1) - median) / spread
        unfit = np.flatnonzero(own < UNFIT)
        every = (_fits(on_edge[unfit], steep) - median[unfit, None]) / spread[unfit, None]
        best = every.argmax(axis=1)
        far = every.max(axis=1) >= BEYOND + math.sqrt(2 * math.log(len(clear)))  # of so many the largest, if normal
        found += [Misfit(clear[here[i]], clear[j]) for i, j in zip(unfit[far], best[far], strict=True)]
    return found


def _tells(one: Trace) -> bool:
    count = int(np.unpackbits(one.edges).sum())
    return EDGE[0] <= count <= EDGE[1] * SIDE * SIDE


def _fits(on_edge: Array, steep: Array) -> Array:
    """The mean rank of each image's gradients on each mask's edges. The sums are below 2^24: exact in any order."""
    wide = on_edge.astype(np.float32)
    parts = [wide @ steep[at : at + BLOCK].astype(np.float32).T for at in range(0, len(steep), BLOCK)]
    fits: Array = np.hstack(parts).astype(np.float64) / wide.sum(axis=1, dtype=np.float64)[:, None]
    return fits


def shared_masks(traces: list[Trace]) -> list[Pair]:
    """Images that do not look alike with one and the same mask, where it has edges enough not to be so by chance."""
    first: dict[str, Trace] = {}
    pairs = []
    for one in traces:
        if _tells(one):
            other = first.setdefault(one.state.labels, one)
            if (other.hash ^ one.hash).bit_count() > BITS:
                pairs.append(Pair(other, one))
    return pairs


def uneven_classes(pixels: dict[str, dict[str, int]]) -> list[tuple[str, str]]:
    """Classes that only one split has, with that split.

    Args:
        pixels: Of each class in each split that has images.
    """
    names = dict.fromkeys(name for counts in pixels.values() for name in counts)
    having = {name: [split for split, counts in pixels.items() if counts.get(name)] for name in names}
    return [(name, splits[0]) for name, splits in having.items() if len(splits) == 1 and len(pixels) > 1]
