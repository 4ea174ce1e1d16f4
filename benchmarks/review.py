"""Does `pixelproof review` find wrong labels? Of 100 planted errors, how many are among its first 100 rows, by kind.

    python benchmarks/review.py [--arch unet] [--split val,test] [--plantings 10] [--first 100] [--usual] [--learn]

It needs the results of a `dvc repro`, whose labels are taken for right. An error changes at least 64 pixels: a region
or object of a wrong class, an object that is not labelled, or a mask that lies 4 to 10 pixels beside its object. It is
found if at least half of a row's pixels are pixels that the error changed; a row that finds it once more counts as a
row and finds nothing. `--first` is the seed of the first planting. The wrong class is any other one; with `--usual`,
one of the three that the network itself takes for the right one most often. `--learn` trains the network on the planted
labels.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.common import ROOT, print_table
from benchmarks.planting import KINDS, Error, Truth, Weights, plant
from benchmarks.workspace import run_stage
from commands._ranking.judging import Judge, OneForAll
from commands._ranking.regions import odds_of
from commands._ranking.scores import confusions
from commands._review import Suspect, rank
from commands._trained import PREPARED
from pixelproof.data.dataset import Header, Sample, read_image, read_instances, read_mask, read_split
from pixelproof.data.images import write_png
from stages.evaluate.slide import Image

NUMBER = 100  # errors, and rows
Images = list[tuple[str, Sample]]


class Remembered:
    """Judges that look at each photograph once: a planting changes labels alone."""

    def __init__(self, judges: OneForAll) -> None:
        self.judges, self.header = judges, judges.header
        self.known: dict[str, NDArray[np.float32]] = {}

    def of(self, split: str, sample: Sample) -> Judge:
        """The judge of one image, which looks up what it said."""
        judge = self.judges.of(split, sample)
        return _Recalling(judge.ways, judge.learnt, self.known)


@dataclass(frozen=True)
class _Recalling(Judge):
    known: dict[str, NDArray[np.float32]]

    def __call__(self, image: Image, name: str) -> NDArray[np.float32]:
        if name not in self.known:
            self.known[name] = super().__call__(image, name)
        return self.known[name]


@dataclass(frozen=True)
class Found:
    """Of one planting, by kind: the errors, those that were found, and of these those that are called by their kind."""

    planted: Counter[str]
    found: Counter[str]
    named: Counter[str]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default="unet", help="a trained architecture; default unet")
    parser.add_argument("--split", default="val,test", help="the splits whose labels are changed; default val,test")
    parser.add_argument("--plantings", type=int, default=10, help="default 10")
    parser.add_argument("--first", type=int, default=100, help="seed of the first planting; default 100")
    parser.add_argument("--usual", action="store_true", help="wrong classes are those that the network confuses")
    parser.add_argument("--learn", action="store_true", help="train on the planted labels (minutes for each planting)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(workspace(Path(folder)))
        table = measure(arguments)
    called = " ".join(["benchmarks/review.py", *sys.argv[1:]])
    print_table(f"`{called}`: of {NUMBER} planted errors, found in the first {NUMBER} rows", *table)


def workspace(folder: Path) -> Path:
    """A folder as after `dvc repro`, in which labels can be changed."""
    for name in ("pixelproof", "stages", "dvc.yaml", "data/configs", "models"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to((ROOT / name).resolve())
    shutil.copy(ROOT / "params.yaml", folder)
    shutil.copytree(ROOT / "data/prepared", folder / "data/prepared", copy_function=shutil.copyfile)
    return folder


def measure(arguments: argparse.Namespace) -> tuple[list[str], list[list[str]]]:
    """A row for each planting, and one for all."""
    images = [(split, sample) for split in arguments.split.split(",") for sample in read_split(PREPARED, split)]
    judges = Remembered(OneForAll(arguments.arch, [0]))
    truths = {sample.id: truth(split, sample, judges.header) for split, sample in images}
    weights = usual(images, judges) if arguments.usual else anything(len(judges.header.classes))
    things = [info.id for info in judges.header.classes if info.thing]
    results = []
    for seed in range(arguments.first, arguments.first + arguments.plantings):
        changed, errors = plant(truths, things, weights, seed, NUMBER)
        for split, sample in images:
            write_png(PREPARED / split / "masks" / f"{sample.id}.png", changed[sample.id])
        if arguments.learn:
            judges = Remembered(learnt(arguments.arch))
        results.append(tally(rank(images, judges)[:NUMBER], errors))
    names = [str(arguments.first + n) for n in range(len(results))]
    rows = [[name, *cells([one])] for name, one in zip(names, results, strict=True)]
    rows.append(["**mean**", *(f"**{cell}**" for cell in cells(results))])
    return ["planting", "found", *KINDS, "named by their kind"], rows


def truth(split: str, sample: Sample, header: Header) -> Truth:
    """What an image's labels are."""
    labels = read_mask(PREPARED, split, sample, len(header.classes))
    return Truth(labels, read_instances(PREPARED, split, sample))


