"""The store of labelled images that `pixelproof add` keeps in data/annotations/.

    index.csv                         one line per image: what it does not name does not count
    photographs/<digest>.<ending>     each photograph once, as it came
    exports/<name>-<digest>/          the files of an export that its format reads, but for photographs, as they came
    exports/<name>-<digest>.csv       which of its files are which photographs

The index is replaced as one file, so that the store is either as it was or as it will be.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path, PurePosixPath

from pixelproof.core.errors import DataError
from pixelproof.core.files import write_bytes
from pixelproof.data.dataset import ID_PATTERN, Sample
from stages.cvat.archive import Export, inside
from stages.cvat.convert import Item, Opened, Photograph, check_labels, count_skipped, open_labels, say_notes, write
from stages.cvat.digests import damaged, is_whole_export
from stages.cvat.formats.pictures import shown_size
from stages.cvat.model import Annotated
from stages.cvat.naming import Grouper, Key, splits_of, task_group
from stages.cvat.params import Cvat

INDEX, PHOTOGRAPHS, EXPORTS = "index.csv", "photographs", "exports"
COPY, OVERRULED = "copy", "overruled"
RESTORE = "restore the folder with `bin/python -m dvc checkout data/annotations`, or `dvc pull`"
WHOLE = "add the export again with a whole photograph"


@dataclass(frozen=True, order=True)
class Line:
    """One image of a task. Lines of one id are one image: the same photograph in two tasks."""

    task: str
    subset: str
    name: str
    id: str
    copy: str  # "copy" if the image came first from another task: that line decides about its split
    overruled: str  # "overruled" if not its own labels count, but those of another line of the same id
    export: str  # the folder with its labels
    photograph: str
    frame: str  # of a video
    labels: str  # a digest: they changed if it did
    origin: str  # the export that brought the task: its images are one group by `cvat.group: export`
    batch: str  # what the task is called in groups: those of images that are in no folder

    @property
    def key(self) -> Key:
        """What tells the image from all others."""
        return Key(self.task, self.subset, self.name)


COLUMNS = [column.name for column in fields(Line)]


def is_store(folder: Path) -> bool:
    """Whether a folder is a store; else it is a folder of exports."""
    return (folder / INDEX).is_file()


def read_index(folder: Path) -> list[Line]:
    """The lines of a store's index.

    Args:
        folder: The store.

    Returns:
        The lines, by task, subset and name.

    Raises:
        DataError: It is no index as `write_index` writes it.
    """
    path = folder / INDEX
    try:
        rows = list(csv.reader(io.StringIO(path.read_bytes().decode(), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(path, "a table in UTF-8", str(error), RESTORE) from None
    if not rows or rows[0] != COLUMNS:
        found = ",".join(rows[0]) if rows else "nothing"
        raise DataError(path, f"the columns {','.join(COLUMNS)}", found, RESTORE)
    lines = []
    for number, row in enumerate(rows[1:], start=2):
        lines.append(Line(*row) if len(row) == len(COLUMNS) else Line(*[""] * len(COLUMNS)))
        if not _is_valid(lines[-1]):
            raise DataError(f"{path}:{number}", "a line that `pixelproof add` wrote", ",".join(row), RESTORE)
    keys = Counter(line.key for line in lines)
    if twice := [key for key, count in keys.items() if count > 1]:
        raise DataError(path, "one line for each image", f"two for {twice[0].name!r}", RESTORE)
    return lines


def index_text(lines: Iterable[Line]) -> str:
    """The content of index.csv.

    Raises:
        DataError: A name holds a control character, such as a line break.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in sorted(lines):
        row = astuple(line)
        if any(unicodedata.category(letter) in ("Cc", "Cs") for value in row for letter in value):
            fix = "rename the image, or the export's file"
            raise DataError(f"task {line.task!r}, image {line.name!r}", "names without control characters", "one", fix)
        writer.writerow(row)
    return text.getvalue()


def write_index(folder: Path, text: str) -> None:
    """Replace the index: from now on the store is what it says."""
    write_bytes(folder / INDEX, text.encode(), durable=True)


def open_stored(folder: Path, name: str) -> Opened:
    """An export of the store with what it says: its photographs are where the store has them.

    Args:
        folder: The store.
        name: Of the export, as the index has it.

    Raises:
        DataError: A part of it is missing.
    """
    return open_labels(_export(folder, name))


def _export(folder: Path, name: str) -> Export:
    path = folder / EXPORTS / name
    elsewhere = {member: folder / PHOTOGRAPHS / photograph for member, photograph in members_of(path).items()}
    try:
        there = {file.relative_to(path).as_posix(): file for file in sorted(path.rglob("*")) if file.is_file()}
        lengths = {member: file.stat().st_size for member, file in sorted((there | elsewhere).items())}
    except OSError as error:
        raise DataError(error.filename, "a file of the store", "none", RESTORE) from None
    return Export(name, path, lengths, elsewhere=elsewhere)


