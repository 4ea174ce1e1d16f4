"""`python benchmarks/significance.py`: how often `compare` is right and wrong, on networks whose truth is known.

Writes benchmarks/results/significance.md; with words (`own`), only the sections that have one in their titles, and the
others stay on the page as they are. Groups of images are drawn from a population of them, and networks find each
class of each group with a probability that depends on the class, the group, the seed, and both together (worlds.py). So
it is known what really changed, and only chance makes the rest. The columns "before" are the method of `BEFORE` (a
percentile bootstrap, swaps of groups, Holm over all rows, a floor for each row), run from git's history on the same
draws; they are empty in a clone without it. A network's own interval was a percentile bootstrap before.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # read when NumPy is imported
sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from benchmarks.common import ROOT  # noqa: E402
from benchmarks.worlds import DOMINATED, NEAR_PERFECT, PLAIN, SKEWED, Floats, World, matrices  # noqa: E402
from pipelines.compare.significance import GATE_SPLIT, Pair, Row, judge  # noqa: E402
from pipelines.params import Compare  # noqa: E402
from pixelproof.core.machine import machine  # noqa: E402
from pixelproof.core.params import check  # noqa: E402
from pixelproof.core.table import markdown_table  # noqa: E402
from pixelproof.scoring.counts import counts, unstacked  # noqa: E402
from pixelproof.scoring.matrices import Matrices  # noqa: E402
from pixelproof.scoring.resampling import bootstrap  # noqa: E402
from pixelproof.scoring.scores import scores, side_by_side  # noqa: E402
from stages.evaluate.metrics import intervals  # noqa: E402

BEFORE = "816802c"
SEED = 20261128
WORDS = f"""\
Worlds are in the script: five classes of 40 to 5 % of the pixels that all groups have (*even*), or of 55 to 1 %, the
rarest in a third of groups, whose sizes vary sevenfold and more (*skewed*). Where seeds differ, those of one network
are 0.015 of mIoU apart (standard deviation). *Before* is the method of {BEFORE}, from fewer draws.

For a network's own interval there are two more: *dominated* is *skewed* with sizes that vary so much that the
largest of ten groups has two fifths of the pixels; in *near perfect* nearly every pixel is found, but groups differ
more. A class has no interval where fewer than 6 groups have it. *Falls short*: below 0.90, from 10 groups on 0.92."""
PARAMS = check(
    Compare,
    {
        "alpha": 0.05,
        "gate": {"metric": "mIoU", "alarm": 0.05},
        "objects": 0.01,
        "metrics": {"mIoU": {"better": "higher", "tolerance": 0.005}, "iou": {"better": "higher", "tolerance": 0.01}},
    },
    "pipelines.compare.",
)
WORLDS = {"even": PLAIN, "skewed": SKEWED}
OWN = WORLDS | {"dominated": DOMINATED, "near perfect": NEAR_PERFECT}
Rows = Sequence[Row]
Judge = Callable[[Sequence[Pair]], Rows]

# --- revisions -------------------------------------------------------------------------------------------------------


def side(found: NDArray[np.int64]) -> Matrices:
    """One image per group."""
    names = [f"{number:04}" for number in range(len(found))]
    return Matrices(names, names, found)


@dataclass(frozen=True)
class Population:
    """Two networks' matrices of all the groups that there are; `moved` is what really changed, by row."""

    base: NDArray[np.int64]
    head: NDArray[np.int64]

    @property
    def moved(self) -> Floats:
        """The true change of mIoU, then of each class's IoU."""
        of = [scores(counts(found.sum(axis=0)), ["mIoU", "iou"]) for found in (self.base, self.head)]
        return np.concatenate([[of[1]["mIoU"] - of[0]["mIoU"]], of[1]["iou"] - of[0]["iou"]])

    def split(self, rng: np.random.Generator, groups: int) -> Pair:
        """A validation split of some groups, scored by both."""
        drawn = rng.integers(len(self.base), size=groups)
        return Pair(GATE_SPLIT, "net", {0: side(self.base[drawn])}, {0: side(self.head[drawn])})


