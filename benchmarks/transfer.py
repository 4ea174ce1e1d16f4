"""Does an encoder trained on the synthetic scenes help on CamVid? Validation mIoU, with and without it.

    python benchmarks/transfer.py [--arch unet] [--seeds 3] [--pretrain 900] [--iterations 600] [--points 4]

Everything runs through `dvc repro` in two fresh clones of the last commit: one trains on the scenes, the other on
CamVid, once from random weights and once from those of the first. CamVid is downloaded, or taken from `DATA_MIRROR`.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.common import print_table
from benchmarks.repro import clone_apart

STARTS = {"random weights": "none", "the scenes' encoder": "pretrained/weights.safetensors"}
Scores = dict[int, float]  # iteration -> validation mIoU


class Clone:
    """A fresh clone with its own params."""

    def __init__(self, folder: Path, **params: Any) -> None:
        folder.mkdir(parents=True)
        self.path, self.environ = clone_apart(folder)
        self.change(**params)

    def change(self, **params: Any) -> None:
        """Change settings by their key paths, `train__iterations=10`."""
        yaml, path = YAML(), self.path / "params.yaml"
        values = yaml.load(path)
        for key, value in params.items():
            *above, last = key.split("__")
            section = values
            for name in above:
                section = section[name]
            section[last] = value
        yaml.dump(values, path)

    def train(self) -> None:
        """Run the trainings and what they need; the output goes to stderr as it comes."""
        command = [str(self.path / "bin/python"), "-m", "dvc", "repro", "train"]
        if code := subprocess.call(command, cwd=self.path, env=self.environ, stdout=sys.stderr):
            sys.exit(f"error: dvc repro ended with {code}")

    def scores(self, arch: str, seed: int) -> Scores:
        """The validation curve of a training."""
        with (self.path / f"results/{arch}/{seed}/train/curves.csv").open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["name"] == "val/mIoU"]
        return {int(row["iteration"]): float(row["value"]) for row in rows}


def measure(arguments: argparse.Namespace, base: Path) -> dict[str, list[Scores]]:
    """For each start the curves of all seeds."""
    arch, seeds = arguments.arch, list(range(arguments.seeds))
    common = {"architectures": [arch], "train__scale": arguments.scale}
    steps = {"train__iterations": arguments.pretrain, "train__val_interval": max(1, arguments.pretrain // 4)}
    scenes = Clone(base / "scenes", **common, **steps, prepare__sources=["download"])
    scenes.train()
    steps = {
        "train__iterations": arguments.iterations,
        "train__val_interval": max(1, arguments.iterations // arguments.points),
    }
    data = {"download__dataset": "camvid", "prepare__sources": ["download"]}
    camvid = Clone(base / "camvid", **common, **steps, **data, train__seeds=seeds)
    shutil.copy(scenes.path / f"models/{arch}/0/weights.safetensors", camvid.path / "pretrained")
    found = {}
    for name, pretrained in STARTS.items():
        camvid.change(train__pretrained=pretrained)
        camvid.train()
        found[name] = [camvid.scores(arch, seed) for seed in seeds]
    return found


def rows(found: dict[str, list[Scores]]) -> tuple[list[str], list[list[str]]]:
    """A row for each start and seed and, if there are several seeds, one for their mean."""
    points = sorted({point for curves in found.values() for curve in curves for point in curve})
    table = []
    for name, curves in found.items():
        table += [[name, str(seed), *(f"{curve[p]:.3f}" for p in points)] for seed, curve in enumerate(curves)]
        if len(curves) > 1:
            means = [statistics.mean(curve[p] for curve in curves) for p in points]
            table.append([f"**{name}**", "**mean**", *(f"**{mean:.3f}**" for mean in means)])
    return ["starts from", "seed", *(f"{point} iterations" for point in points)], table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default="unet", help="an architecture; default unet")
    parser.add_argument("--scale", default="small", choices=("small", "full"), help="its size; default small")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds on CamVid; default 1")
    parser.add_argument("--pretrain", type=int, default=900, help="iterations on the scenes; default 900")
    parser.add_argument("--iterations", type=int, default=600, help="iterations on CamVid; default 600")
    parser.add_argument("--points", type=int, default=4, help="validations on CamVid; default 4")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the clones in this new folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        found = measure(arguments, arguments.keep or Path(temporary))
    title = f"CamVid, {arguments.arch} at scale {arguments.scale}: validation mIoU, from random and pretrained weights"
    print_table(f"{title}; {arguments.pretrain} iterations of pretraining on the scenes", *rows(found))


if __name__ == "__main__":
    main()
