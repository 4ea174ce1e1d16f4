"""The words of a comparison, without markup: the same in Markdown and on the page."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.compare.labels import SplitChange
from pipelines.compare.metrics import tally
from pipelines.compare.result import GATE_SPLIT, IMPROVED, REGRESSED, UNTOLD, Comparison
from pipelines.compare.significance import Row

SPLIT_NAMES = {"train": "training", "val": "validation", "test": "test"}
NOT_COMPUTED = "significance was not computed"


def headline(found: Comparison) -> str:
    """The verdict, in one line."""
    worse, better = (architectures(found.of(GATE_SPLIT, verdict)) for verdict in (REGRESSED, IMPROVED))
    parts = []
    if worse:
        parts.append(f"regressed on validation: {len(worse)} of {counted(_judged(found), 'architecture')}")
    if better:
        parts.append(f"improved on validation: {len(better)} of {counted(_judged(found), 'architecture')}")
    if found.rows and not parts:
        parts.append(_undecided(found))
    if found.unjudged or not found.rows:
        parts.append(NOT_COMPUTED + (f" for {len(found.unjudged)} architecture(s)" if found.rows else ""))
    if not found.rows:
        parts.append(f"metrics/ says: {tally(found.metrics)}")
    return "; ".join(parts)


def _undecided(found: Comparison) -> str:
    """What to say about validation if nothing regressed or improved on it."""
    verdicts = {row.verdict for row in found.rows if row.split == GATE_SPLIT}
    if not verdicts:
        return "validation was not compared"
    if verdicts == {"identical"}:
        return "the same on validation"
    untold = found.gate == "cannot tell" or verdicts <= UNTOLD
    return "cannot tell on validation" if untold else "no difference shown on validation"


def _judged(found: Comparison) -> int:
    return len(architectures([row for row in found.rows if row.split == GATE_SPLIT]))


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
    """A change with its sign; one that four decimals would hide is shown with an exponent."""
    if value is None:
        return "not comparable"
    if value == 0:
        return "0"
    return f"{value:+.4f}" if abs(value) >= 0.0001 else f"{value:+.1e}"


def interval(row: Row) -> str:
    """The change's interval."""
    return "" if row.low is None or row.high is None else f"[{signed(row.low)}, {signed(row.high)}]"


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
