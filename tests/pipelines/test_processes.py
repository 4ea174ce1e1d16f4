"""The runner of processes: what a real command wrote, and that nothing of it is left, however the block is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from pipelines import processes
from pipelines.processes import Command, Ended, follow, run, running

# Begins a process of its own group and one of this, both deaf to Ctrl-C, then writes the three process ids and sleeps.
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
sleep = [sys.executable, "-c", "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(600)"]
others = [subprocess.Popen(sleep), subprocess.Popen(sleep, start_new_session=True)]
print(os.getpid(), *(other.pid for other in others))
time.sleep(600)
"""


def python(program: str, *arguments: str) -> Command:
    return Command([sys.executable, "-c", program, *arguments])


def test_lines_come_one_by_one_and_of_a_progress_bar_the_last() -> None:
    told: list[str] = []
    program = (
        "import sys\nprint('one')\nprint('two', file=sys.stderr)\n\n"
        "print('  1 %\\r 50 %\\r100 %')\nprint()\nsys.stdout.buffer.write(b'\\xff no newline')\nsys.exit(3)"
    )
    ended = run(python(program), told.append)
    assert ended == Ended(3, ["one", "two", "100 %", "\ufffd no newline"])
    assert told == ended.lines


def test_the_last_lines_are_kept_for_the_error(tmp_path: Path) -> None:
    program = "import os\nprint(os.getcwd(), sorted(os.environ))\nfor n in range(50): print(n)"
    told: list[str] = []
    code, lines = run(Command([sys.executable, "-c", program], tmp_path, {"LC_ALL": "C"}), told.append)
    assert (code, lines) == (0, [str(n) for n in range(30, 50)])
    assert told[0] == f"{tmp_path} ['LC_ALL', 'PYTHONUNBUFFERED']"


def test_a_command_is_asked_before_it_is_killed() -> None:
    program = (
        "import signal, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "try:\n    print('at work')\n    time.sleep(600)\nexcept KeyboardInterrupt:\n    exit(7)"
    )
    with running(python(program)) as process:
        assert process.stdout is not None and process.stdout.readline() == b"at work\n"
    assert process.returncode == 7


@pytest.mark.parametrize("leave", [ValueError, KeyboardInterrupt])
def test_nothing_is_left_that_does_not_end_by_itself(
    monkeypatch: pytest.MonkeyPatch, leave: type[BaseException]
) -> None:
    monkeypatch.setattr(processes, "SECONDS_TO_END", 0.5)
    family: list[psutil.Process] = []

    def told(line: str) -> None:
        family.extend(psutil.Process(int(pid)) for pid in line.split())
        raise leave

    with pytest.raises(leave), running(python(STUBBORN)) as process:
        follow(process, told)
    assert len(family) == 3
    _, left = psutil.wait_procs(family, timeout=20)
    assert not left and process.returncode == -signal.SIGKILL


def test_a_second_ctrl_c_does_not_leave_it_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        if timeout is not None:
            raise KeyboardInterrupt
        return wait(self)

    wait = subprocess.Popen.wait
    monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt), running(python(STUBBORN)) as process:
        assert process.stdout is not None
        family = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
    _, left = psutil.wait_procs(family, timeout=20)
    assert not left


def test_what_a_command_leaves_as_it_ends_is_ended_too() -> None:
    program = (
        "import subprocess, sys\nprint(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid)"
    )
    with running(python(program)) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        process.wait()
    _, left = psutil.wait_procs([child], timeout=20)
    assert not left


def test_ctrl_c_in_the_terminal_reaches_only_the_runner() -> None:
    """In a group of its own a command is ended by its runner, in the runner's order."""
    program = (
        "import os, signal, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"  # shells may ignore it
        "print(os.getpgid(0))\ntime.sleep(600)"
    )
    with running(python(program)) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) == process.pid != os.getpgid(0)
