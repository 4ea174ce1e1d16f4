"""`python benchmarks/noop.py`: how long `dvc repro` takes with nothing to do; target: at most 3 s.

Measures this clone as it is, after `make repro`.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.common import ROOT, print_table

RUNS = 5


def seconds() -> float:
    """One `dvc repro` that finds everything up to date."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "dvc", "repro", "-q"], cwd=ROOT, check=True)
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    status = [sys.executable, "-m", "dvc", "status", "-q"]
    if subprocess.run(status, cwd=ROOT, check=False).returncode != 0:
        sys.exit("error: this clone is not up to date; run `make repro` first")
    times = [seconds() for _ in range(RUNS)]
    rows = [["`dvc repro`", f"{statistics.median(times):.2f} s", f"{max(times):.2f} s"]]
    print_table(f"Nothing to do, {RUNS} runs", ["command", "median", "slowest"], rows)


if __name__ == "__main__":
    main()
