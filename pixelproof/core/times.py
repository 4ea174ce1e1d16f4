"""How long each stage last took here: `.pixelproof/times/<stage>.json`, which `pixelproof plan` reads.

They stand apart from what stages write, in a folder of the clone that neither git nor DVC looks at: no result rests on
how long it took. Only whole runs count, and only those that DVC started, for it says by which name a stage goes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pixelproof.core.errors import ExitCode, run_main
from pixelproof.core.files import read_json, write_json
from pixelproof.core.machine import machine
from pixelproof.core.params import declared_keys, handed, read_yaml

FOLDER = Path(".pixelproof/times")
STAGE = "DVC_STAGE"  # in the environment of a command that DVC runs: the name of the stage


@dataclass(frozen=True)
class Taken:
    """How long a whole run of a stage took, on which machine and with which params."""

    seconds: float
    machine: str
    params: dict[str, Any]


def run_stage(main: Callable[[], ExitCode | None], environ: Mapping[str, str] = os.environ) -> None:
    """Run the main of a stage as `run_main` does, and note how long it took.

    Whatever keeps the time from being noted fails no stage.

    Args:
        main: the stage's.
        environ: where DVC says which stage it is. One of several processes of a training notes nothing: their parent
            does.
    """
    name = environ.get(STAGE, "")
    if not name or "RANK" in environ:
        run_main(main)
        return
    params: dict[str, Any] = {}
    with suppress(Exception):
        _mark(name).unlink(missing_ok=True)
        params = handed(read_yaml(Path("params.yaml")), declared_keys(read_yaml(Path("dvc.yaml")), name.split("@")[0]))
    began = time.monotonic()
    run_main(main)  # leaves by `sys.exit` where the stage failed
    with suppress(Exception):
        note(name, Taken(round(time.monotonic() - began, 1), machine(), params))


def note(name: str, taken: Taken) -> None:
    """Write down how long a run of a stage took, unless it went on from where another was ended.

    Args:
        name: the stage, as `train@unet-0`.
        taken: what is written.
    """
    if _mark(name).exists():
        _mark(name).unlink()
    else:
        write_json(_path(name), asdict(taken))


def resumed(environ: Mapping[str, str] = os.environ) -> None:
    """Say that this run of a stage goes on from where another was ended, so that its time is none of a whole run.

    Args:
        environ: where DVC says which stage it is. A file carries it from one of several processes to their parent.
    """
    if name := environ.get(STAGE, ""):
        with suppress(OSError):
            FOLDER.mkdir(parents=True, exist_ok=True)
            _mark(name).touch()


def last(name: str) -> Taken | None:
    """How long the last whole run of a stage in this clone took.

    Args:
        name: the stage, as `train@unet-0`.

    Returns:
        None where there was none, or where the file is not as `note` writes it. It may be of another machine.
    """
    try:
        found = read_json(_path(name))
        return Taken(float(found["seconds"]), str(found["machine"]), dict(found["params"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _path(name: str) -> Path:
    return FOLDER / f"{_file_name(name)}.json"


def _mark(name: str) -> Path:
    return FOLDER / f"{_file_name(name)}.resumed"


def _file_name(name: str) -> str:
    """Without the folder in which `dvc repro` was typed: `../dvc.yaml:train@unet-0`."""
    return name.rsplit(":", maxsplit=1)[-1].replace("/", "-")
