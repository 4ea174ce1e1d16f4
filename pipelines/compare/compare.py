"""`compare`: what improved or regressed between two revisions, whether that is more than noise, and why.

A revision is only read as data: what git tracks, and what DVC keeps by the hashes in its dvc.lock. None of its code is
run unless --cross-evaluate asks for it, so the page can be made for a stranger's fork. All scores are computed by the
code in this folder (in the workflows, the target branch's), whatever metrics/ says; the page names its commit.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.compare import facts, pictures, words
from pipelines.compare.as_markdown import as_markdown
from pipelines.compare.causes import changed_code, changed_params, changed_versions
from pipelines.compare.crossing import Other, cross_evaluate, crossed
from pipelines.compare.evidence import EVALUATE_AGAIN, unlike_data
from pipelines.compare.judging import Sides, judge_all, sides_of
from pipelines.compare.labels import DataChange, changed_data, read_classes
from pipelines.compare.metrics import compare_metrics, unjudged_rows, untested_rows
from pipelines.compare.object_pairs import object_pairs
from pipelines.compare.objects import judge_objects
from pipelines.compare.opening import title
from pipelines.compare.page import as_page
from pipelines.compare.past import past_spreads
from pipelines.compare.renames import renamed
from pipelines.compare.result import GATE_SPLIT, Comparison, Note, Pictures, SideName, as_record
from pipelines.compare.runs import Runs, evaluated, folds, read_runs, same_seeds
from pipelines.compare.significance import Row
from pipelines.compare.store import Outputs, Store, in_public
from pipelines.dvc.graph import open_repo
from pipelines.dvc.revision import merge_base, open_revision
from pipelines.params import Params, load_params
from pixelproof.core.errors import ExitCode, StateError
from pixelproof.core.files import write_json, write_text

SHOWN = 3  # images of each architecture with the largest drops, and the largest gains


@dataclass(frozen=True)
class Options:
    """What is asked besides the two revisions."""

    out: Path | None = None
    fail_on_regression: bool = False
    cross_evaluate: bool = False
    allow_missing: bool = False  # architectures that only the base has
    require_evidence: bool = False  # what cannot be told fails, too


def compare(base: str | None, head: str, options: Options) -> ExitCode:
    """Print the comparison as Markdown, or write it as Markdown, JSON and HTML; the gate decides the exit code."""
    new = open_revision(head)
    old = open_revision(merge_base(new) if base is None else base)
    with open_repo() as repo:
        store = Store(repo)
        sides = Outputs(old, store), Outputs(new, store)
        found = investigate(*sides, options.cross_evaluate)
        if options.out is None:
            print(as_markdown(found), end="")
        else:
            write(found, options.out, *(_pictures(extremes, sides) for extremes in (found.worse, found.better)))
    require_truth(found, options.allow_missing)
    gated = options.fail_on_regression or options.require_evidence
    return through_gate(found, options.require_evidence) if gated else ExitCode.GOOD


def require_truth(found: Comparison, allow_missing: bool) -> None:
    """Refuse a head whose records are not of its tree or not true, or that lacks what the base has.

    Raises:
        StateError: it is one of these. The pages are written before.
    """
    head, rest = found.head.name, "there, and commit what it writes"
    if found.stale:
        raise StateError(f"{head}: dvc.lock", f"stale: {found.stale[0]}", f"run `dvc repro` {rest}")
    if found.facts.unlike_data:
        raise StateError(head, found.facts.unlike_data[0], f"{EVALUATE_AGAIN}, {rest}")
    if found.facts.untrue:
        raise StateError(head, found.facts.untrue[0], f"{facts.WRITE_AGAIN} {rest}")
    if found.facts.gone and not allow_missing:
        raise StateError(head, f"without {', '.join(found.facts.gone)}", "if that is meant, --allow-missing")


def through_gate(found: Comparison, require_evidence: bool = False) -> ExitCode:
    """Whether validation got worse, or may have; if that could not be computed it is an error, not a pass."""
    untold = ExitCode.WORSE if require_evidence else ExitCode.CANNOT_TELL
    if found.gate == "passed" and found.facts.unexplained:
        return untold  # results that nothing explains prove nothing
    if found.gate == "not computed":
        if found.facts.unvalidated and not found.unjudged:
            which = f"{words.NOT_COMPUTED} (no labelled image in val of {', '.join(found.facts.unvalidated)})"
            fix = "leave it away there: where `prepare.split.learn_val` is true, nothing is left to judge by"
            raise StateError("--fail-on regression", which, fix)
        names = ", ".join(found.unjudged) or words.NOTHING_SHARED
        other = "evaluate both revisions" + ("" if found.facts.crossed else ", or --cross-evaluate")
        fix = "; ".join(f"`{command}`" for command in found.pulls) or other
        raise StateError("--fail-on regression", f"{words.NOT_COMPUTED} ({names})", fix)
    codes = {"regressed": ExitCode.WORSE, "alarm": ExitCode.WORSE, "cannot tell": untold}
    return codes.get(found.gate, ExitCode.GOOD)


def investigate(base: Outputs, head: Outputs, cross: bool = False) -> Comparison:
    """Everything that the pages show."""
    old, new = base.side, head.side
    locks, stated = (base.lock, head.lock), (old.metrics(), new.metrics())
    asked = evaluated(base), evaluated(head)
    runs, data = read(base, head)
    shared = sorted(asked[0].keys() & asked[1].keys())
    both = [name for name in shared if all(name in side.found for side in runs)]
    other = cross_evaluate(base, head, runs) if cross and evaluation_data_changed(data) else None
    sides = {name: _sides(name, runs, data, other) for name in both}
    unjudged = tuple(name for name in shared if name not in both)
    metrics = compare_metrics(*stated)
    false = facts.untrue(stated[0], base, runs[0]), facts.untrue(stated[1], head, runs[1])
    partial = unlike_data(base, runs[0]), unlike_data(head, runs[1])
    compared = tuple({one.split: one for of in sides.values() for one in of.shared}.values())
    worse, better = extremes(sides)
    not_of_tree, untold = stale(head)
    params = load_params()
    pixels = judge_all(sides, params)
    judged = [name for name in both if any(row.architecture == name for row in pixels)]
    objects, unscored = judge_all_objects(sides, (base, head), runs, params, other)
    found = Comparison(
        base=SideName(old.name, old.commit),
        head=SideName(new.name, new.commit),
        rows=(*pixels, *objects),
        gate_metric=params.pipelines.compare.gate.metric,
        unjudged=unjudged,
        apart=tuple(name for name in both if name not in judged),
        pulls=tuple(pulls(base, head)),
        metrics=unjudged_rows(metrics, judged, shared),
        untested=untested_rows(metrics, judged),
        shared=compared,
        crossed=tuple(crossed(other, runs, {change.split for change in data.splits})) if other else (),
        data=data,
        params=tuple(changed_params(old, new, locks)),
        code=tuple(changed_code(old, new, locks)),
        versions=tuple(changed_versions(old, new)),
        worse=worse,
        better=better,
        stale=not_of_tree,
        notes=(*notes(base, head, runs), *unscored, *untold),
        classes=runs[1].classes or runs[0].classes,
        facts=facts.Facts(
            facts.alarms(partial, false, compared, locks),
            tuple(false[1]),
            tuple(partial[1]),
            gone=facts.only_in((asked[0], stated[0]), (asked[1], stated[1])),
            new=facts.only_in((asked[1], stated[1]), (asked[0], stated[0])),
            unvalidated=unvalidated(base, head, runs),
            seeds=facts.differing_seeds(*asked),
            crossed=cross,
            code=facts.computing_code(),
        ),
    )
    how = params.pipelines.compare
    return replace(found, past=past_spreads(new, found.one_seed(), head.store, how.gate.metric, how.alpha))


def read(base: Outputs, head: Outputs) -> tuple[tuple[Runs, Runs], DataChange]:
    """The matrices of both and what changed in their data, with the classes under the head's names."""
    runs = read_runs(base), read_runs(head)
    data = changed_data(base, head, (runs[0].classes, runs[1].classes))
    if (classes := renamed(runs, data)) is None or runs[0].classes is None:
        return runs, data
    pairs = zip(runs[0].classes.names, classes.names, strict=True)
    said = tuple(("renamed", f"{name} → {now}") for name, now in pairs if name != now)
    data = changed_data(base, head, (classes, runs[1].classes))
    return (replace(runs[0], classes=classes), runs[1]), replace(data, classes=(*said, *data.classes))


