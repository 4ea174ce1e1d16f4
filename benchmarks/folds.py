"""`python benchmarks/folds.py`: what the gate can tell of 60 images in 12 groups, with a validation split and in folds.

Writes benchmarks/results/folds.md. Worlds, gate and change are those of significance.py; here each network also has
what its own training did by chance, everywhere, so that the images of a fold share it. What really changed is the
recipe.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.significance import SEED, after, side  # noqa: I001 - it sets the threads of NumPy

import numpy as np

from benchmarks.common import ROOT
from benchmarks.worlds import PLAIN, Floats, matrices
from pipelines.compare.significance import GATE_SPLIT, Pair
from pixelproof.core.machine import machine
from pixelproof.core.table import markdown_table
from pixelproof.scoring.counts import counts
from pixelproof.scoring.scores import scores

WORLD = replace(PLAIN, change=0.45)
DROP = -0.05
POWER, CALM = 600, 2000  # draws: of a drop, of no change
SETTINGS: list[
    tuple[str, int, int, float]
] = [  # what is judged, groups, networks, and how far apart seeds are (of log odds: 0.1 is 0.015 of mIoU)
    ("validation, a tenth of the groups", 1, 1, 0.1),
    ("validation, 15 % of the groups", 2, 1, 0.1),
    ("5 folds", 12, 5, 0.1),
    ("5 folds, if seeds changed nothing", 12, 5, 0.0),
    ("for comparison: validation of 12 groups, so 80 in all", 12, 1, 0.1),
]
WORDS = f"""\
A recipe changes by a true {DROP} of mIoU, or not at all; groups differ in how much (standard deviation 0.06, as in
[significance.md](significance.md)). *Shut*: how often the gate says that it regressed, of a single network and of one
of four; *cannot tell*: how often it does not know (in the rest the drop looks larger than the alarm, and a person is
asked); *false*: how often it is shut though the recipe did not change."""


@dataclass(frozen=True)
class Recipe:
    """Two revisions of a recipe: for each group that there is, its pixels and the log odds of both."""

    truth: Floats
    base: Floats
    head: Floats

    def moved(self, by: float) -> float:
        """The true change of mIoU, with the head's log odds moved."""
        found = [matrices(self.truth, odds).sum(axis=0) for odds in (self.base, self.head + by)]
        before, now = (float(scores(counts(of), ["mIoU"])["mIoU"]) for of in found)
        return now - before

    def judged(self, rng: np.random.Generator, groups: int, networks: int, spread: float) -> Pair:
        """Some groups, each judged by one of so many networks of either revision."""
        drawn = rng.integers(len(self.truth), size=groups)
        fold = rng.permutation(np.arange(groups) % networks)
        chance = rng.normal(0, spread, (2, networks, self.truth.shape[1]))
        base, head = (
            side(matrices(self.truth[drawn], odds[drawn] + of[fold]))
            for odds, of in zip((self.base, self.head), chance, strict=True)
        )
        return Pair(GATE_SPLIT, "net", {0: base}, {0: head})


def recipe(rng: np.random.Generator, wanted: float, groups: int = 4000) -> Recipe:
    """One whose mIoU changes by `wanted`, found by bisection."""
    truth, odds = WORLD.truth(rng, groups), WORLD.hardness(rng, groups)
    base, head = (odds + rng.normal(0, spread, odds.shape) for spread in (WORLD.both, np.hypot(WORLD.both, 0.45)))
    found, low, high = Recipe(truth, base, head), -3.0, 3.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if found.moved(middle) < wanted else (low, middle)
    return replace(found, head=head + low)


def verdicts(recipes: Sequence[Recipe], draws: int, groups: int, networks: int, spread: float) -> list[list[str]]:
    """What the gate says of each recipe, draw by draw."""
    rng = np.random.default_rng([SEED, groups, networks, len(recipes)])
    said = []
    for _ in range(draws):
        pairs = [of.judged(rng, groups, networks, spread) for of in recipes]
        rows = after([replace(pair, architecture=f"net-{number}") for number, pair in enumerate(pairs)])
        said.append([str(row.verdict) for row in rows if row.metric == "mIoU"])
    return said


def shut(said: list[list[str]]) -> str:
    """How often any of them is said to have regressed."""
    return f"{100 * np.mean(['regressed' in of for of in said]):.1f} %"


def main() -> None:
    """Simulate, and write the page."""
    began, rng = time.perf_counter(), np.random.default_rng([SEED, 5])
    worse, same = recipe(rng, DROP), [recipe(rng, 0.0) for _ in range(4)]
    table = []
    for name, groups, networks, spread in SETTINGS:
        how = groups, networks, spread
        alone, among = (verdicts(of, POWER, *how) for of in ([worse], [worse, *same[1:]]))
        calm = [verdicts(of, CALM, *how) for of in (same[:1], same)]
        untold = f"{100 * np.mean([of[0] == 'cannot tell' for of in alone]):.0f} %"
        table.append([name, str(groups), shut(alone), shut(among), untold, *map(shut, calm)])
    header = "judged by|groups|shut, alone|shut, 1 of 4|alone: cannot tell|false, alone|false, any of 4"
    lines = ["# What the gate can tell of 60 images in 12 groups", ""]
    lines += [f"`bin/python benchmarks/folds.py`, seed {SEED}, on {machine()}.", "", WORDS, ""]
    lines += [*markdown_table(header.split("|"), table), ""]
    lines += [f"Took {(time.perf_counter() - began) / 60:.1f} minutes on one core.", ""]
    (ROOT / "benchmarks/results/folds.md").write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
