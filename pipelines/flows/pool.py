"""Sends stages to a work pool of Prefect, whatever its type, and waits for them as long as they show signs of life."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import State, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled

from pipelines.machines.coordinate import Tell
from pipelines.machines.job import Job
from pipelines.machines.perform import CLONE
from pixelproof.core.errors import StateError

ENTRYPOINT = "pipelines/flows/stage.py:stage"
SECONDS = 0.4  # between two looks
AT_ONCE = 100  # runs in a question
OPEN = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING]
SECONDS_OF_SILENCE = 120  # after which a machine that has begun is thought lost; SQLite may hold a server up for 60
SECONDS_AWAY = 300  # as long as the server may be away
TRIES = 6  # of a stage whose machine is lost each time


@dataclass
class Seen:
    """What the server said last of a run that is waited for."""

    state: State[Any] | None = None
    sign: str = ""  # of life


@dataclass
class Pool:
    """A work pool, to which stages are sent. One thread asks for all of them, however many there are.

    Args:
        client: of the server.
        name: the pool's.
        deployment: what its workers run.
    """

    client: SyncPrefectClient
    name: str
    deployment: UUID
    lock: Any = field(default_factory=threading.Lock)  # for the client and what is seen
    seen: dict[UUID, Seen] = field(default_factory=dict)
    answered: float = field(default_factory=time.monotonic)
    ended: threading.Event = field(default_factory=threading.Event)

    def send(self, job: Job, tell: Tell) -> None:
        """Have a job done; again on another machine if the one at work on it is lost.

        Raises:
            StateError: it failed, or is lost again and again.
        """
        for _ in range(TRIES):
            run = self._run(job)
            tell(f"{job.stage}: sent to the pool {self.name} as {run.name}")
            state = self._wait(run.id, tell)
            if state.is_completed():
                return
            if state.is_failed():
                raise StateError(job.stage, f"failed on the pool {self.name}: {state.message}", "see above")
            tell(f"{job.stage}: {run.name} ended as {state.name} ({state.message}); sent again")
        raise StateError(job.stage, f"lost {TRIES} times on the pool {self.name}", "see the logs of its workers")

    def _run(self, job: Job) -> Any:
        """The run of a job; one that an earlier, killed run of the graph has asked for, if that has not ended."""
        tags = [job.stage, job.key]
        open_ones = FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=[self.deployment]),
            tags=FlowRunFilterTags(all_=tags),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=OPEN)),
        )
        with self.lock:
            found = self.client.read_flow_runs(flow_run_filter=open_ones, limit=1)
            run = next(iter(found), None) or self.client.create_flow_run_from_deployment(
                self.deployment, parameters={"job": job.as_dict()}, name=f"{job.stage} {job.key[:8]}", tags=tags
            )
            self.seen[run.id] = Seen()
            return run

    def _wait(self, run: UUID, tell: Tell) -> State[Any]:
        """Wait for the end of a run, or for that of its signs of life."""
        said, changed = "", time.monotonic()
        while True:
            time.sleep(SECONDS)
            seen = self.seen[run]
            if time.monotonic() > self.answered + SECONDS_AWAY:
                raise StateError("Prefect's server", f"no answer for {SECONDS_AWAY} s", "see that it can be reached")
            if seen.state is not None and seen.state.is_final():
                return self.seen.pop(run).state or seen.state
            at_work = seen.state is not None and seen.state.is_running()
            if seen.sign != said or not at_work:
                changed = time.monotonic()
            if seen.sign != said:
                said = seen.sign
                tell(said)
            if self.answered > changed + SECONDS_OF_SILENCE:  # silence of the server says nothing about the machine
                return self._give_up(run)

    def watch(self) -> None:
        """Ask the server again and again for all runs that are waited for, until the end."""
        while not self.ended.wait(SECONDS):
            try:
                with self.lock:
                    runs = [run for run, seen in self.seen.items() if seen.state is None or not seen.state.is_final()]
                    for first in range(0, len(runs), AT_ONCE):
                        self._look(runs[first : first + AT_ONCE])
                self.answered = time.monotonic()
            except Exception:  # the server or the network is away for a while: `_wait` says for how long
                continue

    def _look(self, runs: list[UUID]) -> None:
        found = self.client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=runs)), limit=AT_ONCE)
        of_these = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=list(runs)))
        signs = {one.flow_run_id: one.description or "" for one in self.client.read_artifacts(artifact_filter=of_these)}
        for run in found:
            self.seen[run.id] = Seen(run.state, signs.get(run.id, ""))

    def _give_up(self, run: UUID) -> State[Any]:
        """End a run whose machine is silent; if it works on after all, what it makes is the same."""
        lost: State[Any] = Cancelled(message=f"no sign of life for {SECONDS_OF_SILENCE} s")
        with self.lock:
            self.client.set_flow_run_state(run, lost, force=True)
            self.seen.pop(run, None)
        return lost


@contextmanager
def pool(name: str) -> Iterator[Pool]:
    """A pool of the server that Prefect's settings name.

    Raises:
        StateError: there is none of this name.
    """
    with get_client(sync_client=True) as client:
        try:
            client.read_work_pool(name)
        except ObjectNotFound:
            names = ", ".join(sorted(one.name for one in client.read_work_pools())) or "none"
            raise StateError(
                f"pool {name!r}",
                f"Prefect's server has none of this name; it has {names}",
                f"`prefect work-pool create {name} --type process`, or name one of these",
            ) from None
        from pipelines.flows.stage import stage

        where = {"prefect.deployments.steps.set_working_directory": {"directory": f"{{{{ ${CLONE} }}}}"}}
        deployment = client.create_deployment(
            client.create_flow_from_name(stage.name),
            name=name,
            description="One stage of a run on many machines; `bin/pixelproof reproduce --on` sends it.",
            work_pool_name=name,
            entrypoint=ENTRYPOINT,
            pull_steps=[where],
            enforce_parameter_schema=False,
        )
        made = Pool(client, name, deployment)
        watching = threading.Thread(target=made.watch, name="pool", daemon=True)
        watching.start()
        try:
            yield made
        finally:
            made.ended.set()
            watching.join()