def evaluation_data_changed(data: DataChange) -> bool:
    """Whether the images of validation or test, or their labels, changed."""
    return bool({*(change.split for change in data.splits), *data.unknown} - {"train"})


def _sides(name: str, runs: tuple[Runs, Runs], data: DataChange, other: Other | None) -> Sides:
    """The results to compare: on the head's data if both models were evaluated on it, else on the shared images."""
    stored, new = (found.found[name] for found in runs)
    if other is None:
        return sides_of(stored, new, runs, data)
    answers = other.base_on_head[name]
    old = {
        seed: of | {split: found for split, found in answers[seed].items() if split in of and data.of(split)}
        for seed, of in stored.items()
    }
    return sides_of(old, new, runs, DataChange())


def judge_all_objects(
    sides: dict[str, Sides],
    revisions: tuple[Outputs, Outputs],
    runs: tuple[Runs, Runs],
    params: Params,
    other: Other | None,
) -> tuple[list[Row], list[Note]]:
    """The rows of objects, where there are any, and of whom there are none although there should be."""
    if other is not None:
        return [], [Note("objects (AP, PQ), where there are any, are not compared by --cross-evaluate")]
    pairs, lacking = object_pairs(sides, revisions, runs)
    classes = next((of.classes for of in sides.values()), ())
    text = "objects (AP, PQ) were not compared: one revision was evaluated before they were stored"
    return judge_objects(pairs, classes, params.pipelines.compare), [Note(text, lacking)] if lacking else []