def population(
    world: World, rng: np.random.Generator, wanted: float = 0.0, row: int = 0, groups: int = 4000
) -> Population:
    """Two networks of one seed each; the change of a row (0: mIoU) is `wanted`, found by bisection."""
    truth = world.truth(rng, groups)
    odds = world.hardness(rng, groups)
    base = world.network(rng, truth, odds)
    own = odds + rng.normal(0, world.change, truth.shape) + rng.normal(0, world.both, truth.shape)
    which = np.ones(truth.shape[1]) if row == 0 else np.eye(truth.shape[1])[row - 1]
    low, high = -3.0, 3.0
    for _ in range(40):
        middle = (low + high) / 2
        found = Population(base, matrices(truth, own + which * middle))
        low, high = (middle, high) if found.moved[row] < wanted else (low, middle)
    return found


# --- judges ----------------------------------------------------------------------------------------------------------


def after(pairs: Sequence[Pair]) -> Rows:
    """The method of this tree."""
    return judge(pairs, PLAIN.classes, PARAMS)


def before() -> Judge | None:
    """The method of `BEFORE`, with fewer resamples and swaps; None if git has no such commit here."""
    path = "pipelines/compare/significance.py"
    shown = subprocess.run(["git", "show", f"{BEFORE}:{path}"], capture_output=True, text=True, cwd=ROOT)
    if shown.returncode:
        return None
    module: Any = ModuleType("significance_before")
    sys.modules[module.__name__] = module  # dataclasses look there
    exec(compile(shown.stdout, path, "exec"), module.__dict__)
    params = SimpleNamespace(alpha=PARAMS.alpha, metrics=PARAMS.metrics, resamples=1000, permutations=1000)
    return lambda pairs: list(module.judge(pairs, PLAIN.classes, params, SEED))


# --- what is asked ---------------------------------------------------------------------------------------------------


def coverage(old: Judge | None) -> list[list[str]]:
    """How often the interval of a change at 0.95 holds the true one: of mIoU, of all classes, of the worst class."""
    table = []
    for name, world in WORLDS.items():
        for groups in (3, 6, 8, 10, 16, 30):
            cells = []
            for by, draws in ((old, 25), (after, 150)):
                rng, held = np.random.default_rng([SEED, groups]), []
                for _ in range(8 if by else 0):
                    people = population(replace(world, change=0.6), rng, -0.02)
                    for _ in range(draws):
                        rows = by([people.split(rng, groups)])  # type: ignore[misc]
                        held.append([_holds(row, true) for row, true in zip(rows, people.moved, strict=True)])
                found = np.array(held, np.float64).reshape(-1, len(world.shares) + 1)
                there = ~np.isnan(found).all(axis=0)
                each = np.nanmean(found[:, there], axis=0) if there.any() else np.empty(0)
                rare = f"{np.nanmean(each[1:]):.3f}, {each[1:].min():.3f}" if len(each) else ""
                cells += [f"{each[0]:.3f}", rare] if len(each) else ["none" if by else "", ""]
            table.append([name, str(groups), *cells])
    return table


def _holds(row: Row, true: float) -> float:
    return np.nan if row.low is None or row.high is None else float(row.low <= true <= row.high)


def power(old: Judge | None) -> list[list[str]]:
    """How often a true -0.05 of one of four networks shuts the gate, and how often it is shut without any change."""
    rng = np.random.default_rng([SEED, 1])
    world = replace(PLAIN, change=0.45)
    worse = population(world, rng, -0.05)
    same = [population(world, rng, 0.0) for _ in range(4)]
    table = []
    for groups in (8, 12, 16, 30):
        spread = np.std([_change(worse.split(rng, groups)) for _ in range(400)]) * groups**0.5
        was = "" if old is None else f"{100 * _shut(old, [worse, *same[1:]], groups, 150, ('val', 'test')):.0f} %"
        cells = [f"{100 * _shut(after, nets, groups, 600):.0f} %" for nets in ([worse, *same[1:]], [worse])]
        cells += [f"{100 * _shut(after, nets, groups, 2000):.1f} %" for nets in (same, same[:1])]
        table.append([str(groups), f"{spread:.3f}", was, *cells])
    return table


def _shut(
    by: Judge, nets: Sequence[Population], groups: int, draws: int, splits: Sequence[str] = (GATE_SPLIT,)
) -> float:
    """How often mIoU is said to have regressed on validation; the test split matters where all rows are one family."""
    rng = np.random.default_rng([SEED, groups, 2])
    found = []
    for _ in range(draws):
        drawn = [(f"net-{number}", split, of.split(rng, groups)) for number, of in enumerate(nets) for split in splits]
        rows = by([replace(pair, architecture=name, split=split) for name, split, pair in drawn])
        gate = [row for row in rows if (row.split, row.metric) == (GATE_SPLIT, "mIoU")]
        found.append(any(row.verdict == "regressed" for row in gate))
    return float(np.mean(found))


