"""One process at a time does a work; locks of real processes that are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pixelproof.core.errors import StateError
from pixelproof.core.hold import LONGEST, hold, work_of
from tests.workspace import ROOT

OWNER = """
import os, sys, tempfile, time
from pixelproof.core.hold import hold
with hold("train@unet-0"):
    tempfile.mkdtemp()
    {more}
    print(tempfile.gettempdir(), flush=True)
    sys.stdin.read()
"""
CHILD = "if os.fork() == 0: os.close(0), os.close(1), time.sleep(600)"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A clone and a temporary folder of their own, of a short name."""
    monkeypatch.chdir(tmp_path)
    with tempfile.TemporaryDirectory(prefix="h") as short:
        monkeypatch.setenv("TMPDIR", short)
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield


@contextmanager
def owner(more: str = "") -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another process that holds the lock, and its temporary folder."""
    command = [sys.executable, "-c", OWNER.format(more=more or "pass")]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process, Path(process.stdout.readline().strip())
        finally:
            with suppress(ProcessLookupError):  # all of it has ended
                os.killpg(process.pid, signal.SIGKILL)


def test_a_work_that_another_process_does_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    """In one line that names the process; other works are free, and so is this one once that process has ended."""
    with owner() as (process, _):
        found = f"^train@unet-0: another process .{process.pid}. is at work on it"
        with pytest.raises(StateError, match=found), hold("train@unet-0", seconds=0.3):
            pass
        assert f"train@unet-0: waits for process {process.pid}," in capfd.readouterr().err
        with hold("train@unet-1"):
            pass
        process.communicate("")
        with hold("train@unet-0", seconds=0):
            pass


def test_the_lock_of_a_killed_process_is_free_and_its_temporary_files_are_gone() -> None:
    """The folder has the same name for the same work, so that the next finds it."""
    with owner() as (process, folder):
        assert folder.parent == Path(os.environ["TMPDIR"]) and len(list(folder.iterdir())) == 1
        process.kill()
        process.wait()
        assert len(list(folder.iterdir())) == 1
        with hold("train@unet-0", seconds=0):
            assert Path(tempfile.mkdtemp()).parent == folder and len(list(folder.iterdir())) == 1
        assert tempfile.gettempdir() == os.environ["TMPDIR"] == str(folder.parent)


def test_at_its_end_a_process_removes_its_temporary_files_without_a_word() -> None:
    """After Python has closed its own sockets there, as those through which a loader's processes pass images."""
    with owner("from multiprocessing.connection import Listener; at = Listener(family='AF_UNIX')") as (process, folder):
        assert len([path for path in folder.iterdir() if path.name.startswith("pymp-")]) == 1
        assert process.communicate("")[0] == "" and process.returncode == 0
        assert not folder.exists()


def test_a_child_that_outlives_its_process_keeps_the_lock() -> None:
    """It may still write."""
    with owner(CHILD) as (process, _):
        process.kill()
        process.wait()
        with pytest.raises(StateError, match="at work"), hold("train@unet-0", seconds=0.3):
            pass


def test_a_name_that_is_taken_or_too_long_leaves_temporary_files_where_they_go_without_us(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another user's folder is not used; a socket's path must not become too long."""
    usual = Path(tempfile.gettempdir())
    with hold("prepare"):
        own = Path(tempfile.gettempdir())
    own.rmdir()
    own.touch()  # not a folder that can be removed as one
    with hold("prepare"):
        assert Path(tempfile.gettempdir()) == usual
    long = usual / ("n" * LONGEST)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with hold("augment"):
        assert Path(tempfile.gettempdir()) == long


@pytest.mark.parametrize(
    ("arguments", "work"),
    [
        (["/clone/stages/prepare/__main__.py"], "prepare"),
        (["/clone/stages/train/__main__.py", "--arch", "unet", "--seed", "1"], "train@unet-1"),
        (["/clone/stages/train/__main__.py", "--seed=1", "--processes", "2", "--arch=unet"], "train@unet-1"),
        (["/clone/stages/train/__main__.py", "--arch"], "train"),
    ],
)
def test_the_work_is_what_dvc_calls_it(arguments: list[str], work: str) -> None:
    """However it is typed; what is wrong with it, the stage says."""
    assert work_of(arguments) == work
