"""No process stays behind: real processes, real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.workspace import ROOT

PATIENCE = 120
STAGE = """
import os, sys, time
from pathlib import Path
from pixelproof.core.alive import follow_starter
follow_starter()
Path("stage").write_text(str(os.getpid()))
time.sleep(600)
"""
# As DVC does it: a shell between the two, which here does not become the command.
STARTER = """
import os, subprocess, sys
more = dict(item.split("=") for item in sys.argv[1:])
subprocess.run(["/bin/sh", "-c", f"{sys.executable} stage.py; exit $?"], env={**os.environ, **more})
"""
POOL = """
import os, time
from pathlib import Path
from pixelproof.core.pool import mapped
def work(name):
    Path(name).write_text(str(os.getpid()))
    time.sleep(600)
if __name__ == "__main__":
    with mapped(work, ["one", "two"], 2) as results:
        list(results)
"""


def test_a_stage_ends_with_the_killed_dvc_that_started_it(tmp_path: Path) -> None:
    """Also where a shell stands between the two and lives on."""
    with started(tmp_path, STARTER, "DVC_STAGE=train@unet-0") as dvc:
        stage = number(tmp_path / "stage")
        assert psutil.Process(stage).parents()[1].pid == dvc.pid
        dvc.send_signal(signal.SIGKILL)
        wait_until(lambda: not running(stage))


def test_a_process_of_a_distributed_training_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    """Without DVC, a rank follows what has given it its number."""
    with started(tmp_path, STARTER, "RANK=1") as training:
        stage = number(tmp_path / "stage")
        training.send_signal(signal.SIGKILL)
        wait_until(lambda: not running(stage))


def test_a_stage_that_a_person_typed_goes_on_without_its_shell(tmp_path: Path) -> None:
    """`nohup` means it: the stage is looked at for some of its own looks."""
    with started(tmp_path, STARTER) as shell:
        stage = number(tmp_path / "stage")
        shell.send_signal(signal.SIGKILL)
        shell.wait()
        time.sleep(2)
        assert running(stage)


def test_the_workers_of_a_killed_pool_end(tmp_path: Path) -> None:
    """They would otherwise wait for work for ever: each holds both ends of the queue."""
    with started(tmp_path, POOL) as pool:
        workers = [number(tmp_path / name) for name in ("one", "two")]
        assert all(map(running, workers)) and pool.pid not in workers
        pool.send_signal(signal.SIGKILL)
        wait_until(lambda: not any(map(running, workers)))


@contextmanager
def started(folder: Path, program: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program in a folder during the block; all that it started is ended afterwards, in whatever way it went."""
    (folder / "stage.py").write_text(STAGE)
    (folder / "program.py").write_text(program)
    environ = {name: value for name, value in os.environ.items() if name not in ("DVC_STAGE", "RANK")}
    command = [sys.executable, "program.py", *arguments]
    process = subprocess.Popen(command, cwd=folder, env=environ | {"PYTHONPATH": str(ROOT)}, start_new_session=True)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def number(path: Path) -> int:
    """The number of a process that writes it into a file."""
    wait_until(lambda: path.exists() and bool(path.read_text()))
    return int(path.read_text())


def running(pid: int) -> bool:
    """Whether a process has not ended; one that nobody has asked about yet has."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(true: Callable[[], bool]) -> None:
    """Wait for what must become true, however slow the machine is."""
    until = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)
