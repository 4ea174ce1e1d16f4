"""Merges exports into the index of a store: which images are new, which are the same, and what their ids are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from commands._adding.labels import labels_digest
from commands._adding.staging import Taken
from pixelproof.core.errors import DataError
from stages.cvat.archive import AGAIN
from stages.cvat.convert import Item, Opened, group_without_folder
from stages.cvat.model import Annotated
from stages.cvat.naming import Key, ids_of, task_group, task_of
from stages.cvat.store import COPY, OVERRULED, Line

Same = Callable[[Line, Line], bool]


@dataclass(frozen=True)
class Arriving:
    """One image of an export that is added."""

    key: Key
    image: Annotated
    photograph: str | None  # None if the export has none: one of the store's is meant
    labels: str


@dataclass(frozen=True)
class Delivery:
    """An export that is added."""

    path: Path
    name: str
    folder: str  # in the store
    images: Sequence[Arriving]


def merge(
    lines: Sequence[Line], delivery: Delivery, replaced: Iterable[str], same: Same, damaged: Collection[str] = ()
) -> list[Line]:
    """The index after an export was added.

    It replaces what older exports said about its tasks; a task about which it says nothing new keeps its lines.

    Args:
        lines: The index so far.
        delivery: The export.
        replaced: Tasks whose labels give way where two tasks label the same picture differently, and which may lose
            all of their images.
        same: Whether two lines have the same labels.
        damaged: Exports that are better replaced by one which says the same.

    Returns:
        The new index, sorted.

    Raises:
        DataError: A photograph is missing, two tasks label one differently, or the export is of another task.
    """
    tasks = {arriving.key.task for arriving in delivery.images}
    others = [line for line in lines if line.task not in tasks]
    found = _Older(lines)
    made: list[Line] = []
    for task in sorted(tasks):
        older = [line for line in lines if line.task == task]
        pairs = found.pairs(task, [each for each in delivery.images if each.key.task == task])
        if older and task not in replaced and not any(_is_picture_of(line, each) for each, line in pairs):
            raise DataError(
                delivery.path, f"pictures of the task {task!r}, of which there are {len(older)}", "none of them",
                f"rename the file if this is another task, or replace the task with `--replace {task!r}`",
            )  # fmt: skip
        now = list(_lines(delivery, found, pairs, same))
        made += older if _is_old(older, now, same) and not any(line.export in damaged for line in older) else now
    there = {(line.task, line.photograph) for line in lines}
    new = {line.key for line in made if (line.task, line.photograph) not in there}
    return settled([*others, *made], new, replaced, same)


def arriving_in(one: Opened, photographs: Mapping[str, str]) -> list[Arriving]:
    """The images of an open export; `photographs` are the names of its members in the store."""
    name = clean(one.export.name)
    return [
        Arriving(
            Key(task_of(name, image.task), image.subset, image.name),
            image,
            None if image.member is None else photographs[image.member],
            labels_digest(one, image),
        )
        for image in one.parsed.images
    ]


def taken_over(items: Sequence[Item], opened: Sequence[tuple[Opened, Taken]]) -> list[Line]:
    """The lines of exports of version 0.1.0, with the ids and groups that their images had.

    Args:
        items: Their images.
        opened: The exports, and what became of their files.
    """
    of = {one.export.path: (one, taken) for one, taken in opened}
    lines = []
    for item in items:
        one, taken = of[item.export.path]
        image, name = item.image, clean(one.export.name)
        frame = "" if image.frame is None else str(image.frame)
        photograph = taken.members[image.member or ""]
        lines.append(
            Line(
                task_of(name, image.task), image.subset, image.name, item.sample.id, "", "", taken.folder, photograph,
                frame, labels_digest(one, image), name, group_without_folder(one, image),
            )
        )  # fmt: skip
    return lines


def clean(name: str) -> str:
    """A file's name as text: the bytes of one that is not UTF-8 become question marks."""
    return name.encode("utf-8", "replace").decode()


