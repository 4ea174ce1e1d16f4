"""dvc.lock as data: what each stage read and wrote, and how two of them differ, stage by stage.

A lock may be a stranger's: its form is checked as it is read, and only real hashes are ever looked up.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from pipelines.dvc.revision import Revision, flatten
from pixelproof.core.errors import StateError

LOCK = "dvc.lock"
HASH = re.compile(r"[0-9a-f]{32}(\.dir)?")
Hashes = dict[str, str | None]  # path -> the hash that DVC recorded
Role = Literal["data", "weights", "code", "results"]

# What a top-level folder holds. Other outputs are results, other files that no stage writes are data.
ROLES: dict[str, Role] = {
    "data": "data",
    "models": "weights",
    "pretrained": "weights",
    "stages": "code",
    "pixelproof": "code",
}


@dataclass(frozen=True)
class Record:
    """What dvc.lock says about the last run of a stage."""

    command: Any = None  # a line, or several
    params: dict[str, dict[str, Any]] = field(default_factory=dict)  # file -> key as declared -> value
    deps: Hashes = field(default_factory=dict)
    outs: Hashes = field(default_factory=dict)

    @property
    def values(self) -> dict[str, Any]:
        """The params by their key paths; the file is named only if it is not params.yaml."""
        return {key.removeprefix("params.yaml."): value for key, value in flatten(self.params).items()}


@dataclass(frozen=True)
class DvcLock:
    """The stages of a dvc.lock by name; none if there is no such file."""

    stages: dict[str, Record] = field(default_factory=dict)

    @cached_property
    def outs(self) -> Hashes:
        """Every output."""
        return {path: value for record in self.stages.values() for path, value in record.outs.items()}

    @cached_property
    def sources(self) -> Hashes:
        """What stages read but no stage writes."""
        return {path: value for path, value in _read(self) if not touches(path, self.outs)}

    def hash_of(self, path: str) -> str | None:
        """The hash of an output; None if the lock records anything but a hash."""
        found = self.outs.get(path)
        return found if found and HASH.fullmatch(found) else None

    def readers(self, path: str) -> list[str]:
        """The stages that read a path, each by its name in dvc.yaml."""
        return [base_name(name) for name, record in self.stages.items() if path in record.deps]

    def readers_of_param(self, key: str) -> list[str]:
        """The stages that declare a key, or a section that contains it."""
        return [
            base_name(name)
            for name, record in self.stages.items()
            if any(f"{key}.".startswith(f"{declared}.") for keys in record.params.values() for declared in keys)
        ]

    def pull_target(self, path: str) -> str:
        """What to give `dvc pull` for an output: its path, or the name of its matrix stage."""
        writers = [name for name, record in self.stages.items() if path in record.outs and "@" in name]
        return base_name(writers[-1]) if writers else path

    def only(self, names: Iterable[str]) -> DvcLock:
        """Only these stages: DVC keeps the entries of stages that dvc.yaml no longer has."""
        return DvcLock({name: self.stages[name] for name in names if name in self.stages})


def read_lock(side: Revision) -> DvcLock:
    """dvc.lock of a revision; an empty one if it has none.

    Raises:
        StateError: it is not in DVC's format.
    """
    return parse_lock(side.mapping(LOCK), side.name)


def parse_lock(content: dict[str, Any] | None, where: str) -> DvcLock:
    """The lock of a dvc.lock's content; an empty one for None.

    Raises:
        StateError: it is not in DVC's format.
    """
    try:
        stages = _mapping((content or {}).get("stages", {}))
        return DvcLock({str(name): _record(entry) for name, entry in stages.items()})
    except (AttributeError, TypeError, KeyError):
        raise StateError(f"{where}: {LOCK}", "not in DVC's format", "fix it, or run `dvc repro`") from None


def _record(entry: Any) -> Record:
    params = _mapping(_mapping(entry).get("params", {}))
    return Record(
        command=entry.get("cmd"),
        params={str(file): {str(key): value for key, value in _mapping(keys).items()} for file, keys in params.items()},
        deps=_hashes(entry.get("deps", [])),
        outs=_hashes(entry.get("outs", [])),
    )


def _mapping(value: Any) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise TypeError
    return value


def _hashes(entries: Any) -> Hashes:
    """The hash that DVC recorded, by path: MD5 for what it keeps itself, the server's own for what is remote."""
    found: Hashes = {}
    for entry in entries:
        path, kinds = _mapping(entry)["path"], ("md5", "etag", "checksum")
        if not isinstance(path, str):
            raise TypeError
        found[path] = next((str(entry[kind]) for kind in kinds if kind in entry), None)
    return found


