"""The published CamVid table beside ours: accuracy and loss of train and val, by the last weights of each cell.

    DATA_MIRROR=... python benchmarks/camvid_table.py [--sweep camvid-table] [--only POINTS] [--keep FOLDER]

Runs experiments/SWEEP.yaml, or some of its points, in a fresh clone of the last commit, after training the encoders
that points begin with. The published numbers are of the end of an epoch, over batches as they were learnt from; ours
are of the published weights, over the images of train and val as they are, whole, each pixel counted once, void as a
class. Writes benchmarks/results/SWEEP.md, where the rows of other points stay.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.common import ROOT, swept
from benchmarks.encoders import encoders, keep_encoder
from benchmarks.repro import clone_apart
from pixelproof.core.files import write_text
from pixelproof.core.machine import machine
from pixelproof.core.params import read_yaml
from pixelproof.core.table import markdown_table

SPLITS = ("train", "val")
OF_SCENES = {"train.optimizer.lr": 0.0005, "compute.portable": False}  # how encoders are trained before a sweep


@dataclass(frozen=True)
class Fit:
    """How well a network fits a split."""

    accuracy: float
    loss: float


def fit(tree: Path, arch: str, split: str) -> Fit:
    """The pixel accuracy and the mean cross-entropy of a trained network over the images of a split, void included."""
    import torch
    from torch.nn.functional import cross_entropy

    from pixelproof.data.dataset import iterate, read_header
    from pixelproof.nn.runtime import Compute
    from stages.evaluate.predict import batches, load_logits

    data = tree / "data/prepared"
    compute = Compute(**read_yaml(tree / "params.yaml")["compute"])
    weights = tree / f"models/{arch}/0/weights.safetensors"
    network = load_logits(tree / f"data/configs/{arch}.json", weights, len(read_header(data).classes), compute)
    right, lost, pixels = 0, 0.0, 0
    for examples in batches(iterate(data, split), 8):
        logits = network([image for _, image, _ in examples]).float().cpu()
        truth = torch.stack([torch.from_numpy(mask).long() for _, _, mask in examples])
        known = truth != 255
        right += int((logits.argmax(1) == truth)[known].sum())
        lost += float(cross_entropy(logits, truth, ignore_index=255, reduction="sum").double())
        pixels += int(known.sum())
    return Fit(right / pixels, lost / pixels)


def fits(clone: Path, environ: dict[str, str], row: dict[str, str]) -> dict[str, Fit]:
    """The same of a point of the sweep, in a worktree of its experiment."""
    with tempfile.TemporaryDirectory() as scratch:
        tree, arch = Path(scratch) / "tree", row["architecture"]

        def run(*command: str, cwd: Path = clone) -> str:
            return subprocess.run(command, cwd=cwd, env=environ, check=True, text=True, stdout=subprocess.PIPE).stdout

        git, dvc = ("git", "-c", "core.hooksPath=/dev/null"), (str(clone / "bin/python"), "-m", "dvc")
        run(*git, "worktree", "add", "--quiet", "--detach", str(tree), row["experiment"])
        try:
            run(*dvc, "cache", "dir", "--local", run(*dvc, "cache", "dir").strip(), cwd=tree)
            run(*dvc, "checkout", "-q", "prepare", "configure", f"train@{arch}-0", cwd=tree)
            return {split: fit(tree, arch, split) for split in SPLITS}
        finally:
            run(*git, "worktree", "remove", "--force", str(tree))


def line(row: dict[str, str], found: dict[str, Fit]) -> list[str]:
    """A line of the table; the published accuracy is the end of the point's name."""
    cell, _, published = row["point"].rpartition("-")
    train, val = found["train"], found["val"]
    numbers = [f"{number:.4f}" for number in (val.accuracy, val.loss, train.accuracy, train.loss)]
    beaten = "yes" if val.accuracy > float(published) else "no"
    return [cell, published, numbers[0], beaten, *numbers[1:], f"{float(row['seconds']) / 60:.0f} min"]


def kept(path: Path) -> dict[str, list[str]]:
    """The rows of an earlier page, by cell."""
    lines = path.read_text().splitlines() if path.is_file() else []
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return {row[0]: row for row in rows[2:]}


def some_of(clone: Path, sweep: str, points: list[str]) -> None:
    """Leave only some points in a sweep's file, in a commit of the clone."""
    file = clone / f"experiments/{sweep}.yaml"
    content = read_yaml(file)
    content["points"] = {point: content["points"][point] for point in points}
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    subprocess.run(["git", "commit", "-qam", f"Only {', '.join(points)}"], cwd=clone, check=True)


def page(sweep: str, jobs: int, lines: list[list[str]], lacking: int) -> str:
    """The table, and what is to be known of it."""
    head = ["cell", "published", "accuracy on val", "beaten", "its loss", "accuracy on train", "its loss", "all of it"]
    told = [
        f"`DATA_MIRROR=... python benchmarks/camvid_table.py --sweep {sweep} --jobs {jobs}`",
        "",
        "# The published CamVid table, 224x224, 12 classes with void, last weights",
        "",
        f"Measured on: {machine()}",
        "",
        *markdown_table(head, lines),
        "",
        f"The settings of each cell are in [{sweep}.yaml](../../experiments/{sweep}.yaml). One seed each; nothing is",
        "selected on val. A loss is the mean cross-entropy of a pixel.",
        *([f"{lacking} more cells are not measured yet."] if lacking else []),
        "",
    ]
    return "\n".join(told)


def main() -> None:
    """Run the sweep, look at each network, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweep", choices=["camvid-table", "camvid-table-vgg16"], default="camvid-table")
    parser.add_argument("--jobs", type=int, default=1, help="points side by side; default 1")
    parser.add_argument("--only", nargs="+", metavar="POINT", help="default: all")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="use this clone, go on where it was, and leave it")
    arguments = parser.parse_args()
    name, out = arguments.sweep, ROOT / f"benchmarks/results/{arguments.sweep}.md"
    every = list(read_yaml(ROOT / f"experiments/{name}.yaml")["points"])
    points = arguments.only or every
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.keep or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        clone, environ = clone_apart(folder)
        if points != list(read_yaml(clone / f"experiments/{name}.yaml")["points"]):
            some_of(clone, name, points)
        for arch in encoders(clone / f"experiments/{name}.yaml"):
            keep_encoder(clone, environ, arch, OF_SCENES)
        by_point = {row["point"]: row for row in swept(clone, environ, name, arguments.jobs)}
        found = [line(by_point[point], fits(clone, environ, by_point[point])) for point in points]
        rows = kept(out) | {row[0]: row for row in found}
        lines = [rows[cell] for cell in (point.rpartition("-")[0] for point in every) if cell in rows]
        write_text(out, told := page(name, arguments.jobs, lines, len(every) - len(lines)))
        print(told)


if __name__ == "__main__":
    main()
