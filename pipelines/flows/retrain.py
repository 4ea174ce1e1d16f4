"""`retrain` as a Prefect flow, for a schedule: each step is a task, and what it proposes a page there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import Field

from pipelines.flows.left import STARTERS
from pipelines.retrain.retrain import Ended, Request
from pipelines.retrain.retrain import retrain as train_again
from pixelproof.core.alive import follow_starter
from pixelproof.core.errors import ExitCode, PixelproofError


@flow(name="retrain", persist_result=False)
def retrain(
    projects: list[int] | None = None,
    tasks: list[int] | None = None,
    branch: str = "main",
    max_hours: Annotated[float | None, Field(gt=0)] = 12,
    jobs: Annotated[int, Field(ge=1)] = 1,
    on: str | None = None,
) -> State[None]:
    """Train on labels that were accepted in CVAT, and propose what came of it; Failed where validation got worse."""
    follow_starter(names=STARTERS)
    asked = Request(tuple(projects or ()), tuple(tasks or ()), branch, max_hours, jobs, on)
    try:
        ended = train_again(asked, get_run_logger().info, as_task)
    except PixelproofError as error:
        return Failed(name="Failed", message=str(error))
    if ended.text:
        create_markdown_artifact(key="retrain", markdown=ended.text, description=ended.said)
    return state_of(ended)


def as_task(name: str, step: Callable[[], Any]) -> Any:
    """Do a step as a task of this name."""
    shown: Any = task(name=name, task_run_name=name, cache_policy=NO_CACHE, persist_result=False)(step)
    return shown()


def state_of(ended: Ended) -> State[None]:
    """The state of a run that ended so."""
    if ended.code == ExitCode.WORSE:
        return Failed(name="Worse", message=ended.said)
    if ended.code == ExitCode.CANNOT_TELL:
        return Completed(name="AskHuman", message=ended.said)
    return Completed(name="Proposed" if ended.text else "Unchanged", message=ended.said)
