"""A folder in which the stages run for a benchmark: the working tree's code, its params with some changes, and its own
data from the synthetic source."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from benchmarks.common import ROOT
from benchmarks.stock import Task

STAGES = ("download", "prepare", "augment", "configure")
ENDLESS = 1_000_000  # iterations: no validation or checkpoint gets in the way of what is timed
DATA = {
    "download.dataset": "synthetic",
    "download.synthetic.train_flights": 32,
    "prepare.sources": ["download"],
    "prepare.map": {},
    "augment.copies": 0,
    "train.augment": "none",
    "compute.device": "cpu",
    "compute.portable": False,  # what we are compared with uses all instructions too
    # What stock does not do.
    "train.accumulate": 1,
    "train.ema": 0.0,
    "train.patience": 0,
}


def make_task(arch: str, scale: str, folder: Path, iterations: int, changes: dict[str, Any]) -> Task:
    """A workspace for one architecture at one scale, and what both sides need to know."""
    intervals = {f"train.{name}": iterations for name in ("iterations", "val_interval", "checkpoint_interval")}
    only = {"architectures": [arch], "train.scale": scale}
    workspace = make_workspace(folder, DATA | intervals | only | changes)
    values = yaml.safe_load((workspace / "params.yaml").read_text())
    train, compute = values["train"], values["compute"]
    flips, precision = tuple(train["flips"]), compute["precision"]
    return Task(arch, scale, workspace, train["batch"], train["workers"], compute["threads"], flips, precision)


def make_workspace(folder: Path, changes: dict[str, Any]) -> Path:
    """Write the params, `changes` being `key path -> value`, and run the stages before train."""
    folder.mkdir(parents=True)
    for code in ("stages", "pixelproof"):
        (folder / code).symlink_to(ROOT / code)
    (folder / "dvc.yaml").symlink_to(ROOT / "dvc.yaml")
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    for path, value in changes.items():
        *above, last = path.split(".")
        section = values
        for name in above:
            section = section[name]
        if last not in section:
            sys.exit(f"error: params.yaml: {path}: no such key; fix the benchmark")
        section[last] = value
    (folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    for stage in STAGES:
        run_stage(folder, stage)
    return folder


def run_stage(folder: Path, stage: str, *arguments: str) -> None:
    """Run one stage there as DVC would; its output is shown only if it fails."""
    command = [sys.executable, "-m", f"stages.{stage}", *arguments]
    done = subprocess.run(command, cwd=folder, env=dict(os.environ), capture_output=True, text=True)
    if done.returncode:
        sys.exit(
            f"error: {' '.join(command[1:])} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
