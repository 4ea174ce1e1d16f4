"""`DATA_MIRROR=... python benchmarks/camvid_cuda.py`: CamVid at its own size, 480x360, trained on a GPU in bf16.

Runs the stages for each network in a folder of its own: the 367 training images, `street` augmentation, `full` width, a
fixed budget, the weights that validate best; nothing is chosen on test. `deeplabv3plus-lite0` starts from ImageNet's
weights, the others from random ones. Exit code 3: CamVid is not on this machine, and nothing is fetched for it. A
network that fails is named, and the exit code is 1. `--device cpu` runs every line with tiny sizes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.common import ROOT, print_table
from benchmarks.train_cuda import NO_RESULT
from benchmarks.workspace import make_workspace, run_stage
from pixelproof.sources.camvid import FACTS
from stages.download.archive import at_hand

NETWORKS = {  # and what they begin with
    "deeplabv3plus-lite0": "imagenet",
    "deeplabv3plus-r50": "none",
    "ddrnet23s": "none",
}

SCORES = ("mIoU", "pixel_accuracy")


def settings(arch: str, device: str, iterations: int) -> dict[str, Any]:
    """What params.yaml is changed to."""
    dry = device == "cpu"
    return {
        "architectures": [arch],
        "download.dataset": "camvid",
        "download.workers": 2 if dry else 8,
        "prepare.sources": ["download"],
        "prepare.map": {},
        "prepare.shape.width": 96 if dry else 480,
        "prepare.shape.height": 64 if dry else 360,
        "augment.copies": 0,
        "compute.device": device,
        "compute.portable": False,
        "compute.precision": "bf16",
        "train.scale": "small" if dry else "full",
        "train.pretrained": NETWORKS[arch],
        "train.iterations": iterations,
        "train.val_interval": max(1, iterations // 10),
        "train.checkpoint_interval": iterations,
        "train.batch": 4 if dry else 16,
        "train.optimizer.lr": 0.001,
        "train.workers": 1 if dry else 8,
        "train.flips": [],
        "train.augment": "street",
    }


def row(arch: str, folder: Path, device: str, iterations: int) -> list[str]:
    """Train and evaluate one network: the cells of its row."""
    changes = settings(arch, device, iterations)
    workspace = make_workspace(folder / arch, changes)
    start = time.perf_counter()
    run_stage(workspace, "train", "--arch", arch, "--seed", "0")
    taken = time.perf_counter() - start
    run_stage(workspace, "evaluate", "--arch", arch, "--seed", "0")
    scores = json.loads((workspace / f"results/{arch}/0/evaluate/metrics.json").read_text())
    numbers = [f"{scores[split][name]:.4f}" for split in ("val", "test") for name in SCORES]
    rate = iterations * changes["train.batch"] / taken
    return [arch, NETWORKS[arch], str(iterations), f"{taken / 60:.1f} min", f"{rate:.0f}", *numbers]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: a dry run with tiny sizes")
    parser.add_argument("--arch", choices=NETWORKS, nargs="+", default=list(NETWORKS), help="default: all")
    parser.add_argument("--iterations", type=int, help="batches of 16; default 3000, and 2 in a dry run")
    arguments = parser.parse_args()
    dry = arguments.device == "cpu"
    if not at_hand(FACTS.archives[0]):
        print(f"error: no {FACTS.archives[0].name} here; set DATA_MIRROR to a folder that holds it", file=sys.stderr)
        return 3
    os.chdir(ROOT)
    iterations = arguments.iterations or (2 if dry else 3000)
    rows, failed = [], False
    with tempfile.TemporaryDirectory() as temporary:
        for arch in arguments.arch:
            print(arch, file=sys.stderr, flush=True)
            try:
                rows.append(row(arch, Path(temporary), arguments.device, iterations))
            except SystemExit as error:  # a stage failed, and this says how
                print(error, file=sys.stderr)
                rows.append([arch, NETWORKS[arch], "", "", "", *[""] * 3, "**failed**"])
                failed = True
    size = "96x64" if dry else "480x360"
    header = ["network", "begins with", "iterations", "training", "images/s", "val mIoU", "val accuracy"]
    title = (
        f"{NO_RESULT if dry else ''}CamVid at {size}, bf16, batch {4 if dry else 16}, `street` augmentation, one seed"
    )
    print_table(title, [*header, "test mIoU", "test accuracy"], rows)
    print("\nMinutes and images/s are of the whole stage: start, validation every tenth of the iterations, saving.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
