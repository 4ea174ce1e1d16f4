"""A small workspace in which `python -m stages.train` runs for real: 24 images of 64x64, a config, params."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pixelproof.core.files import write_json
from pixelproof.data import dataset
from stages.configure.resolve import resolve
from tests.forked import run_forked

REPOSITORY = Path(__file__).parents[3]
CLASSES = tuple(
    dataset.ClassInfo(i, name, (60 * i, 90, 200 - 60 * i)) for i, name in enumerate(["ground", "disc", "box"])
)
TRAIN: dict[str, Any] = {
    "seeds": [0],
    "scale": "small",
    "pretrained": "none",
    "freeze": 0,
    "iterations": 12,
    "batch": 4,
    "accumulate": 1,
    "optimizer": {"name": "adamw", "lr": 0.003, "weight_decay": 0.01, "clip": 0.0, "lr_factors": {}},
    "schedule": {"name": "onecycle", "warmup": 0.2},
    "loss": [{"name": "cross_entropy", "weight": 1.0}],
    "balance": {"by": "power", "power": 0.5},
    "ema": 0.0,
    "ema_warmup": False,
    "flips": ["horizontal", "vertical"],
    "augment": "none",
    "crop": None,
    "workers": 0,
    "val_interval": 4,
    "val_batch": 16,
    "patience": 0,
    "checkpoint_interval": 3,
    "decoded": 1.0,
    "compile": False,
    "deterministic": False,
}
COMMAND = ["-m", "stages.train"]
COMPUTE = {"device": "cpu", "precision": "fp32", "channels_last": True, "threads": 1}


def write_split(root: Path, split: str, count: int, classes: tuple[dataset.ClassInfo, ...] = CLASSES) -> None:
    """Discs and boxes on noisy ground; classes beyond those are nowhere in it."""
    header = dataset.Header("shapes", classes)
    dataset.write_header(root, header)
    writer = dataset.SplitWriter(root, split, header)
    rows, columns = np.mgrid[:64, :64]
    for number in range(count):
        rng = np.random.default_rng([len(split), number])
        mask = np.zeros((64, 64), np.uint8)
        y, x = rng.integers(12, 52, 2)
        mask[(rows - y) ** 2 + (columns - x) ** 2 < 100] = 1
        top, left = rng.integers(0, 48, 2)
        mask[top : top + 14, left : left + 14] = 2
        mask[:2] = dataset.IGNORE
        colors = np.array([[90, 120, 90], [180, 90, 90], [90, 90, 180]])[np.where(mask == dataset.IGNORE, 0, mask)]
        image = np.clip(colors + rng.normal(0, 20, (64, 64, 3)), 0, 255).astype(np.uint8)
        writer.add(dataset.Sample(f"{split}-{number:02}", f"g{number}", 64, 64, "shapes"), image, mask)
    writer.close()


Workspace = Callable[..., Path]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Make a workspace, with `more` classes that no image has; other keyword arguments change `train`."""

    def make(
        name: str = "w", arch: str = "unet", compute: dict[str, Any] | None = None, more: int = 0, **train: Any
    ) -> Path:
        root = tmp_path / name
        classes = CLASSES + tuple(dataset.ClassInfo(3 + i, f"more{i}", (i, i, 255)) for i in range(more))
        write_split(root / "data/prepared", "train", 16, classes)
        write_split(root / "data/prepared", "val", 6, classes)
        write_split(root / "data/augmented", "train", 0, classes)
        pixels = {"ground": 40000, "disc": 5000, "box": 3000} | {f"more{i}": 1000 for i in range(more)}
        card = [{"name": name, "pixels": count, "pixels_where_present": 65536} for name, count in pixels.items()]
        write_json(root / "results/data/train.json", {"classes": card})
        write_json(root / f"data/configs/{arch}.json", resolve(arch, "small"))
        for package in ("commands", "pipelines", "pixelproof", "stages"):
            (root / package).symlink_to(REPOSITORY / package)
        (root / "dvc.yaml").write_bytes((REPOSITORY / "dvc.yaml").read_bytes())
        params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
        params |= {"architectures": [arch], "train": TRAIN | train, "compute": COMPUTE | (compute or {})}
        (root / "params.yaml").write_text(yaml.safe_dump(params))
        return root

    return make


def train(root: Path, arch: str = "unet", *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the real command in a workspace."""
    command = [sys.executable, *COMMAND, "--arch", arch, "--seed", "0", *arguments]
    return succeeded(subprocess.run(command, cwd=root, capture_output=True, text=True), check)


def train_forked(
    root: Path, arch: str = "unet", *arguments: str, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """The same, but that installed packages are imported when it begins."""
    return succeeded(run_forked([*COMMAND, "--arch", arch, "--seed", "0", *arguments], root), check)


def succeeded(done: subprocess.CompletedProcess[str], check: bool) -> subprocess.CompletedProcess[str]:
    """How a command ended; with `check`, well."""
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def weights(root: Path, arch: str = "unet") -> bytes:
    """The published weights."""
    return (root / f"models/{arch}/0/weights.safetensors").read_bytes()
