"""Adds exports to data/annotations/, and to params.yaml what they say that is new."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from commands._adding.aside import lying_about, note, tidy
from commands._adding.dvc import begin, check_version, keep
from commands._adding.labels import Comparer
from commands._adding.merge import Delivery, arriving_in, merge, settled, taken_over
from commands._adding.settings import FOLDER, Before, Settings, edited, places, settings_for
from commands._adding.sources import check_here, exports_of, group_for, subsets_for
from commands._adding.staging import Staging, Taken, remove_unnamed
from commands._adding.told import Change, State, told
from pixelproof.core.errors import StateError
from pixelproof.core.files import write_bytes, write_text
from pixelproof.core.params import check, load, read_yaml
from pixelproof.data.splitting import Split
from stages.cvat.archive import open_export
from stages.cvat.convert import Opened, check_labels, items_of, open_labels
from stages.cvat.params import Grouping, Params
from stages.cvat.store import INDEX, Line, index_text, is_store, read_index, write_index

LOCK = ".pixelproof/add.lock"


@dataclass(frozen=True)
class Request:
    """What a person asked for."""

    sources: Sequence[str | Path]  # paths, or tasks of a server
    subsets: Mapping[str, str] = field(default_factory=dict)
    group: Grouping | None = None
    table: Path | None = None  # of `group`, if that is a file
    replaced: Sequence[str] = ()
    portable: bool | None = None
    dry: bool = False
    ask: Callable[[str], str] | None = None
    removed: Sequence[str] = ()  # tasks whose images go, though no export speaks of them


def add(asked: Request, root: Path) -> list[str]:
    """Add exports to the store; returns the lines to print.

    Everything is checked, and copied beside the store, before anything in it changes. Then its index is replaced, which
    alone says what is in it: where this process is killed, the images are as they were or as they are to be.

    Args:
        asked: What to add.
        root: The clone.

    Raises:
        PixelproofError: Something is wrong; nothing was changed.
    """
    store = root / FOLDER
    with ExitStack() as stack:
        if not asked.dry:
            stack.enter_context(_alone(root))
            tidy(store)
        before = _before(asked, root, store)
        aside = lying_about(store)
        opened = _opened(asked, root, aside, {line.task for line in before.lines}, stack)
        subsets = subsets_for(
            [image.subset for one in opened for image in one.parsed.images], before.kept, asked.subsets,
            {line.subset for line in before.lines}, asked.ask,
        )  # fmt: skip
        staging = stack.enter_context(Staging(store, asked.dry))
        taken = [staging.take(one) for one in opened]
        comparer = Comparer(store, {copied.folder: one for one, copied in zip(opened, taken, strict=True)})
        old, lines = _merged(asked, before, list(zip(opened, taken, strict=True)), comparer, staging, len(aside))
        staging.check(lines)
        settings = settings_for(before, lines, opened, subsets, comparer)
        for one in opened:
            check_labels(one, settings.params)
        tables = store if before.kept else before.tables
        was = State(old, places(old, before.kept or settings.params, settings.split, tables))
        now = State(lines, places(lines, settings.params, settings.split, before.tables))
        mended = len(staging.damaged & {name for line in before.lines for name in (line.photograph, line.export)})
        said = [*settings.told, *told(was, now, Change.of(was, now, comparer), opened, settings, mended)]
        if asked.dry:
            return [*said, "nothing was written (--dry-run)"]
        begin(root)
        _write(before, lines, settings, staging, asked.table, aside)
    return [*said, *keep(root, FOLDER)]


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """One `add` at a time."""
    path = root / LOCK
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StateError(FOLDER, "another `pixelproof add` is at work", "wait for its end") from None
        yield


def _before(asked: Request, root: Path, store: Path) -> Before:
    """What is there before anything is added."""
    check_here(root, store)
    check_version(root, FOLDER, INDEX)
    params = load("cvat", Params, root).cvat
    kept = params if params.exports == FOLDER else None
    section = (read_yaml(root / "params.yaml").get("prepare") or {}).get("split") or {}
    return Before(
        store, kept, check(Split, section, "prepare.split."), read_index(store) if is_store(store) else [],
        group_for(asked.group, kept), asked.table.parent if asked.table else store, asked.portable,
    )  # fmt: skip


def _opened(
    asked: Request, root: Path, aside: Sequence[Path], tasks: AbstractSet[str], stack: ExitStack
) -> list[Opened]:
    """Every export with what it says: first those that lie about in the store, which has photographs of `tasks`."""
    paths = [path for source in asked.sources for path in exports_of(source, root, stack)]
    paths = [path for path in paths if not any(path.exists() and path.samefile(other) for other in aside)]
    opened: list[Opened] = []
    lent = {*tasks}
    for path in (*aside, *paths):
        one = open_labels(replace(stack.enter_context(open_export(path)), lent=frozenset(lent)))
        lent |= {image.task for image in one.parsed.images}
        opened.append(one)
    return opened


def _merged(
    asked: Request,
    before: Before,
    opened: Sequence[tuple[Opened, Taken]],
    comparer: Comparer,
    staging: Staging,
    aside: int,
) -> tuple[list[Line], list[Line]]:
    """The old index and the new one.

    A folder of version 0.1.0 has none: what lies in it is old, and its images keep their ids.
    """
    old = before.lines
    if before.kept and not is_store(before.store) and aside:
        exports = [one for one, _ in opened[:aside]]
        items = items_of(exports, before.kept.model_copy(update={"exports": str(before.store)}))
        old = settled(taken_over(items, opened[:aside]), set(), asked.replaced, comparer)
        opened = opened[aside:]
    lines = old
    for one, copied in opened:
        delivery = Delivery(one.export.path, one.export.name, copied.folder, arriving_in(one, copied.members))
        lines = merge(lines, delivery, asked.replaced, comparer, staging.damaged - staging.there)
        _check_borrowed(delivery, lines, staging)
    if asked.removed:
        kept = [line for line in lines if line.task not in asked.removed]
        lines = settled(kept, set(), asked.replaced, comparer)
    return old, lines


def _check_borrowed(delivery: Delivery, lines: Sequence[Line], staging: Staging) -> None:
    """Check the photographs of labels that came without any."""
    borrowed = {each.key: each.image for each in delivery.images if each.photograph is None}
    for line in lines:
        if line.export == delivery.folder and line.key in borrowed:
            staging.check_borrowed(f"{delivery.path}: image {line.name!r}", borrowed[line.key], line.photograph)


def _write(
    before: Before,
    lines: Sequence[Line],
    settings: Settings,
    staging: Staging,
    table: Path | None,
    aside: Sequence[Path],
) -> None:
    """Make it so, in an order in which the stage `cvat` can run after each step."""
    store, text = before.store, index_text(lines)
    path = store.parents[1] / "params.yaml"
    params = edited(path, settings.changes)
    if before.kept and params != path.read_text():  # more classes than the old images have do no harm
        write_text(path, params)
    exports, photographs = {line.export for line in lines}, {line.photograph for line in lines}
    staging.publish(exports, photographs)
    if table and (not (target := store / table.name).exists() or target.read_bytes() != table.read_bytes()):
        write_bytes(target, table.read_bytes())
    note(store, aside, text)
    if not is_store(store) or index_text(before.lines) != text:
        write_index(store, text)
    if not before.kept:  # until now params.yaml names other exports
        write_text(path, params)
    remove_unnamed(store, exports, photographs)
    tidy(store)
