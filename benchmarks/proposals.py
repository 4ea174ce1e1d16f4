"""How good are the settings that `pixelproof init --propose` writes, against the best of eight others?

    DATA_MIRROR=... python benchmarks/proposals.py [--only NAMES] [--minutes 5] [--jobs 1] [--set KEY=VALUE]

In a fresh clone of the last commit for each of three datasets, `init --propose --write` plans a training of so many
minutes. A sweep then runs what it proposed beside eight points: two networks, two learning rates, and augmentation or
flips alone, in all combinations, with the folds, the batch and the number of iterations of the proposal. Writes
benchmarks/results/proposals.md: validation mIoU of all, and how far the proposal is from the best.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.common import ROOT, swept
from benchmarks.repro import clone_apart
from pipelines.edit import set_values
from pixelproof.core.files import write_text
from pixelproof.core.machine import machine
from pixelproof.core.params import pick, read_yaml
from pixelproof.core.table import markdown_table

OUT = ROOT / "benchmarks/results/proposals.md"
Overrides = dict[str, Any]
ALONE: Overrides = {"prepare.sources": ["download"], "prepare.map": {}, "measure.landing.safe": []}
NETWORKS: dict[str, Overrides] = {
    "lite0": {"architectures": ["unet-lite0"], "train.pretrained": "imagenet"},
    "deeplab": {"architectures": ["deeplabv3plus-r18"], "train.pretrained": "none"},
}
RATES = (0.001, 0.003)
SHARED = ("prepare.split", "train.iterations", "train.val_interval", "train.batch", "train.accumulate", "train.crop")


@dataclass(frozen=True)
class Dataset:
    """Where the images come from, and the policy that stands for their kind."""

    settings: Overrides
    policy: str


DATASETS = {
    "scenes": Dataset({}, "aerial"),
    "dubai": Dataset(
        {
            "download.dataset": "dubai",
            **ALONE,
            "prepare.shape": {"mode": "tile", "width": 256, "height": 256, "overlap": 0},
            "prepare.split.val": 0.25,
            "prepare.split.test": 0.0,
            "measure.split": "val",
        },
        "aerial",
    ),
    "nuclei": Dataset(
        {
            "download.dataset": "nuclei",
            **ALONE,
            "prepare.shape": {"mode": "tile", "width": 256, "height": 256, "overlap": 32},
        },
        "cells",
    ),
}


def points(proposed: Overrides, policy: str) -> dict[str, Overrides]:
    """The proposal, and the eight to which it is compared; what all share is left out."""
    flips = {"train.flips": ["horizontal"], "train.augment": "none"}
    changes: dict[str, Overrides] = {"flips": flips, policy: flips | {"train.augment": policy}}
    found = {"proposed": {key: value for key, value in proposed.items() if key not in shared(proposed)}}
    for (net, network), rate, (name, change) in itertools.product(NETWORKS.items(), RATES, changes.items()):
        found[f"{net}-{rate:g}-{name}"] = {**network, "train.optimizer.lr": rate, **change}
    return found


def shared(proposed: Overrides) -> Overrides:
    """What all points have of the proposal: how long they learn, and by which images they are judged."""
    return {key: value for key, value in proposed.items() if key.startswith(SHARED)}


def planned(clone: Path, environ: dict[str, str], dataset: Dataset, arguments: argparse.Namespace) -> Overrides:
    """What `init --propose` changes for a dataset; the clone's last commit has the dataset without it."""
    params = clone / "params.yaml"

    def run(*command: str) -> str:
        return subprocess.run(
            command, cwd=clone, env=environ, check=True, text=True, stdout=subprocess.PIPE, stderr=sys.stderr
        ).stdout

    more = dict(text.partition("=")[::2] for text in arguments.set)
    wanted = dataset.settings | {key: yaml.safe_load(value) for key, value in more.items()}
    params.write_text(before := set_values(params.read_text(), wanted))
    run("bin/python", "-m", "dvc", "repro", "-q", "prepare")
    told = run("bin/pixelproof", "init", "--propose", "--minutes", str(arguments.minutes), "--write")
    print(told, file=sys.stderr)
    after = read_yaml(params)
    keys = [line.split("|")[1].strip() for line in told.splitlines() if line.startswith("| ") and "." in line]
    keys = ["architectures", *(key for key in keys if key not in ("key", "architectures"))]
    params.write_text(before)
    return {key: pick(after, key) for key in keys}


