"""The table of a sweep in words: Markdown and CSV. The page (page.py) says the same."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

from pipelines.compare.significance import GATE_SPLIT
from pipelines.compare.words import counted, probability
from pipelines.compare.words import score as shown
from pipelines.markdown import code, signed
from pipelines.plan.hours import duration
from pipelines.sweeps.failure import Failure
from pipelines.sweeps.results import Difference, Results, Row, Score
from pipelines.sweeps.run import State
from pipelines.sweeps.spec import Point
from pixelproof.core.table import markdown_table

SHOWN_SPLIT = "test"
MOST = 20  # differences that are listed


def name_of(row: Row) -> str:
    """The point, and the network where the point's name does not say it."""
    return row.point.name if row.point.name == row.architecture else f"{row.point.name}: {row.architecture}"


def against_best(found: Results, at: int) -> str:
    """What is known of a row and the first one."""
    if not at:
        return "the highest" if found.rows[0].scores[GATE_SPLIT].value is not None else ""
    difference = found.between(0, at)
    if difference is None:
        return "another question"
    if difference.told == "differ":
        return f"differs, p {p_words(difference)}"
    return f"{difference.told}{f', p {p_words(difference)}' if difference.p_holm is not None else ''}"


def p_words(difference: Difference) -> str:
    """The corrected p-value with a sign."""
    text = probability(difference.p_holm)
    return text if text.startswith("<") else f"= {text}"


def interval(score: Score) -> str:
    """Its interval, if there is one."""
    return "" if score.low is None or score.high is None else f"{score.low:.4f} to {score.high:.4f}"


def number(score: Score) -> str:
    """A score, or nothing where it is not known."""
    return "" if score.value is None else shown(score.value)


def headline(state: State, found: Results) -> str:
    """How far the sweep is, and what it says, in one line."""
    all_of = len(state.sweep.points)
    parts = [f"{len(state.done)} of {counted(all_of, 'point')}"]
    if state.failed:
        parts.append(f"{len(state.failed)} failed")
    tested = [each for each in found.differences if each.p_holm is not None]
    if tested:
        differ = sum(each.told == "differ" for each in tested)
        parts.append(f"{differ} of {counted(len(tested), 'pair')} differ significantly on validation")
    return "; ".join(parts)


def differing(found: Results) -> list[Difference]:
    """The pairs that differ, the surest first."""
    told = [each for each in found.differences if each.told == "differ"]
    return sorted(told, key=lambda each: (each.p_holm or 0.0, each.first, each.second))


def _line(found: Results, each: Difference) -> str:
    """A pair that differs, in words."""
    better, other = found.rows[each.first], found.rows[each.second]
    ends = "" if each.low is None or each.high is None else f" [{signed(-each.high)}, {signed(-each.low)}]"
    by = signed(-(each.change or 0.0))
    return f"{code(name_of(better))} over {code(name_of(other))}: {by}{ends}, p {p_words(each)}"


def _why(failure: Failure) -> str:
    """The cause, and the log in a code span of its own: long ones are cut."""
    return code(failure.cause) + ("" if failure.log is None else f" (all of it: {code(failure.log)})")


def as_markdown(state: State, found: Results) -> str:
    """The table, what differs, and what failed."""
    head = ["point", f"{found.metric}, validation", "interval", "against the first", f"{found.metric}, test"]
    head += ["seeds", "time"]
    rows = [
        [
            code(name_of(row)),
            number(row.scores[GATE_SPLIT]),
            interval(row.scores[GATE_SPLIT]),
            against_best(found, at),
            number(row.scores[SHOWN_SPLIT]),
            len(row.seeds) or "",
            duration(row.record.seconds),
        ]
        for at, row in enumerate(found.rows)
    ]
    lines = [f"# {state.sweep.about}", "", f"{headline(state, found)} (commit {state.head[:10]}).", ""]
    lines += markdown_table(head, rows) if rows else ["No point is done yet."]
    told = differing(found)
    if told:
        more = [f"- and {len(told) - MOST} more"] if len(told) > MOST else []
        lines += ["", "## What differs on validation", "", *(f"- {_line(found, each)}" for each in told[:MOST]), *more]
    lines += ["", NOTE] if rows else []
    lines += _networks(state, found)
    if state.failed:
        lines += ["", "## What failed", "", *(f"- {code(name)}: {_why(each)}" for name, each in state.failed.items())]
    return "\n".join(lines) + "\n"


