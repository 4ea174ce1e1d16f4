"""`verify`: are the committed metrics what the commit produces? Builds a clean clone, and writes a certificate.

`verify workspace` rebuilds nothing: it compares the metrics in the working tree, as `make repro` left them, with those
of HEAD.
"""

from __future__ import annotations

import platform
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.dvc.graph import open_repo
from pipelines.dvc.lock import DvcLock, differences, read_lock
from pipelines.dvc.revision import WORKSPACE, Revision, changed_files, flatten, open_revision
from pipelines.params import load_pipelines
from pipelines.verify.certificate import (
    FAILURES,
    Evidence,
    Judged,
    certify,
    exit_code,
    is_number,
    judge,
    markdown,
    other_versions,
    summary,
)
from pipelines.verify.outputs import of_bytes
from pipelines.verify.table import classes_of, judge_classes
from pipelines.words import listed
from pixelproof.core.errors import ExitCode, ParamsError, StateError
from pixelproof.core.files import write_json, write_text

__all__ = ["is_number", "verify", "verify_workspace"]

REPORT = Path("reports/index.html")
BEST_BY = "test.mIoU"
COMPARE = "bin/pixelproof compare HEAD"
INPUTS = (
    "params.yaml",
    "dvc.yaml",
    "requirements.lock",
    "stages",
    "pixelproof",
    "examples",
    "*.dvc",
)  # what decides the metrics


def verify(name: str, cached: bool, out: Path | None) -> ExitCode:
    """Rebuild a commit in a clean clone (`cached`: restore it) and print its certificate, or write it into `out`.

    Returns:
        Good if every metric is the committed one, or within the tolerance; cannot tell if the restored results are from
        another tree than the commit's.
    """
    if name == WORKSPACE:
        if cached or out:
            found = "it is compared as it is, without a certificate"
            raise StateError(f"verify {WORKSPACE}", found, "leave out --cached and --out, or name a commit")
        return verify_workspace()
    certificate = _certified(open_revision(name), cached, out)
    if out is None:
        print(markdown(certificate), end="")
    else:
        write_json(out / "certificate.json", certificate)
        write_text(out / "certificate.md", markdown(certificate))
        print(f"{out / 'certificate.json'}\n{out / 'certificate.md'}")
    print(summary(certificate), file=sys.stderr if out is None else sys.stdout)
    return exit_code(certificate)


def _certified(revision: Revision, cached: bool, out: Path | None) -> dict[str, Any]:
    """What can fail early fails before the clone is made: a rebuild takes minutes or hours."""
    from pipelines.verify.machine import describe
    from pipelines.verify.rebuild import clean_clone

    committed, params = revision.metrics(), revision.mapping("params.yaml") or {}
    if not committed:
        raise StateError(f"revision {revision.name!r}", "no metrics/*.json in it", "name a commit that has metrics")
    tolerance, before, classes = _tolerance(params), read_lock(revision), classes_of(revision)
    if cached and not before.stages:
        raise StateError(f"revision {revision.name!r}", "no dvc.lock in it", "verify it without --cached")
    versions = _versions(revision)
    _note(revision, versions)
    if out is not None:
        _make_folder(out)
    with clean_clone(str(revision.commit)) as clone:
        ran, stale = clone.restore() if cached else (clone.rebuild(), {})
        judged = judge(committed, clone.metrics(), tolerance)
        judged += judge_classes(judged, classes, clone.classes())
        before, after = before.only(clone.stages), clone.lock()
    compute = params.get("compute")
    stages = differences(before, after)
    for name, found in ((name, found) for name, found in stale.items() if found):
        stages[name] = list(dict.fromkeys([*found, *stages.get(name, [])]))
    return certify(
        Evidence(
            commit=str(revision.commit),
            mode="restored" if cached else "rebuilt",
            tolerance=tolerance,
            judged=judged,
            committed=before,
            rebuilt=after,
            stages=stages,
            ran=ran,
            versions=versions,
            machine=describe(compute if isinstance(compute, dict) else {}),
            made=datetime.now(UTC).isoformat(timespec="seconds"),
        )
    )


def _tolerance(params: dict[str, Any]) -> float:
    """Only this one of the commit's params is read: its other pipeline settings may be of another version."""
    tolerance = flatten(params).get("pipelines.tolerance")
    if not (is_number(tolerance) and 0 <= tolerance <= 1):
        raise ParamsError(
            "pipelines.tolerance", repr(tolerance), "expected a number from 0 to 1 in the commit's params"
        )
    return float(tolerance)


def _versions(revision: Revision) -> dict[str, dict[str, str | None]]:
    """For the packages that decide numbers, the versions the commit states and those installed here."""
    from pipelines.verify.machine import installed

    stated = revision.versions()
    found = installed(sorted(stated))
    python: dict[str, str | None] = {"stated": None, "installed": platform.python_version()}
    return {"python": python} | {name: {"stated": stated[name], "installed": found[name]} for name in sorted(stated)}


