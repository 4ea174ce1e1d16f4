"""`reproduce`: the DVC graph as a Prefect flow, one task per stage. DVC decides what must run, Prefect when and where.

Only pipelines/flows/local.py and Prefect's workers import this: importing Prefect takes seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Annotated, Any, Protocol

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.states import Completed, Failed
from pydantic import Field

from pipelines.compare.as_markdown import as_markdown
from pipelines.compare.compare import investigate
from pipelines.compare.store import Outputs, Store
from pipelines.dvc.due import Due, asked, due
from pipelines.dvc.graph import open_repo
from pipelines.dvc.order import put_in_order
from pipelines.dvc.revision import WORKSPACE, open_revision
from pipelines.flows.left import STARTERS
from pipelines.processes import Outcome, StageFailedError, StageProcesses
from pixelproof.core.alive import follow_starter
from pixelproof.core.errors import PixelproofError, StateError

NOT_STARTED = "Invalid"


class Runner(Protocol):
    """Runs a stage."""

    def repro(self, stage: str, tell: Callable[[str], None], /) -> Outcome:
        """Bring a stage up to date whose needs are."""


@flow(name="reproduce", persist_result=False)
def reproduce(
    jobs: Annotated[int, Field(ge=1)] = 1, targets: list[str] | None = None, on: str | None = None
) -> State[None]:
    """Bring the targets (without any: all of dvc.yaml) up to date, up to `jobs` stages in parallel.

    With `on`, each runs on a machine of that work pool; as many at once as its workers take.
    """
    follow_starter(names=STARTERS)
    try:
        with ExitStack() as stack:
            found = asked(targets or ()) if on else due(targets or ())
            runner = _elsewhere(stack, on, targets or []) if on else stack.enter_context(StageProcesses(jobs))
            futures = _submit(found, runner)
            for future in futures.values():
                future.wait()
    except PixelproofError as error:
        return Failed(name=NOT_STARTED, message=str(error))
    except OSError as error:
        if not error.filename:  # not about a path: an error of ours
            raise
        message = f"{error.filename}: {error.strerror}; check that this path can be read and written"
        return Failed(name=NOT_STARTED, message=message)
    if found.changed:
        _order(targets or [])
    _publish_metrics()
    states = {stage: future.state for stage, future in futures.items()}
    if any(state.name in ("Completed", "Restored") for state in states.values()):
        _publish_comparison()
    return summary(states)


def _elsewhere(stack: ExitStack, on: str, targets: list[str]) -> Runner:
    """What runs stages on the machines of a pool."""
    from pipelines.flows.pool import pool
    from pipelines.machines.coordinate import coordinator

    repo = stack.enter_context(open_repo())
    made = coordinator(repo, targets, stack.enter_context(pool(on)).send)
    stack.callback(made.close)
    return made


def _submit(found: Due, runner: Runner) -> dict[str, PrefectFuture[State[None]]]:
    """Submit every stage at once: Prefect makes each wait for those it needs, the runner limits how many run."""
    ran: set[str] = set()
    graph, settings = found.graph, found.settings

    def update(stage: str) -> State[None]:
        if stage not in found.changed and ran.isdisjoint(graph.needs[stage]):
            return Completed(name="Skipped", message="nothing to do")
        try:
            outcome = runner.repro(stage, get_run_logger().info)
        except (StageFailedError, StateError) as failure:
            return Failed(message=str(failure))
        if outcome is Outcome.SKIPPED:
            return Completed(name="Skipped", message="nothing to do: its inputs came out the same")
        ran.add(stage)
        return Completed(name="Restored", message="from DVC's cache") if outcome is Outcome.RESTORED else Completed()

    futures: dict[str, PrefectFuture[State[None]]] = {}
    for stage in graph.order:
        stage_task: Any = task(
            name=stage,
            task_run_name=stage,
            retries=settings.retries.get(stage.split("@")[0], 0),
            retry_delay_seconds=settings.retry_seconds,
            cache_policy=NO_CACHE,  # DVC decides what is up to date
            persist_result=False,
        )(update)
        futures[stage] = stage_task.submit(stage, wait_for=[futures[need] for need in graph.needs[stage]])
    return futures


def _order(targets: list[str]) -> None:
    """Write dvc.lock as a run one by one would have."""
    try:
        with open_repo() as repo:
            put_in_order(repo, targets)
    except PixelproofError as error:
        get_run_logger().warning(f"the stages in dvc.lock stay in the order in which they ended: {error}")


def _publish_metrics() -> None:
    """Show the current metrics as a table in Prefect."""
    metrics = open_revision(WORKSPACE).metrics()
    columns = sorted({key for values in metrics.values() for key in values})
    rows = [{"architecture": arch} | {key: values.get(key) for key in columns} for arch, values in metrics.items()]
    if rows:
        create_table_artifact(key="metrics", table=rows, description="metrics/*.json after this run")


def _publish_comparison() -> None:
    """Show what differs from the last commit, and whether that is more than noise, as a page in Prefect."""
    try:
        with open_repo() as repo:
            store = Store(repo)
            base, head = (Outputs(open_revision(name), store) for name in ("HEAD", WORKSPACE))
            create_markdown_artifact(
                key="comparison", markdown=as_markdown(investigate(base, head)), description="this run beside HEAD"
            )
    except PixelproofError as error:
        get_run_logger().warning(f"no comparison with the last commit: {error}")


def summary(states: dict[str, State[Any]]) -> State[None]:
    """The flow's final state: what was done, or which stages failed and which therefore did not run."""
    failed = [stage for stage, state in states.items() if state.is_failed() or state.is_crashed()]
    not_run = [stage for stage, state in states.items() if not state.is_final()]
    if failed or not_run:
        rest = f"; not run: {', '.join(not_run)}" if not_run else ""
        return Failed(message=f"failed: {', '.join(failed)}{rest}")
    counts = Counter(state.name for state in states.values())
    said = {"ran": counts["Completed"], "restored": counts["Restored"], "skipped": counts["Skipped"]}
    return Completed(message=", ".join(f"{count} {kind}" for kind, count in said.items()))
