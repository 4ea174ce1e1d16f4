"""`python benchmarks/help.py`: how long `--help` of each stage takes; asked is below 1.5 s."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.common import ROOT, print_table

RUNS = 5


def seconds(stage: str) -> float:
    """One call of a stage's help."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", f"stages.{stage}", "--help"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    stages = sorted(path.parent.name for path in (ROOT / "stages").glob("*/__main__.py"))
    times = {stage: [seconds(stage) for _ in range(RUNS)] for stage in stages}
    rows = [[stage, f"{statistics.median(all_):.2f} s", f"{max(all_):.2f} s"] for stage, all_ in times.items()]
    print_table(f"`python -m stages.<name> --help`, {RUNS} runs each", ["stage", "median", "slowest"], rows)


if __name__ == "__main__":
    main()