def scored(clone: Path, environ: dict[str, str], name: str, sweep: dict[str, Any], jobs: int) -> list[dict[str, str]]:
    """The rows of the sweep's table."""
    file = clone / f"experiments/{name}.yaml"
    file.write_text(yaml.safe_dump(sweep, sort_keys=False))
    subprocess.run(["git", "add", "-A"], cwd=clone, check=True)
    subprocess.run(["git", "commit", "-qm", name], cwd=clone, check=False)
    return swept(clone, environ, name, jobs)


def typed(name: str, arguments: argparse.Namespace) -> str:
    """The command that measures the same again."""
    words = ["python", "benchmarks/proposals.py", "--only", name, "--minutes", f"{arguments.minutes:g}"]
    return shlex.join([*words, *(word for text in arguments.set for word in ("--set", text))])


def section(name: str, proposed: Overrides, rows: list[dict[str, str]], command: str) -> list[str]:
    """What is said about a dataset."""
    score = {row["point"]: float(row["val.mIoU"]) for row in rows}
    best = max((point for point in score if point != "proposed"), key=score.__getitem__)
    apart = score["proposed"] - score[best]
    lines = [[point, f"{value:.3f}"] for point, value in sorted(score.items(), key=lambda item: -item[1])]
    settings = ", ".join(f"`{key}: {json.dumps(value)}`" for key, value in proposed.items())
    return [
        f"## {name}: {apart:+.3f} from the best of eight ({best})",
        "",
        f"`DATA_MIRROR=... {command}`, on {machine()}",
        "",
        f"Proposed: {settings}.",
        "",
        *markdown_table(["point", "val mIoU"], lines),
        "",
    ]


def kept(path: Path) -> dict[str, str]:
    """The sections of an earlier page, by dataset."""
    _, *sections = path.read_text().split("\n## ") if path.is_file() else [""]
    return {text.partition(":")[0]: f"## {text.rstrip()}\n" for text in sections}


def page(sections: dict[str, str]) -> str:
    """The sections, in the order of the datasets."""
    found = [sections[name] for name in DATASETS if name in sections]
    return "\n".join(["# What `init --propose` proposes, against eight others\n", *found])


def main() -> None:
    """Propose, run the sweeps, and write the page; sections of other datasets stay."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(DATASETS), default=list(DATASETS), help="default: all")
    parser.add_argument("--minutes", type=float, default=5, help="of each training, as proposed; default 5")
    parser.add_argument("--jobs", type=int, default=1, help="points side by side; default 1")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of all points")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="use these clones, and leave them")
    parser.add_argument("--out", type=Path, default=OUT, help=f"default: {OUT.relative_to(ROOT)}")
    arguments = parser.parse_args()
    sections = kept(arguments.out)
    with tempfile.TemporaryDirectory() as temporary:
        for name in arguments.only:
            folder = (arguments.keep or Path(temporary)).absolute() / name
            folder.mkdir(parents=True, exist_ok=True)
            clone, environ = clone_apart(folder)
            plan = folder / "proposed.json"
            if not plan.is_file():
                proposed = planned(clone, environ, DATASETS[name], arguments)
                plan.write_text(json.dumps(proposed))
            proposed = json.loads(plan.read_text())
            sweep = {"about": "The proposal beside eight others", "set": shared(proposed)}
            sweep["points"] = points(proposed, DATASETS[name].policy)
            rows = scored(clone, environ, name, sweep, arguments.jobs)
            sections[name] = "\n".join(section(name, proposed, rows, typed(name, arguments)))
            write_text(arguments.out, page(sections))
    print(page(sections))


if __name__ == "__main__":
    main()
