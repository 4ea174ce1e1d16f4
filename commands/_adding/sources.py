"""Where labels come from: what a person names for `pixelproof add`, and what lies in data/annotations/ already."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import cast, get_args

from commands._adding.settings import FOLDER
from commands._catalogue import path_from
from pixelproof.core.errors import DataError, ParamsError, StateError
from stages.cvat.archive import ANNOTATIONS, find_exports, is_export
from stages.cvat.naming import SUBSETS
from stages.cvat.params import GROUPINGS, ByFile, ByRegex, Cvat, Grouping, Subset, checked_regex
from stages.cvat.store import EXPORTS, INDEX, PHOTOGRAPHS, RESTORE, is_store, read_index

SERVER = re.compile(r"cvat:(?:(?P<kind>task|project)/)?(?P<number>[1-9][0-9]*)")
SPLITS: tuple[str, ...] = get_args(Subset)


def exports_of(source: str | Path, root: Path, stack: ExitStack) -> list[Path]:
    """The exports that a source means: a zip, a folder, the exports in a folder, or tasks of a CVAT server.

    Args:
        source: A path, or `cvat:TASK`, `cvat:project/N`.
        root: The clone.
        stack: Removes at its end what was pulled from a server.

    Raises:
        DataError: It is none.
    """
    if isinstance(source, str):
        return _pulled(source, root, stack)
    place, store = source.resolve(), (root / FOLDER).resolve()
    if root.resolve().is_relative_to(place) or store == place:
        found = "the store itself" if store == place else "a folder that contains this clone"
        raise DataError(source, "an export of CVAT", found, f"name the .zip, or the folder with {ANNOTATIONS}")
    if any(place.is_relative_to(store / part) for part in (EXPORTS, PHOTOGRAPHS, INDEX)):
        raise DataError(source, "an export of CVAT", "a part of the store", "it is added already")
    return find_exports(source) if source.is_dir() and not is_export(source) else [source]


def subsets_for(names: Iterable[str], params: Cvat | None, said: Mapping[str, str], old: Iterable[str],
                ask: Callable[[str], str] | None) -> dict[str, str]:  # fmt: skip
    """What params.yaml has to say about subsets: what it says, what is said now, and what is asked.

    Args:
        names: The subsets' names.
        params: What params.yaml says; None before the first export.
        said: By --subset.
        old: The subsets of images that are there already, which must keep their splits.
        ask: Asks a person; None if there is none.

    Raises:
        ParamsError: An older image would change its split, or a subset's split is not known.
    """
    known: dict[str, str] = dict(params.subsets) if params else {}
    for name in said:
        before = known.get(name) or SUBSETS.get(name.lower())
        if name in old and before != said[name]:
            raise ParamsError("cvat.subsets", f"{name!r} is {before}", "images that are there would change their split")
    known |= said
    unknown = [name for name in dict.fromkeys(names) if name not in known and name.lower() not in SUBSETS]
    if unknown and ask is None:
        flags = " ".join(f"--subset '{name}=train'" for name in unknown)
        listed = ", ".join(map(repr, unknown))
        raise ParamsError("cvat.subsets", f"nothing about {listed}", f"add {flags} (or {', '.join(SPLITS[1:])})")
    for name in unknown if ask else ():
        while known.get(name) not in SPLITS:
            assert ask is not None
            known[name] = ask(f"images of the subset {name!r} go to ({', '.join(SPLITS)}): ").strip()
    return known


def grouping_of(text: str | None) -> tuple[Grouping | None, Path | None]:
    """What --group says, and where its table is.

    Raises:
        PixelproofError: The pattern is none, or there is no such table.
    """
    if text is None or text in GROUPINGS:
        return cast(Grouping | None, text), None
    kind, _, value = text.partition(":")
    if kind == "regex":
        return ByRegex(regex=checked_regex(value)), None
    table = path_from(value)
    if not table.is_file():
        raise DataError(table, "a table with the columns name and group", "no such file", "see docs/data.md")
    return ByFile(file=table.name), table


def group_for(asked: Grouping | None, kept: Cvat | None) -> Grouping | None:
    """What images are grouped by, if that is said.

    Raises:
        ParamsError: Another grouping was asked for than params.yaml has: older images would change their splits.
    """
    if asked and kept and asked != kept.group:
        fix = "images that are there would change their splits: keep it, or change it there"
        raise ParamsError("cvat.group", repr(kept.model_dump()["group"]), fix)
    return asked or (kept.group if kept else None)


def check_here(root: Path, store: Path) -> None:
    """Require what DVC keeps to be here: else what is added would replace it.

    Raises:
        StateError: It is elsewhere.
    """
    if (root / f"{FOLDER}.dvc").exists() and not any(store.glob("*")):
        raise StateError(FOLDER, "not here yet, only its .dvc file", f"run `bin/python -m dvc pull {FOLDER}`")
    lines = read_index(store) if is_store(store) else []
    photographs = {path.name for path in (store / PHOTOGRAPHS).glob("*")}
    if missing := {line.photograph for line in lines} - photographs:
        raise StateError(FOLDER, f"{len(missing)} photographs are missing, {min(missing)} first", RESTORE)


def _pulled(source: str, root: Path, stack: ExitStack) -> list[Path]:
    match = SERVER.fullmatch(source)
    if match is None:
        raise StateError(source, "neither a path nor a task of a CVAT server", "write cvat:TASK or cvat:project/N")
    from commands._cvat.pull import Finished, pull
    from commands._cvat.scratch import scratch
    from commands._cvat.stale import held, told

    numbers, none = [int(match["number"])], list[int]()
    asked = (numbers, none) if match["kind"] == "project" else (none, numbers)
    images, out = held(root / FOLDER), stack.enter_context(scratch(root)) / "pulled"
    exports, stale = pull(*asked, Finished(), out, held=images)
    for line in told(stale, images):
        print(line)
    return exports
