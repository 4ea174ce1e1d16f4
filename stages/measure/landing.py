"""Where to land: disks on ground that is predicted to be safe, with certainty. Pure: arrays in, disks out.

The clearance of a pixel is the radius of the largest disk around its centre that

- lies on safe ground: no pixel of another class, no unknown pixel, nothing beyond the image's edge;
- keeps its distance from each class that has one in params.

It is an exact Euclidean distance transform; the distance to a pixel is that to its centre, less half a pixel, so that a
disk in a strip of safe ground 11 pixels wide has a radius of 5.5. (Diagonally, half a pixel is up to 0.21 too little.)

It is weighted by certainty. For each threshold t, safe ground with a certainty below t counts as unsafe, which gives a
clearance. The weighted clearance is their mean over all t from 0 to 1. Where the network is fully certain, it is the
unweighted one; with a certainty of 0.8 everywhere, it is 0.8 of that; an uncertain spot reduces the clearance around it
by as much as it is uncertain. More certainty never reduces it, and it never exceeds the unweighted one, so that a disk
of that radius always lies on ground that is predicted to be safe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelproof.data.dataset import IGNORE
from pixelproof.data.images import Array
from stages.measure.geometry import Numbers

VERDICTS = {True: "safe", False: "false", None: "unknown"}
STEP = 1000  # lengths are truncated to 1/1000 pixel: equal distances stay equal, and none grows

Lengths = NDArray[np.float64]


@dataclass(frozen=True)
class Rules:
    """The rules for one image, with lengths in pixels."""

    safe: frozenset[int]  # class ids
    keep: Mapping[int, float]  # class id -> distance
    radius: float  # of the smallest disk
    disks: int
    levels: int  # of certainty


@dataclass(frozen=True)
class Disk:
    """A landing site: its centre pixel, its radius, and the weighted clearance of its centre."""

    x: int
    y: int
    radius: float
    clearance: float


def clearance(labels: Array, rules: Rules, certainty: Array | None = None, unknown_is_safe: bool = False) -> Lengths:
    """The clearance of each pixel, weighted by certainty (uint8) where there is one; 0 on unsafe ground."""
    ground = np.isin(labels, [*rules.safe, IGNORE] if unknown_is_safe else list(rules.safe))
    limit = np.min([np.inf * np.ones(labels.shape), *kept_away(labels, rules).values()], axis=0)
    if certainty is None:
        return _steps(np.minimum(to_edge(ground), limit)) / STEP
    total = np.zeros(labels.shape)
    for level in range(1, rules.levels + 1):
        sure = certainty.astype(np.int64) * rules.levels >= 255 * level
        total += _steps(np.minimum(to_edge(ground & sure), limit))
    return total // rules.levels / STEP


def to_edge(free: NDArray[np.bool_]) -> Lengths:
    """From each pixel's centre to the nearest pixel that is not free, or to the image's edge; below 0 if not free."""
    return _distance(np.pad(free, 1))[1:-1, 1:-1] - 0.5


def kept_away(labels: Array, rules: Rules) -> dict[int, Lengths]:
    """For each class in the image that needs a distance: how large a disk may be around each pixel."""
    there = {number: labels == number for number in sorted(rules.keep)}
    return {n: _distance(~where) - 0.5 - rules.keep[n] for n, where in there.items() if where.any()}


def best_disks(room: Lengths, rules: Rules) -> list[Disk]:
    """The largest disk, then the largest that does not overlap it, and so on; of ties the uppermost, then leftmost."""
    left, disks = room.copy(), list[Disk]()
    y, x = np.ogrid[: room.shape[0], : room.shape[1]]
    while len(disks) < rules.disks:
        row, column = (int(n) for n in np.unravel_index(np.argmax(left), left.shape))
        radius = float(left[row, column])
        if radius < rules.radius:
            break
        disks.append(Disk(column, row, radius, float(room[row, column])))
        left = np.minimum(left, _steps(np.hypot(y - row, x - column) - radius) / STEP)
    return disks


@dataclass(frozen=True)
class Judgement:
    """The verdict of the ground truth on a disk."""

    verdict: str  # safe, false, or unknown: nothing unsafe is in it, but ignored pixels are
    landable: bool | None  # whether the smallest disk allowed would be safe there; None: unknown
    clearance: float  # the true clearance of its centre; unknown pixels count as unsafe
    touched: tuple[int, ...]  # classes in a disk that is not safe
    too_near: tuple[int, ...]  # classes that it is too near to, without touching them


@dataclass(frozen=True)
class Judge:
    """The ground truth of one image, prepared to judge disks."""

    truth: Array
    rules: Rules
    strict: Lengths
    loose: Lengths

    @classmethod
    def of(cls, truth: Array, rules: Rules) -> Judge:
        """Ignored pixels are unsafe in `strict`, and safe in `loose`."""
        return cls(truth, rules, clearance(truth, rules), clearance(truth, rules, unknown_is_safe=True))

    def best(self) -> Disk | None:
        """The best landing site; None if no disk is large enough."""
        return next(iter(best_disks(self.strict, self.rules)), None)

    def judge(self, disk: Disk) -> Judgement:
        """Whether a disk lies wholly on safe ground; which classes it touches or comes too near to."""
        at = disk.y, disk.x
        wholly, smallest = (self._clear(radius, at) for radius in (disk.radius, self.rules.radius))
        inside = _steps(from_centre(self.truth.shape, disk) - 0.5) / STEP < disk.radius
        open_ = [*self.rules.safe, IGNORE]
        touched = tuple(int(n) for n in np.unique(self.truth[inside]) if n not in open_)
        near = [n for n, room in kept_away(self.truth, self.rules).items() if _steps(room[at]) / STEP < disk.radius]
        too_near = tuple(n for n in near if n not in touched)
        return Judgement(VERDICTS[wholly], smallest, float(self.strict[at]), touched, too_near)

    def _clear(self, radius: float, at: tuple[int, int]) -> bool | None:
        if radius <= self.strict[at]:
            return True
        return False if radius > self.loose[at] else None


def from_centre(shape: tuple[int, ...], disk: Disk) -> Lengths:
    """How far each pixel's centre is from a disk's, rounded as the distance transform rounds."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    distance: Lengths = np.sqrt(((y - disk.y) ** 2 + (x - disk.x) ** 2).astype(np.float32)).astype(np.float64)
    return distance


def ground_lengths(values: Mapping[str, float | None], metres_per_pixel: float | None) -> Numbers:
    """The lengths in metres, with `_m` after their names; None without a scale."""
    scale = metres_per_pixel
    return {f"{key}_m": None if scale is None or value is None else value * scale for key, value in values.items()}


def _distance(free: NDArray[np.bool_]) -> Lengths:
    """The exact Euclidean distance from each pixel's centre to the nearest centre that is not free."""
    return np.asarray(cv2.distanceTransform(free.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float64)


def _steps(lengths: Lengths) -> Lengths:
    """Lengths in whole steps."""
    steps: Lengths = np.floor(np.maximum(lengths, 0) * STEP)
    return steps
