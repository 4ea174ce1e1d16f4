"""`python benchmarks/intervals.py`: how long the intervals of all scores take; target: at most 2 s on one core.

1,000 images x 19 classes, each image its own group, which is the most expensive case. From the matrices in memory to
the interval of every score in metrics.json.
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # read when NumPy is imported
sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np  # noqa: E402

from benchmarks.common import print_table  # noqa: E402
from pixelproof.scoring.counts import counts  # noqa: E402
from stages.evaluate.metrics import intervals  # noqa: E402

IMAGES, CLASSES, RUNS = 1000, 19, 5


def peak() -> float:
    """The peak memory of this process so far, in MiB."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes per unit that the system counts in
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def main() -> None:
    """Measure and print."""
    draw = np.random.default_rng(0)
    matrices = draw.integers(0, 5000, (IMAGES, CLASSES, CLASSES)) * (draw.random((IMAGES, CLASSES, CLASSES)) < 0.3)
    groups, names = [f"image-{i:04}" for i in range(IMAGES)], [f"class-{i}" for i in range(CLASSES)]
    before, wall, cpu = peak(), [], []
    for _ in range(RUNS):
        start = time.perf_counter(), time.process_time()
        intervals(counts(matrices), groups, names, 0.95)
        wall.append(time.perf_counter() - start[0])
        cpu.append(time.process_time() - start[1])
    seconds = [f"{statistics.median(times):.3f} s" for times in (wall, cpu)] + [f"{max(wall):.3f} s"]
    row = [f"{IMAGES:,} images x {CLASSES} classes", *seconds, f"{peak() - before:.0f} MiB"]
    title = f"Intervals of every score on one core, {RUNS} runs"
    print_table(title, ["matrices", "median", "processor time", "slowest", "memory above the matrices"], [row])


if __name__ == "__main__":
    main()
