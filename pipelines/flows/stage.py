"""`stage`: one stage of a run on many machines, as a flow of Prefect for pools of any type; see pipelines/machines.

The machine has a clone, whose folder PIXELPROOF_CLONE names. (`bin/pixelproof work` runs stages without this flow.)
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.states import Completed, Crashed, Failed

from pipelines.flows.beat import Beat
from pipelines.flows.left import STARTERS
from pipelines.machines.job import Job
from pipelines.machines.perform import LOST
from pipelines.processes import Command, follow, program, running
from pixelproof.core.alive import follow_starter


@flow(name="stage", persist_result=False)
def stage(job: dict[str, Any]) -> State[None]:
    """Run one stage of a commit, and leave its result on DVC's remote."""
    follow_starter(names=STARTERS)
    asked = Job(**job)
    context = FlowRunContext.get()
    assert context is not None and context.flow_run is not None
    logger = get_run_logger()
    with Beat(context.flow_run.id, artifact(asked), asked.stage) as beat, tempfile.TemporaryDirectory() as folder:

        def note(line: str) -> None:
            logger.info(line)
            beat.note(line)

        file = Path(folder, "job.json")
        file.write_text(json.dumps(job), encoding="utf-8")
        with running(Command(program("pipelines.machines.perform", str(file)))) as process:
            code, lines = follow(process, note)
    return state_of(code, lines)


def state_of(code: int, lines: Sequence[str]) -> State[None]:
    """How a stage ended.

    Args:
        code: of its process; below 0 if that was killed.
        lines: the last ones that it said.
    """
    said = "\n".join(lines)
    if code < 0 or code == LOST:
        return Crashed(message=said or f"its process was killed ({code})")
    return Failed(message=said) if code else Completed()


def artifact(job: Job) -> str:
    """The key of the artifact that shows how far a job is."""
    return f"stage-{job.key[:16]}"
