"""`drift`: the command of this name as a Prefect flow, for a schedule; what it measured is a table there."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from pipelines.flows.left import STARTERS
from pipelines.processes import Command, run
from pixelproof.core.alive import follow_starter
from pixelproof.core.errors import ExitCode


@flow(name="drift", persist_result=False)
def drift(images: list[str], arch: str, seed: int = 0) -> State[None]:
    """Compare images with those that a network can be judged by. Failed if they differ, so that you are told."""
    follow_starter(names=STARTERS)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "drift.json")
        words = ["drift", *images, "--arch", arch, "--seed", str(seed), "--out", str(out)]
        code, lines = run(Command([sys.executable, "-m", "commands", *words]), get_run_logger().info)
        measures: list[dict[str, Any]] = json.loads(out.read_text())["measures"] if out.is_file() else []
    if measures:
        create_table_artifact(key=f"drift-{arch}", table=measures, description=lines[-1])
    return state_of(code, lines[-1] if lines else "")


def state_of(code: int, said: str) -> State[None]:
    """The state of a run whose command ended with a code.

    Args:
        code: of the command.
        said: its last line.
    """
    if code == ExitCode.GOOD:
        return Completed(name="Alike", message=said)
    if code == ExitCode.CANNOT_TELL:
        return Completed(name="CannotTell", message=said)
    return Failed(name="Drift" if code == ExitCode.WORSE else "Failed", message=said)
