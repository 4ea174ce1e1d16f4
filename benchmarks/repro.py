"""`python benchmarks/repro.py [--runs 2] [--keep FOLDER]`: the default pipeline from scratch: seconds and peak memory.

Runs `dvc repro` of the last commit in a fresh clone with its own HOME, temporary folder and DVC cache, and checks that
every stage of the graph ran. A second run has its own too, and is compared with the first byte for byte. Target, on 2
cores: at most 10 minutes and 4 GiB. Memory is the sum of the resident sizes of the whole process tree, sampled five
times a second; pages that processes share count once for each of them.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.common import ROOT, print_table
from commands._catalogue import anchor_folders

PAUSE = 0.2  # seconds between two samples
COMPARED = ("metrics", "tables", "models", "results", "reports")


@dataclass
class Measured:
    """A stage, when it began, and the most memory seen since."""

    name: str
    began: float
    peak: int = 0


def resident(process: psutil.Process) -> int:
    """Resident bytes of a process and all its descendants."""
    total = 0
    for each in (process, *process.children(recursive=True)):
        try:
            total += each.memory_info().rss
        except psutil.NoSuchProcess:
            continue  # ended since it was listed
    return total


def sample(process: psutil.Process, stages: list[Measured], ended: threading.Event) -> None:
    """Track the current stage's peak until the run has ended."""
    while not ended.wait(PAUSE):
        try:
            stages[-1].peak = max(stages[-1].peak, resident(process))
        except psutil.NoSuchProcess:
            return


@dataclass
class Run:
    """One run of the pipeline in its own clone."""

    clone: Path
    stages: list[Measured]
    end: float

    def rows(self) -> list[list[str]]:
        """Each stage, and the total."""
        ends = [*(stage.began for stage in self.stages[1:]), self.end]
        rows = [
            [stage.name, f"{until - stage.began:.1f} s", f"{stage.peak / 2**20:.0f} MiB"]
            for stage, until in zip(self.stages, ends, strict=True)
        ]
        most = max(stage.peak for stage in self.stages)
        return [*rows, ["**all**", f"**{self.end - self.stages[0].began:.1f} s**", f"**{most / 2**20:.0f} MiB**"]]

    def digests(self) -> dict[str, str]:
        """`path -> SHA-256` of every file in the compared folders."""
        files = sorted(path for name in COMPARED for path in (self.clone / name).rglob("*") if path.is_file())
        return {str(path.relative_to(self.clone)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def clone_apart(folder: Path) -> tuple[Path, dict[str, str]]:
    """A fresh clone of the last commit, or a kept one, and an environment that shares no folder with anything else."""
    clone = folder / "clone"
    if not clone.exists():
        subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
        (clone / ".venv").symlink_to(sys.prefix)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "DVC_", "PIXELPROOF"))}
    anchor_folders(environ)
    for variable in ("HOME", "TMPDIR", "DVC_SITE_CACHE_DIR"):
        (folder / variable.lower()).mkdir(exist_ok=True)
        environ[variable] = str(folder / variable.lower())
    return clone, environ


def stage_names(clone: Path) -> list[str]:
    """The stages of the graph."""
    command = [str(clone / "bin/python"), "-m", "dvc", "stage", "list", "--name-only"]
    return sorted(subprocess.run(command, cwd=clone, check=True, stdout=subprocess.PIPE, text=True).stdout.split())


def measure(folder: Path) -> Run:
    """Run `dvc repro` in a fresh clone; its output goes to stderr as it comes."""
    clone, environ = clone_apart(folder)
    stages, ended = [Measured("(before the first stage)", time.perf_counter())], threading.Event()
    command = [str(clone / "bin/python"), "-m", "dvc", "repro"]
    with subprocess.Popen(
        command, cwd=clone, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as run:
        watcher = threading.Thread(target=sample, args=(psutil.Process(run.pid), stages, ended), daemon=True)
        watcher.start()
        assert run.stdout is not None  # as requested above
        for line in run.stdout:
            print(line, end="", file=sys.stderr)
            if found := re.match(r"Running stage '(.+)':", line):
                stages.append(Measured(found[1], time.perf_counter()))
        code = run.wait()
        end = time.perf_counter()
        ended.set()
        watcher.join()
    if code != 0:
        sys.exit(f"error: dvc repro ended with {code}")
    if (executed := sorted(stage.name for stage in stages[1:])) != (asked := stage_names(clone)):
        sys.exit(f"error: expected every stage to run ({', '.join(asked)}), found {', '.join(executed)}")
    return Run(clone, stages, end)


def compared(first: dict[str, str], second: dict[str, str]) -> str:
    """How many files have the same bytes, and which do not, in words."""
    other = sorted(path for path in first | second if first.get(path) != second.get(path))
    same = len(first | second) - len(other)
    return f"{same} files identical, {len(other)} different" + "".join(f"\n- {path}" for path in other)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, choices=(1, 2), default=1, help="2: compare the bytes of two runs")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the clones in this new folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        base = arguments.keep or Path(temporary)
        folders = [base / str(number + 1) for number in range(arguments.runs)]
        for folder in folders:
            folder.mkdir(parents=True)
        runs = [measure(folder) for folder in folders]
        for number, run in enumerate(runs, 1):
            print_table(
                f"`dvc repro` from scratch, default params, run {number}", ["stage", "time", "memory"], run.rows()
            )
            print()
        if len(runs) == 2:
            print(f"Bytes of {', '.join(COMPARED)} in two clones: {compared(*(run.digests() for run in runs))}.")


if __name__ == "__main__":
    main()
