"""A forked Python ends, speaks, listens, starts again and dies as an interpreter of its own does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pixelproof.core.portable import CAPS
from tests.forked import program, run_forked

WAITING = "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)"
ENDS = {
    "print('text', end='')": 0,
    "raise SystemExit(7)": 7,
    "raise SystemExit('no number')": 1,
    "1 / 0": 1,
    "import os; os.kill(os.getpid(), 9)": -9,
    "import atexit; atexit.register(print, 'at the end')": 0,
    "import threading; threading.Timer(0.2, print, ['from a thread']).start()": 0,
    "import sys; print(sys.argv, sys.stdin.read(), __name__, file=sys.stderr)": 0,
}


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A program that is used as a Python is."""
    return program(tmp_path / "python", {})


@pytest.mark.parametrize("code", ENDS)
def test_it_ends_and_speaks_as_an_interpreter_does(python: Path, code: str, tmp_path: Path) -> None:
    own, forked = (
        subprocess.run([name, "-c", code, "an argument"], cwd=tmp_path, input="said", capture_output=True, text=True)
        for name in (sys.executable, str(python))
    )
    assert own.returncode == forked.returncode == ENDS[code]
    assert own.stdout == forked.stdout
    assert own.stderr.splitlines()[-1:] == forked.stderr.splitlines()[-1:]  # a traceback begins in the server
    here = run_forked(["-c", code, "an argument"], tmp_path)
    assert (here.returncode, here.stdout) == (ENDS[code], own.stdout)


def test_it_has_the_folder_and_the_environment_that_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import os\nwhere = os.environ['WHERE']")
    done = run_forked(
        ["-c", "import mine, os; print(mine.where, os.getcwd(), len(os.environ))"], tmp_path, {"WHERE": "x"}
    )
    assert done.stdout.split() == ["x", str(tmp_path), "1"]


def test_what_it_starts_by_its_own_name_is_forked_too_and_it_can_start_again(python: Path) -> None:
    again = "import os, sys; 'AGAIN' in os.environ or os.execve(sys.executable, sys.orig_argv, {'AGAIN': 'yes'}); "
    inner = "import sys; print(sys.executable, 'torch' in sys.modules)"
    code = f"{again}import subprocess; subprocess.run([sys.executable, '-c', {inner!r}], check=True)"
    said = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == [str(python), "True"]


def test_capped_processes_have_libraries_that_were_capped_when_they_were_imported(tmp_path: Path) -> None:
    ask = ["-c", "import torch; print(torch.backends.cpu.get_cpu_capability())"]
    assert run_forked(ask, tmp_path, os.environ | CAPS).stdout.strip() in ("AVX2", "DEFAULT")
    own = subprocess.run([sys.executable, *ask], capture_output=True, text=True, check=True)
    assert run_forked(ask, tmp_path).stdout == own.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_reaches_it(python: Path, number: signal.Signals) -> None:
    with subprocess.Popen([python, "-c", WAITING], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as asking:
        assert asking.stdout is not None
        process = psutil.Process(int(asking.stdout.readline()))
        asking.send_signal(number)
        assert asking.wait(30) == -number
    until = time.monotonic() + 30
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until, "it still runs"
        time.sleep(0.05)
