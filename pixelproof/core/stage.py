"""Run the process of a stage."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pixelproof.core.alive import RANK, follow_starter
from pixelproof.core.errors import ExitCode, run_main
from pixelproof.core.hold import hold, work_of
from pixelproof.core.machine import machine
from pixelproof.core.params import declared_keys, part_under, read_yaml
from pixelproof.core.portable import start_again_capped
from pixelproof.core.times import STAGE, StageTime, begin, note


def run_stage(main: Callable[[], ExitCode | None], environ: Mapping[str, str] = os.environ) -> None:
    """Run the main function of a stage as `run_main` does, with the instructions capped if params.yaml asks for it.

    It ends with DVC, if that started it, and waits for another process that writes the same. If DVC started it, record
    how long it took; failing to record that never fails the stage.

    Args:
        main: the stage's main function.
        environ: tells the stage's name. The processes of a distributed training record and hold nothing: their parent
            does.
    """
    if _portable():
        start_again_capped(environ)
    follow_starter(environ)
    if RANK in environ:
        run_main(main)
        return

    def alone() -> ExitCode | None:
        with hold(work_of(sys.argv)):
            return main()

    name = environ.get(STAGE, "")
    if not name:
        run_main(alone)
        return
    params: dict[str, Any] = {}
    with suppress(Exception):
        begin(name)
        params = part_under(
            read_yaml(Path("params.yaml")), declared_keys(read_yaml(Path("dvc.yaml")), name.split("@")[0])
        )
    began = time.monotonic()
    run_main(alone)  # raises SystemExit if the stage failed
    with suppress(Exception):
        note(name, StageTime(round(time.monotonic() - began, 1), machine(), params))


def _portable() -> bool:
    """Whether params.yaml asks for it; if it cannot be read, the stage itself says so."""
    with suppress(Exception):
        return read_yaml(Path("params.yaml"))["compute"]["portable"] is True
    return False
