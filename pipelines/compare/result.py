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
from pipelines.compare.pictures import Extreme, Tile
from pipelines.compare.runs import SharedImages
from pipelines.compare.significance import Row

SCHEMA = 1  # of comparison.json: increased when a reader of the older one would go wrong
REGRESSED, IMPROVED = "regressed", "improved"
GATE_SPLIT, SHOWN_SPLIT = "val", "test"
GATE_METRIC = "mIoU"
UNTOLD = frozenset({"too few groups", "not comparable"})  # verdicts that say nothing about a difference
Gate = Literal["regressed", "passed", "cannot tell", "not computed"]


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
    unjudged: tuple[str, ...] = ()
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
        """`regressed` for a regression on validation; `not computed` if none is known but something was not judged.

        `cannot tell` if no regression is known, but an architecture's could not have been seen. The test set is shown
        and never decides: nobody should tune on it.
        """
        verdicts: dict[str, set[str]] = {}
        for row in self.rows:
            if row.split == GATE_SPLIT:
                verdicts.setdefault(row.architecture, set()).add(row.verdict)
        if any(REGRESSED in of for of in verdicts.values()):
            return "regressed"
        if not verdicts or self.unjudged:
            return "not computed"
        return "cannot tell" if any(of <= UNTOLD for of in verdicts.values()) else "passed"

    def of(self, split: str, verdict: str) -> list[Row]:
        """The rows of a split with a verdict."""
        return [row for row in self.rows if row.split == split and row.verdict == verdict]

    def row(self, arch: str, split: str, metric: str = GATE_METRIC, label: str | None = None) -> Row | None:
        """One row."""
        wanted = (arch, split, metric, label)
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
