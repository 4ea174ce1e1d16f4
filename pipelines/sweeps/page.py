"""index.html of a sweep: one file that loads nothing and runs no script, in the style of the comparison's page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.compare.page import TEMPLATES as STYLES
from pipelines.compare.significance import GATE_SPLIT
from pipelines.markdown import signed
from pipelines.plan.hours import duration
from pipelines.sweeps import table
from pipelines.sweeps.pictures import Strip
from pipelines.sweeps.results import Difference, Results, Row
from pipelines.sweeps.run import State
from pixelproof.core.csp import content_security_policy

ACROSS, EDGE = 260, 8  # pixels of the interval's axis, and of them those beyond its ends
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Line:
    """A row of the table as it is shown, and where its score and its interval are drawn."""

    row: Row
    name: str
    against: str
    at: float | None
    ends: tuple[float, float] | None


def lines(found: Results) -> list[Line]:
    """The rows, all on one axis, from the lowest end of an interval to the highest."""
    scores = [row.scores[GATE_SPLIT] for row in found.rows]
    values = [value for score in scores for value in (score.value, score.low, score.high) if value is not None]
    least, most = min(values, default=0.0), max(values, default=1.0)

    def place(value: float | None) -> float | None:
        if value is None:
            return None
        return round(EDGE + (value - least) / ((most - least) or 1.0) * (ACROSS - 2 * EDGE), 1)

    drawn = []
    for at, (row, score) in enumerate(zip(found.rows, scores, strict=True)):
        low, high = place(score.low), place(score.high)
        ends = None if low is None or high is None else (low, high)
        drawn.append(Line(row, table.name_of(row), table.against_best(found, at), place(score.value), ends))
    return drawn


def told(found: Results) -> list[tuple[Difference, str, str]]:
    """The pairs that differ, the surest first, with their names; not more than the page should hold."""
    rows = found.rows
    pairs = table.differing(found)[: table.MOST]
    return [(each, table.name_of(rows[each.first]), table.name_of(rows[each.second])) for each in pairs]


def as_page(state: State, found: Results, strips: Sequence[Strip]) -> str:
    """The page, every text in it escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([TEMPLATES, STYLES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": table.number, "interval": table.interval, "duration": duration}
    environment.filters |= {"p": table.p_words, "signed": signed, "name": table.name_of}
    classes = next((row.classes for row in found.rows if row.classes), None)
    style = environment.get_template("style.css").render(colors=classes.colors if classes else ())
    return environment.get_template("sweep.html").render(
        state=state,
        found=found,
        lines=lines(found),
        told=told(found),
        differing=len(table.differing(found)),
        strips=strips,
        classes=classes,
        headline=table.headline(state, found),
        columns=found.columns(),
        networks=table.in_order(state, found),
        note=table.NOTE,
        of_networks=table.OF_NETWORKS,
        gate_split=GATE_SPLIT,
        shown_split=table.SHOWN_SPLIT,
        across=ACROSS,
        style=style,
        policy=content_security_policy(style),
    )
