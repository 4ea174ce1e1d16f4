"""dvc.lock as data: what each stage read and wrote, and in what two of them differ, stage by stage."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pipelines.dvc.revision import flatten
from pixelproof.core.errors import StateError

Lock = dict[str, dict[str, Any]]  # stage -> its entry in dvc.lock
Role = Literal["data", "weights", "code", "results"]

# What lies in a folder of the repository; other outputs are results, other files that no stage writes are data.
ROLES: dict[str, Role] = {
    "data": "data",
    "models": "weights",
    "pretrained": "weights",
    "stages": "code",
    "pixelproof": "code",
}


@dataclass(frozen=True)
class Difference:
    """One thing in which two records of a stage are not the same."""

    kind: Literal["stage", "command", "param", "source", "input", "output"]
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".strip()

    @property
    def stale(self) -> bool:
        """Whether git keeps it, so that the record is of another tree: no other processor makes such a difference."""
        return self.kind in ("stage", "command", "param", "source")


NEVER_RUN = Difference("stage", "not in the committed dvc.lock")


def stages_of(content: dict[str, Any] | None, where: str) -> Lock:
    """The stages of a parsed dvc.lock, none where there is no file."""
    stages = (content or {}).get("stages", {})
    try:
        for stage in stages.values():
            for entry in (*stage.get("deps", []), *stage.get("outs", [])):
                entry["path"].split("/")
            flatten(stage.get("params", {}))
    except (AttributeError, TypeError, KeyError):
        raise StateError(f"{where}: dvc.lock", "not as DVC writes it", "mend it, or `dvc repro`") from None
    return dict(stages)


def differences(committed: Lock, rebuilt: Lock) -> dict[str, list[Difference]]:
    """For each stage of the rebuilt one, in what it is not the same; an empty list where it is."""
    written = {entry["path"] for lock in (committed, rebuilt) for entry in _entries(lock, "outs")}
    return {
        stage: _differences_of(committed[stage], entry, written) if stage in committed else [NEVER_RUN]
        for stage, entry in rebuilt.items()
    }


def _differences_of(old: dict[str, Any], new: dict[str, Any], written: set[str]) -> list[Difference]:
    found = [] if old.get("cmd") == new.get("cmd") else [Difference("command")]
    before, after = (flatten(side.get("params", {})) for side in (old, new))
    # `params.yaml.train.lr`: the file is named only where it is another one.
    found += [Difference("param", key.removeprefix("params.yaml.")) for key in _unlike(before, after)]
    before, after = (_hashes(side.get("deps", [])) for side in (old, new))
    found += [Difference("input" if touches(path, written) else "source", path) for path in _unlike(before, after)]
    before, after = (_hashes(side.get("outs", [])) for side in (old, new))
    return found + [Difference("output", path) for path in _unlike(before, after)]


def _unlike(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    keys = sorted(before.keys() | after.keys())
    return [key for key in keys if (key in before) != (key in after) or before.get(key) != after.get(key)]


def rests_on(committed: Lock, rebuilt: Lock) -> dict[Role, list[dict[str, Any]]]:
    """What the metrics rest on: each file and folder of data, code, weights and results with its hash."""
    written = {entry["path"] for entry in _entries(rebuilt, "outs")}
    before = {entry["path"]: hash_of(entry) for kind in ("deps", "outs") for entry in _entries(committed, kind)}
    listed: dict[str, dict[str, Any]] = {}
    for entry in (*_entries(rebuilt, "outs"), *_entries(rebuilt, "deps")):
        path = entry["path"]
        if path in written or not touches(path, written):
            now = hash_of(entry)
            listed[path] = {"path": path, "hash": now, "as committed": before.get(path) == now}
    roles: dict[Role, list[dict[str, Any]]] = {"data": [], "weights": [], "code": [], "results": []}
    for path in sorted(listed):
        roles[role_of(path, path in written)].append(listed[path])
    return roles


def role_of(path: str, is_output: bool) -> Role:
    """What a file or folder is to the metrics."""
    if role := ROLES.get(path.split("/")[0]):
        return role
    return "results" if is_output else "code" if path.endswith(".py") else "data"


def params_of(lock: Lock) -> dict[str, Any]:
    """Every param that a stage declares, by its key path."""
    values: dict[str, Any] = {}
    for stage in lock.values():
        values |= flatten(stage.get("params", {}))
    return {key.removeprefix("params.yaml."): values[key] for key in sorted(values)}


def digest(value: Any) -> str:
    """The SHA-256 of a value's JSON: one hash for many things."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def hash_of(entry: dict[str, Any]) -> str | None:
    """The hash that DVC recorded: MD5 for what it keeps itself, a server's own for what lies there."""
    return next((str(entry[name]) for name in ("md5", "etag", "checksum") if name in entry), None)


def _hashes(entries: list[dict[str, Any]]) -> dict[str, str | None]:
    return {entry["path"]: hash_of(entry) for entry in entries}


def _entries(lock: Lock, kind: str) -> Iterator[dict[str, Any]]:
    return (entry for stage in lock.values() for entry in stage.get(kind, []))


def touches(path: str, written: Collection[str]) -> bool:
    """Whether a path is an output, lies in one or holds one."""
    return any(path == out or path.startswith(f"{out}/") or out.startswith(f"{path}/") for out in written)
