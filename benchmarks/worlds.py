"""Worlds in which the truth is known: what groups of images, classes and networks are like."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """What groups, classes and networks are like. Spreads are standard deviations of log odds, unless they say else."""

    shares: tuple[float, ...] = (0.4, 0.3, 0.15, 0.1, 0.05)  # of the pixels, by class
    present: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 1.0)  # the share of groups that have the class
    sizes: float = 0.3  # of the logarithm of a group's pixels
    mixes: float = 0.7  # of the logarithm of a class's share of a group
    found: tuple[float, ...] = (3.0, 2.6, 2.2, 1.8, 1.5)  # log odds that a pixel of the class is found
    groups: float = 0.6  # how much harder a group is than another, for both revisions
    change: float = 0.0  # how much more a change of the revision does to one group than to another
    seeds: float = 0.1  # what a seed does everywhere, to each class
    both: float = 0.25  # what a seed does to a class of a group

    @property
    def classes(self) -> list[str]:
        """The names of the classes."""
        return [f"class {number}" for number in range(len(self.shares))]

    def truth(self, rng: np.random.Generator, groups: int) -> Floats:
        """The pixels of each class in each group."""
        size = 50_000 * np.exp(rng.normal(0, self.sizes, (groups, 1)))
        mix = np.array(self.shares) * np.exp(rng.normal(0, self.mixes, (groups, len(self.shares))))
        mix *= rng.random(mix.shape) < np.array(self.present)
        return np.asarray(np.round(size * mix / mix.sum(axis=1, keepdims=True)))

    def hardness(self, rng: np.random.Generator, groups: int) -> Floats:
        """How hard each class of each group is, for all networks."""
        return np.asarray(np.array(self.found) + rng.normal(0, self.groups, (groups, len(self.shares))))

    def network(self, rng: np.random.Generator, truth: Floats, odds: Floats, spread: float = 1.0) -> NDArray[np.int64]:
        """The matrix of each group by a network of a new seed, whose seeds differ `spread` times as much."""
        everywhere = rng.normal(0, self.seeds * spread, truth.shape[1])
        return matrices(truth, odds + everywhere + rng.normal(0, self.both, truth.shape))


PLAIN = World()
SKEWED = replace(
    PLAIN,
    shares=(0.55, 0.3, 0.1, 0.04, 0.01),
    present=(1.0, 1.0, 0.9, 0.6, 0.35),
    sizes=0.7,
    mixes=1.0,
)
DOMINATED = replace(SKEWED, sizes=1.5)
NEAR_PERFECT = replace(PLAIN, found=(5.0, 4.6, 4.2, 3.8, 3.5), groups=1.0)


def matrices(truth: Floats, odds: Floats) -> NDArray[np.int64]:
    """Matrices in which each class is found at these log odds, and otherwise taken for another by their pixels."""
    missed = truth / (1 + np.exp(odds))
    weights = truth.sum(axis=0) * (1 - np.eye(truth.shape[1]))
    found = np.floor(missed[..., None] * (weights / weights.sum(axis=1, keepdims=True)))
    every = np.arange(truth.shape[1])
    found[..., every, every] = truth - found.sum(axis=2)
    return np.asarray(found, np.int64)
