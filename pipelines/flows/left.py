"""What a `serve` of this clone that was killed has left: its processes, and runs that nobody works at any more."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil

from pipelines.flows.api import Api
from pixelproof.core.alive import SECONDS_TO_END, alive
from pixelproof.core.errors import StateError
from pixelproof.core.progress import say

SERVED = "PIXELPROOF_SERVED"  # all processes of a `serve` have it: its number, when it began, and its clone
WORKED = "PIXELPROOF_WORKED"  # the same of a `work`, which may be at work in the same clone
STARTERS = [SERVED, WORKED]
SECONDS_TO_SAY = 10  # in which a worker may say it a second time
TRIES = 5  # of a run whose process is killed each time
AT_WORK = ["RUNNING", "PENDING", "CANCELLING"]


def mark() -> str:
    """The value of the variable for what this process starts."""
    own = psutil.Process()
    return f"{own.pid} {own.create_time()} {Path.cwd()}"


def end_left() -> None:
    """End what an earlier `serve` of this clone has left, and name it.

    Raises:
        StateError: that `serve` is at work.
    """
    left = []
    for process, value in _served():
        pid, began, clone = value.split(" ", 2)
        if Path(clone) != Path.cwd():
            continue
        if _same(int(pid), float(began)):
            raise StateError("serve", f"this clone is served already (process {pid})", "end that first: Ctrl-C there")
        left.append(process)
    if not left:
        return
    named = ", ".join(f"{process.pid} ({_words(process)})" for process in left)
    say(f"serve: ends what one that was killed has left: {named}")
    for process in left:
        with suppress(psutil.Error):
            process.terminate()
    _, stubborn = psutil.wait_procs(left, SECONDS_TO_END)
    for process in stubborn:
        with suppress(psutil.Error):
            process.kill()


def _served() -> Iterator[tuple[psutil.Process, str]]:
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):  # it has just ended, or is another user's
            value = process.environ().get(SERVED)
            if value and alive(process) and process.pid != os.getpid():
                yield process, value


def _same(pid: int, began: float) -> bool:
    try:
        process = psutil.Process(pid)
        return alive(process) and process.create_time() == began
    except psutil.Error:
        return False


def _words(process: psutil.Process) -> str:
    try:
        return " ".join(Path(word).name for word in process.cmdline()[:6])
    except psutil.Error:
        return "ended"


@dataclass
class Runs:
    """Runs of deployments whose process was killed; they are started again, as a training then goes on.

    Args:
        api: the server.
    """

    api: Api
    began: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    tries: Counter[str] = field(default_factory=Counter)

    def mend_all(self) -> None:
        """Before there is a worker: whatever is said to run does not."""
        for run in self.api.runs(state={"type": {"any_": AT_WORK}}):
            if run["state_type"] == "CANCELLING":
                self.api.set_state(run["id"], "CANCELLED", "Cancelled", "its process has ended")
            else:
                self.api.set_state(run["id"], "CRASHED", "Crashed", "its process was killed")  # gives its slot back
                self._again(run)

    def mend_crashed(self) -> None:
        """Beside a worker: it says which of its runs' processes were killed."""
        said = datetime.now(UTC) - timedelta(seconds=SECONDS_TO_SAY)
        ended = {"after_": self.began, "before_": said.isoformat()}
        for run in self.api.runs(state={"type": {"any_": ["CRASHED"]}}, end_time=ended):
            self._again(run)

    def _again(self, run: dict[str, Any]) -> None:
        self.tries[run["id"]] += 1
        tried = max(self.tries[run["id"]], int(run["run_count"]))
        if tried < TRIES:
            message = f"its process was killed; tried again ({tried + 1} of {TRIES})"
            self.api.set_state(run["id"], "SCHEDULED", "AwaitingRetry", message)
            say(f"serve: run {run['name']}: {message}")
