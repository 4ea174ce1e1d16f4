"""`verify`: the metrics of the working tree against the committed ones."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from pipelines.params import load_pipelines
from pipelines.revision import WORKSPACE, changed_files, open_revision
from stages.errors import StateError

REPORT = Path("reports/index.html")
INPUTS = ("params.yaml", "dvc.yaml", "requirements.lock", "stages", "examples", "*.dvc")  # what decides the metrics

Metrics = dict[str, dict[str, Any]]


def verify() -> bool:
    """Print what differs from HEAD's metrics, where the report is, and the counts.

    True when nothing differs, or when the tree is another than HEAD's, for then its metrics are to be others.
    """
    tolerance = load_pipelines().tolerance
    rebuilt, committed = open_revision(WORKSPACE).metrics(), open_revision("HEAD").metrics()
    if not rebuilt and not committed:
        raise StateError("metrics/", "no *.json", "run `dvc repro` first")
    outcomes = judge(committed, rebuilt, tolerance)
    for name, (outcome, detail) in outcomes.items():
        if outcome in ("different", "new"):
            print(f"{name}: {detail}")
    print(f"report: {REPORT.resolve()}" if REPORT.exists() else f"report: none yet, `dvc repro` writes {REPORT}")
    counts = Counter(outcome for outcome, _ in outcomes.values())
    if not committed:
        print(f"HEAD has no metrics: nothing to compare the {counts['new']} here with until metrics/ is committed")
        return True
    new = f", {counts['new']} new (HEAD has none)" if counts["new"] else ""
    print(
        f"{counts['identical']} identical, {counts['tolerated']} within tolerance (another processor), "
        f"{counts['different']} different{new}"
    )
    changed = changed_files(*INPUTS)
    if counts["different"] and changed:
        print(f"as is to be expected: this tree is not HEAD's ({', '.join(changed)})")
    return not counts["different"] or bool(changed)


def judge(committed: Metrics, rebuilt: Metrics, tolerance: float) -> dict[str, tuple[str, str]]:
    """For each metric `architecture: key`: identical, tolerated, different or new, and what was found."""
    outcomes = {}
    for arch in sorted(committed.keys() | rebuilt.keys()):
        before, after = committed.get(arch, {}), rebuilt.get(arch, {})
        for key in sorted(before.keys() | after.keys()):
            outcomes[f"{arch}: {key}"] = _judge_one(before, after, key, tolerance)
    return outcomes


def _judge_one(before: dict[str, Any], after: dict[str, Any], key: str, tolerance: float) -> tuple[str, str]:
    if key not in before:
        return "new", f"{after[key]} here, not in HEAD's metrics"
    if key not in after:
        return "different", f"{before[key]} in HEAD, missing here"
    old, new = before[key], after[key]
    if old == new and is_number(old) == is_number(new):
        return "identical", ""
    if is_number(old) and is_number(new):
        apart = f"{old} in HEAD, {new} here: {abs(new - old):.4g} apart, tolerance {tolerance}"
        return ("tolerated" if abs(new - old) <= tolerance else "different"), apart
    return "different", f"{old} in HEAD, {new} here"


def is_number(value: Any) -> bool:
    """Whether a metric's value can be compared as a number (`true`, NaN and infinity cannot)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
