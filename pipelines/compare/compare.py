"""`compare`: what improved or regressed between two revisions, whether that is more than noise, and why.

A revision is only read as data: what git tracks, and what DVC keeps by the hashes in its dvc.lock. None of its code is
run unless --cross-evaluate asks for it, so the page can be made for a stranger's fork.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.compare import pictures, words
from pipelines.compare.as_markdown import as_markdown
from pipelines.compare.causes import changed_code, changed_params, changed_versions
from pipelines.compare.crossing import Other, cross_evaluate, crossed
from pipelines.compare.judging import Sides, judge_all, sides_of
from pipelines.compare.labels import DataChange, changed_data, read_classes
from pipelines.compare.metrics import compare_metrics, unjudged_rows, untested_rows
from pipelines.compare.page import as_page
from pipelines.compare.past import past_spreads
from pipelines.compare.result import GATE_SPLIT, Comparison, Note, Pictures, SideName, as_record
from pipelines.compare.runs import Runs, evaluated, read_runs
from pipelines.compare.store import Outputs, Store
from pipelines.dvc.graph import open_repo
from pipelines.dvc.revision import merge_base, open_revision
from pipelines.params import load_params
from pixelproof.core.errors import ExitCode, StateError
from pixelproof.core.files import write_json, write_text

SHOWN = 3  # images of each architecture with the largest drops, and the largest gains


@dataclass(frozen=True)
class Options:
    """What is asked besides the two revisions."""

    out: Path | None = None
    fail_on_regression: bool = False
    cross_evaluate: bool = False
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
    gated = options.fail_on_regression or options.require_evidence
    return through_gate(found, options.require_evidence) if gated else ExitCode.GOOD


def through_gate(found: Comparison, require_evidence: bool = False) -> ExitCode:
    """Whether validation got worse, or may have; if that could not be computed it is an error, not a pass."""
    if found.gate == "not computed":
        names = ", ".join(found.unjudged) or "no validation image that both revisions have with the same labels"
        fix = "; ".join(f"`{command}`" for command in found.pulls) or "evaluate both revisions, or --cross-evaluate"
        raise StateError("--fail-on regression", f"{words.NOT_COMPUTED} ({names})", fix)
    untold = ExitCode.WORSE if require_evidence else ExitCode.CANNOT_TELL
    codes = {"regressed": ExitCode.WORSE, "alarm": ExitCode.WORSE, "cannot tell": untold}
    return codes.get(found.gate, ExitCode.GOOD)


def investigate(base: Outputs, head: Outputs, cross: bool = False) -> Comparison:
    """Everything that the pages show."""
    old, new = base.side, head.side
    locks = base.lock, head.lock
    data = changed_data(base, head)
    runs = read_runs(base), read_runs(head)
    shared = sorted(evaluated(base).keys() & evaluated(head).keys())
    both = [name for name in shared if all(name in side.found for side in runs)]
    other = cross_evaluate(base, head, runs) if cross and evaluation_data_changed(data) else None
    sides = {name: _sides(name, runs, data, other) for name in both}
    unjudged = tuple(name for name in shared if name not in both)
    metrics = compare_metrics(old.metrics(), new.metrics())
    worse, better = extremes(sides)
    not_of_tree, untold = stale(head)
    params = load_params()
    found = Comparison(
        base=SideName(old.name, old.commit),
        head=SideName(new.name, new.commit),
        rows=tuple(judge_all(sides, params)),
        gate_metric=params.pipelines.compare.gate.metric,
        unjudged=unjudged,
        pulls=tuple(pulls(base, head)),
        metrics=unjudged_rows(metrics, both, shared),
        untested=untested_rows(metrics, both),
        shared=tuple({one.split: one for of in sides.values() for one in of.shared}.values()),
        crossed=tuple(crossed(other, runs, {change.split for change in data.splits})) if other else (),
        data=data,
        params=tuple(changed_params(old, new, locks)),
        code=tuple(changed_code(old, new, locks)),
        versions=tuple(changed_versions(old, new)),
        worse=worse,
        better=better,
        stale=not_of_tree,
        notes=(*notes(base, head, runs), *untold),
        classes=runs[1].classes or runs[0].classes,
    )
    how = params.pipelines.compare
    return replace(found, past=past_spreads(new, found.one_seed(), head.store, how.gate.metric, how.alpha))


def evaluation_data_changed(data: DataChange) -> bool:
    """Whether the images of validation or test, or their labels, changed."""
    return bool({*(change.split for change in data.splits), *data.unknown} - {"train"})


def _sides(name: str, runs: tuple[Runs, Runs], data: DataChange, other: Other | None) -> Sides:
    """The results to compare: on the head's data if both models were evaluated on it, else on the shared images."""
    stored, new = (found.found[name] for found in runs)
    if other is None:
        return sides_of(stored, new, runs, data)
    answers = other.base_on_head[name]
    old = {seed: of | {split: answers[seed][split] for split in of if data.of(split)} for seed, of in stored.items()}
    return sides_of(old, new, runs, DataChange())


def extremes(sides: dict[str, Sides]) -> tuple[tuple[pictures.Extreme, ...], tuple[pictures.Extreme, ...]]:
    """The validation images with the largest drops and gains; not test images, so that nobody tunes on them."""
    worse, better = [], []
    for name, of in sides.items():
        base, head = (list(side.get(GATE_SPLIT, {}).values()) for side in (of.base, of.head))
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
    if base.store.trouble:
        found.append(Note("the default remote could not be reached", (base.store.trouble,)))
    gone = sorted(evaluated(base).keys() - evaluated(head).keys())
    new = sorted(evaluated(head).keys() - evaluated(base).keys())
    found += [Note(f"only in the {side}", tuple(names)) for side, names in (("base", gone), ("head", new)) if names]
    classes = [of.classes.names if of.classes else () for of in runs]
    if all(classes) and sorted(classes[0]) != sorted(classes[1]):
        found.append(Note("the classes are not the same, so mIoU is a mean over different classes"))
    return found


def stale(head: Outputs) -> tuple[tuple[str, ...], list[Note]]:
    """Where the head's dvc.lock does not match its tree, found without data and without running anything."""
    from dvc.exceptions import DvcException

    from pipelines.dvc.check import stale_at

    try:
        return tuple(stale_at(head.store.repo, head.side)), []
    except (DvcException, StateError) as error:
        return (), [Note("cannot tell whether the head's dvc.lock matches its tree", (" ".join(str(error).split()),))]


def write(found: Comparison, out: Path, worse: Pictures, better: Pictures) -> None:
    """comparison.md, comparison.json and comparison.html into the folder `out`."""
    write_text(out / "comparison.md", as_markdown(found))
    write_json(out / "comparison.json", json.loads(json.dumps(as_record(found))))
    write_text(out / "comparison.html", as_page(found, worse, better))
    print(out / "comparison.md")
    print(f"{words.headline(found)}; comparison.json and comparison.html beside it", file=sys.stderr)
