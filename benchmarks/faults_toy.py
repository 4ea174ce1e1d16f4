"""The clone in which faults.py kills: small data, a real training, and how to begin from nothing."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.repro import clone_apart
from pipelines.edit import set_values
from pixelproof.core.alive import alive

TARGET = "train@unet-0"
PATTERNS = ("dvc.lock", "data/**/*", "models/**/*", "results/**/*")
PATIENCE = 600
SMALL = {
    "architectures": ["unet"],
    "download.synthetic.train_flights": 3,
    "download.synthetic.val_flights": 2,
    "download.synthetic.test_flights": 2,
    "download.synthetic.images_per_flight": 2,
    "download.synthetic.side": 64,
    "prepare.shape.width": 64,
    "prepare.shape.height": 64,
    "train.iterations": 40,
    "train.batch": 2,
    "train.val_interval": 10,
    "train.checkpoint_interval": 5,
}


@dataclass(frozen=True)
class Toy:
    """The clone, the environment of its commands, and what an undisturbed run writes and takes."""

    clone: Path
    environ: dict[str, str]
    written: dict[str, str]
    seconds: float

    def reset(self) -> None:
        """Begin from nothing: outputs, caches and whatever a killed run has left are removed."""
        for command in (["clean", "-fdxq", "-e", ".venv", "-e", ".pixelproof/prefect"], ["checkout", "-q", "."]):
            subprocess.run(["git", *command], cwd=self.clone, env=self.environ, check=True)

    def digests(self) -> dict[str, str]:
        """`path -> SHA-256` of dvc.lock and of all that was written."""
        return digests(self.clone)

    def processes(self) -> list[psutil.Process]:
        """Those that work in the clone, `serve` and what belongs to it apart."""
        return [process for process in inside(self.clone) if not any(map(_serves, [process, *_parents(process)]))]


def toy(folder: Path) -> Toy:
    """A clone in a folder, with an undisturbed run measured; a kept one is used as it is."""
    clone, environ = clone_apart(folder)
    kept = folder / "undisturbed.json"
    git = ["git", "-c", "core.hooksPath=/dev/null", "-c", "user.name=faults", "-c", "user.email=faults@example.org"]
    if not kept.is_file():
        params = clone / "params.yaml"
        params.write_text(set_values(params.read_text(), SMALL))
        (clone / "prefect.yaml").write_text(
            (clone / "prefect.yaml").read_text().replace("targets: []", f"targets: [{TARGET}]")
        )
        subprocess.run([*git, "rm", "-q", "dvc.lock"], cwd=clone, env=environ, check=True)
        subprocess.run([*git, "commit", "-qam", "Make all small"], cwd=clone, env=environ, check=True)
        (first, _), (written, seconds) = (_run(Toy(clone, environ, {}, 0)) for _ in range(2))
        if first != written:
            sys.exit("error: two undisturbed runs differ")
        kept.write_text(json.dumps({"written": written, "seconds": seconds}))
    found = json.loads(kept.read_text())
    return Toy(clone, environ, found["written"], found["seconds"])


def _run(place: Toy) -> tuple[dict[str, str], float]:
    place.reset()
    began = time.monotonic()
    command = ["bin/python", "-m", "dvc", "repro", TARGET]
    subprocess.run(command, cwd=place.clone, env=place.environ, check=True, stdout=sys.stderr)
    return place.digests(), time.monotonic() - began


def digests(clone: Path) -> dict[str, str]:
    """`path -> SHA-256` of dvc.lock and of all that stages write."""
    files = sorted(path for pattern in PATTERNS for path in clone.glob(pattern) if path.is_file())
    return {file.relative_to(clone).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def inside(clone: Path) -> list[psutil.Process]:
    """The living processes whose folder is in the clone."""
    found = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(clone) and alive(process):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def _parents(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.parents())
    except psutil.Error:
        return []


def _serves(process: psutil.Process) -> bool:
    try:
        return "serve" in process.cmdline()
    except psutil.Error:
        return False


def words(process: psutil.Process) -> str:
    """A process's command line, or nothing if it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def wait_until(true: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    """Wait for what should become true; False if it does not."""
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True