class _Older:
    """Finds what images were so far."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.tasks: dict[str, list[Line]] = defaultdict(list)
        for line in lines:
            self.tasks[line.task].append(line)

    def pairs(self, task: str, arriving: Sequence[Arriving]) -> list[tuple[Arriving, Line | None]]:
        """Each image with the line that it had in this task, perhaps in another subset or by another name.

        A photograph tells more than a name: where names shift or are swapped, each image goes with its photograph.
        Only what has none, or one that is new, is told by its name; a line goes to one image.
        """
        found: dict[Key, Line] = {}
        free = {line.key: line for line in self.tasks.get(task, ())}
        for way in WAYS:
            lines: dict[object, list[Line]] = defaultdict(list)
            for line in free.values():
                lines[way.of_line(line)].append(line)
            for each in arriving:
                if each.key in found or (way.needs_photograph and each.photograph is None):
                    continue
                left = [line for line in lines.get(way.of_image(each), ()) if line.key in free and way.fits(line, each)]
                if len(left) == 1 or (left and way.needs_photograph):  # twins are one image: any of them will do
                    found[each.key] = free.pop(left[0].key)
        return [(each, found.get(each.key)) for each in arriving]


@dataclass(frozen=True)
class _Way:
    """One way to tell which line an image had."""

    of_line: Callable[[Line], object]
    of_image: Callable[[Arriving], object]
    needs_photograph: bool = False
    fits: Callable[[Line, Arriving], bool] = lambda line, arriving: True


def _endings_untold(line: Line, arriving: Arriving) -> bool:
    """Whether the format of one of the two does not tell endings."""
    return not PurePosixPath(line.name).suffix or not PurePosixPath(arriving.key.name).suffix


# From the surest on.
WAYS = (
    _Way(lambda line: (line.key, line.photograph), lambda each: (each.key, each.photograph), needs_photograph=True),
    _Way(lambda line: line.photograph, lambda each: each.photograph, needs_photograph=True),
    _Way(lambda line: line.key, lambda each: each.key),
    _Way(lambda line: line.name, lambda each: each.key.name),
    _Way(lambda line: _stem(line.name), lambda each: _stem(each.key.name), fits=_endings_untold),
)


def _lines(
    delivery: Delivery, found: _Older, pairs: Sequence[tuple[Arriving, Line | None]], same: Same
) -> Iterator[Line]:
    """The lines of a task's images."""
    photographs = [arriving.photograph or (line.photograph if line else "") for arriving, line in pairs]
    task = pairs[0][0].key.task
    if missing := [each for (each, _), name in zip(pairs, photographs, strict=True) if not name]:
        said = f"none for {len(missing)} of {len(pairs)} images; the first is {missing[0].key.name!r}"
        expected = f"photographs in the export, or in an earlier one of the task {task!r}"
        fix = AGAIN if missing[0].image.task else f"{AGAIN}, or name the file as the task that has them"
        raise DataError(delivery.path, expected, said, fix)
    older = found.tasks.get(task)
    origin, batch = (older[0].origin, older[0].batch) if older else (clean(delivery.name), task_group(task))
    for (arriving, line), photograph in zip(pairs, photographs, strict=True):
        key, frame = arriving.key, "" if arriving.image.frame is None else str(arriving.image.frame)
        now = replace(
            line or Line(*key, "", "", "", "", "", "", "", origin, batch),
            task=key.task, subset=key.subset, name=key.name, overruled="", export=delivery.folder,
            photograph=photograph, frame=frame, labels=arriving.labels,
        )  # fmt: skip
        yield replace(now, overruled=line.overruled) if line and line.overruled and same(line, now) else now


def _is_picture_of(line: Line | None, arriving: Arriving) -> bool:
    """Whether an image that has a line is the same picture, as far as that is known."""
    return line is not None and arriving.photograph in (None, line.photograph)


def _is_old(older: Sequence[Line], now: Sequence[Line], same: Same) -> bool:
    """Whether an export says nothing new about a task."""
    before = {line.key: line for line in older}
    return before.keys() == {line.key for line in now} and all(
        line.photograph == before[line.key].photograph and same(before[line.key], line) for line in now
    )


def settled(lines: Sequence[Line], new: set[Key], replaced: Iterable[str], same: Same) -> list[Line]:
    """Make equal photographs one image, and give every image an id.

    Args:
        lines: The index; ids may be missing or shared.
        new: Lines that were not there before: they come after the others.
        replaced: Tasks whose labels give way.
        same: Whether two lines have the same labels.

    Raises:
        DataError: Two tasks label one photograph differently.
    """
    equal: dict[str, list[Line]] = defaultdict(list)
    for line in sorted(lines):
        equal[line.photograph].append(line)
    groups = [_agreed(_oldest_first(group, new), set(replaced), same) for group in equal.values()]
    groups.sort(key=lambda group: (bool(group[0].copy), group[0].key))  # who had an id first keeps it
    given: dict[Key, str] = {}
    used: set[str] = set()
    for first, *_ in groups:
        if first.id and first.id not in used:
            given[first.key] = first.id
            used.add(first.id)
    ids = ids_of([first.key for first, *_ in groups], given)
    return sorted(
        replace(line, id=ids[group[0].key], copy=COPY if number else "")
        for group in groups
        for number, line in enumerate(group)
    )


def _oldest_first(group: list[Line], new: set[Key]) -> list[Line]:
    return sorted(group, key=lambda line: (line.key in new, not line.id, bool(line.copy), line))


def _agreed(group: list[Line], replaced: set[str], same: Same) -> list[Line]:
    """Lines of one photograph, whose labels must be the same; those of replaced tasks give way."""
    said = [line for line in group if not line.overruled]
    if not said:  # whose labels had counted is gone
        said = [replace(group[0], overruled="")]
        group = [*said, *group[1:]]
    first = next((line for line in said if line.task not in replaced), said[0])
    made = []
    for line in group:
        differs = not line.overruled and line is not first and not same(first, line)
        if differs and line.task not in replaced:
            raise _differ(first, line)
        made.append(replace(line, overruled=OVERRULED) if differs else line)
    return made


def _differ(first: Line, second: Line) -> DataError:
    fix = f"decide with `--replace TASK` (the one whose labels give way: {first.task!r} or {second.task!r})"
    if first.task == second.task:
        fix = "correct one of the two in CVAT, and export again"
    return DataError(
        f"task {second.task!r}, image {second.name!r}",
        f"the labels that the same picture has in task {first.task!r} as {first.name!r}", "others", fix,
    )  # fmt: skip


def _stem(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix()
