"""One GPU for one stage: stages side by side on a machine would otherwise all take the first, and its memory."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from pixelproof.core.progress import say

VISIBLE = "CUDA_VISIBLE_DEVICES"
PAUSE = 0.5


def gpus(environ: Mapping[str, str] = os.environ) -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; those that it names, if it is set.

    Args:
        environ: the environment.

    Example:
        >>> gpus({"CUDA_VISIBLE_DEVICES": "0, 2"})
        ['0', '2']
        >>> gpus({"CUDA_VISIBLE_DEVICES": ""})
        []
    """
    if (named := environ.get(VISIBLE)) is not None:
        return [name.strip() for name in named.split(",") if name.strip()]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=False).stdout
    return [str(number) for number, line in enumerate(listed.splitlines()) if line.startswith("GPU ")]


@contextmanager
def leased(stage: str, devices: Sequence[str]) -> Iterator[dict[str, str]]:
    """Hold one of the GPUs during the block; the lock ends with this process, however it ends.

    Args:
        stage: who wants it, for people.
        devices: to choose from; none on a machine without.

    Returns:
        What to add to the environment of what runs.
    """
    if not devices:
        yield {}
        return
    folder = Path(tempfile.gettempdir()) / f"pixelproof-gpus-{os.getuid()}"  # of all clones of this user
    folder.mkdir(mode=0o700, exist_ok=True)
    with ExitStack() as stack:
        files = {name: stack.enter_context((folder / name.replace("/", "-")).open("a")) for name in devices}
        yield {VISIBLE: _first_free(stage, files)}


def _first_free(stage: str, files: Mapping[str, TextIO]) -> str:
    told = False
    while True:
        for name, file in files.items():
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            return name
        if not told:
            say(f"{stage}: waits for a GPU; all {len(files)} are taken")
            told = True
        time.sleep(PAUSE)