def _change(pair: Pair) -> float:
    values = [scores(counts(of[0].counts.sum(axis=0)), ["mIoU"])["mIoU"] for of in (pair.base, pair.head)]
    return float(values[1] - values[0])


def only_seeds(old: Judge | None) -> list[list[str]]:
    """How often something is claimed on validation of four networks of which nothing but the seeds differ."""
    settings = [("even", 24, 1.0), ("even", 8, 1.0), ("skewed", 16, 1.0), ("even", 16, 3.0)]
    table = []
    for name, groups, last in settings:
        for seeds in (2, 3, 5):
            cells = []
            for by, pairs in ((old, 100), (after, 2000)):
                rng = np.random.default_rng([SEED, groups, seeds])
                world = replace(WORLDS[name], seeds=0.2)
                claimed, shut, told, looked = [], [], [], []
                for _ in range(pairs if by else 0):
                    rows = by(retrained(world, rng, groups, seeds, last))  # type: ignore[misc]
                    gate = {row.verdict for row in rows if row.metric == "mIoU"}
                    claimed.append(any(row.verdict in ("improved", "regressed") for row in rows))
                    shut.append(any(row.verdict == "regressed" for row in rows if by is old or row.metric == "mIoU"))
                    looked.append("alarm" in gate)
                    told.append("cannot tell" in gate)
                cells += [f"{100 * np.mean(of):.1f} %" for of in (claimed, shut)] if by else ["", ""]
            more = [f"{100 * np.mean(of):.1f} %" for of in (looked, told)]
            table.append(
                [name, str(groups), "equal" if last == 1 else f"one is {last:g} times", str(seeds), *cells, *more]
            )
    return table


def retrained(world: World, rng: np.random.Generator, groups: int, seeds: int, last: float) -> list[Pair]:
    """Four networks, trained again with other seeds; the last one's seeds differ `last` times as much."""
    truth, odds = world.truth(rng, groups), world.hardness(rng, groups)
    pairs = []
    for number in range(4):
        spread = last if number == 3 else 1.0
        base, head = ({s: side(world.network(rng, truth, odds, spread)) for s in range(seeds)} for _ in range(2))
        pairs.append(Pair(GATE_SPLIT, f"net-{number}", base, head))
    return pairs


def tolerated(old: Judge | None) -> list[list[str]]:
    """How often a true change of the tolerance itself is called equivalent: of mIoU, of a class, of the rarest."""
    table = []
    for name, world in WORLDS.items():
        calm = replace(world, change=0.03, both=0.04)
        for row, what in ((0, "mIoU, -0.005"), (2, "a class, -0.01"), (5, "the rarest, -0.01")):
            for groups in (8, 16, 30):
                cells = []
                for by, draws in ((old, 50), (after, 250)):
                    rng, passed = np.random.default_rng([SEED, groups, row]), []
                    for _ in range(4 if by else 0):
                        people = population(calm, rng, -0.005 if row == 0 else -0.01, row)
                        for _ in range(draws):
                            found = by([people.split(rng, groups)])[row]  # type: ignore[misc]
                            passed.append(found.verdict == "equivalent")
                    cells.append(f"{100 * np.mean(passed):.1f} %" if by else "")
                table.append([name, what, str(groups), *cells])
    return table


# --- a network's own interval ----------------------------------------------------------------------------------------

Ends = list[tuple[float, float]]  # of mIoU, and of each class's IoU; NaN: no interval


def own(_: Judge | None) -> list[list[str]]:
    """How often the 95 % intervals of a network's scores hold the true ones: those over all groups that there are."""
    table = []
    for name, world in OWN.items():
        for groups in (6, 8, 10, 16, 30):
            was, now = (_held(by, world, groups, draws) for by, draws in ((percentile, 60), (jackknifed, 500)))
            without = f"{100 * np.isnan(now[:, 1:]).mean():.0f} %"
            table.append([name, str(groups), *_cells(*_shares(was)), *_cells(*_shares(now)), without])
            asked = 0.90 if groups < 10 else 0.92
            short = zip(("mIoU", "the classes", "one class"), _shares(now), strict=True)
            table[-1].append(", ".join(what for what, share in short if share < asked))
    return table


