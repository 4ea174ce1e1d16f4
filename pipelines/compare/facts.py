"""What stands above every verdict: whether the two revisions' records are true, and of the same things.

dvc.lock and metrics/ are text that anybody can edit. Hashes alone do not show it, but two things do: numbers that the
stored results contradict, and outputs that differ although nothing that makes them does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from subprocess import CalledProcessError
from typing import Any, Literal

from pipelines.compare.kept import ROUNDED, mean_of, wrong_metrics, wrong_tables
from pipelines.compare.runs import EVALUATED, SPLITS, Runs, Seeds, SharedImages, folder, same_seeds
from pipelines.compare.store import Outputs
from pipelines.dvc.lock import DvcLock, differences
from pipelines.dvc.revision import changed_files, git
from pipelines.verify.verify import is_number
from pixelproof.scoring.catalogue import headlines
from pixelproof.scoring.counts import counts
from pixelproof.scoring.scores import scores

METRICS = "metrics.json"  # of evaluate
MISSING = "missing"
SIDES = ("base", "head")
SCORING = "pixelproof/scoring"  # the code that computes the scores
WRITE_AGAIN = "run `dvc repro --force --single-item report`"  # by its hashes, an edited number is up to date
Metrics = Mapping[str, Mapping[str, Any]]  # architecture -> key path -> value


@dataclass(frozen=True)
class Alarm:
    """What cannot be true, or cannot be explained: a phrase for the headline, what it means, and where."""

    kind: Literal["data", "metrics", "outputs"]
    text: str
    meaning: str
    things: tuple[str, ...]


@dataclass(frozen=True)
class SeedsOf:
    """The seeds of an architecture that each revision evaluated, and the pairs of them that are compared."""

    architecture: str
    base: tuple[int, ...]
    head: tuple[int, ...]
    compared: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Facts:
    """All of it. `gone` and `new` are the architectures that only one revision has."""

    alarms: tuple[Alarm, ...] = ()
    untrue: tuple[str, ...] = ()  # where the head's metrics/ and tables/ are not what its matrices give
    unlike_data: tuple[str, ...] = ()  # where the head's matrices are not of its data
    gone: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    unvalidated: tuple[str, ...] = ()  # the revisions without a labelled image in validation
    seeds: tuple[SeedsOf, ...] = ()  # of the architectures whose seeds differ
    crossed: bool = False  # whether --cross-evaluate was asked for
    code: str = ""  # which code computed the scores

    @property
    def unexplained(self) -> bool:
        """Whether any output differs without a cause."""
        return any(alarm.kind == "outputs" for alarm in self.alarms)


def recomputed(runs: Runs) -> dict[str, dict[str, float | None]]:
    """The headlines that confusion matrices give, as metrics/ keeps them: the means over the seeds."""
    metrics = [metric.name for metric in headlines() if metric.formula]
    return {
        name: {
            f"{split}.{metric}": value
            for split in SPLITS
            if all(split in of for of in seeds.values())
            for metric, value in _means(seeds, split, metrics).items()
        }
        for name, seeds in runs.found.items()
    }


def _means(seeds: Seeds, split: str, metrics: Sequence[str]) -> dict[str, float | None]:
    found = [scores(counts(of[split].counts.sum(axis=0)), metrics) for of in seeds.values()]
    return {name: mean_of([float(of[name]) for of in found]) for name in metrics}


def stored(outputs: Outputs, runs: Runs) -> dict[str, dict[str, float | None]]:
    """The other headlines (boundaries, calibration), which matrices do not give: the means of what evaluate wrote."""
    others = {metric.name: metric.keys for metric in headlines() if not metric.formula}
    wanted = [(folder(name, seed), METRICS) for name, seeds in runs.found.items() for seed in seeds]
    outputs.fetch(wanted)
    written = {place: _parsed(outputs.read(place, file)) for place, file in wanted}
    found: dict[str, dict[str, float | None]] = {}
    for name, seeds in runs.found.items():
        of_seeds = [written[folder(name, seed)] for seed in sorted(seeds)]
        for split, metric in ((split, metric) for split in SPLITS for metric in others):
            values = [_at(content, (split, *others[metric])) for content in of_seeds]
            if MISSING not in values:
                known = [value for value in values if is_number(value)]
                found.setdefault(name, {})[f"{split}.{metric}"] = sum(known) / len(known) if known else None
    return found


def _parsed(content: bytes | None) -> Any:
    try:
        return json.loads(content or b"null")
    except (ValueError, RecursionError):
        return None


def _at(content: Any, keys: Sequence[str]) -> Any:
    """A value by its key path, `*` being the widest tolerance of a boundary; MISSING if there is none."""
    for key in keys:
        if not isinstance(content, dict) or not content:
            return MISSING
        content = content.get(_widest(content) if key == "*" else key, MISSING)
    return content


def _widest(tolerances: Mapping[str, Any]) -> str:
    return max(tolerances, key=lambda text: float(text) if text.replace(".", "", 1).isdecimal() else 0.0)


def untrue(stated: Metrics, outputs: Outputs, runs: Runs) -> list[str]:
    """A line for each number of metrics/ and tables/ that the stored results contradict, or do not give."""
    sources = {"the per-image matrices give": recomputed(runs), "evaluate found": stored(outputs, runs)}
    lines = [
        f"metrics/{name}.json: {key} is {_said(stated[name][key])}, but {source} {_said(value)}"
        for source, found in sources.items()
        for name, values in found.items()
        for key, value in values.items()
        if key in stated.get(name, {}) and not _agree(stated[name][key], value)
    ]
    return [*lines, *wrong_metrics(stated, outputs), *wrong_tables(outputs, runs)]


def _agree(stated: Any, computed: float | None) -> bool:
    if computed is None or not is_number(stated):
        return stated is None and computed is None
    return abs(stated - computed) <= ROUNDED


def _said(value: Any) -> str:
    return f"{value:.6f}" if is_number(value) else str(value)


def unexplained(base: DvcLock, head: DvcLock) -> list[str]:
    """A line for each output that differs although the command, params, code and inputs of its stage are the same."""
    return [
        f"{thing.name} (written by {stage})"
        for stage, found in differences(base, head).items()
        if found and all(thing.kind == "output" for thing in found)
        for thing in found
    ]


def twins(lock: DvcLock) -> list[str]:
    """A line for each two runs whose results are the same to the byte: two seeds, or networks with other weights."""
    first: dict[str, str] = {}
    found = []
    for path, digest in lock.outs.items():
        if not digest or not (own := EVALUATED.fullmatch(path)):
            continue
        other = EVALUATED.fullmatch(first.setdefault(digest, path))
        if other is None or own[0] == other[0]:
            continue
        if own[1] == other[1] or lock.outs.get(_weights(own)) != lock.outs.get(_weights(other)):
            found.append(f"{path} is {other[0]}")
    return found


def _weights(evaluated: re.Match[str]) -> str:
    return f"models/{evaluated[1]}/{evaluated[2]}"


def alarms(
    partial: tuple[Sequence[str], Sequence[str]],
    false: tuple[Sequence[str], Sequence[str]],
    shared: Iterable[SharedImages],
    locks: tuple[DvcLock, DvcLock],
) -> tuple[Alarm, ...]:
    """What nobody should overlook, the worst first.

    Args:
        partial: where the matrices of base and head are not of their data.
        false: what is untrue in the metrics/ and tables/ of base and head.
        shared: the images that are compared.
        locks: dvc.lock of base and head.
    """
    found = []
    for side, lines in zip(SIDES, partial, strict=True):
        if lines:
            text = f"the {side}'s results are not of its data"
            meaning = "Its matrices are not of all images as they are labelled, so no verdict on them counts:"
            found.append(Alarm("data", text, meaning, tuple(lines)))
    if things := [f"data/prepared/{one.split}: {one.left_out} images" for one in shared if one.contradicted]:
        meaning = "The evaluation data is the same in both revisions, so one of them left images or pixels out:"
        found.append(Alarm("outputs", "evaluated on other images of the same data", meaning, tuple(things)))
    if things := unexplained(*locks):
        meaning = (
            "The command, params, code and inputs of these stages are the same in both revisions, so their outputs "
            "should be. They were computed on another machine, or edited: `bin/pixelproof verify` tells which."
        )
        found.append(Alarm("outputs", "outputs differ without a cause", meaning, tuple(things)))
    if things := twins(locks[1]):
        meaning = "Other weights, or another seed, give other results, so these cannot all be theirs:"
        found.append(Alarm("outputs", "networks or seeds share their results to the byte", meaning, tuple(things)))
    for side, lines in zip(SIDES, false, strict=True):
        if lines:
            text = f"the {side}'s metrics/ is not what its results give"
            meaning = "Verdicts below are from the matrices. These numbers were edited, or are of other results:"
            found.append(Alarm("metrics", text, meaning, tuple(lines)))
    return tuple(found)


def differing_seeds(base: Mapping[str, Sequence[int]], head: Mapping[str, Sequence[int]]) -> tuple[SeedsOf, ...]:
    """The architectures that were not evaluated with the same seeds in both revisions."""
    return tuple(
        SeedsOf(name, tuple(base[name]), tuple(head[name]), tuple(same_seeds(base[name], head[name])))
        for name in sorted(base.keys() & head.keys())
        if list(base[name]) != list(head[name])
    )


def only_in(one: Sequence[Iterable[str]], other: Sequence[Iterable[str]]) -> tuple[str, ...]:
    """The architectures that one revision evaluated, or has metrics of, and the other has not."""
    return tuple(sorted({name for mine, theirs in zip(one, other, strict=True) for name in {*mine} - {*theirs}}))


def computing_code() -> str:
    """The code whose formulas computed the scores: that of the folder compare runs in."""
    try:
        commit = git("rev-parse", "--verify", "--quiet", "--short=10", "HEAD").decode().strip()
    except CalledProcessError:
        return "this folder, which has no commit yet"
    return f"{commit} with uncommitted changes of {SCORING}" if changed_files(SCORING) else commit
