"""A worker of Prefect that has stages performed by spare processes.

Prefect's own starts Python, imports Prefect and asks the server a dozen times for each run of a flow, which takes
seconds. Runs of other flows are left to it.
"""

from __future__ import annotations

import anyio
import anyio.abc
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.states import Running
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker, ProcessWorkerResult

from pipelines.flows.beat import Beat
from pipelines.flows.stage import artifact, state_of
from pipelines.machines.job import Job
from pipelines.machines.spare import Performing


class StageWorker(ProcessWorker):
    """Prefect's worker for pools of the type `process`, faster for stages."""

    async def run(
        self,
        flow_run: FlowRun,
        configuration: ProcessJobConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> ProcessWorkerResult:
        """Have a run done."""
        if "job" not in flow_run.parameters:
            return await super().run(flow_run, configuration, task_status)
        performing = Performing(Job(**flow_run.parameters["job"]))
        if task_status is not None:
            task_status.started(performing.pid)
        code = await anyio.to_thread.run_sync(self._follow, flow_run, performing)
        return ProcessWorkerResult(status_code=code, identifier=str(performing.pid))

    def _follow(self, flow_run: FlowRun, performing: Performing) -> int:
        """Wait for a stage, in a thread, and tell the server; returns 0, as what there is to tell is told."""
        logger, job = self.get_flow_run_logger(flow_run), performing.job
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(flow_run.id, Running())
            with Beat(flow_run.id, artifact(job), job.stage) as beat:

                def note(line: str) -> None:
                    logger.info(line)
                    beat.note(line)

                code, lines = performing.follow(note)
            client.set_flow_run_state(flow_run.id, state_of(code, lines))
        return 0

    @classmethod
    def __dispatch_key__(cls) -> str:
        """Not that of Prefect's own, which it would replace."""
        return "pixelproof"
