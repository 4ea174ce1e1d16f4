"""Processes that perform jobs without the second that it takes to import DVC: forked from one that has imported it."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from pipelines.machines.job import Job
from pipelines.processes import LAST_LINES, Ended
from pixelproof.core.alive import follow
from pixelproof.core.errors import run_main

# Also for kinds of remotes; those that are not installed are left out.
IMPORTED = ["pipelines.machines.perform", "dvc.commands.repro", "dvc.repo.reproduce", "dvc.stage.run", "dvc.repo.push"]
REMOTES = ["dvc_s3", "s3fs", "dvc_ssh", "sshfs", "dvc_gs", "gcsfs", "dvc_azure", "adlfs", "dvc_http"]


def context() -> Any:
    """Where such processes come from; the first call starts it, before there are threads."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload([*IMPORTED, *REMOTES])
    return found


@dataclass
class Performing:
    """A job at work in a process of its own.

    Args:
        job: what it does.
    """

    job: Job

    def __post_init__(self) -> None:
        spare = context()
        self._read, write = spare.Pipe(duplex=False)
        self._process = spare.Process(target=_perform, args=(self.job.as_dict(), write, os.getpid()))
        self._process.start()
        write.close()

    @property
    def pid(self) -> int:
        """The process's number."""
        return int(self._process.pid or 0)

    def follow(self, tell: Callable[[str], None]) -> Ended:
        """Wait for its end, and pass on its lines as they come."""
        lines: deque[str] = deque(maxlen=LAST_LINES)
        with os.fdopen(os.dup(self._read.fileno()), "rb") as output:
            self._read.close()
            for raw in output:
                if line := raw.decode(errors="replace").rstrip().rsplit("\r", 1)[-1]:
                    tell(line)
                    lines.append(line)
        self._process.join()
        return Ended(int(self._process.exitcode or 0), list(lines))


def _perform(job: dict[str, Any], output: Connection, worker: int) -> None:
    """In the new process: a group of its own, whose output goes to the worker, and which ends with it."""
    from pipelines.machines.perform import told

    os.setsid()
    for number in (sys.stdout.fileno(), sys.stderr.fileno()):
        os.dup2(output.fileno(), number)
    output.close()
    follow(worker)

    run_main(lambda: told(Job(**job)))
