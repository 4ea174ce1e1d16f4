"""Two revisions' metrics/ side by side: all that is known if the per-image matrices are not available."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from pipelines.markdown import number, signed
from pipelines.verify.verify import is_number
from pixelproof.scoring.catalogue import CATALOGUE

UNDEFINED = "undefined (null)"
Metrics = dict[str, dict[str, Any]]


class MetricRow(NamedTuple):
    """One metric of one architecture, each value as it is shown."""

    arch: str
    key: str
    base: str
    head: str
    change: str
    verdict: str


def compare_metrics(base: Metrics, head: Metrics) -> list[MetricRow]:
    """A row for every metric that either side has."""
    rows = []
    for arch in sorted(base.keys() | head.keys()):
        before, after = base.get(arch, {}), head.get(arch, {})
        for key in sorted(before.keys() | after.keys()):
            rows.append(MetricRow(arch, key, _shown(before, key), _shown(after, key), *_judge(before, after, key)))
    return rows


def unjudged_rows(rows: Sequence[MetricRow], judged: Sequence[str], shared: Sequence[str]) -> tuple[MetricRow, ...]:
    """The rows of architectures that no test judged; of one that only one revision has, just its mIoU if others were
    judged."""
    others = [row for row in rows if row.arch not in judged]
    return tuple(row for row in others if not judged or row.arch in shared or row.key.endswith("mIoU"))


def untested_rows(rows: Sequence[MetricRow], judged: Sequence[str]) -> tuple[MetricRow, ...]:
    """What else changed in the judged architectures: boundaries, objects and calibration, which are not tested."""
    changed = [row for row in rows if row.arch in judged and row.verdict != "unchanged"]
    return tuple(row for row in changed if not row.key.endswith("mIoU"))


def tally(rows: Sequence[MetricRow]) -> str:
    """How many metrics became better or worse, in one line, including those that could not be judged."""
    if not rows:
        return "neither revision has any"
    counts = Counter(row.verdict for row in rows)
    parts = [f"{counts.pop(kind, 0)} {kind}" for kind in ("better", "worse", "unchanged")]
    return ", ".join(parts + [f"{count} {kind}" for kind, count in sorted(counts.items())])


def _judge(before: dict[str, Any], after: dict[str, Any], key: str) -> tuple[str, str]:
    if key not in after:
        return "not comparable", "missing in head"
    if key not in before:
        return "not comparable", "new in head"
    old, new = before[key], after[key]
    if not (is_number(old) and is_number(new)):
        return "not comparable", "unchanged" if old == new else "changed, not comparable"
    change = new - old
    metric = CATALOGUE.get(key.rsplit(".", 1)[-1])
    if change == 0:
        return signed(change), "unchanged"
    if metric is None:
        return signed(change), "changed, direction unknown"
    return signed(change), "better" if (change > 0) == (metric.better == "higher") else "worse"


def _shown(metrics: dict[str, Any], key: str) -> str:
    if key not in metrics:
        return "missing"
    value = metrics[key]
    if value is None:
        return UNDEFINED
    return number(value) if is_number(value) else json.dumps(value)
