"""The words of a comparison, without markup: the same in Markdown and on the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipelines import markdown
from pipelines.compare.labels import SplitChange
from pipelines.compare.metrics import tally
from pipelines.compare.result import ALARM, GATE_SPLIT, IMPROVED, REGRESSED, UNTOLD, Comparison
from pipelines.compare.significance import Row

SPLIT_NAMES = {"train": "training", "val": "validation", "test": "test"}
NOT_COMPUTED = "significance was not computed"
NOT_HERE = "not all of their per-image matrices are here"
NOTHING_SHARED = "no evaluation image is in both revisions with the same labels"


def why_not_computed(found: Comparison) -> str:
    """Why no test was made of an architecture that both revisions have."""
    return NOTHING_SHARED if found.apart and not found.unjudged else NOT_HERE


def headline(found: Comparison, quoted: Callable[[str], str] = str) -> str:
    """The verdict, in one line; `quoted` says how to write a name, which may be a stranger's."""
    parts = []
    if found.rows:
        parts += [*_gate(found, quoted), *_classes(found)]
    if found.unjudged or not found.rows:
        parts.append(NOT_COMPUTED + (f" for {len(found.unjudged)} architecture(s)" if found.rows else ""))
    if not found.rows:
        parts += [NOTHING_SHARED] if found.apart else []
        parts.append(f"metrics/ says: {tally(found.metrics)}")
    return "; ".join(parts + _one_seed(found, quoted))


def _gate(found: Comparison, quoted: Callable[[str], str]) -> list[str]:
    """What the rows that decide the gate say."""
    gated = found.gated()
    parts = []
    for verdict in (REGRESSED, IMPROVED):
        if names := architectures([row for row in gated if row.verdict == verdict]):
            parts.append(f"{verdict} on validation: {len(names)} of {counted(len(gated), 'architecture')}")
    fallen = [f"{quoted(row.architecture)} {_untold(row)}" for row in gated if row.verdict == ALARM]
    if fallen:
        parts.append(f"cannot tell on validation, but so large a drop needs a person to look: {_some(fallen)}")
    untold = [f"{quoted(row.architecture)} {_untold(row)}" for row in gated if row.verdict in UNTOLD]
    if untold:
        parts.append(f"cannot tell on validation: {_some(untold)}")
    return parts or [_undecided(found)]


def _untold(row: Row) -> str:
    """A change that cannot be told, and what it would take."""
    reason = row.words.partition(": ")[2]
    return reason if row.change is None else f"{signed(row.change)} ({reason})"


def _undecided(found: Comparison) -> str:
    """What to say about validation if nothing is known to have changed."""
    verdicts = {row.verdict for row in found.rows if row.split == GATE_SPLIT}
    if not verdicts:
        return "validation was not compared"
    return "the same on validation" if verdicts == {"identical"} else "no difference shown on validation"


def _classes(found: Comparison) -> list[str]:
    """The architectures of which single classes changed, or other metrics, though not the gate's."""
    told = {(row.architecture, row.verdict) for row in found.gated()}
    parts = []
    for verdict in (REGRESSED, IMPROVED):
        names = [name for name in architectures(found.of(GATE_SPLIT, verdict)) if (name, verdict) not in told]
        if names:
            number = counted(len(found.architectures()), "architecture")
            parts.append(f"not {found.gate_metric}, but other scores {verdict}: {len(names)} of {number}")
    return parts


def _one_seed(found: Comparison, quoted: Callable[[str], str]) -> list[str]:
    """That nothing is known of retraining where there is one seed, and what was known."""
    if not found.one_seed():
        return []
    past = [f"{quoted(of.architecture)} ±{of.retraining:.4f}" for of in found.past]
    commits = {(of.commit[:10], of.seeds) for of in found.past}
    last = "".join(f", with {seeds} seeds at {commit} it was {_some(past)}" for commit, seeds in sorted(commits)[:1])
    return [f"retraining noise is unknown (one seed{last})"]


def _some(parts: Sequence[str]) -> str:
    first, more = named(parts, 3)
    return ", ".join(first) + (f" and {more} more" if more else "")


def seeds(found: Comparison) -> str:
    """How many seeds each revision has, and how many of these are compared: `1 → 3, of which 1 → 1 compared`."""
    have = {of.architecture: (len(of.base), len(of.head)) for of in found.facts.seeds}
    said = {(have.get(row.architecture, row.seeds), row.seeds) for row in found.rows}
    return "; ".join(
        _arrow(all_of) + (f", of which {_arrow(of)} compared" if of != all_of else "") for all_of, of in sorted(said)
    )


def _arrow(of: tuple[int, int]) -> str:
    return f"{of[0]} → {of[1]}"


def architectures(rows: Sequence[Row]) -> list[str]:
    """Their names, each once."""
    return sorted({row.architecture for row in rows})


def name_of(row: Row) -> str:
    """`mIoU`, or `iou of car`."""
    return row.metric if row.label is None else f"{row.metric} of {row.label}"


def score(value: float | None) -> str:
    """A score with four decimals."""
    return "undefined" if value is None else f"{value:.4f}"


def signed(value: float | None) -> str:
    """A change with its sign."""
    return "not comparable" if value is None else markdown.signed(value)


def interval(row: Row) -> str:
    """The change's interval."""
    if row.low is not None and row.high is not None:
        return f"[{signed(row.low)}, {signed(row.high)}]"
    few = row.change is not None and row.verdict not in ("identical", "not comparable")
    return f"too few groups for an interval ({row.groups})" if few else ""


def probability(value: float | None) -> str:
    """A p-value."""
    if value is None:
        return ""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def counted(number: int, what: str) -> str:
    """`1 image`, `2 images`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def split_words(change: SplitChange) -> str:
    """What changed in a split, without names."""
    parts = [
        f"{counted(len(ids), 'image')} {what}"
        for ids, what in (
            (change.added, "added"),
            (change.removed, "removed"),
            (change.relabelled, "relabelled"),
            (change.repainted, "with other pixels"),
        )
        if ids
    ]
    before, after = change.images
    return f"{', '.join(parts) or 'only the metadata of its images'} ({before:,} → {after:,} images)"


def named(names: Sequence[str], most: int = 5) -> tuple[list[str], int]:
    """The first names of a list, and how many more there are."""
    return list(names[:most]), max(0, len(names) - most)
