"""`python benchmarks/help.py`: how long help takes; target: below 0.5 s for a command and 1.5 s for a stage."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.common import ROOT, print_table
from commands._catalogue import entries

RUNS = 5


def seconds(command: Sequence[str]) -> float:
    """One call of --help."""
    start = time.perf_counter()
    subprocess.run([*command, "--help"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def measure(title: str, calls: Mapping[str, Sequence[str]]) -> None:
    """Measure each call and print a table."""
    times = {name: [seconds(call) for _ in range(RUNS)] for name, call in calls.items()}
    rows = [[name, f"{statistics.median(all_):.2f} s", f"{max(all_):.2f} s"] for name, all_ in times.items()]
    print_table(f"`{title} --help`, {RUNS} runs each", ["name", "median", "slowest"], rows)


def main() -> None:
    """Measure and print."""
    stages = sorted(path.parent.name for path in (ROOT / "stages").glob("*/__main__.py"))
    commands = {entry.name: ["bin/pixelproof", entry.name] for entry in entries()}
    measure("pixelproof COMMAND", {"(none)": ["bin/pixelproof"], **commands})
    print()
    measure("python -m stages.NAME", {stage: [sys.executable, "-m", f"stages.{stage}"] for stage in stages})


if __name__ == "__main__":
    main()
