"""`python benchmarks/augment.py`: images augmented per second on one core; target: 400 of 128x128 for `street`.

Images and masks of the synthetic source, with instances where a policy looks at them, are in memory: what is timed is
the policy alone. Seconds are those of the processor, so that what else the machine does counts less.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from pydantic import TypeAdapter

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.common import print_table
from pixelproof.augmentation.apply import apply, needs_objects
from pixelproof.augmentation.policies import POLICIES, Policy
from pixelproof.augmentation.view import Around, View
from pixelproof.sources.synthetic.classes import CLASSES
from pixelproof.sources.synthetic.scene import render

TARGETS = {("street", 128): "400"}
IMAGES = 16


def views(side: int) -> list[View]:
    """Some scenes."""
    scenes = [render(0, f"train-{number:03d}", 0, side) for number in range(IMAGES)]
    return [View(scene.image, scene.mask, scene.instances) for scene in scenes]


def rates(policy: str, images: list[View], count: int, rounds: int) -> list[float]:
    """Images per second, by round."""
    steps = TypeAdapter(Policy).validate_python(policy)
    if not needs_objects(steps):
        images = [View(view.image, view.mask) for view in images]
    things = tuple(info.id for info in CLASSES if info.thing)
    around = Around(None, things, (1 / len(CLASSES),) * len(CLASSES), IMAGES, lambda index: images[index])
    found = []
    for number in range(rounds):
        began = time.process_time()
        for position in range(count):
            apply(steps, images[position % IMAGES], np.random.default_rng([number, position]), around)
        found.append(count / (time.process_time() - began))
    return found


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=400, help="images per round (default: 400)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: 5)")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    rows = []
    for side in (128, 512):
        images, count = views(side), max(1, arguments.count * 128 // side)
        for policy in POLICIES:
            found = rates(policy, images, count, arguments.rounds)
            spread = f"{min(found):,.0f} to {max(found):,.0f}"
            target = TARGETS.get((policy, side), "")
            rows.append([policy, f"{side}x{side}", f"{statistics.median(found):,.0f}", spread, target])
    print_table(
        f"Augmented images per second of one core, {arguments.rounds} rounds",
        ["policy", "images", "**images/s**", "rounds", "target"],
        rows,
    )


if __name__ == "__main__":
    main()
