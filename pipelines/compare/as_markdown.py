"""The comparison as a comment on a pull request: the verdict first, and never longer than GitHub allows."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.compare import opening, words
from pipelines.compare.metrics import MetricRow, tally
from pipelines.compare.result import GATE_SPLIT, IMPROVED, REGRESSED, SHOWN_SPLIT, Comparison
from pipelines.compare.significance import Row
from pipelines.markdown import PAGE_LIMIT, code, shortened
from pixelproof.core.table import markdown_table

MOST = 12  # lines per kind of cause, and classes; the page and the JSON have all of them


def as_markdown(found: Comparison) -> str:
    """The page, with the long tables collapsed if they fit."""
    short = [
        *head(found),
        *judged(found),
        *unjudged(found),
        *why(found),
        *data_change(found),
        *images(found),
        *notes(found),
    ]
    long = [*short, *untested(found), *every_number(found)]
    return shortened(long if len("\n".join(long).encode()) < PAGE_LIMIT else short)


def head(found: Comparison) -> list[str]:
    """The verdict, what was compared, and what regressed or improved."""
    names = [code(side.name) + (f" ({side.commit[:10]})" if side.commit else "") for side in (found.base, found.head)]
    lines = [f"### Comparison: {opening.title(found, code)}", "", f"base {names[0]}, head {names[1]}"]
    for alarm in found.facts.alarms:
        lines += ["", f"**{alarm.text[0].upper()}{alarm.text[1:]}.** {alarm.meaning}", ""]
        lines += _some([f"- {code(thing)}" for thing in alarm.things])
    if found.stale:
        lines += ["", "**The head's dvc.lock is stale**, so these may be the metrics of other code or params:", ""]
        lines += _some([f"- {code(thing)}" for thing in found.stale])
    for verdict in (REGRESSED, IMPROVED):
        rows = found.of(GATE_SPLIT, verdict)
        for arch in words.architectures(rows):
            first, more = words.named([code(words.name_of(row)) for row in rows if row.architecture == arch])
            rest = f" and {more} more" if more else ""
            lines += ["", f"**{code(arch)} {verdict}**: {', '.join(first)}{rest}"]
    return lines


def judged(found: Comparison) -> list[str]:
    """One line for each architecture, then the classes that changed on validation."""
    if not found.rows:
        return []
    metric = found.gate_metric
    header = ["architecture", f"validation {metric}", "change", "p (Holm)", "verdict"]
    header += [f"test {metric}", "change", "verdict"]
    lines = [
        [code(arch), *_cells(found.row(arch, GATE_SPLIT)), *_cells(found.row(arch, SHOWN_SPLIT), p=False)]
        for arch in found.architectures()
    ]
    said = ["", *markdown_table(header, lines)]
    said += ["", retraining(found), f"Scores are computed from the matrices by the code of {code(found.facts.code)}."]
    said += ["", *seeds(found)] if found.facts.seeds else []
    rows = [row for verdict in (REGRESSED, IMPROVED) for row in found.of(GATE_SPLIT, verdict)]
    rows = [row for row in rows if row.label is not None or row.metric != metric]
    if rows:
        header = ["architecture", "validation", "base", "head", "change", "p (Holm)", "verdict", "change on test"]
        said += ["", *markdown_table(header, [_class_cells(found, row) for row in rows[:MOST]])]
        said += [f"and {len(rows) - MOST} more"] if len(rows) > MOST else []
    return said


def seeds(found: Comparison) -> list[str]:
    """Which seeds are compared, where the revisions do not have the same."""
    lines = [f"- {code(of.architecture)}: {opening.seeds_words(of)}" for of in found.facts.seeds]
    return [*_some(lines), "", "Numbers from metrics/ are means over all seeds of their revision."]


def retraining(found: Comparison) -> str:
    """How much retraining alone changes each architecture on each split, if several seeds tell."""
    splits = GATE_SPLIT, SHOWN_SPLIT
    rows = [row for arch in found.architectures() for split in splits if (row := found.row(arch, split))]
    spreads = [
        f"{code(row.architecture)} {row.retraining_words} on {words.SPLIT_NAMES[row.split]}"
        for row in rows
        if row.retraining is not None
    ]
    if not spreads:
        return f"How much retraining alone changes was not measured (seeds: {words.seeds(found)})."
    told = f"Retraining with other seeds alone changes {found.gate_metric} by up to: {'; '.join(spreads)}"
    return f"{told} (seeds: {words.seeds(found)})."


def _cells(row: Row | None, p: bool = True) -> list[str]:
    if row is None:
        return ["not compared", "", *([""] if p else []), ""]
    change = f"{words.signed(row.change)} {words.interval(row)}".strip()
    shown = f"{words.score(row.base)} → {words.score(row.head)}"
    return [shown, change, *([words.probability(row.p_holm)] if p else []), row.words]


def _class_cells(found: Comparison, row: Row) -> list[str]:
    other = found.row(row.architecture, SHOWN_SPLIT, row.metric, row.label)
    change = f"{words.signed(row.change)} {words.interval(row)}".strip()
    return [
        code(row.architecture),
        code(words.name_of(row)),
        words.score(row.base),
        words.score(row.head),
        change,
        words.probability(row.p_holm),
        row.words,
        words.signed(other.change) if other else "",
    ]


def unjudged(found: Comparison) -> list[str]:
    """What metrics/ says if the matrices are not available, and how to get them."""
    lines = []
    if found.unjudged or not found.rows:
        names = ", ".join(code(name) for name in found.unjudged or found.apart) or "any architecture"
        lines = ["", f"Significance was not computed for {names}: {words.why_not_computed(found)}."]
    if found.pulls:
        lines += ["", "Results are missing here. If somebody has pushed them, this fetches them:", ""]
        lines += [f"- {code(command)}" for command in found.pulls]
    if found.metrics:
        lines += ["", *metrics_table(found.metrics)]
    return lines


def untested(found: Comparison) -> list[str]:
    """What changed in metrics/ of those that were judged: boundaries, objects, calibration. Collapsed."""
    if not found.untested:
        return []
    summary = f"Not tested for significance: {tally(found.untested)}"
    return ["", f"<details><summary>{summary}</summary>", "", *metrics_table(found.untested), "", "</details>"]


def metrics_table(rows: Sequence[MetricRow]) -> list[str]:
    """Numbers of metrics/ side by side."""
    header = ["architecture", "metric", "base", "head", "change", "verdict"]
    return markdown_table(header, [[code(row.arch), code(row.key), *map(_plain, row[2:])] for row in rows])


def _plain(value: str) -> str:
    """A value that is text or a list in metrics/ is shown as code."""
    return code(value) if value[:1] in '"[{' else value


def why(found: Comparison) -> list[str]:
    """What differs between the revisions, kind by kind."""
    lines = ["", "#### Why", ""]
    causes = found.causes()
    if not causes:
        return [*lines, "Nothing that dvc.lock, params.yaml and requirements.lock record is different."]
    lines += [f"What differs: **{', '.join(causes)}**" + (" only." if len(causes) == 1 else "."), ""]
    lines += _some([*data_lines(found), *file_lines(found, code_files=False)])
    lines += _some(
        [
            f"- {code(p.key)}: {_value(p.base)} → {_value(p.head)} ({_stages(p.stages, 'no stage reads it')})"
            for p in found.params
        ]
    )
    lines += _some(file_lines(found, code_files=True))
    lines += _some(
        [
            f"- {code(v.package)}: {code(v.base)} → {code(v.head)}" + (" (affects numbers)" if v.numbers else "")
            for v in found.versions
        ]
    )
    return lines


def data_lines(found: Comparison) -> list[str]:
    """What changed in the data."""
    lines = [f"- class {code(name)}: {what}" for what, name in found.data.classes]
    for change in found.data.splits:
        lines.append(f"- data, {words.SPLIT_NAMES[change.split]}: {words.split_words(change)}")
        for ids, what in ((change.added, "added"), (change.removed, "removed"), (change.relabelled, "relabelled")):
            first, more = words.named(ids)
            if first:
                lines.append(f"  - {what}: {', '.join(map(code, first))}" + (f" and {more} more" if more else ""))
        lines += [
            f"  - {turn.pixels:,} pixels of {code(turn.before)} became {code(turn.after)}" for turn in change.turned[:5]
        ]
        if len(change.turned) > 5:
            lines.append(f"  - and {len(change.turned) - 5} more pairs of classes")
        if change.unread:
            lines.append(f"  - {words.counted(change.unread, 'mask')} could not be compared pixel by pixel")
    for move in found.data.moves[:MOST]:
        lines.append(f"- data: {code(move.id)} moved from {move.before} to {move.after}")
    for split in found.data.unknown:
        lines.append(
            f"- data, {words.SPLIT_NAMES[split]}: another version, but its files are not here to say what changed"
        )
    return lines


def file_lines(found: Comparison, code_files: bool) -> list[str]:
    """The files that stages depend on: code, or raw data."""
    what = "" if code_files else "raw data, "
    return [
        f"- {what}{code(one.path)}: {one.kind} ({_stages(one.stages, 'read by no stage')})"
        for one in found.files(code_files)
    ]


def _value(text: str) -> str:
    return text if text == "not set" else code(text)


def _stages(names: Sequence[str], none: str) -> str:
    return f"read by {', '.join(map(code, names))}" if names else none


def data_change(found: Comparison) -> list[str]:
    """What was compared if the evaluation data is not the same."""
    changed = [one for one in found.shared if one.changed]
    if not changed and not found.crossed:
        return []
    lines = ["", "#### The evaluation data changed", ""]
    if not found.crossed:
        lines += [
            f"- {words.SPLIT_NAMES[one.split]}: compared on the {words.counted(one.images, 'image')} that both "
            f"revisions have with the same labels; {words.counted(one.left_out, 'image')} left out "
            f"(matched by {one.by})"
            for one in changed
        ]
        if found.facts.crossed:
            return lines
        told = "evaluates both models on both versions of the data, and says how much is due to each."
        return [*lines, "", f"{code('--cross-evaluate')} {told}"]
    header = ["architecture", "mIoU", "change", "due to the data", "due to the model"]
    header += ["base model, base data", "base model, head data", "head model, base data", "head model, head data"]
    rows = [
        [
            code(one.arch),
            words.SPLIT_NAMES[one.split],
            *map(words.signed, (one.change, one.by_exam, one.by_model)),
            *map(words.score, (one.base_base, one.base_head, one.head_base, one.head_head)),
        ]
        for one in found.crossed
    ]
    return [*lines, *markdown_table(header, rows), "", "The verdicts above compare both models on the head's data."]


def images(found: Comparison) -> list[str]:
    """The images that changed most, by name."""
    lines = []
    for what, extremes in (("drops", found.worse), ("gains", found.better)):
        for arch in sorted({one.arch for one in extremes}):
            these = [one for one in extremes if one.arch == arch][:3]
            shown = ", ".join(f"{code(f'{one.split}/{one.id}')} {words.signed(one.change)}" for one in these)
            lines.append(f"- {code(arch)}, largest {what}: {shown}")
    return ["", "#### Images (mIoU per image)", "", *_some(lines)] if lines else []


def notes(found: Comparison) -> list[str]:
    """What else a reader should know."""
    lines = [
        f"- {note.text}" + (f": {', '.join(map(code, note.names[:MOST]))}" if note.names else "")
        for note in found.notes
    ]
    return ["", "#### Notes", "", *lines] if lines else []


def every_number(found: Comparison) -> list[str]:
    """All rows, collapsed."""
    if not found.rows:
        return []
    header = ["architecture", "split", "metric", "base", "head", "change", "interval", "p", "p (Holm)", "verdict"]
    rows = [
        [
            code(row.architecture),
            row.split,
            code(words.name_of(row)),
            *map(words.score, (row.base, row.head)),
            words.signed(row.change),
            words.interval(row),
            *map(words.probability, (row.p, row.p_holm)),
            row.words,
        ]
        for row in found.rows
    ]
    return ["", "<details><summary>Every number</summary>", "", *markdown_table(header, rows), "", "</details>"]


def _some(lines: list[str]) -> list[str]:
    """The first lines of a list, and how many more there are."""
    return lines if len(lines) <= 2 * MOST else [*lines[: 2 * MOST], f"- and {len(lines) - 2 * MOST} more"]
