"""How long each stage last took here: `.pixelproof/times/<stage>.json`, which `pixelproof plan` reads.

Times are kept apart from what stages write, in a folder that neither git nor DVC tracks: no result depends on how long
it took. Only complete runs that DVC started are recorded: DVC passes the stage's name in an environment variable.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pixelproof.core.files import read_json, write_json

FOLDER = Path(".pixelproof/times")
STAGE = "DVC_STAGE"  # DVC sets it to the stage's name


@dataclass(frozen=True)
class StageTime:
    """How long a complete run of a stage took, on which machine and with which params."""

    seconds: float
    machine: str
    params: dict[str, Any]


def begin(name: str) -> None:
    """Take a run of a stage for a complete one until `resumed` says otherwise."""
    _mark(name).unlink(missing_ok=True)


def note(name: str, spent: StageTime) -> None:
    """Record how long a run of a stage took, unless it resumed an earlier one.

    Args:
        name: the stage, such as `train@unet-0`.
        spent: what to record.
    """
    if _mark(name).exists():
        _mark(name).unlink()
    else:
        write_json(_path(name), asdict(spent))


def resumed(environ: Mapping[str, str] = os.environ) -> None:
    """Mark this run of a stage as resumed: its time is not that of a complete run.

    Args:
        environ: tells the stage's name. The mark is a file, so that a child process can tell its parent.
    """
    if name := environ.get(STAGE, ""):
        with suppress(OSError):
            FOLDER.mkdir(parents=True, exist_ok=True)
            _mark(name).touch()


def last(name: str) -> StageTime | None:
    """How long the last complete run of a stage in this clone took.

    Args:
        name: the stage, such as `train@unet-0`.

    Returns:
        None if there was none, or if the file is not as `note` writes it. It may come from another machine.
    """
    try:
        found = read_json(_path(name))
        return StageTime(float(found["seconds"]), str(found["machine"]), dict(found["params"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _path(name: str) -> Path:
    return FOLDER / f"{_file_name(name)}.json"


def _mark(name: str) -> Path:
    return FOLDER / f"{_file_name(name)}.resumed"


def _file_name(name: str) -> str:
    """The stage's name without the path that DVC adds when run from a subfolder: `../dvc.yaml:train@unet-0`."""
    return name.rsplit(":", maxsplit=1)[-1].replace("/", "-")
