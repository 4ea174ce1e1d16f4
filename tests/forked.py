"""Run a Python command in a process that begins where imports have ended: most of a tiny training is `import torch`.

It is a process of its own, with its own folder, environment, output and exit code. What it shares with the others is
what was imported: installed packages alone, never this repository's code, and with them the seed of Python's hashes.
A test of equal bytes therefore runs one side in an interpreter of its own.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from filelock import FileLock

from pixelproof.core.portable import CAPS
from tests import fork_client

OF_STAGES = ["torch._dynamo", "mmseg.models", "mmengine.optim", "dvclive", "matplotlib.backends.backend_agg", "pyarrow"]
OF_COMMANDS = ["dvc.cli", "dvc.commands.repro", "dvc.repo.reproduce", "networkx", "pandas", "pydantic", "cv2", "httpx"]
HERE = Path(__file__).parent
PYTHON = sys.executable  # also where a test replaces that by a program of ours
SERVER = "PIXELPROOF_FORKS"  # all processes of a test run inherit the name of its folder from the first
SECONDS_TO_START = 300


def begin() -> None:
    """Choose the folder of this test run's server, in the first of its processes; that one owns it."""
    if SERVER not in os.environ:
        os.environ[SERVER] = tempfile.mkdtemp(prefix=f"forks-{os.getpid()}-")


def end() -> None:
    """Remove that folder, in the process that owns it; the servers end with that process."""
    folder = Path(os.environ[SERVER])
    if folder.name.split("-")[1] == str(os.getpid()):
        shutil.rmtree(folder, ignore_errors=True)


def server(environ: Mapping[str, str]) -> Path:
    """The socket of the server for processes with these variables; the first process that asks starts it.

    Libraries read their variables while they are imported, so capped processes have a server of their own; all others
    have what this test run has.
    """
    caps = CAPS if environ.items() >= CAPS.items() else {}
    folder = Path(os.environ[SERVER]) / ("capped" if caps else "own")
    folder.mkdir(exist_ok=True)
    path, owner = folder / "socket", folder.parent.name.split("-")[1]
    with FileLock(folder / "lock"):
        if not path.exists():
            command = [PYTHON, str(HERE / "fork_server.py"), str(path), owner, *OF_STAGES, *OF_COMMANDS]
            passive = {"OMP_WAIT_POLICY": "passive"}  # as `make test` has it
            own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
            with (folder / "log").open("wb") as log:
                started = subprocess.Popen(
                    command,
                    env=own | passive | caps,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            until = time.monotonic() + SECONDS_TO_START
            while not path.exists():
                assert started.poll() is None and time.monotonic() < until, (folder / "log").read_text()
                time.sleep(0.02)
    return path


def run_forked(
    command: Sequence[str], folder: Path, environ: Mapping[str, str] = os.environ
) -> subprocess.CompletedProcess[str]:
    """Run `-m MODULE ARGUMENTS` or `FILE ARGUMENTS` in a folder; negative codes are signals, as in `subprocess`."""
    with Path(os.devnull).open("rb") as empty, tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        files = [file.fileno() for file in (empty, stdout, stderr)]
        code = fork_client.ask(str(server(environ)), [sys.executable, *command], str(folder.absolute()), environ, files)
        said = []
        for file in (stdout, stderr):
            file.seek(0)
            said.append(file.read().decode().replace("\r\n", "\n"))
    return subprocess.CompletedProcess(command, code, *said)


def forked_python(folder: Path) -> dict[str, str]:
    """The environment, with a program in a folder, that make the project's commands and stages run in the same way.

    They are capped from the beginning, where a stage would otherwise start twice (pixelproof/core/portable.py).
    """
    return {**CAPS, "PIXELPROOF_PYTHON": str(program(folder / "forked-python", CAPS))}


def programs(folder: Path, name: str = "forked-python") -> Path:
    """In a new folder, a program of this name that is used as a `python` is, and a `dvc` beside it; returns the first.

    As `sys.executable` it makes what this process starts by that name forked as well.
    """
    folder.mkdir(parents=True)
    python = program(folder / name, {})
    (folder / "dvc").write_text(f'#!/bin/sh\nexec {shlex.quote(str(python))} -m dvc "$@"\n')
    (folder / "dvc").chmod(0o755)
    return python


def program(path: Path, environ: Mapping[str, str]) -> Path:
    """A program that is used as a `python` is; `environ` are the variables with which libraries are imported."""
    client = [PYTHON, "-I", "-S", str(HERE / "fork_client.py"), str(server(environ))]
    path.write_text(f'#!/bin/sh\nexec {shlex.join(client)} "$0" "$@"\n')
    path.chmod(0o755)
    return path
