"""The ids of images, the tasks they are of, their splits, and the groups that must stay in one split."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pixelproof.core.errors import DataError, ParamsError
from pixelproof.data.dataset import UNSPLIT
from stages.cvat.params import ByFile, ByRegex, Grouping
from stages.cvat.table import rows_of

# CVAT's names of exports: `task_NAME_annotations_2026_11_01_10_00_00_cvat for images 1.1`.
DECORATED = re.compile(
    r"(?:task|project|job)_(?P<name>.+)_(?:annotations|dataset)_\d{4}(?:_\d{2}){5}_.+", re.IGNORECASE | re.DOTALL
)
SUBSETS = {
    "": UNSPLIT, "default": UNSPLIT,
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
LONGEST = 120  # characters of an id: a file name holds 255 bytes


class Key(NamedTuple):
    """What tells an image from all others."""

    task: str
    subset: str
    name: str


def task_of(export: str, task: str) -> str:
    """The key of an image's task: as the format tells it, else the export's name without what CVAT adds to it.

    Args:
        export: The export's name.
        task: What the format says; "" for nothing.

    Returns:
        The key; two exports of a task give the same.

    Example:
        >>> task_of("task_North field_annotations_2026_11_01_10_00_00_cvat for images 1.1", "")
        'North field'
        >>> task_of("export", "12")
        '12'
    """
    decorated = DECORATED.fullmatch(export)
    return task or (decorated["name"] if decorated else export)


def task_group(task: str) -> str:
    """The group of all images of a task."""
    return f"task-{task}" if task.isdigit() else task


def ids_of(keys: Iterable[Key], given: Mapping[Key, str] | None = None) -> dict[Key, str]:
    """An id for each image: its task's number and its name where that is readable and unique, else with a digest.

    Args:
        keys: The images, in any order, which does not matter.
        given: Ids that images have already; they are kept, and given to no other image.

    Returns:
        The id of every image, including those that had one.

    Example:
        >>> list(ids_of([Key("12", "", "a/0001.png"), Key("flights", "", "0001.png")]).values())
        ['12-a-0001', '0001']
    """
    ids, keys = dict(given or {}), list(keys)
    wanted = {key: _readable(key) for key in keys if key not in ids}
    counts = Counter([name.casefold() for name in wanted.values()] + [name.casefold() for name in ids.values()])
    taken = {name.casefold() for name in ids.values()}
    for key in sorted(wanted):
        found, exact = wanted[key], _is_exact(key)
        if not exact or counts[found.casefold()] > 1:
            found = f"{found[:LONGEST]}-{_digest(key)}"
        while found.casefold() in taken:  # an image is called as another one with its digest
            found = f"{found}-{_digest(key)}"
        ids[key] = found
        taken.add(found.casefold())
    return {key: ids[key] for key in [*(given or {}), *keys]}


def _readable(key: Key) -> str:
    """`12-flight3-0001` for `flight3/0001.png` of task 12: an id, but perhaps not only this image's."""
    stem = PurePosixPath(key.name).with_suffix("").as_posix()
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    return slug(f"{key.task}-{plain}" if key.task.isdigit() else plain)


def _is_exact(key: Key) -> bool:
    """Whether the readable id says all that the name does, but for a `/` that became `-`."""
    stem = PurePosixPath(key.name).with_suffix("").as_posix().replace("/", "-")
    found = _readable(key)
    return found == (f"{key.task}-{stem}" if key.task.isdigit() else stem) and len(found) <= LONGEST


def _digest(key: Key) -> str:
    return hashlib.sha256("\0".join(key).encode("utf-8", "surrogatepass")).hexdigest()[:8]


def old_id(export: str, name: str, by_export: bool) -> str:
    """The id that version 0.1 gave an image: its name, after the export's if images were grouped by export."""
    stem = PurePosixPath(name).with_suffix("").as_posix()
    return slug(f"{export}/{stem}" if by_export else stem)


def slug(name: str) -> str:
    """A valid id from a name: runs of characters that an id cannot have become `-`."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-._") or "image"


def splits_of(found: Iterable[str], subsets: Mapping[str, str]) -> dict[str, str]:
    """The split of each subset in CVAT; `all` for those that prepare is to split.

    Args:
        found: The subsets' names; "" for none.
        subsets: What params.yaml says about those that do not have the usual names.

    Returns:
        Of each name train, val, test or all.

    Raises:
        ParamsError: Names that are neither usual nor in `subsets`.

    Example:
        >>> splits_of(["Train", "validation", "default", "Flight A"], {"Flight A": "test"})
        {'Train': 'train', 'validation': 'val', 'default': 'all', 'Flight A': 'test'}
    """
    splits = {name: subsets.get(name) or SUBSETS.get(name.lower()) for name in found}
    if unknown := sorted(name for name, split in splits.items() if split is None):
        raise ParamsError(
            "cvat.subsets", f"nothing about {', '.join(map(repr, unknown))}",
            f"add `{unknown[0]}: train` (or val, test; or unsplit, for a split by `prepare.split`), one line for each",
        )  # fmt: skip
    return {name: UNSPLIT if split == "unsplit" else str(split) for name, split in splits.items()}


@dataclass(frozen=True)
class Grouper:
    """Says which images must stay in one split."""

    by: Grouping
    table: Mapping[str, str]  # of `file`: name -> group

    @staticmethod
    def of(by: Grouping, folder: Path) -> Grouper:
        """What params.yaml says; a table of groups lies in the folder of the exports."""
        return Grouper(by, _table(folder / by.file) if isinstance(by, ByFile) else {})

    def group(self, where: str, key: Key, export: str, sample_id: str, task: str) -> str:
        """The group of one image.

        Args:
            where: Names it in errors.
            key: Its task, subset and name.
            export: Its export's name.
            sample_id: Its id.
            task: What stands for its task.

        Returns:
            The group's name.

        Raises:
            DataError: The pattern or the table that params.yaml names says nothing about it.
        """
        if isinstance(self.by, ByRegex):
            return self._by_regex(where, key, self.by.regex)
        if isinstance(self.by, ByFile):
            return self._by_table(where, key, self.by.file)
        folder = PurePosixPath(key.name).parent.as_posix()
        if self.by == "folder":
            return task if folder == "." else folder
        return {"task": task, "subset": key.subset or UNSPLIT, "export": export, "image": sample_id}[self.by]

    def _by_regex(self, where: str, key: Key, pattern: str) -> str:
        match = re.search(pattern, key.name)
        found = match and match[1 if match.re.groups else 0]
        if not found:
            fix = "change cvat.group.regex in params.yaml, or the image's name in CVAT"
            raise DataError(where, f"a name in which {pattern!r} finds a group", repr(key.name), fix)
        return found

    def _by_table(self, where: str, key: Key, file: str) -> str:
        if key.name not in self.table:
            raise DataError(where, f"a line for it in {file}", "none", f"add `{key.name},GROUP` to it")
        return self.table[key.name]


def _table(path: Path) -> dict[str, str]:
    groups: dict[str, str] = {}
    for where, name, group in rows_of(path, "groups", ("name", "group")):
        if not name or not group:
            raise DataError(where, "a name and a group", f"{name!r} and {group!r}", "fix the line")
        if groups.setdefault(name, group) != group:
            raise DataError(where, "one group for each name", f"{groups[name]!r} and {group!r}", "keep one")
    return groups