def _held(by: Callable[[NDArray[np.int64], World], Ends], world: World, groups: int, draws: int) -> Floats:
    """Whether the intervals held the true scores, [draws, scores]; NaN: there was none."""
    people, rng = (np.random.default_rng([SEED, groups, number]) for number in (3, 4))
    held = []
    for _ in range(8):
        truth = world.truth(people, 4000)
        everybody = world.network(people, truth, world.hardness(people, 4000))
        true = own_scores(counts(everybody).stacked().sum(axis=0))
        for _ in range(draws):
            low, high = np.array(by(everybody[rng.integers(len(everybody), size=groups)], world)).T
            held.append(np.where(np.isnan(low), np.nan, (low <= true) & (true <= high)))
    return np.array(held)


def own_scores(totals: NDArray[Any]) -> Floats:
    """The mIoU and each class's IoU of sums [..., 3, classes]."""
    return side_by_side(unstacked(totals), ["mIoU", "iou"])


def percentile(drawn: NDArray[np.int64], _: World) -> Ends:
    """Evaluate's intervals until then, with fewer resamples; of those that have the class."""
    samples = bootstrap(counts(drawn).stacked(), own_scores, 1000, np.random.default_rng(SEED))
    there = [values[~np.isnan(values)] for values in samples.T]
    return [tuple(np.quantile(values, (0.025, 0.975))) if len(values) else (np.nan, np.nan) for values in there]


def jackknifed(drawn: NDArray[np.int64], world: World) -> Ends:
    """Evaluate's intervals."""
    found = intervals(counts(drawn), side(drawn).groups, world.classes, 0.95)
    ends = [found["mIoU"], *(of["iou"] for of in found["classes"].values())]
    return [tuple(one or (np.nan, np.nan)) for one in ends]


def _shares(held: Floats) -> tuple[float, float, float]:
    """How often the interval of mIoU held, and those of the classes in the mean and at worst, of at least 200."""
    often = [values[~np.isnan(values)] for values in held.T]
    classes = [values.mean() for values in often[1:] if len(values) >= 200]
    return float(often[0].mean()), float(np.mean(classes)), float(min(classes))


def _cells(whole: float, mean: float, worst: float) -> list[str]:
    return [f"{whole:.3f}", f"{mean:.3f}, {worst:.3f}"]


SECTIONS: list[tuple[str, str, Callable[[Judge | None], list[list[str]]]]] = [
    (
        "Coverage of the 95 % interval of a change (one seed, groups differ in how much they change)",
        "world|groups|before: mIoU|classes: mean, worst|now: mIoU|classes: mean, worst",
        coverage,
    ),
    (
        "Power of the gate for a true -0.05 of mIoU of one network (one seed), and how often no change shuts it",
        "groups|spread between groups|before: 1 of 4|now: 1 of 4|alone|no change: any of 4|alone",
        power,
    ),
    (
        "Nothing but the seeds differ: four networks, 2,000 pairs of revisions (100 before)",
        "world|groups|spreads|seeds|before: any claim|gate shut|now: any claim|gate shut|a person asked|cannot tell",
        only_seeds,
    ),
    (
        "A true change of the tolerance itself is called equivalent (nominal: at most 5 %)",
        "world|of|groups|before|now",
        tolerated,
    ),
    (
        "A network's own 95 % interval holds its true score (not that of another seed)",
        "world|groups|before: mIoU|classes: mean, worst|now: mIoU|classes: mean, worst|classes without one|falls short",
        own,
    ),
]


def main() -> None:
    """Simulate the sections that are asked for, and write the page."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("words", nargs="*", help="of the titles of sections; without any: all of them")
    asked, old = parser.parse_args().words, before()
    page = ROOT / "benchmarks/results/significance.md"
    lines = ["# How often `compare` is right and wrong", ""]
    lines += [f"`bin/python benchmarks/significance.py`, seed {SEED}, on {machine()}.", ""]
    head, *kept = page.read_text().split("\n## ") if asked else ["\n".join([*lines, WORDS, ""])]
    written = {text.partition("\n")[0]: text for text in kept}
    for title, header, section in SECTIONS:
        if not asked or any(word in title for word in asked):
            began = time.perf_counter()
            table = markdown_table(header.split("|"), section(old))
            took = f"Took {(time.perf_counter() - began) / 60:.1f} minutes on one core."
            written[title] = "\n".join([title, "", *table, "", took, ""])
    page.write_text("\n## ".join([head, *(written[title] for title, *_ in SECTIONS if title in written)]))


if __name__ == "__main__":
    main()
