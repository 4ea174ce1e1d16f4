"""What all images of one flight share: the place, the season, the sun, the camera. A pure function of seed and name."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from stages.download.scenes.canvas import Array
from stages.download.scenes.classes import Kind


@dataclass(frozen=True)
class Site:
    """A kind of place: what the ground is made of and how many of each object stand on it (at least, at most)."""

    ground: tuple[Kind, ...]
    second: tuple[Kind, ...]  # what half of an image may be made of
    road: float  # probability
    water: float
    roofs: tuple[int, int]
    trees: tuple[int, int]
    cars: tuple[int, int]
    persons: tuple[int, int]
    obstacles: tuple[int, int]


SITES = {
    "suburb": Site((Kind.GRASS,), (Kind.SOIL, Kind.GRASS), 0.8, 0.1, (1, 3), (1, 3), (1, 4), (1, 4), (2, 5)),
    "parking": Site((Kind.PAVED,), (Kind.GRASS, Kind.SOIL), 0.2, 0.1, (0, 2), (1, 3), (3, 7), (2, 6), (2, 6)),
    "park": Site((Kind.GRASS,), (Kind.SOIL,), 0.5, 0.6, (0, 1), (2, 5), (0, 2), (3, 7), (2, 6)),
    "farm": Site((Kind.SOIL, Kind.GRASS), (Kind.GRASS, Kind.SOIL), 0.3, 0.4, (0, 2), (1, 3), (0, 3), (1, 4), (3, 7)),
    "plaza": Site((Kind.PAVED,), (Kind.GRASS, Kind.PAVED), 0.1, 0.5, (0, 2), (1, 3), (0, 2), (4, 9), (3, 7)),
    "riverside": Site((Kind.GRASS, Kind.SOIL), (Kind.SOIL,), 0.5, 1.0, (0, 2), (1, 3), (0, 3), (2, 5), (3, 7)),
}

# Reflectances (linear). Kinds share colours on purpose: colour alone must not tell them apart.
COLOURS: dict[Kind, tuple[tuple[float, float, float], ...]] = {
    Kind.PAVED: ((0.10, 0.10, 0.11), (0.17, 0.17, 0.17), (0.26, 0.25, 0.24), (0.27, 0.17, 0.12), (0.29, 0.24, 0.17)),
    Kind.SOIL: ((0.22, 0.15, 0.09), (0.16, 0.11, 0.07), (0.29, 0.23, 0.15), (0.22, 0.21, 0.19), (0.25, 0.14, 0.08)),
    Kind.GRASS: ((0.10, 0.17, 0.05), (0.15, 0.20, 0.07), (0.22, 0.20, 0.09), (0.26, 0.21, 0.12), (0.12, 0.14, 0.07)),
    Kind.WATER: ((0.05, 0.08, 0.09), (0.06, 0.09, 0.06), (0.13, 0.12, 0.09), (0.11, 0.13, 0.14), (0.04, 0.05, 0.05)),
    Kind.ROOF: ((0.10, 0.10, 0.11), (0.21, 0.21, 0.22), (0.28, 0.14, 0.09), (0.19, 0.12, 0.08), (0.16, 0.19, 0.10),
                (0.30, 0.28, 0.25)),
    Kind.TREE: ((0.06, 0.11, 0.03), (0.10, 0.16, 0.05), (0.15, 0.17, 0.06), (0.22, 0.15, 0.06), (0.24, 0.11, 0.06)),
    Kind.CAR: ((0.45, 0.45, 0.45), (0.20, 0.20, 0.21), (0.05, 0.05, 0.06), (0.30, 0.06, 0.05), (0.07, 0.12, 0.25),
               (0.12, 0.17, 0.08), (0.26, 0.22, 0.16)),
    Kind.PERSON: ((0.45, 0.43, 0.40), (0.06, 0.06, 0.08), (0.38, 0.08, 0.07), (0.09, 0.13, 0.32), (0.14, 0.20, 0.08),
                  (0.40, 0.30, 0.08), (0.20, 0.19, 0.18)),
    Kind.OBSTACLE: ((0.24, 0.23, 0.21), (0.25, 0.17, 0.10), (0.11, 0.16, 0.08), (0.12, 0.12, 0.13), (0.36, 0.14, 0.07)),
}  # fmt: skip


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
    lean: tuple[float, float]  # where the tops of upright things lean to, per metre of height
    white_balance: Array
    exposure: float
    haze: float
    blur: float
    motion: float
    noise: float


def generator(seed: int, name: str) -> np.random.Generator:
    """Random numbers that depend on the seed and on one name alone."""
    return np.random.default_rng([seed, *hashlib.sha256(name.encode()).digest()[:8]])


def flight(seed: int, name: str) -> Flight:
    """The conditions of a flight."""
    rng = generator(seed, name)
    tilt, towards = rng.uniform(0.12, 0.3), rng.uniform(0, 2 * np.pi)
    warmth, magenta = rng.normal(0, 0.09), rng.normal(0, 0.03)
    return Flight(
        name=name,
        site=SITES[sorted(SITES)[rng.integers(len(SITES))]],
        palette={kind: _colours(rng, kind) for kind in Kind},
        metres_per_pixel=round(float(rng.uniform(0.09, 0.13)), 4),
        azimuth=float(rng.uniform(0, 2 * np.pi)),
        elevation=float(np.radians(rng.uniform(38, 65))),
        sunshine=float(rng.choice([0.25, 0.6, 0.85, 1.0])),
        lean=(float(tilt * np.cos(towards)), float(tilt * np.sin(towards))),
        white_balance=np.array([1 + warmth, 1 - magenta, 1 - warmth], np.float32),
        exposure=float(rng.uniform(0.8, 1.25)),
        haze=float(rng.uniform(0, 0.05)),
        blur=float(rng.uniform(0.35, 0.75)),
        motion=float(max(0.0, rng.normal(0, 1.2))),
        noise=float(rng.uniform(0.008, 0.03)),
    )


def _colours(rng: np.random.Generator, kind: Kind) -> Array:
    """A flight sees only a few of the colours a kind can have, each a little off. One meadow, but many cars."""
    known = np.array(COLOURS[kind], np.float32)
    many = len(known) if kind in (Kind.CAR, Kind.PERSON, Kind.OBSTACLE) else 2
    chosen = known[rng.permutation(len(known))[:many]]
    return (chosen * rng.normal(1, 0.08, chosen.shape)).clip(0.02, 0.6).astype(np.float32)
