"""Runs `dvc repro --single-item` for stages, a few side by side, and never leaves one behind."""

from __future__ import annotations

import contextlib
import enum
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from pixelproof.core.errors import PixelproofError, StateError

LAST_LINES = 20
SECONDS_TO_END = 10


class Outcome(enum.Enum):
    """What DVC did about a stage."""

    RAN = "ran"
    RESTORED = "restored"
    SKIPPED = "skipped"


class StageFailedError(PixelproofError):
    """A stage's command failed; the message ends with the last lines it wrote."""

    def __init__(self, stage: str, code: int, lines: list[str]) -> None:
        super().__init__("\n".join([f"{stage}: `dvc repro` ended with exit code {code}; its last lines:", *lines]))


class StageProcesses:
    """Slots for stages; leaving the block, in whatever way, ends those that still run."""

    def __init__(self, slots: int) -> None:
        self._slots = threading.BoundedSemaphore(slots)
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> StageProcesses:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._lock:
            self._closed = True
            running = list(self._running)
        for process in running:
            _signal(process, signal.SIGINT)  # what Ctrl-C does: DVC then lets go of its locks
        for process in running:
            try:
                process.wait(SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL)

    def repro(self, stage: str, log: Callable[[str], None]) -> Outcome:
        """Wait for a slot, run the stage through DVC and log its lines as they come."""
        with self._slots:
            process = self._start(stage)
            lines: deque[str] = deque(maxlen=LAST_LINES)
            outcome = Outcome.RAN
            assert process.stdout is not None
            with process.stdout:
                for raw in process.stdout:
                    # Of a progress bar that redraws its line only what stands there at the end.
                    line = raw.decode(errors="replace").rstrip().rsplit("\r", 1)[-1]
                    if line:
                        log(line)
                        lines.append(line)
                    outcome = _outcome(line, stage) or outcome
            code = process.wait()
            with self._lock:
                self._running.discard(process)
            if code:
                raise StageFailedError(stage, code, list(lines))
            return outcome

    def _start(self, stage: str) -> subprocess.Popen[bytes]:
        dvc = Path(sys.executable).with_name("dvc")  # also from a shell where the environment is not activated
        if not dvc.exists():
            raise StateError(str(dvc), "not installed beside this Python", "run `make test` or `make repro` once")
        with self._lock:
            if self._closed:
                raise StageFailedError(stage, -signal.SIGINT, ["not started: the run was interrupted"])
            process = subprocess.Popen(
                # Several of these share the repository: each waits for the others' short turns with its lock.
                [str(dvc), "--wait-for-lock", "repro", "--single-item", stage],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
                start_new_session=True,  # a group of its own, so that one signal reaches the stage's workers too
            )
            self._running.add(process)
        return process


def _outcome(line: str, stage: str) -> Outcome | None:
    """DVC says in words only what it did; tests hold these words against the real DVC."""
    if line == f"Stage '{stage}' didn't change, skipping":
        return Outcome.SKIPPED
    if line == f"Stage '{stage}' is cached - skipping run, checking out outputs":
        return Outcome.RESTORED
    return None


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
