"""What all images of a flight share: place, season, sun and camera. A pure function of the seed and the name."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from pixelproof.sources.synthetic.canvas import Array
from pixelproof.sources.synthetic.classes import Kind


@dataclass(frozen=True)
class Site:
    """A kind of place: what its ground is made of, and how many objects of each kind it has (at least, at most)."""

    ground: tuple[Kind, ...]
    second: tuple[Kind, ...]  # the material of up to half an image
    road: float  # probability
    water: float
    roofs: tuple[int, int]
    trees: tuple[int, int]
    cars: tuple[int, int]
    persons: tuple[int, int]
    obstacles: tuple[int, int]


SITES = {
    "suburb": Site((Kind.GRASS,), (Kind.SOIL,), 0.8, 0.1, (2, 4), (2, 5), (1, 4), (3, 7), (3, 7)),
    "parking": Site((Kind.PAVED,), (Kind.GRASS, Kind.SOIL), 0.2, 0.1, (1, 2), (2, 4), (3, 7), (4, 9), (4, 8)),
    "park": Site((Kind.GRASS,), (Kind.SOIL,), 0.4, 0.5, (0, 2), (4, 7), (0, 2), (6, 12), (4, 9)),
    "farm": Site((Kind.SOIL,), (Kind.GRASS,), 0.2, 0.3, (1, 4), (2, 4), (0, 3), (4, 8), (4, 9)),
    "plaza": Site((Kind.PAVED,), (Kind.GRASS,), 0.1, 0.4, (1, 3), (2, 5), (0, 2), (7, 14), (5, 10)),
    "riverside": Site((Kind.GRASS, Kind.SOIL), (Kind.SOIL,), 0.3, 1.0, (1, 3), (2, 5), (0, 3), (4, 9), (4, 9)),
}

# Linear reflectances. Kinds share colours on purpose, so that colour alone cannot tell them apart.
COLOURS: dict[Kind, tuple[tuple[float, float, float], ...]] = {
    Kind.PAVED: ((0.16, 0.16, 0.165), (0.24, 0.235, 0.23), (0.30, 0.28, 0.25), (0.30, 0.25, 0.19)),
    Kind.SOIL: ((0.23, 0.155, 0.09), (0.28, 0.20, 0.125), (0.17, 0.115, 0.07), (0.24, 0.20, 0.15)),
    Kind.GRASS: ((0.11, 0.19, 0.05), (0.15, 0.21, 0.07), (0.20, 0.22, 0.08), (0.22, 0.21, 0.09)),
    Kind.WATER: ((0.07, 0.09, 0.10), (0.08, 0.10, 0.08), (0.11, 0.12, 0.12), (0.12, 0.115, 0.09)),
    Kind.ROOF: ((0.13, 0.13, 0.145), (0.32, 0.13, 0.08), (0.22, 0.12, 0.085), (0.35, 0.33, 0.31)),
    Kind.TREE: ((0.05, 0.10, 0.03), (0.07, 0.13, 0.04), (0.12, 0.14, 0.05), (0.24, 0.14, 0.05)),
    Kind.CAR: ((0.55, 0.55, 0.55), (0.30, 0.30, 0.31), (0.05, 0.05, 0.06), (0.40, 0.05, 0.05), (0.06, 0.12, 0.35),
               (0.10, 0.20, 0.10)),
    Kind.PERSON: ((0.50, 0.48, 0.45), (0.06, 0.06, 0.09), (0.45, 0.06, 0.07), (0.07, 0.13, 0.42), (0.50, 0.38, 0.06),
                  (0.40, 0.10, 0.30)),
    Kind.OBSTACLE: ((0.34, 0.33, 0.31), (0.30, 0.20, 0.11), (0.46, 0.19, 0.05), (0.15, 0.21, 0.10)),
}  # fmt: skip

# The colour of dirt, weeds, wear or foam on a surface, which resembles the colours of other kinds.
SPOTS: dict[Kind, tuple[float, float, float]] = {
    Kind.PAVED: (0.22, 0.17, 0.11),
    Kind.SOIL: (0.14, 0.19, 0.07),
    Kind.GRASS: (0.24, 0.17, 0.10),
    Kind.WATER: (0.16, 0.18, 0.18),
    Kind.ROOF: (0.16, 0.15, 0.10),
}


@dataclass(frozen=True)
class Flight:
    """One flight over one place."""

    name: str
    site: Site
    palette: dict[Kind, Array]
    metres_per_pixel: float
    azimuth: float
    elevation: float
    sunshine: float  # 0 overcast, 1 clear
    lean: tuple[float, float]  # the shift (x, y) of an upright object's top per metre of its height
    white_balance: Array
    exposure: float
    haze: float
    blur: float
    motion: float
    noise: float


def generator(seed: int, name: str) -> np.random.Generator:
    """A random generator that depends only on the seed and a name."""
    return np.random.default_rng([seed, *hashlib.sha256(name.encode()).digest()[:8]])


def flight(seed: int, name: str) -> Flight:
    """The conditions of a flight."""
    rng = generator(seed, name)
    tilt, towards = rng.uniform(0.25, 0.45), rng.uniform(0, 2 * np.pi)
    warmth, magenta = rng.normal(0, 0.05), rng.normal(0, 0.02)
    return Flight(
        name=name,
        site=SITES[sorted(SITES)[rng.integers(len(SITES))]],
        palette={kind: _colours(rng, kind) for kind in Kind},
        metres_per_pixel=round(float(rng.uniform(0.065, 0.09)), 4),
        azimuth=float(rng.uniform(0, 2 * np.pi)),
        elevation=float(np.radians(rng.uniform(38, 65))),
        sunshine=float(rng.choice([0.4, 0.7, 0.85, 1.0])),
        lean=(float(tilt * np.cos(towards)), float(tilt * np.sin(towards))),
        white_balance=np.array([1 + warmth, 1 - magenta, 1 - warmth], np.float32),
        exposure=float(rng.uniform(0.85, 1.2)),
        haze=float(rng.uniform(0, 0.05)),
        blur=float(rng.uniform(0.3, 0.55)),
        motion=float(max(0.0, rng.normal(0, 0.8))),
        noise=float(rng.uniform(0.006, 0.02)),
    )


def _colours(rng: np.random.Generator, kind: Kind) -> Array:
    """The colours of a kind on one flight, slightly varied: all for cars, persons and obstacles, otherwise two."""
    known = np.array(COLOURS[kind], np.float32)
    many = len(known) if kind in (Kind.CAR, Kind.PERSON, Kind.OBSTACLE) else 2
    chosen = known[rng.permutation(len(known))[:many]]
    return (chosen * rng.normal(1, 0.08, chosen.shape)).clip(0.02, 0.6).astype(np.float32)
