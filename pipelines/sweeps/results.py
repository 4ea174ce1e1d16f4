"""What came of the points: each network's score on validation and test, and which of them differ.

Scores are computed from the stored matrices, as `compare` does, and tested with its statistics: every two networks on
validation, two-sided, with Holm's correction over all pairs, so that the winner may be chosen by the same table.
Nothing is tested on the test split. Where a graph stores no matrices, metrics/*.json gives
the scores, and nothing is tested.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from pipelines.compare.estimate import seed_spread
from pipelines.compare.labels import Classes
from pipelines.compare.runs import SPLITS, by_split, read_runs, truths
from pipelines.compare.significance import GATE_SPLIT, Pair, estimates, measure
from pipelines.compare.store import Outputs, Store
from pipelines.dvc.revision import Revision
from pipelines.params import Compare
from pipelines.sweeps.networks import UNKNOWN, Column, Network, columns, network_of
from pipelines.sweeps.record import Record
from pipelines.sweeps.spec import Point, Sweep
from pixelproof.scoring.catalogue import CATALOGUE
from pixelproof.scoring.counts import counts, unstacked
from pixelproof.scoring.formulas import Floats, mean
from pixelproof.scoring.matrices import Matrices
from pixelproof.scoring.resampling import (
    FEWEST,
    effective,
    freedom_of,
    group_sums,
    groups_needed,
    holm,
    jackknife,
    student,
)
from pixelproof.scoring.scores import side_by_side

Told = Literal["differ", "no difference shown", "identical", "too few groups", "not comparable"]


@dataclass(frozen=True)
class Score:
    """A score, the mean over the seeds, with its interval over groups and seeds; None is a number that is not known."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Row:
    """One network of one point."""

    point: Point
    architecture: str
    record: Record
    seeds: tuple[int, ...]
    scores: Mapping[str, Score]  # by split
    stored: Mapping[str, Mapping[int, Matrices]] = field(default_factory=dict)  # split -> seed -> matrices
    classes: Classes | None = None
    network: Network = UNKNOWN


@dataclass(frozen=True)
class Difference:
    """Two rows, by their places in the table. The change is from the first to the second."""

    first: int
    second: int
    told: Told
    change: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_holm: float | None = None


@dataclass(frozen=True)
class Results:
    """The table: the best on validation first."""

    metric: str
    rows: tuple[Row, ...]
    differences: tuple[Difference, ...]

    def between(self, one: int, other: int) -> Difference | None:
        """What is known of two rows."""
        wanted = {one, other}
        return next((each for each in self.differences if {each.first, each.second} == wanted), None)

    def columns(self) -> list[Column]:
        """What tells the networks apart beside their scores."""
        return columns([(row.architecture, row.network) for row in self.rows])


def results(repo: Any, sweep: Sweep, done: Mapping[str, Record], how: Compare) -> Results:
    """Read what the points wrote, and test what differs."""
    store, metric = Store(repo), how.gate.metric
    found = [
        row
        for point in sweep.points
        if point.name in done
        for row in _rows(point, done[point.name], store, metric, 1 - how.alpha)
    ]
    sign = 1 if CATALOGUE[metric].better == "lower" else -1
    found.sort(key=lambda row: _order(row.scores.get(GATE_SPLIT, Score()).value, sign))
    return Results(metric, tuple(found), tuple(differences(found, how)))


def _order(value: float | None, sign: int) -> tuple[bool, float]:
    """The best first; what is not known last."""
    return value is None, 0.0 if value is None else sign * value


def _rows(point: Point, record: Record, store: Store, metric: str, confidence: float) -> list[Row]:
    outputs = Outputs(Revision(f"point {point.name}", record.commit), store)
    runs, stated = read_runs(outputs), outputs.side.metrics()
    rows = []
    for name in sorted(runs.found.keys() | stated.keys()):
        of = runs.found.get(name, {})
        stored = {split: by_split(of, split) for split in SPLITS}
        scores = {
            split: score(each, metric, confidence) if each else Score(_number(stated.get(name, {}), split, metric))
            for split, each in stored.items()
        }
        seeds = tuple(sorted(of))
        rows.append(Row(point, name, record, seeds, scores, stored, runs.classes, network_of(outputs, name, seeds)))
    return rows


def _number(stated: Mapping[str, Any], split: str, metric: str) -> float | None:
    value = stated.get(f"{split}.{metric}")
    return float(value) if isinstance(value, (int, float)) else None