def extremes(sides: dict[str, Sides]) -> tuple[tuple[pictures.Extreme, ...], tuple[pictures.Extreme, ...]]:
    """The validation images with the largest drops and gains; not test images, so that nobody tunes on them."""
    worse, better = [], []
    for name, of in sides.items():
        stored = of.base.get(GATE_SPLIT, {}), of.head.get(GATE_SPLIT, {})
        seeds = same_seeds(*stored)
        base, head = ([side[pair[at]] for pair in seeds] for at, side in enumerate(stored))
        if base and base[0].ids:
            found = pictures.extremes(name, GATE_SPLIT, base, head, SHOWN, of.seed)
            worse += found[0]
            better += found[1]
    return tuple(worse), tuple(better)


def _pictures(found: tuple[pictures.Extreme, ...], sides: tuple[Outputs, Outputs]) -> Pictures:
    pictures.fetch(found, *sides)
    classes = read_classes(sides[0]), read_classes(sides[1])
    return [(one, pictures.tiles(one, *sides, classes)) for one in found]


def pulls(base: Outputs, head: Outputs) -> list[str]:
    """The commands that would fetch what was missing, each once."""
    return list(dict.fromkeys(filter(None, (base.pull(), head.pull()))))


def notes(base: Outputs, head: Outputs, runs: tuple[Runs, Runs]) -> list[Note]:
    """What else a reader should know."""
    found = []
    for side in (base, head):
        if side.side.read("dvc.lock") is None:
            found.append(Note("no dvc.lock, so nothing is known of its data and code", (side.side.name,)))
        if side.unlike_lock:
            text = "compared as it is on disk, which is not what dvc.lock records (`dvc repro`, or `dvc commit`)"
            found.append(Note(text, tuple(sorted(side.unlike_lock))))
    found += folded(base, head)
    if names := unvalidated(base, head, runs):
        found.append(Note("no labelled image in val (as `prepare.split.learn_val` has it): no verdict on it", names))
    missing = tuple(sorted(base.lacking | head.lacking))
    if missing and not base.store.remote:
        found.append(Note("not here, and no default DVC remote is configured to fetch it from", missing))
    if base.store.trouble:
        found.append(Note("the default remote could not be read", (base.store.trouble,)))
    classes = [of.classes.names if of.classes else () for of in runs]
    if all(classes) and sorted(classes[0]) != sorted(classes[1]):
        found.append(Note("the classes are not the same, so mIoU is a mean over different classes"))
    return found


def unvalidated(base: Outputs, head: Outputs, runs: tuple[Runs, Runs]) -> tuple[str, ...]:
    """The revisions whose networks were evaluated, but on no labelled image of validation."""
    judged = [[GATE_SPLIT in of for seeds in side.found.values() for of in seeds.values()] for side in runs]
    names = [of.side.name for of, found in zip((base, head), judged, strict=True) if found and not any(found)]
    return tuple(dict.fromkeys(names))


def folded(base: Outputs, head: Outputs) -> list[Note]:
    """What validation is where a revision has folds."""
    sides = {of: folds(of) for of in (base, head) if folds(of)}
    if not sides:
        return []
    counts = sorted({*sides.values()})
    text = (
        "validation is out of fold: each image of train and val judged by the network, of"
        f" {' or '.join(map(str, counts))}, that did not learn from its fold; test by all of them together"
    )
    found = [Note(text, tuple(of.side.name for of in sides))]
    if len(sides) == 1 or len(counts) > 1:
        text = "the revisions' networks learnt from different shares of the images, which is part of the change"
        found.append(Note(text))
    return found


def stale(head: Outputs) -> tuple[tuple[str, ...], list[Note]]:
    """Where the head's dvc.lock does not match its tree, found without data and without running anything."""
    from dvc.exceptions import DvcException

    from pipelines.dvc.check import stale_at

    try:
        return tuple(stale_at(head.store.repo, head.side)), []
    except (DvcException, StateError) as error:
        return (), [Note("cannot tell whether the head's dvc.lock matches its tree", (in_public(error),))]


def write(found: Comparison, out: Path, worse: Pictures, better: Pictures) -> None:
    """comparison.md, comparison.json and comparison.html into the folder `out`."""
    write_text(out / "comparison.md", as_markdown(found))
    write_json(out / "comparison.json", json.loads(json.dumps(as_record(found))))
    write_text(out / "comparison.html", as_page(found, worse, better))
    print(out / "comparison.md")
    print(f"{title(found)}; comparison.json and comparison.html beside it", file=sys.stderr)
