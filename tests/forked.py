"""Run a Python command in a process that begins where imports have ended: most of a tiny training is `import torch`.

It is a process of its own, with its own folder, environment, output and exit code. What it shares with the others is
what was imported: installed packages alone, never this repository's code, and with them the seed of Python's hashes.
A test of equal bytes therefore runs one side in an interpreter of its own.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerContext
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent
OF_STAGES = ["torch._dynamo", "mmseg.models", "mmengine.optim", "dvclive", "matplotlib.backends.backend_agg", "pyarrow"]
OF_COMMANDS = ["dvc.cli", "dvc.commands.repro", "dvc.repo.reproduce", "networkx", "pandas", "pydantic", "cv2", "httpx"]


def run_forked(
    command: Sequence[str], folder: Path, environ: Mapping[str, str] = os.environ
) -> subprocess.CompletedProcess[str]:
    """Run `-m MODULE ARGUMENTS` or `FILE ARGUMENTS` in a folder; negative codes are signals, as in `subprocess`."""
    server = multiprocessing.get_context("forkserver")
    assert isinstance(server, ForkServerContext)
    server.set_forkserver_preload([*OF_STAGES, *OF_COMMANDS])
    with TemporaryDirectory() as outputs:
        stdout, stderr = Path(outputs, "stdout"), Path(outputs, "stderr")
        process = server.Process(target=_begin, args=(command, folder, dict(environ), (stdout, stderr)))
        process.start()
        process.join()
        assert process.exitcode is not None
        return subprocess.CompletedProcess(command, process.exitcode, stdout.read_text(), stderr.read_text())


def _begin(command: Sequence[str], folder: Path, environ: Mapping[str, str], outputs: tuple[Path, Path]) -> None:
    """In the new process: what a new interpreter would have, then the command."""
    for number, path in enumerate(outputs, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    multiprocessing.set_start_method(None, force=True)
    sys.path[:] = [str(folder), *(path for path in sys.path if path and Path(path) != ROOT)]
    if command[0] == "-m":
        sys.argv = list(command[1:])
        runpy.run_module(command[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = list(command)
        runpy.run_path(command[0], run_name="__main__")
