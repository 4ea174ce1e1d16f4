"""`python benchmarks/evaluate.py`: scoring masks, ours against MMSegmentation's IoUMetric; target: 5 times as fast.

The job: predictions and ground truth of N images in, the IoU of each class over all of them out. Both get their usual
input, arrays for ours and data samples of tensors for theirs, made before the clock starts. Both must give the same
IoUs. They take turns in one process, A B A B; ratios are within a round, and the table has medians.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.common import print_table
from pixelproof.data.dataset import IGNORE
from pixelproof.scoring.confusion import confusion, iou

CLASSES, HEIGHT, WIDTH = 11, 360, 480  # CamVid's, as its papers count them
ASKED = 5.0
Masks = list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]
Scores = NDArray[np.float64]


def masks(count: int) -> Masks:
    """Ground truth of patches, a twentieth of it ignored, and predictions that are right on four pixels of five."""
    draw = np.random.default_rng(0)
    made = []
    for _ in range(count):
        patches = draw.integers(0, CLASSES, (HEIGHT // 24, WIDTH // 24)).astype(np.uint8)
        truth = np.kron(patches, np.ones((24, 24), np.uint8))
        wrong = draw.integers(0, CLASSES, truth.shape).astype(np.uint8)
        prediction = np.where(draw.random(truth.shape) < 0.8, truth, wrong)
        truth[draw.random(truth.shape) < 0.05] = IGNORE
        made.append((truth, prediction))
    return made


def ours(pairs: Masks) -> Scores:
    """One matrix over all images, as evaluate computes it."""
    total = np.zeros((CLASSES, CLASSES), np.int64)
    for truth, prediction in pairs:
        total += confusion(truth, prediction, CLASSES)
    scores: Scores = iou(total)
    return scores


def samples(pairs: Masks) -> list[dict[str, Any]]:
    """The same images as MMSegmentation's test loop passes them to its metric."""
    import torch

    return [
        {
            "pred_sem_seg": {"data": torch.from_numpy(prediction)[None].long()},
            "gt_sem_seg": {"data": torch.from_numpy(truth)[None].long()},
        }
        for truth, prediction in pairs
    ]


def theirs(given: list[dict[str, Any]]) -> Scores:
    """What MMSegmentation's own metric does with each image, and then with all of them."""
    from mmseg.evaluation.metrics import IoUMetric

    metric = IoUMetric(ignore_index=IGNORE)
    metric.dataset_meta = {"classes": [str(i) for i in range(CLASSES)]}
    for sample in given:
        metric.process({}, [sample])
    areas = [sum(parts) for parts in zip(*metric.results, strict=True)]
    found = metric.total_area_to_metrics(*areas, ["mIoU"])
    scores: Scores = np.asarray(found["IoU"], np.float64)
    return scores


def seconds(work: Callable[[], Scores]) -> tuple[float, Scores]:
    """How long it takes, and the result."""
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=101, help="default: 101, the size of CamVid's validation set")
    parser.add_argument("--rounds", type=int, default=9, help="default: 9, after a warm-up round")
    arguments = parser.parse_args()
    pairs = masks(arguments.images)
    given = samples(pairs)
    works: dict[str, Callable[[], Scores]] = {"IoUMetric": lambda: theirs(given), "**ours**": lambda: ours(pairs)}
    times: dict[str, list[float]] = {name: [] for name in works}
    for number in range(arguments.rounds + 1):
        found = {name: seconds(work) for name, work in works.items()}
        np.testing.assert_allclose(found["IoUMetric"][1], found["**ours**"][1], rtol=1e-4)  # theirs are float32
        for name, (taken, _) in found.items() if number else ():
            times[name].append(taken)
    ratios = [other / our for other, our in zip(*times.values(), strict=True)]
    rows = [
        [name, f"{1e3 * statistics.median(all_):.1f} ms", f"{1e3 * min(all_):.1f} to {1e3 * max(all_):.1f} ms"]
        for name, all_ in times.items()
    ]
    title = f"Scoring {arguments.images} images of {WIDTH}x{HEIGHT}, {CLASSES} classes, {arguments.rounds} rounds"
    print_table(title, ["metric", "median", "rounds"], rows)
    print(f"\nOurs is {statistics.median(ratios):.1f} times as fast ({min(ratios):.1f} to {max(ratios):.1f}; ", end="")
    print(f"target: at least {ASKED:g}).")


if __name__ == "__main__":
    main()
