"""Why two revisions may differ: params, code and package versions, from what git tracks of both."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pipelines.dvc.lock import DvcLock, touches, unlike
from pipelines.dvc.revision import VERSIONS, Revision, flatten

PINNED = "requirements.lock"
NOT_SET = "not set"


@dataclass(frozen=True)
class ParamChange:
    """A setting with another value: as JSON, or `not set`; and the stages that read it."""

    key: str
    base: str
    head: str
    stages: tuple[str, ...]


@dataclass(frozen=True)
class CodeChange:
    """A file that stages depend on and that no stage writes, and that is changed, new, removed or no longer used."""

    path: str
    kind: str
    stages: tuple[str, ...]

    @property
    def is_code(self) -> bool:
        """Whether it is code; what else stages read is raw data: annotations, pretrained weights."""
        return self.path.endswith(".py") or self.path.split("/")[0] in ("pixelproof", "stages")


@dataclass(frozen=True)
class VersionChange:
    """A package with another version; `numbers` says whether results depend on it."""

    package: str
    base: str
    head: str
    numbers: bool


def changed_params(base: Revision, head: Revision, locks: tuple[DvcLock, DvcLock]) -> list[ParamChange]:
    """One for each key path of params.yaml whose value differs."""
    old, new = (flatten(side.mapping("params.yaml") or {}) for side in (base, head))
    found = []
    for key in sorted(old.keys() | new.keys(), key=str):
        if key not in old or key not in new or old[key] != new[key]:
            found.append(ParamChange(str(key), _json(old, key), _json(new, key), _readers_of(str(key), locks)))
    return found


def _json(values: dict[str, Any], key: str) -> str:
    return json.dumps(values[key], default=str, ensure_ascii=False) if key in values else NOT_SET


def _readers_of(key: str, locks: tuple[DvcLock, DvcLock]) -> tuple[str, ...]:
    """The stages that declare a key, or a section that contains it."""
    return tuple(sorted({stage for lock in locks for stage in lock.readers_of_param(key)}))


def changed_code(base: Revision, head: Revision, locks: tuple[DvcLock, DvcLock]) -> list[CodeChange]:
    """One for each file that stages depend on and whose hash in dvc.lock differs; folders are listed by file.

    Each file appears once, with all the stages that depend on it or on a folder that contains it.
    """
    old, new = (lock.sources for lock in locks)
    kinds: dict[str, str] = {}
    for path in unlike(old, new):
        found = _inside(base, head, path)
        # A stage may now name a file where it named its folder, or the reverse: that alone changes no file.
        named_anew = (path in old) != (path in new) and touches(path, old) and touches(path, new)
        if found or not named_anew:
            kinds |= dict(found or [(path, _kind(path, old, new))])
    return [CodeChange(file, kinds[file], _readers(file, locks)) for file in sorted(kinds.keys() - set(VERSIONS))]


def _kind(path: str, old: Collection[str], new: Collection[str], gone: str = "no longer used") -> str:
    if path not in new:
        return gone
    return "changed" if path in old else "new"


def _inside(base: Revision, head: Revision, path: str) -> list[tuple[str, str]]:
    """The git-tracked files of a folder that differ, and how; for a file that git tracks, the file."""
    old, new = base.files(path), head.files(path)
    return [(file, _kind(file, old, new, "removed")) for file in unlike(old, new)]


def _readers(file: str, locks: tuple[DvcLock, DvcLock]) -> tuple[str, ...]:
    """The stages that depend on a file, or on a folder that contains it."""
    paths = [file, *(parent.as_posix() for parent in PurePosixPath(file).parents)]
    return tuple(sorted({stage for lock in locks for path in paths for stage in lock.readers(path)}))


def changed_versions(base: Revision, head: Revision) -> list[VersionChange]:
    """One for each package whose version differs: first those that decide numbers, then all that are pinned."""
    old, new = base.versions(), head.versions()
    found = _differing(old, new, numbers=True)
    pinned = _differing(_pinned(base), _pinned(head), numbers=False)
    return found + [change for change in pinned if change.package not in old.keys() | new.keys()]


def _differing(old: dict[str, str], new: dict[str, str], numbers: bool) -> list[VersionChange]:
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return [VersionChange(name, old.get(name, "none"), new.get(name, "none"), numbers) for name in names]


def _pinned(side: Revision) -> dict[str, str]:
    lines = (side.read(PINNED) or "").splitlines()
    pins = [re.match(r"([A-Za-z0-9._-]+)==(\S+)", line) for line in lines]
    return {pin[1].lower(): pin[2] for pin in pins if pin}