def _note(revision: Revision, versions: dict[str, dict[str, str | None]]) -> None:
    """Say before the long run if the tree is not clean, or the packages have other versions."""
    changed = changed_files() if open_revision("HEAD").commit == revision.commit else []
    if changed:
        where = f"{revision.name} ({str(revision.commit)[:10]})"
        print(
            f"note: this working tree is not clean ({listed(changed)}): {where} is verified, not the tree",
            file=sys.stderr,
        )
    if other := other_versions(versions):
        found = ", ".join(
            f"{name} {versions[name]['installed']} instead of {versions[name]['stated']}" for name in other
        )
        print(f"note: the installed versions are not those the commit states: {found}", file=sys.stderr)


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(f"--out {out}", error.strerror or str(error), "name a writable folder") from None


def verify_workspace() -> ExitCode:
    """Print what differs from HEAD's metrics, where the report is, and the counts.

    In a tree that is not the one of HEAD's metrics others are expected: then print the best network, where the report
    is, and how to compare.

    Returns:
        Good if nothing differs in metrics that this tree has produced; cannot tell if HEAD has no metrics, if something
        differs from metrics of another tree, or if the metrics here are not what runs of this tree wrote.
    """
    tolerance = load_pipelines().tolerance
    here, head = open_revision(WORKSPACE), open_revision("HEAD")
    rebuilt, committed = here.metrics(), head.metrics()
    if not rebuilt and not committed:
        raise StateError("metrics/", "no *.json", "run `dvc repro` first")
    report = f"report: {REPORT.resolve()}" if REPORT.exists() else f"report: none yet, `dvc repro` writes {REPORT}"
    judged = judge(committed, rebuilt, tolerance)
    classes = judge_classes(judged, classes_of(head), classes_of(here))
    judged += classes
    different = [row for row in judged if row.outcome in ("different", "missing")]
    locks = read_lock(head), read_lock(here)
    other = of_another_tree(*locks)
    if committed and other and different:
        print(best(rebuilt), report, f"to compare with HEAD, {other}: {COMPARE}", sep="\n")
        return ExitCode.CANNOT_TELL
    for row in judged:
        if row.outcome in FAILURES:
            print(f"{row.architecture}: {row.metric}: {_detail(row, 0 if row in classes else tolerance)}")
    counts = Counter(row.outcome for row in judged)
    print(report)
    if not committed:
        print(f"HEAD has no metrics: commit metrics/ to compare the {counts['new']} here with it")
        return ExitCode.CANNOT_TELL
    if not different and (unknown := not_of_this_tree()):
        print(unknown)
        return ExitCode.CANNOT_TELL
    portable = flatten(here.mapping("params.yaml") or {}).get("compute.portable") is True
    said = of_bytes(*locks, portable, bool(different))
    if said and not other:  # other bytes of another tree say nothing of the processor
        print(said)
    new = f", {counts['new']} new (HEAD has none)" if counts["new"] else ""
    print(
        f"{counts['identical']} identical, {counts['within tolerance']} within tolerance (another processor), "
        f"{len(different)} different{new}"
    )
    return ExitCode.WORSE if different else ExitCode.GOOD


def of_another_tree(committed: DvcLock, here: DvcLock) -> str:
    """How the tree that HEAD's metrics are of differs from this one; an empty text if it does not.

    HEAD's may be of an earlier commit: data and params are often committed before they are run.
    """
    if changed := changed_files(*INPUTS):
        return f"whose tree differs ({listed(changed)})"
    found = (each for stage in differences(committed, here).values() for each in stage if each.stale)
    names = list(dict.fromkeys(str(each) for each in found))
    return f"whose dvc.lock is of another tree ({listed(names)})" if names else ""


def not_of_this_tree() -> str:
    """Why the metrics here say nothing about this tree; an empty text if DVC finds that it has run every stage."""
    with open_repo() as repo:
        stages = [stage for stage in repo.index.stages if stage.cmd]
        kept = [out for stage in stages for out in stage.outs if out.use_cache]
        if kept and not any(out.exists for out in kept):
            return "nothing has been run here, so the metrics are git's own: nothing to compare; run `dvc repro` first"
        waiting = repo.status()
    names = [stage.addressing for stage in stages if stage.addressing in waiting]
    return f"not up to date: {listed(names)}; the metrics here are not this tree's, run `dvc repro`" if names else ""


def best(metrics: dict[str, dict[str, Any]]) -> str:
    """The network with the highest mIoU on the test split; all of them if it is shared.

    Example:
        >>> best({"unet": {"test.mIoU": 0.75}, "fcn": {"test.mIoU": 0.5}, "kmeans": {"test.mIoU": None}})
        'best: unet, with a test mIoU of 0.75'
    """
    found = {name: values[BEST_BY] for name, values in metrics.items() if is_number(values.get(BEST_BY))}
    if not found:
        return "best: unknown, as no network has a test mIoU"
    highest = max(found.values())
    return f"best: {', '.join(name for name in found if found[name] == highest)}, with a test mIoU of {highest}"


def _detail(row: Judged, tolerance: float) -> str:
    if row.outcome == "new":
        return f"{row.rebuilt} here, not in HEAD's metrics"
    if row.outcome == "missing":
        return f"{row.committed} in HEAD, missing here"
    apart = "" if row.apart is None else f": {row.apart:.4g} apart, tolerance {tolerance}"
    return f"{row.committed} in HEAD, {row.rebuilt} here{apart}"
