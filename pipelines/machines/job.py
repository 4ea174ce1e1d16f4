"""What is sent to another machine, and what comes back."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any


@dataclass(frozen=True)
class Job:
    """One stage to run.

    Args:
        commit: whose files to run it with.
        stage: its name in DVC.
        key: of its inputs.
        inputs: the MD5 of each dep.
        entries: of dvc.lock, by stage: of the stages whose outputs it reads.
        computes: whether it may use a GPU, which then is its own meanwhile.
    """

    commit: str
    stage: str
    key: str
    inputs: dict[str, str | None]
    entries: dict[str, Any]
    computes: bool = False

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Result:
    """What came of it.

    Args:
        entry: the stage's entry of dvc.lock.
        files: the content of outputs that DVC does not cache, by path.
        machine: where it was made, for people.
    """

    entry: dict[str, Any]
    files: dict[str, bytes] = field(default_factory=dict)
    machine: str = ""

    @property
    def outs(self) -> dict[str, Any]:
        """The hash of each output."""
        return {out["path"]: out.get("md5") for out in self.entry.get("outs", [])}

    @property
    def cached(self) -> dict[str, Any]:
        """The hash of each output that DVC keeps."""
        return {path: oid for path, oid in self.outs.items() if not any(_in(file, path) for file in self.files)}

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        files = {path: base64.b64encode(content).decode() for path, content in self.files.items()}
        return {"entry": self.entry, "files": files, "machine": self.machine}

    @staticmethod
    def of(content: Mapping[str, Any]) -> Result:
        """From what `as_dict` gave."""
        files = {path: base64.b64decode(text) for path, text in content["files"].items()}
        return Result(content["entry"], files, content["machine"])


def inside(path: str) -> bool:
    """Whether a path, which came over the network, stays in the folder that it is relative to.

    Example:
        >>> inside("metrics/unet.json"), inside("metrics/../../x"), inside("/etc/passwd")
        (True, False, False)
    """
    named = PurePosixPath(path)
    return bool(named.parts) and not named.is_absolute() and ".." not in named.parts


def _in(file: str, out: str) -> bool:
    return file == out or file.startswith(f"{out}/")
