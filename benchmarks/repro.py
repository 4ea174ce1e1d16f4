"""`python benchmarks/repro.py`: the default pipeline from nothing: seconds and peak memory, stage by stage.

Runs `dvc repro` of the last commit in a temporary clone with an empty cache. Asked, on 2 cores: at most 10 minutes and
4 GiB. Memory is the sum of the resident sizes of the whole process tree, sampled five times a second; pages that
processes share count once for each of them.
"""

from __future__ import annotations

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

PAUSE = 0.2  # seconds between two samples


@dataclass
class Measured:
    """A stage, when it began, and the most memory seen since."""

    name: str
    began: float
    peak: int = 0


def resident(process: psutil.Process) -> int:
    """Bytes resident in a process and all it started."""
    total = 0
    for each in (process, *process.children(recursive=True)):
        try:
            total += each.memory_info().rss
        except psutil.NoSuchProcess:
            continue  # ended between the listing and the look
    return total


def sample(process: psutil.Process, stages: list[Measured], ended: threading.Event) -> None:
    """Keep the current stage's peak until the run has ended."""
    while not ended.wait(PAUSE):
        try:
            stages[-1].peak = max(stages[-1].peak, resident(process))
        except psutil.NoSuchProcess:
            return


def measure(clone: Path) -> tuple[list[Measured], float]:
    """Run `dvc repro` in a clone; its output goes to stderr as it comes."""
    stages, ended = [Measured("(before the first stage)", time.perf_counter())], threading.Event()
    command = [str(clone / "bin/python"), "-m", "dvc", "repro"]
    with subprocess.Popen(command, cwd=clone, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        watcher = threading.Thread(target=sample, args=(psutil.Process(run.pid), stages, ended), daemon=True)
        watcher.start()
        assert run.stdout is not None  # as asked for above
        for line in run.stdout:
            print(line, end="", file=sys.stderr)
            if found := re.match(r"Running stage '(.+)':", line):
                stages.append(Measured(found[1], time.perf_counter()))
        code = run.wait()
        ended.set()
        watcher.join()
    if code != 0:
        sys.exit(f"error: dvc repro ended with {code}")
    return stages, time.perf_counter()


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
        (clone / ".venv").symlink_to(sys.prefix)
        stages, end = measure(clone)
    ends = [*(stage.began for stage in stages[1:]), end]
    rows = [
        [stage.name, f"{until - stage.began:.1f} s", f"{stage.peak / 2**20:.0f} MiB"]
        for stage, until in zip(stages, ends, strict=True)
    ]
    rows.append(["**all**", f"**{end - stages[0].began:.1f} s**", f"**{max(s.peak for s in stages) / 2**20:.0f} MiB**"])
    print_table("`dvc repro` from nothing, default params", ["stage", "time", "peak memory"], rows)


if __name__ == "__main__":
    main()
