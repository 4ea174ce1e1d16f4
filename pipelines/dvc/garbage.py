"""Objects in DVC's cache or on its remote that nothing needs any more; what is young may be that of a run under way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.compare.store import in_public
from pipelines.dvc.needed import needed
from pixelproof.core.errors import StateError

SECONDS_A_DAY = 24 * 3600
AT_ONCE = 500  # removed in a request
KEYS = "pixelproof"  # results and checkpoints of runs on many machines, beside DVC's objects


@dataclass(frozen=True)
class Garbage:
    """What could be removed.

    Args:
        paths: of the files, and their bytes.
        kept: how many objects stay.
        tips: by how many branches, tags and experiments they are needed.
        young: how many nothing needs, and are younger than asked.
    """

    paths: dict[str, int]
    kept: int
    tips: int
    young: int

    @property
    def size(self) -> int:
        """The bytes of all of it."""
        return sum(self.paths.values())


def find_garbage(repo: Any, remote: bool, days: float) -> tuple[Any, Garbage]:
    """What could be removed from DVC's cache, or from its default remote; and the file system that it is in.

    Args:
        repo: DVC's repository, of this folder.
        remote: of the remote, and not of the cache.
        days: what is younger stays.

    Raises:
        StateError: what is needed cannot be told, or the remote cannot be listed.
    """
    if not remote and not Path(repo.cache.local.path).is_relative_to(repo.root_dir):
        fix = "`dvc gc --projects` with all of them removes what none needs"
        raise StateError("DVC's cache", "it is outside this clone, so others may need what this one does not", fix)
    with _named(remote):
        store = repo.cloud.get_remote() if remote else None
        odb = store.odb if store else repo.cache.local
        keep, tips = needed(odb, repo.cache.local)
        there = {oid: odb.oid_to_path(oid) for oid in odb.all()}
        loose = [path for oid, path in there.items() if oid not in keep]
        if store:
            keys = odb.fs.join(store.path, KEYS)
            loose += list(odb.fs.find(keys)) if odb.fs.exists(keys) else []
        before, sizes, young = time.time() - days * SECONDS_A_DAY, dict[str, int](), 0
        for path in loose:
            about = odb.fs.info(path)
            if written(about) > before:
                young += 1
            else:
                sizes[path] = int(about.get("size") or 0)
        return odb.fs, Garbage(sizes, len(there.keys() & keep), tips, young)


def remove_garbage(fs: Any, found: Garbage, remote: bool) -> None:
    """Remove it; lists of folders last, as DVC takes a folder whose list is there for whole.

    Raises:
        StateError: something cannot be removed.
    """
    paths = sorted(found.paths, key=lambda path: (not path.endswith(".dir"), path))
    with _named(remote):
        for first in range(0, len(paths), AT_ONCE):
            fs.remove(paths[first : first + AT_ONCE])


def written(about: dict[str, Any]) -> float:
    """When a file was written, in seconds; as far in the future as can be where its file system does not tell."""
    for name in ("LastModified", "last_modified", "mtime", "modified", "updated"):
        value = about.get(name)
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, int | float):
            return float(value)
    return float("inf")


@contextmanager
def _named(remote: bool) -> Iterator[None]:
    """Each kind of remote has errors of its own; they become one line."""
    try:
        yield
    except StateError:
        raise
    except Exception as error:
        where = "the remote of DVC" if remote else "DVC's cache"
        raise StateError(where, in_public(error), "see `dvc remote list`, and that it can be listed") from error
