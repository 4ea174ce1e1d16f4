"""`work`: lets this machine run stages for `reproduce --on`, in worktrees of this clone, as a worker of a pool."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from pipelines.flows.left import WORKED, mark
from pipelines.flows.lives import again_and_again
from pipelines.flows.local import use_server
from pipelines.flows.serve import HOME, end_runs, interrupt
from pipelines.machines.perform import CLONE
from pipelines.processes import Command, program, running
from pixelproof.core.errors import StateError

SECONDS_BETWEEN_QUESTIONS = "0.5"


def work(pool: str, limit: int) -> None:
    """Work until Ctrl-C or SIGTERM; a worker that is killed is started again.

    Args:
        pool: its name on Prefect's server; made there if it is new.
        limit: how many stages at once.

    Raises:
        StateError: there is no server, or the worker ends again and again.
    """
    if not Path("dvc.yaml").is_file():
        raise StateError("dvc.yaml", "no such file", "run this in the folder of the clone")
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with it ignored
    with suppress(KeyboardInterrupt):
        use_server()
        own = {"PREFECT_HOME": str(HOME.resolve())} if "PREFECT_HOME" not in os.environ else {}
        asks = {"PREFECT_WORKER_QUERY_SECONDS": SECONDS_BETWEEN_QUESTIONS}
        environment = asks | dict(os.environ) | own | {CLONE: str(Path.cwd()), WORKED: mark()}
        start = program("pipelines.flows.start_worker", pool, str(limit))
        command = Command(start, environment=environment)

        def once(first: bool) -> StateError:
            with running(command, sys.stdout.buffer) as process:
                try:
                    code = process.wait()
                finally:
                    end_runs(process)
            return StateError("Prefect's worker", f"ended by itself with exit code {code}", "see above")

        again_and_again("work", once)
    print("ended", flush=True)
