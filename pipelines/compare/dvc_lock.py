"""What dvc.lock of a revision records, read as data: outputs and dependencies with their hashes, and who has them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from pipelines.dvc.lock import touches
from pipelines.dvc.revision import Revision
from pixelproof.core.errors import StateError

HASH = re.compile(r"[0-9a-f]{32}(\.dir)?")


@dataclass(frozen=True)
class Lock:
    """`path -> entry` of outputs; `path -> md5` of what no stage writes; and by path or key the stages that read it."""

    outs: dict[str, dict[str, Any]] = field(default_factory=dict)
    deps: dict[str, str] = field(default_factory=dict)
    readers: dict[str, list[str]] = field(default_factory=dict)
    params: dict[str, list[str]] = field(default_factory=dict)
    inputs: dict[str, list[str]] = field(default_factory=dict)  # by stage: every path that it reads
    targets: dict[str, str] = field(default_factory=dict)  # by output: what `dvc pull` takes for it

    def hash_of(self, path: str) -> str | None:
        """The hash of an output; a lock may be a stranger's, so nothing but a hash is taken for one."""
        found = str(self.outs.get(path, {}).get("md5"))
        return found if HASH.fullmatch(found) else None


def read_lock(side: Revision) -> Lock:
    """dvc.lock of a revision; an empty one where it has none."""
    try:
        return _parse((side.mapping("dvc.lock") or {}).get("stages", {}))
    except (AttributeError, TypeError, KeyError):
        raise StateError(f"{side.name}: dvc.lock", "not as DVC writes it", "mend it, or `dvc repro`") from None


def _parse(stages: dict[str, Any]) -> Lock:
    outs = {str(entry["path"]): entry for stage in stages.values() for entry in stage.get("outs", [])}
    if not all(isinstance(entry, dict) for entry in outs.values()):
        raise TypeError
    lock = Lock(outs)
    for name, stage in stages.items():
        for entry in stage.get("outs", []):  # all items of a matrix have one name
            lock.targets[str(entry["path"])] = base_name(name) if "@" in str(name) else str(entry["path"])
        lock.inputs[str(name)] = [str(entry["path"]) for entry in stage.get("deps", [])]
        for entry in stage.get("deps", []):
            path = str(entry["path"])
            lock.readers.setdefault(path, []).append(base_name(name))
            if not touches(path, outs):
                lock.deps[path] = str(entry.get("md5"))
        for keys in stage.get("params", {}).values():
            for key in keys:
                lock.params.setdefault(str(key), []).append(base_name(name))
    return lock


def base_name(stage: str) -> str:
    """`train` of `train@unet-0`."""
    return str(stage).split("@", maxsplit=1)[0]
