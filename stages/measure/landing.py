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
from functools import reduce
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelproof.data.dataset import IGNORE
from pixelproof.data.grid import strips
from pixelproof.data.images import Array
from stages.measure.geometry import Numbers

VERDICTS = {True: "safe", False: "false", None: "unknown"}
FAR = 2**31 - 1  # in steps: no limit
STEP = 1000  # lengths are truncated to 1/1000 pixel: equal distances stay equal, and none grows

AT_ONCE = 2**20  # pixels that are computed together: in floats, a large image would need many times its own memory

Steps = NDArray[np.int32]  # lengths in whole steps, 0 or more
Lengths = NDArray[np.float64]
Where = NDArray[np.bool_]


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


def clearance(labels: Array, rules: Rules, certainty: Array | None = None, unknown_is_safe: bool = False) -> Steps:
    """The clearance of each pixel in steps, weighted by certainty (uint8) where there is one; 0 on unsafe ground."""
    ground = np.isin(labels, [*rules.safe, IGNORE] if unknown_is_safe else list(rules.safe))
    limits = (kept_away(labels, rules, number) for number in sorted(rules.keep))
    limit = reduce(np.minimum, (found for found in limits if found is not None), np.array(FAR, np.int32))
    if certainty is None:
        return np.minimum(to_edge(ground), limit)
    most = rules.levels * STEP * min(labels.shape)
    total: NDArray[Any] = np.zeros(labels.shape, np.int32 if most < FAR else np.int64)
    for level in range(1, rules.levels + 1):
        room = to_edge(ground & (certainty >= -(-255 * level // rules.levels)))
        total += np.minimum(room, limit, out=room)
    total //= rules.levels
    return total.astype(np.int32, copy=False)


def to_edge(free: Where) -> Steps:
    """From each pixel's centre to the nearest pixel that is not free, or to the image's edge; 0 if it is not free."""
    return _steps(_distance(np.pad(free, 1))[1:-1, 1:-1], 0.5)


def kept_away(labels: Array, rules: Rules, number: int) -> Steps | None:
    """How large a disk may be around each pixel for its distance from a class; None if the image lacks the class."""
    there = labels == number
    return _steps(_distance(~there), 0.5, rules.keep[number]) if there.any() else None


def best_disks(room: Steps, rules: Rules) -> list[Disk]:
    """The largest disk, then the largest that does not overlap it, and so on; of ties the uppermost, then leftmost."""
    left, disks = room.copy(), list[Disk]()
    x = np.arange(room.shape[1])
    while len(disks) < rules.disks:
        row, column = (int(n) for n in np.unravel_index(np.argmax(left), left.shape))
        radius = int(left[row, column]) / STEP
        if radius < rules.radius:
            break
        disks.append(Disk(column, row, radius, int(room[row, column]) / STEP))
        for rows in strips(left.shape, AT_ONCE):
            y = np.arange(rows.start, rows.stop)[:, None]
            left[rows] = np.minimum(left[rows], _in_steps(np.hypot(y - row, x - column) - radius))
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
    strict: Steps
    loose: Steps

    @classmethod
    def of(cls, truth: Array, rules: Rules) -> Judge:
        """Ignored pixels are unsafe in `strict`, and safe in `loose`."""
        return cls(truth, rules, clearance(truth, rules), clearance(truth, rules, unknown_is_safe=True))

    @property
    def largest(self) -> float:
        """The largest true clearance."""
        return int(self.strict.max()) / STEP

    def best(self) -> Disk | None:
        """The best landing site; None if no disk is large enough."""
        return next(iter(best_disks(self.strict, self.rules)), None)

    def judge(self, disk: Disk) -> Judgement:
        """Whether a disk lies wholly on safe ground; which classes it touches or comes too near to."""
        at = disk.y, disk.x
        wholly, smallest = (self._clear(radius, at) for radius in (disk.radius, self.rules.radius))
        around = window(self.truth.shape, disk, disk.radius)
        inside = _in_steps(from_centre(self.truth.shape, disk, around) - 0.5) / STEP < disk.radius
        open_ = [*self.rules.safe, IGNORE]
        touched = tuple(int(n) for n in np.unique(self.truth[around][inside]) if n not in open_)
        too_near = tuple(n for n in sorted(self.rules.keep) if n not in touched and self._is_near(disk, n))
        return Judgement(VERDICTS[wholly], smallest, int(self.strict[at]) / STEP, touched, too_near)

    def _is_near(self, disk: Disk, number: int) -> bool:
        """Whether a class is nearer to a disk than its distance; it lies in the window, if it is."""
        keep = self.rules.keep[number]
        around = window(self.truth.shape, disk, disk.radius + keep)
        away = from_centre(self.truth.shape, disk, around)[self.truth[around] == number]
        return bool(away.size) and int(_in_steps(away.min() - 0.5 - keep)) / STEP < disk.radius

    def _clear(self, radius: float, at: tuple[int, int]) -> bool | None:
        if radius <= int(self.strict[at]) / STEP:
            return True
        return False if radius > int(self.loose[at]) / STEP else None


def window(shape: tuple[int, ...], disk: Disk, reach: float) -> tuple[slice, slice]:
    """The rows and columns of the pixels whose centres are within reach of a disk's, and some more."""
    reach = int(reach) + 2
    return tuple(  # type: ignore[return-value]
        slice(max(at - reach, 0), min(at + reach + 1, side)) for at, side in zip((disk.y, disk.x), shape, strict=True)
    )


def from_centre(shape: tuple[int, ...], disk: Disk, around: tuple[slice, slice] | None = None) -> Lengths:
    """How far each pixel's centre (in a window) is from a disk's, rounded as the distance transform rounds."""
    rows, columns = around or (slice(0, shape[0]), slice(0, shape[1]))
    y, x = np.ogrid[rows, columns]
    distance: Lengths = np.sqrt(((y - disk.y) ** 2 + (x - disk.x) ** 2).astype(np.float32)).astype(np.float64)
    return distance


def ground_lengths(values: Mapping[str, float | None], metres_per_pixel: float | None) -> Numbers:
    """The lengths in metres, with `_m` after their names; None without a scale."""
    scale = metres_per_pixel
    return {f"{key}_m": None if scale is None or value is None else value * scale for key, value in values.items()}


def _distance(free: Where) -> NDArray[np.float32]:
    """The exact Euclidean distance from each pixel's centre to the nearest centre that is not free."""
    return np.asarray(cv2.distanceTransform(free.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)


def _steps(lengths: NDArray[np.float32], *less: float) -> Steps:
    """Lengths, less some, in whole steps."""
    found = np.empty(lengths.shape, np.int32)
    for rows in strips(lengths.shape, AT_ONCE):
        rest = lengths[rows].astype(np.float64)
        for part in less:
            rest = rest - part
        found[rows] = _in_steps(rest)
    return found


def _in_steps(lengths: Any) -> Steps:
    """Lengths in whole steps; below 0 there is no room."""
    found: Steps = np.floor(np.maximum(lengths, 0) * STEP).astype(np.int32)
    return found
