"""comparison.html: one file that loads nothing, runs no script, and states its own content-security policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.compare import opening, words
from pipelines.compare.metrics import MetricRow
from pipelines.compare.result import ALARM, GATE_SPLIT, IMPROVED, REGRESSED, SHOWN_SPLIT, Comparison, Pictures
from pipelines.compare.significance import Row
from pixelproof.core.csp import content_security_policy

ACROSS, EDGE = 260, 8  # pixels of a row of the forest plot, and of them those beyond the largest change on either side
MOST = 24  # classes of an architecture in the plot, those that changed most
ONE_SIDED = {"missing in head": "is gone", "new in head": "is new"}
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Bar:
    """A class in the forest plot: its row, and where its change and the ends of its interval are drawn."""

    row: Row
    at: float
    ends: tuple[float, float] | None


def forest(found: Comparison) -> dict[str, list[Bar]]:
    """By architecture, how the IoU of each class changed on validation: all on one axis, the worst first."""
    rows = [row for row in found.rows if row.split == GATE_SPLIT and row.label is not None and row.change is not None]
    values = [value for row in rows for value in (row.change, row.low, row.high) if value is not None]
    most = max(map(abs, values), default=0.0) or 1.0

    def place(value: float) -> float:
        return round(ACROSS / 2 + value / most * (ACROSS / 2 - EDGE), 1)

    plots: dict[str, list[Bar]] = {}
    for row in sorted(rows, key=lambda row: -abs(row.change or 0.0)):
        bars = plots.setdefault(row.architecture, [])
        if len(bars) < MOST:
            ends = None if row.low is None or row.high is None else (place(row.low), place(row.high))
            bars.append(Bar(row, place(row.change or 0.0), ends))
    return {arch: sorted(plots[arch], key=lambda bar: bar.at) for arch in sorted(plots)}


def first_and_rest(rows: Sequence[MetricRow]) -> tuple[list[MetricRow], list[MetricRow], dict[str, str]]:
    """Of metrics/: the mIoU of each architecture, all other numbers, and the architectures that one side alone has."""
    alone = {arch: {row.verdict for row in rows if row.arch == arch} for arch in sorted({row.arch for row in rows})}
    said = {
        arch: ONE_SIDED[kinds.pop()] for arch, kinds in alone.items() if len(kinds) == 1 and kinds <= ONE_SIDED.keys()
    }
    both = [row for row in rows if row.arch not in said]
    first = [row for row in both if row.key.endswith("mIoU")]
    return first, [row for row in both if not row.key.endswith("mIoU")], said


def as_page(found: Comparison, worse: Pictures, better: Pictures) -> str:
    """The page, every text in it escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        name: getattr(words, name) for name in ("score", "signed", "interval", "probability", "name_of", "split_words")
    }
    environment.filters |= {"seeds_words": opening.seeds_words, "why_not_computed": words.why_not_computed}
    style = environment.get_template("style.css").render(colors=found.classes.colors if found.classes else ())
    return environment.get_template("comparison.html").render(
        found=found,
        headline=opening.title(found),
        seeds=words.seeds(found),
        style=style,
        policy=content_security_policy(style),
        splits=words.SPLIT_NAMES,
        gate_split=GATE_SPLIT,
        shown_split=SHOWN_SPLIT,
        regressed=REGRESSED,
        improved=IMPROVED,
        alarm=ALARM,
        forest=forest(found),
        across=ACROSS,
        first_and_rest=first_and_rest,
        galleries=[("worse", worse), ("better", better)],
    )
