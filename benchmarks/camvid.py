"""`DATA_MIRROR=... python benchmarks/camvid.py [--only NAMES | --bought]`: what the zoo learns from CamVid alone.

Trains from scratch on the 367 images of CamVid's training set at 224x224, in a fresh clone of the last commit with
params.yaml changed as stated here, through `dvc repro`. Nothing is chosen on the test set. Then an ablation: the best
network again, a third as long, with one ingredient left out at a time. `--keep` names a folder to continue from;
`--only` skips the second table, `--bought` the first.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.common import print_table
from benchmarks.repro import clone_apart

SETTINGS: dict[str, Any] = {
    "download.dataset": "camvid",
    "prepare.sources": ["download"],
    "prepare.map": {},
    "prepare.shape.width": 224,
    "prepare.shape.height": 224,
    "augment.copies": 11,
    "augment.policy": [
        {"name": "flip", "p": 0.5, "axis": "horizontal"},
        {"name": "rotate", "p": 0.3, "degrees": 8},
        {"name": "crop", "p": 0.8, "area": 0.35},
        {"name": "color", "p": 0.8, "brightness": 0.5, "contrast": 0.5, "saturation": 0.5},
    ],
    "train.flips": ["horizontal"],
    "train.augment": "none",
    "train.loss": [{"name": "cross_entropy", "weight": 1.0}, {"name": "dice", "weight": 1.0}],
    "train.iterations": 1500,
    "train.val_interval": 250,
    "train.checkpoint_interval": 125,
    "measure.landing.safe": [],  # nobody lands on a street
}
NETWORKS: dict[str, dict[str, Any]] = {
    "kmeans": {},
    "fcn8s": {"train.optimizer.lr": 0.0005},  # no normalisation: the default learning rate is too high for it
    "segnet": {},
    "unet": {},
    "deeplabv3plus-r18": {},
    "unet-r18": {
        "configure.overrides": {
            "unet-r18": {
                "backbone": {"stem_channels": 32, "base_channels": 32},
                "decode_head": {"in_channels": [32, 32, 64, 128, 256]},
            }
        },
        "train.iterations": 3000,
    },
}
BEST = "unet-r18"  # with an encoder twice as wide as `small`, half of the published width
SHORT: dict[str, Any] = {"train.iterations": 1000}  # for the ablation
WITHOUT: dict[str, dict[str, Any]] = {
    "nothing": {},
    "the Dice loss": {"train.loss": [{"name": "cross_entropy", "weight": 1.0}]},
    "the heavier weight of rare classes": {"train.balance.by": "none"},
    "crops, turns and colours (flips stay)": {"augment.copies": 0},
    "half of its encoder's channels": {"configure.overrides": {}},
}


def changed(clone: Path, arch: str, changes: dict[str, Any]) -> None:
    """Write the clone's params.yaml: the committed one with changes."""
    committed = subprocess.run(
        ["git", "show", "HEAD:params.yaml"], cwd=clone, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    values = YAML().load(committed)
    for key, value in ({"architectures": [arch]} | SETTINGS | changes).items():
        *path, last = key.split(".")
        here = values
        for name in path:
            here = here[name]
        here[last] = value
    YAML().dump(values, clone / "params.yaml")


def measured(clone: Path, environ: dict[str, str], arch: str, changes: dict[str, Any]) -> list[str]:
    """Train and evaluate one network; its results as the cells of a row."""
    changed(clone, arch, changes)
    python = str(clone / "bin/python")
    first = [python, "-m", "dvc", "repro", "augment", "configure"]
    for command in (first, [python, "-m", "dvc", "repro", "--single-item", f"train@{arch}-0"]):
        start = time.perf_counter()
        subprocess.run(command, cwd=clone, env=environ, check=True, stdout=sys.stderr)
    minutes = (time.perf_counter() - start) / 60
    subprocess.run([python, "-m", "dvc", "repro"], cwd=clone, env=environ, check=True, stdout=sys.stderr)
    facts = json.loads((clone / f"models/{arch}/0/facts.json").read_text())
    scores = json.loads((clone / f"metrics/{arch}.json").read_text())
    size = (clone / f"models/{arch}/0/weights.safetensors").stat().st_size / 4e6
    numbers = [f"{scores[split][name]:.3f}" for split in ("val", "test") for name in ("pixel_accuracy", "mIoU")]
    return [f"{size:.2f} M", str(facts["iterations"]), f"{minutes:.1f} min", *numbers]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tables = parser.add_mutually_exclusive_group()
    tables.add_argument("--only", nargs="+", choices=NETWORKS, metavar="NAME", help=f"of {', '.join(NETWORKS)}")
    tables.add_argument("--bought", action="store_true", help="only the ablation")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the clone in this folder, or continue in it")
    arguments = parser.parse_args()
    header = ["", "weights", "iterations", "training", "val accuracy", "val mIoU", "test accuracy", "test mIoU"]
    with tempfile.TemporaryDirectory() as temporary:
        clone, environ = clone_apart(arguments.keep or Path(temporary))
        if not arguments.bought:
            names = arguments.only or list(NETWORKS)
            rows = [[f"`{name}`", *measured(clone, environ, name, NETWORKS[name])] for name in names]
            print_table("CamVid at 224x224, from scratch, `train.scale: small`", header, rows)
        if not arguments.only:
            best = NETWORKS[BEST] | SHORT
            without = [[f"without {name}", *measured(clone, environ, BEST, best | w)] for name, w in WITHOUT.items()]
            print()
            print_table(f"`{BEST}` with one thing left out", header, without)


if __name__ == "__main__":
    main()