def anything(classes: int) -> Weights:
    """Every other class equally."""
    return (1 - np.eye(classes)) / (classes - 1)


def usual(images: Images, judges: Remembered) -> Weights:
    """The three classes that each class is taken for most often, as often as the network does."""
    classes = len(judges.header.classes)
    counts = np.zeros((classes, classes), np.int64)
    for split, sample in images:
        labels = read_mask(PREPARED, split, sample, classes)
        image = read_image(PREPARED, split, sample)
        predicted, _ = odds_of(judges.of(split, sample)(image, f"{split}/{sample.id}"), labels)
        counts += confusions(labels, predicted, classes)
    wrong = (counts + 1) * (1 - np.eye(classes))
    wrong[wrong < np.sort(wrong, axis=1)[:, -3:-2]] = 0
    weights: Weights = wrong / wrong.sum(axis=1, keepdims=True)
    return weights


def learnt(arch: str) -> OneForAll:
    """The network, trained on the labels as they are now."""
    for name in ("models", "data/configs"):
        if (path := Path(name)).is_symlink():
            path.unlink()
            shutil.copytree(ROOT / name, path, copy_function=shutil.copyfile)
    shutil.copytree(ROOT / "results/data", "results/data", copy_function=shutil.copyfile, dirs_exist_ok=True)
    run_stage(Path.cwd(), "augment")
    run_stage(Path.cwd(), "train", "--arch", arch, "--seed", "0")
    return OneForAll(arch, [0])


def tally(first: Sequence[Suspect], errors: Sequence[Error]) -> Found:
    """Which errors the first rows find; each once."""
    found: dict[int, Suspect] = {}
    for one in first:
        for number, error in enumerate(errors):
            if number not in found and one.sample.id == error.image and _on(one, error.changed):
                found[number] = one
                break
    named = Counter(errors[n].kind for n, one in found.items() if one.region.kind == errors[n].kind)
    return Found(Counter(error.kind for error in errors), Counter(errors[n].kind for n in found), named)


def _on(one: Suspect, changed: NDArray[np.bool_]) -> bool:
    """Whether at least half of a region was changed."""
    return bool(2 * changed[one.region.box][one.region.inside].sum() >= one.region.area)


def cells(results: Sequence[Found]) -> list[str]:
    """Means over plantings, of all and by kind."""

    def mean(counts: Sequence[int]) -> str:
        return f"{np.mean(counts):.1f}" if len(counts) > 1 else str(counts[0])

    by_kind = [f"{mean([r.found[k] for r in results])} of {mean([r.planted[k] for r in results])}" for k in KINDS]
    return [mean([r.found.total() for r in results]), *by_kind, mean([r.named.total() for r in results])]


if __name__ == "__main__":
    main()