def base_name(stage: str) -> str:
    """`train` of `train@unet-0`."""
    return stage.split("@", maxsplit=1)[0]


def touches(path: str, written: Collection[str]) -> bool:
    """Whether a path is an output, lies in one or holds one."""
    return any(path == out or path.startswith(f"{out}/") or out.startswith(f"{path}/") for out in written)


@dataclass(frozen=True)
class Difference:
    """One thing in which two records of a stage differ."""

    kind: Literal["stage", "command", "param", "source", "input", "output"]
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".strip()

    @property
    def stale(self) -> bool:
        """Whether git tracks it, so that the record is from another tree: a different processor cannot cause it."""
        return self.kind in ("stage", "command", "param", "source")


NEVER_RUN = Difference("stage", "not in the committed dvc.lock")


def differences(committed: DvcLock, rebuilt: DvcLock) -> dict[str, list[Difference]]:
    """For each stage of the rebuilt lock, how it differs; an empty list if it is the same."""
    written = committed.outs.keys() | rebuilt.outs.keys()
    return {
        name: _differences_of(committed.stages[name], record, written) if name in committed.stages else [NEVER_RUN]
        for name, record in rebuilt.stages.items()
    }


def _differences_of(old: Record, new: Record, written: Collection[str]) -> list[Difference]:
    found = [] if old.command == new.command else [Difference("command")]
    found += [Difference("param", key) for key in unlike(old.values, new.values)]
    for path in unlike(old.deps, new.deps):
        found.append(Difference("input" if touches(path, written) else "source", path))
    return found + [Difference("output", path) for path in unlike(old.outs, new.outs)]


def unlike(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The keys that only one side has, or whose values differ, sorted."""
    keys = sorted(before.keys() | after.keys())
    return [key for key in keys if (key in before) != (key in after) or before.get(key) != after.get(key)]


def rests_on(committed: DvcLock, rebuilt: DvcLock) -> dict[Role, list[dict[str, Any]]]:
    """What the metrics rest on: each file and folder of data, code, weights and results with its hash."""
    before = dict(_read(committed)) | committed.outs
    listed: dict[str, dict[str, Any]] = {}
    for path, now in (*rebuilt.outs.items(), *_read(rebuilt)):
        if path in rebuilt.outs or not touches(path, rebuilt.outs):
            listed[path] = {"path": path, "hash": now, "as committed": before.get(path) == now}
    roles: dict[Role, list[dict[str, Any]]] = {"data": [], "weights": [], "code": [], "results": []}
    for path in sorted(listed):
        roles[role_of(path, path in rebuilt.outs)].append(listed[path])
    return roles


def _read(lock: DvcLock) -> Iterator[tuple[str, str | None]]:
    return (entry for record in lock.stages.values() for entry in record.deps.items())


def role_of(path: str, is_output: bool) -> Role:
    """The role of a file or folder for the metrics."""
    if role := ROLES.get(path.split("/")[0]):
        return role
    if is_output:
        return "results"
    return "code" if path.endswith(".py") else "data"


def params_of(lock: DvcLock) -> dict[str, Any]:
    """Every param that a stage declares, by its key path."""
    values: dict[str, Any] = {}
    for record in lock.stages.values():
        values |= record.values
    return {key: values[key] for key in sorted(values)}


def digest(value: Any) -> str:
    """The SHA-256 of a value's JSON: one hash for many things."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
