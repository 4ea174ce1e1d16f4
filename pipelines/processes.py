"""Runs commands, each in its own process group, showing lines as they come and leaving no process behind."""

from __future__ import annotations

import contextlib
import enum
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple

from pixelproof.core.errors import PixelproofError

FOLLOW = Path(__file__).with_name("follow.py")
LAST_LINES = 20
SECONDS_TO_END = 20


@dataclass(frozen=True)
class Command:
    """What to run, where, with which environment (None: this process's own), and which open files it inherits."""

    arguments: Sequence[str]
    folder: Path = Path()
    environment: Mapping[str, str] | None = None
    files: Sequence[int] = ()


class Ended(NamedTuple):
    """How a command ended: its exit code and the last lines it wrote."""

    code: int
    lines: list[str]


def program(module: str, *arguments: str) -> list[str]:
    """The command line of a module's program that ends soon after this process has, even if that is killed.

    Args:
        module: what `python -m` would run.
        arguments: its arguments.
    """
    return [sys.executable, str(FOLLOW), str(os.getpid()), module, *arguments]


def quiet(line: str) -> None:
    """Drop the line."""


def run(command: Command, tell: Callable[[str], None] = quiet) -> Ended:
    """Run a command to its end, and pass on the lines of its output and errors as they come."""
    with running(command) as process:
        return follow(process, tell)


@contextlib.contextmanager
def running(command: Command, output: int | BinaryIO = subprocess.PIPE) -> Iterator[subprocess.Popen[bytes]]:
    """A command that runs during the block; it and everything it started are ended afterwards."""
    process = start(command, output)
    try:
        yield process
    finally:
        end(process)


def start(command: Command, output: int | BinaryIO = subprocess.PIPE) -> subprocess.Popen[bytes]:
    """Start a command; the caller has to end it."""
    return subprocess.Popen(
        command.arguments,
        cwd=command.folder,
        env={**(os.environ if command.environment is None else command.environment), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        pass_fds=command.files,
        start_new_session=True,  # its own group: one signal reaches all of it, and the terminal's Ctrl-C does not
    )


def follow(process: subprocess.Popen[bytes], tell: Callable[[str], None]) -> Ended:
    """Wait for a process, and pass on its lines as they come."""
    lines: deque[str] = deque(maxlen=LAST_LINES)
    assert process.stdout is not None
    with process.stdout:
        for raw in process.stdout:
            # Of a progress bar that redraws its line, keep only the final state.
            if line := raw.decode(errors="replace").rstrip().rsplit("\r", 1)[-1]:
                tell(line)
                lines.append(line)
    return Ended(process.wait(), list(lines))


def end(*processes: subprocess.Popen[bytes]) -> None:
    """End processes and everything they started: SIGINT as from Ctrl-C, then SIGKILL for what remains."""
    import psutil

    family = [child for process in processes if process.poll() is None for child in _descendants(process)]
    try:
        for process in processes:
            if process.poll() is None:
                _signal_group(process, signal.SIGINT)
        until = time.monotonic() + SECONDS_TO_END
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0, until - time.monotonic()))
    finally:  # even if a second Ctrl-C interrupts the wait
        for process in processes:
            _signal_group(process, signal.SIGKILL)
        for child in family:  # one that has left the group
            with contextlib.suppress(psutil.Error):
                child.kill()
        for process in processes:
            process.wait()


def _descendants(process: subprocess.Popen[bytes]) -> list[Any]:
    import psutil

    try:
        return list(psutil.Process(process.pid).children(recursive=True))
    except psutil.Error:
        return []


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


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
    """Slots for `dvc repro --single-item`; leaving the block, in whatever way, ends those still running."""

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
            still_running = list(self._running)
        end(*still_running)

    def repro(self, stage: str, log: Callable[[str], None]) -> Outcome:
        """Wait for a slot, run the stage through DVC and log its lines as they come."""
        outcome = Outcome.RAN

        def note(line: str) -> None:
            nonlocal outcome
            log(line)
            outcome = _outcome(line, stage) or outcome

        with self._slots:
            process = self._start(stage)
            try:
                code, lines = follow(process, note)
            finally:
                end(process)
                with self._lock:
                    self._running.discard(process)
            if code:
                raise StageFailedError(stage, code, lines)
            return outcome

    def _start(self, stage: str) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._closed:
                raise StageFailedError(stage, -signal.SIGINT, ["not started: the run was interrupted"])
            # Several of these share the repository: each waits while another briefly holds its lock.
            process = start(Command(program("dvc", "--wait-for-lock", "repro", "--single-item", stage)))
            self._running.add(process)
        return process


def _outcome(line: str, stage: str) -> Outcome | None:
    """DVC reports what it did only in words; tests compare these words with the real DVC."""
    if line == f"Stage '{stage}' didn't change, skipping":
        return Outcome.SKIPPED
    if line == f"Stage '{stage}' is cached - skipping run, checking out outputs":
        return Outcome.RESTORED
    return None