def members_text(members: Mapping[str, str]) -> str:
    """The table that says which files of an export are which photographs."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("member", "photograph"), *sorted(members.items())])
    return text.getvalue()


def members_of(path: Path) -> dict[str, str]:
    """The photograph that each picture of an export is, by the path of its folder."""
    table = path.with_name(f"{path.name}.csv")
    try:
        rows = list(csv.reader(io.StringIO(table.read_bytes().decode(), newline=""), strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(table, "a table of photographs", str(error), RESTORE) from None
    if not all(len(row) == 2 and inside(row[0]) and _is_plain(row[1]) for row in rows):
        raise DataError(table, "the columns member and photograph", "something else", RESTORE)
    return dict(rows[1:])


def convert_store(folder: Path, target: Path, params: Cvat) -> tuple[int, int, Counter[str]]:
    """Write the canonical dataset of a store.

    Args:
        folder: The store.
        target: The dataset's folder; an older one is replaced once everything is written.
        params: What the labels mean.

    Returns:
        The number of exports, of images, and of skipped shapes by kind.

    Raises:
        DataError: Something in the store is wrong; nothing is written.
    """
    lines = read_index(folder)
    exports = [_export(folder, name) for name in sorted({line.export for line in effective(lines).values()})]
    if wrong := [export.path for export in exports if not is_whole_export(export.path)]:
        raise damaged(wrong[0])
    opened = {export.name: open_labels(export) for export in exports}
    items = stored_items(folder, lines, opened, params)
    write(items, target, params, [one.parsed for one in opened.values()])
    say_notes(one.parsed for one in opened.values())
    return len(opened), len(items), count_skipped(one.parsed for one in opened.values())


def stored_items(folder: Path, lines: Sequence[Line], opened: Mapping[str, Opened], params: Cvat) -> list[Item]:
    """Every image of a store.

    Args:
        folder: The store.
        lines: Its index.
        opened: Its exports, by name.
        params: What the labels mean, and how images are grouped.

    Returns:
        The images, in the order of the index.

    Raises:
        DataError: A label is not in params.yaml, or an image is not in its export.
    """
    found = {name: by_key(one) for name, one in opened.items()}
    labelled = {line.id: (line, image_of(line, found[line.export])) for line in effective(lines).values()}
    for name, one in opened.items():
        check_labels(one, params, [image for line, image in labelled.values() if line.export == name])
    places = places_of(lines, folder, params)
    items = []
    for line in lines:
        if line.copy:
            continue
        source, image = labelled[line.id]
        export = opened[source.export].export
        where, path = f"{export.path}: image {image.name!r}", folder / PHOTOGRAPHS / line.photograph
        split, group = places[line.id]
        width, height = _size(where, image, path)
        sample = Sample(line.id, group, width, height, "cvat")
        photograph = Photograph(f"{path} (image {line.name!r})", path.read_bytes, path, WHOLE, path.stem)
        items.append(Item(where, replace(image, width=width, height=height), export, photograph, split, sample))
    return items


def effective(lines: Iterable[Line]) -> dict[str, Line]:
    """By id, the line whose labels count."""
    found: dict[str, Line] = {}
    for line in sorted(lines, key=lambda line: bool(line.copy)):
        if not line.overruled:
            found.setdefault(line.id, line)
    return found


def places_of(lines: Iterable[Line], tables: Path, params: Cvat) -> dict[str, tuple[str, str]]:
    """By id, the split (train, val, test, or all: still to be split) and the group of each image.

    Args:
        lines: An index.
        tables: The folder with the table of groups, if params.yaml names one.
        params: What images are grouped by, and the splits of subsets.

    Raises:
        PixelproofError: Nothing is said about a subset or a group.
    """
    first = [line for line in lines if not line.copy]
    splits = splits_of({line.subset for line in first}, params.subsets)
    grouper = Grouper.of(params.group, tables)
    found = {}
    for line in first:
        where = f"task {line.task!r}, image {line.name!r}"
        task = task_group(line.task) if params.group == "task" else line.batch
        found[line.id] = (splits[line.subset], grouper.group(where, line.key, line.origin, line.id, task))
    return found


def by_key(one: Opened) -> dict[Key, Annotated]:
    """The images of an export, by what its format says of them: the task is "" where it does not tell."""
    return {Key(image.task, image.subset, image.name): image for image in one.parsed.images}


def image_of(line: Line, images: Mapping[Key, Annotated]) -> Annotated:
    """The image of a line, in its export.

    Raises:
        DataError: It is not there.
    """
    image = images.get(line.key) or images.get(line.key._replace(task=""))
    if image is None:
        raise DataError(f"{EXPORTS}/{line.export}", f"the image {line.name!r} of task {line.task!r}", "none", RESTORE)
    return image


def _size(where: str, image: Annotated, photograph: Path) -> tuple[int, int]:
    """The image's size; the photograph's where the labels do not tell."""
    if image.width:
        return image.width, image.height
    size = shown_size(photograph.read_bytes())
    if size is None:
        raise DataError(where, "a photograph", f"something else in {photograph}", RESTORE)
    return size


def _is_valid(line: Line) -> bool:
    flags = line.copy in ("", COPY) and line.overruled in ("", OVERRULED)
    plain = _is_plain(line.photograph) and _is_plain(line.export) and inside(line.name)
    return flags and plain and bool(ID_PATTERN.fullmatch(line.id))


def _is_plain(name: str) -> bool:
    return inside(name) and len(PurePosixPath(name).parts) == 1
