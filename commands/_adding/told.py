"""Says what an addition changed, by split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from commands._adding.labels import Comparer
from commands._adding.settings import Settings
from pipelines.compare.words import counted
from pixelproof.data.dataset import SPLITS
from stages.cvat.convert import Opened, count_skipped
from stages.cvat.store import Line, effective

KINDS = ("new", "relabelled", "removed", "unchanged")
Places = Mapping[str, tuple[str, str]]  # the split and the group of each image, by id


@dataclass(frozen=True)
class State:
    """What a store holds."""

    lines: Sequence[Line]
    places: Places


@dataclass(frozen=True)
class Change:
    """What became of each image, by id."""

    kinds: Mapping[str, str]  # new, relabelled, removed or unchanged
    moved: int  # images in another split than before
    replaced: int  # images with another photograph than before
    copies: int  # lines that are copies of other images and were not there before
    elsewhere: int  # of the copies, those whose subset says another split

    @staticmethod
    def of(old: State, new: State, same: Comparer) -> Change:
        """Compare two states."""
        before, after = effective(old.lines), effective(new.lines)
        kinds = dict.fromkeys(after, "new") | dict.fromkeys(before, "removed")
        for name in before.keys() & after.keys():
            one, other = before[name], after[name]
            equal = one.photograph == other.photograph and same(one, other)
            kinds[name] = "unchanged" if equal else "relabelled"
        both = old.places.keys() & new.places.keys()
        moved = sum(old.places[name][0] != new.places[name][0] for name in both)
        replaced = sum(before[name].photograph != after[name].photograph for name in before.keys() & after.keys())
        known = {line.key for line in old.lines}
        first = {line.id: line.subset for line in new.lines if not line.copy}
        copies = [line for line in new.lines if line.copy and line.key not in known]
        elsewhere = sum(line.subset != first[line.id] for line in copies)
        return Change(kinds, moved, replaced, len(copies), elsewhere)


def told(
    old: State, new: State, change: Change, opened: Sequence[Opened], settings: Settings, mended: int
) -> list[str]:
    """The lines to print: a table by split, and whatever else a person should know.

    Args:
        old: The store as it was.
        new: As it will be.
        change: Their difference.
        opened: What is added.
        settings: What params.yaml will say.
        mended: How many photographs and exports were damaged, and are replaced.
    """
    names = ", ".join(f"{one.export.path.name} ({one.parsed.format})" for one in opened)
    undrawn = count_skipped(one.parsed for one in opened)
    notes = sum((one.parsed.notes for one in opened), Counter[str]())
    changed = sorted(settings.changes)
    lines = [names, *_table(old, new, change)]
    if change.moved:
        lines.append(
            f"of another split than before, as their subset or group changed: {counted(change.moved, 'image')}"
        )
    if change.replaced:
        lines.append(f"with another photograph than before: {counted(change.replaced, 'image')}")
    if change.copies:
        lines.append(f"in another task too, with the same labels: {counted(change.copies, 'image')}, kept once")
    if change.elsewhere:
        lines.append(f"{change.elsewhere} of them are in another subset there: they stay where they came first")
    if undrawn:
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(undrawn.items()))
        lines.append(f"skipped, as they have no area: {counts} (cvat.skip)")
    lines += [f"{count} {what}" for what, count in sorted(notes.items())]
    if changed:
        lines.append(f"changed in params.yaml: {', '.join(changed)}")
    if mended:
        lines.append(f"{mended} photographs or exports were damaged in data/annotations: they are replaced")
    if old.lines == new.lines and not changed and not mended:
        lines.append("nothing changed")
    return lines


def _table(old: State, new: State, change: Change) -> list[str]:
    counts: Counter[tuple[str, str]] = Counter()
    for name, kind in change.kinds.items():
        counts[kind, (old if kind == "removed" else new).places[name][0]] += 1
    groups = [{group for split, group in new.places.values() if split == name} for name in SPLITS]
    rows = {kind: [counts[kind, split] for split in SPLITS] for kind in KINDS}
    cells = [[kind, *map(str, row), str(sum(row))] for kind, row in rows.items()]
    cells.append(["groups", *(str(len(each)) for each in groups), str(len(set().union(*groups)))])
    table = [["images", *SPLITS, "in all"], *cells]
    return ["  ".join([row[0].ljust(10), *(cell.rjust(6) for cell in row[1:])]) for row in table]