def score(seeds: Mapping[int, Matrices], metric: str, confidence: float) -> Score:
    """The mean over the seeds, with its interval for other groups of images and other seeds.

    The variances over groups (jackknife) and over seeds are added; the degrees of freedom are the smaller ones.
    """
    first = next(iter(seeds.values()))
    sums = [group_sums(counts(seeds[seed].counts).stacked(), first.groups) for seed in sorted(seeds)]
    units = np.stack(sums, axis=1)  # [groups, seeds, 3, classes]
    by_seed = side_by_side(unstacked(units.sum(axis=0)), [metric])

    def statistic(totals: Any) -> Floats:
        return mean(side_by_side(unstacked(totals), [metric]), axis=-2)

    value, variance = jackknife(units, statistic)
    weights = units[:, 0, 1].sum(axis=1).astype(np.float64)[:, None]
    freedom = float(freedom_of(effective(weights))[0])
    if len(seeds) > 1:
        spread = seed_spread(by_seed, by_seed[:1])
        variance, freedom = variance + spread.variance / len(seeds), min(freedom, spread.freedom)
    if math.isnan(value[0]):
        return Score()
    half = float(student(freedom, (1 + confidence) / 2) * np.sqrt(variance[0]))
    if (weights > 0).sum() < FEWEST or math.isnan(half):
        return Score(float(value[0]))
    return Score(float(value[0]), max(float(value[0]) - half, 0.0), min(float(value[0]) + half, 1.0))


def differences(rows: Sequence[Row], how: Compare) -> list[Difference]:
    """Every two rows of different points that answer one question, tested together.

    These are the rows of one architecture, and those of points that have but one.
    """
    alone = {name for name in {row.point.name for row in rows} if sum(row.point.name == name for row in rows) == 1}
    asked = [
        (one, other)
        for one, other in itertools.combinations(range(len(rows)), 2)
        if rows[one].point is not rows[other].point and _one_question(rows[one], rows[other], alone)
    ]
    same = [(one, other) for one, other in asked if _comparable(rows[one], rows[other])]
    tested = dict(zip(same, _tested([(rows[one], rows[other]) for one, other in same], how), strict=True))
    return [Difference(*pair, **tested.get(pair, {"told": "not comparable"})) for pair in asked]


def _one_question(one: Row, other: Row, alone: set[str]) -> bool:
    return one.architecture == other.architecture or {one.point.name, other.point.name} <= alone


def _comparable(one: Row, other: Row) -> bool:
    """Whether both have results on the same images with the same labels."""
    first, second = one.stored.get(GATE_SPLIT), other.stored.get(GATE_SPLIT)
    if not first or not second or one.classes is None or other.classes is None:
        return False
    if one.classes.names != other.classes.names:
        return False
    truth = truths(next(iter(first.values())))
    return all(truths(found) == truth for found in (*first.values(), *second.values()))


def _tested(pairs: Sequence[tuple[Row, Row]], how: Compare) -> list[dict[str, Any]]:
    """The change of each pair, with its interval and p-value; these are corrected for each other."""
    if not pairs:
        return []
    metric, names = how.gate.metric, pairs[0][0].classes.names if pairs[0][0].classes else ()
    only = how.model_copy(update={"metrics": {metric: how.metrics[metric]}})
    stored = [
        Pair(GATE_SPLIT, f"{one.point.name}, {other.point.name}", one.stored[GATE_SPLIT], other.stored[GATE_SPLIT])
        for one, other in pairs
    ]
    found = [measure(pair, names, only) for pair in stored]
    sure = estimates(stored, found)
    least = groups_needed(how.alpha)
    p = np.full(len(pairs), np.nan)
    for at, (one, estimate) in enumerate(zip(found, sure, strict=True)):
        if one.differing[0] >= least:
            p[at] = min(2 * float(min(side[0] for side in estimate.tails())), 1.0)
    corrected = holm(p)
    lines = []
    for at, (one, estimate) in enumerate(zip(found, sure, strict=True)):
        low, high = estimate.interval(0, 1 - how.alpha) if one.differing[0] >= least else (math.nan, math.nan)
        told = _told(bool(one.same[0]), float(corrected[at]), how.alpha)
        numbers = {"change": estimate.change[0], "low": low, "high": high, "p": p[at], "p_holm": corrected[at]}
        lines.append({"told": told} | {name: _known(float(value)) for name, value in numbers.items()})
    return lines


def _told(same: bool, p_holm: float, alpha: float) -> Told:
    if same:
        return "identical"
    if math.isnan(p_holm):
        return "too few groups"
    return "differ" if p_holm <= alpha else "no difference shown"


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
