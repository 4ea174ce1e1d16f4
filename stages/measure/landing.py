"""Where to land: disks on ground that a network takes for safe and is certain of. Pure: arrays in, disks out.

The clearance of a pixel is the radius of the largest disk around its centre that

- lies on safe ground: no pixel of another class, none that is not known, nothing beyond the image's edge;
- comes no nearer to a class that is kept at a distance than that distance.

It is an exact Euclidean distance transform; the distance to a pixel is that to its centre, less half a pixel, so that a
disk in a strip of safe ground 11 pixels wide has a radius of 5.5. (Obliquely the half pixel is up to 0.21 too little.)

Certainty weights it. Ask for a certainty of at least t, so that safe ground of which the network is less certain counts
as unsafe: that gives a clearance for each t. Their mean over all t from 0 to 1 is the weighted clearance. Where
the network is sure, it is the plain one; certain by 0.8 everywhere, it is 0.8 of that; a doubtful spot shortens what
lies around it as far as its doubt goes. More certainty never makes it smaller, and it is never above the plain one,
so that a disk of that radius always lies on ground that was predicted to be safe.
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
STEP = 1000  # lengths are cut to thousandths of a pixel: equal distances stay equal, and none grows

Lengths = NDArray[np.float64]


@dataclass(frozen=True)
class Rules:
    """What is safe in one image, its lengths in pixels."""

    safe: frozenset[int]  # class ids
    keep: Mapping[int, float]  # class id -> distance
    radius: float  # of the smallest disk
    disks: int
    levels: int  # of certainty


@dataclass(frozen=True)
class Disk:
    """A place to land: the pixel at its centre, how large it is, and the weighted clearance of its centre."""

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
    """From each pixel's centre to the nearest pixel that is not free, or to the image's edge; below 0 outside."""
    return _distance(np.pad(free, 1))[1:-1, 1:-1] - 0.5


def kept_away(labels: Array, rules: Rules) -> dict[int, Lengths]:
    """For each class to keep a distance to, and that is there: how large a disk may be around each pixel."""
    there = {number: labels == number for number in sorted(rules.keep)}
    return {n: _distance(~where) - 0.5 - rules.keep[n] for n, where in there.items() if where.any()}


def best_disks(room: Lengths, rules: Rules) -> list[Disk]:
    """The largest disk, then the largest that fits beside it, and so on; of equals the uppermost, then the leftmost."""
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
    """What the truth says of a disk."""

    verdict: str  # safe, false, or unknown: nothing unsafe is in it, but pixels that the truth ignores
    landable: bool | None  # whether the smallest disk that is asked for would be safe there; None: unknown
    clearance: float  # the true clearance of its centre; what is not known counts as unsafe
    touched: tuple[int, ...]  # classes in a disk that is not safe
    too_near: tuple[int, ...]  # classes that it comes nearer to than it may, without touching them


@dataclass(frozen=True)
class Judge:
    """The truth of one image, ready to judge disks."""

    truth: Array
    rules: Rules
    strict: Lengths
    loose: Lengths

    @classmethod
    def of(cls, truth: Array, rules: Rules) -> Judge:
        """What the truth leaves open is unsafe to the strict, and safe to the loose."""
        return cls(truth, rules, clearance(truth, rules), clearance(truth, rules, unknown_is_safe=True))

    def best(self) -> Disk | None:
        """The best place there was; None where no disk is large enough."""
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
    """The lengths with their names' `_m`; None without a scale."""
    scale = metres_per_pixel
    return {f"{key}_m": None if scale is None or value is None else value * scale for key, value in values.items()}


def _distance(free: NDArray[np.bool_]) -> Lengths:
    """The exact Euclidean distance from each pixel's centre to the nearest centre that is not free."""
    return np.asarray(cv2.distanceTransform(free.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float64)


def _steps(lengths: Lengths) -> Lengths:
    """How many whole steps a length has."""
    steps: Lengths = np.floor(np.maximum(lengths, 0) * STEP)
    return steps
