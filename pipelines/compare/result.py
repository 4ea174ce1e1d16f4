"""All that a comparison found; the Markdown, the JSON and the HTML page are views of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pipelines.compare.causes import CodeChange, ParamChange, VersionChange
from pipelines.compare.crossing import Crossed
from pipelines.compare.facts import Facts
from pipelines.compare.labels import Classes, DataChange
from pipelines.compare.metrics import MetricRow
from pipelines.compare.past import Past
from pipelines.compare.pictures import Extreme, Tile
from pipelines.compare.runs import SharedImages
from pipelines.compare.significance import GATE_SPLIT as GATE_SPLIT
from pipelines.compare.significance import Row

SCHEMA = 2  # of comparison.json: increased when a reader of the older one would go wrong
REGRESSED, IMPROVED, ALARM = "regressed", "improved", "alarm"
SHOWN_SPLIT = "test"
UNTOLD = frozenset({"cannot tell", "not comparable"})  # verdicts of the gate's rows that let nothing pass
Gate = Literal["regressed", "alarm", "passed", "cannot tell", "not computed"]


@dataclass(frozen=True)
class SideName:
    """How a revision was named, and its commit; None for the workspace."""

    name: str
    commit: str | None


@dataclass(frozen=True)
class Note:
    """What else a reader should know: a sentence of ours, and the names (of anybody's choice) that it is about."""

    text: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Two revisions, judged. `unjudged` are the architectures of both whose significance was not computed."""

    base: SideName
    head: SideName
    rows: tuple[Row, ...] = ()
    gate_metric: str = "mIoU"
    past: tuple[Past, ...] = ()  # how far seeds were apart when there were several, of those that have one now
    unjudged: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()  # architectures of both that share no evaluation image with the same labels
    pulls: tuple[str, ...] = ()  # commands that would fetch what was missing
    metrics: tuple[MetricRow, ...] = ()  # of metrics/, for what could not be judged
    untested: tuple[MetricRow, ...] = ()  # of those that were judged: what their matrices do not tell
    shared: tuple[SharedImages, ...] = ()
    crossed: tuple[Crossed, ...] = ()
    data: DataChange = field(default_factory=DataChange)
    params: tuple[ParamChange, ...] = ()
    code: tuple[CodeChange, ...] = ()
    versions: tuple[VersionChange, ...] = ()
    worse: tuple[Extreme, ...] = ()
    better: tuple[Extreme, ...] = ()
    stale: tuple[str, ...] = ()  # where the head's dvc.lock does not match its tree
    notes: tuple[Note, ...] = ()
    classes: Classes | None = None
    facts: Facts = field(default_factory=Facts)

    @property
    def gate(self) -> Gate:
        """`regressed` if `gate_metric` regressed on validation; `alarm` if it fell so far that a person must look.

        `not computed` if neither is known but something was not judged; `cannot tell` if a large drop of some
        architecture is not ruled out. Classes are shown and decide nothing. Nor does the test set: nobody should tune
        on it.
        """
        verdicts = {row.verdict for row in self.gated()}
        if REGRESSED in verdicts:
            return "regressed"
        if ALARM in verdicts:
            return "alarm"
        if not verdicts or self.unjudged:
            return "not computed"
        return "cannot tell" if verdicts & UNTOLD else "passed"

    def gated(self) -> list[Row]:
        """The rows that decide the gate, one for each architecture."""
        return [row for row in self.rows if (row.split, row.metric, row.label) == (GATE_SPLIT, self.gate_metric, None)]

    def one_seed(self) -> list[str]:
        """The architectures that changed, and of which retraining noise is unknown: one seed before, and one now."""
        return [row.architecture for row in self.gated() if row.retraining is None and row.verdict != "identical"]

    def of(self, split: str, verdict: str) -> list[Row]:
        """The rows of a split with a verdict."""
        return [row for row in self.rows if row.split == split and row.verdict == verdict]

    def row(self, arch: str, split: str, metric: str = "", label: str | None = None) -> Row | None:
        """One row; of the gate's metric if none is named."""
        wanted = (arch, split, metric or self.gate_metric, label)
        return next((row for row in self.rows if (row.architecture, row.split, row.metric, row.label) == wanted), None)

    def architectures(self) -> list[str]:
        """Those that were judged."""
        return sorted({row.architecture for row in self.rows})

    def files(self, code: bool) -> list[CodeChange]:
        """The changed files that are code, or those that are raw data."""
        return [change for change in self.code if change.is_code == code]

    def causes(self) -> list[str]:
        """The kinds of thing that differ."""
        data = self.data.splits or self.data.unknown or self.data.classes
        kinds: list[tuple[str, Any]] = [
            ("data", data or self.files(code=False)),
            ("params", self.params),
            ("code", self.files(code=True)),
            ("dependencies", self.versions),
        ]
        return [kind for kind, changes in kinds if changes]


def as_record(found: Comparison) -> dict[str, Any]:
    """What comparison.json holds: the same for the same two revisions."""
    record = {name: value for name, value in asdict(found).items() if name != "classes"}
    record["crossed"] = [
        asdict(one) | {"change": one.change, "by_exam": one.by_exam, "by_model": one.by_model} for one in found.crossed
    ]
    for name, extremes in (("worse", found.worse), ("better", found.better)):
        record[name] = [asdict(one) | {"change": one.change} for one in extremes]
    return {
        "schema": SCHEMA,
        "gate": found.gate,
        "causes": found.causes(),
        "classes": list(found.classes.names) if found.classes else None,
        **record,
    }


Pictures = Sequence[tuple[Extreme, Sequence[Tile]]]