NOTE = (
    "Intervals are over groups of images and, with several seeds, over seeds. Every two points are tested on "
    "validation, two-sided and corrected for all pairs (Holm): a pair that is not listed may differ all the same. The "
    "test split is only shown. The time of a point is that of what ran for it, beside what else ran here; what DVC "
    "restored costs nothing."
)

OF_NETWORKS = (
    "In the order of the sweep. Small objects found are the share of the true ones on validation, small by "
    "`evaluate.objects.sizes`; AP50, of masks, and PQ, of all classes, are of validation too. The objects of a network "
    "that knows classes alone are what hangs together, or what `evaluate.objects.split` says. Weights are those that "
    "predict; MACs are multiply-adds for one image."
)


def in_order(state: State, found: Results) -> list[Row]:
    """The rows in the order of the sweep's points."""
    places = {point.name: at for at, point in enumerate(state.sweep.points)}
    return sorted(found.rows, key=lambda row: places[row.point.name])


def _networks(state: State, found: Results) -> list[str]:
    """What the networks are, where there are several; for the lecture, its comparison table."""
    if not (columns := found.columns()):
        return []
    head = ["point", f"{found.metric}, validation", *(column.heading for column in columns), "time"]
    rows = [
        [
            code(name_of(row)),
            number(row.scores[GATE_SPLIT]),
            *(column.of(row.network) for column in columns),
            duration(row.record.seconds),
        ]
        for row in in_order(state, found)
    ]
    return ["", "## The networks", "", *markdown_table(head, rows), "", OF_NETWORKS]


def as_csv(state: State, found: Results) -> str:
    """A line for each network of each point, those that failed included."""
    varying = state.sweep.varying()
    ends = [f"{split}.{found.metric}{end}" for split in (GATE_SPLIT, SHOWN_SPLIT) for end in ("", ".low", ".high")]
    facts = ["type", "up_sampling", "small_objects_found", "AP50", "PQ", "parameters", "flops"]
    head = ["point", *varying, "architecture", "status", *ends, *facts, "seeds", "seconds", "experiment"]
    lines = []
    for row in found.rows:
        scores = [row.scores[split] for split in (GATE_SPLIT, SHOWN_SPLIT)]
        numbers = [_cell(value) for score in scores for value in (score.value, score.low, score.high)]
        settings = [_setting(row.point, key) for key in varying]
        cost = [len(row.seeds) or "", f"{row.record.seconds:.1f}", row.record.commit]
        of = row.network
        told = [of.kind, of.rising, *map(_cell, (of.small, of.ap50, of.pq)), _text(of.parameters), _text(of.flops)]
        lines.append([row.point.name, *settings, row.architecture, "done", *numbers, *told, *cost])
    with_rows = {row.point.name for row in found.rows}
    for point in state.sweep.points:
        if point.name not in with_rows:
            settings = [_setting(point, key) for key in varying]
            status = "done" if point.name in state.done else "failed"
            lines.append([point.name, *settings, "", status, *[""] * (len(ends) + len(facts) + 3)])
    return _csv(head, lines)


def differences_csv(found: Results) -> str:
    """A line for each pair, whatever is known of it."""
    head = ["first", "second", "told", "change", "low", "high", "p", "p_holm"]
    lines = [
        [name_of(found.rows[each.first]), name_of(found.rows[each.second]), each.told]
        + [_cell(value) for value in (each.change, each.low, each.high, each.p, each.p_holm)]
        for each in found.differences
    ]
    return _csv(head, lines)


def _csv(head: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([head, *lines])
    return text.getvalue()


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def _text(value: int | None) -> str:
    return "" if value is None else str(value)


def _setting(point: Point, key: str) -> str:
    """What a point sets a key to; nothing where it leaves the value of params.yaml."""
    value = point.overrides.get(key, "")
    return value if isinstance(value, str) else json.dumps(value)
