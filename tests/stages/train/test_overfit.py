"""Networks that learn objects can learn two images by heart: nothing is half a pixel off, and objects that touch part.

AP asks for masks that are right to a twentieth of their area, PQ for all pixels of all classes.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pixelproof.data.dataset import ClassInfo, Header, Sample, SplitWriter, write_header
from tests.forked import run_forked
from tests.stages.train.conftest import CLASSES, TRAIN, Workspace, succeeded, train_forked

SIDE = 96
THINGS = (ClassInfo(info.id, info.name, info.color, info.name != "ground") for info in CLASSES)
HEADER = Header("two", (*THINGS, ClassInfo(3, "more0", (0, 0, 255))))
BOXES = (((12, 44, 8, 32), (12, 44, 32, 60)), ((8, 36, 40, 72), (36, 64, 40, 72)))  # of each image; both touch
DISCS = (((56, 76, 15),), ((76, 16, 13), (76, 42, 13)))  # row, column and radius; those of the second image touch


def scene(number: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint16]]:
    """An image, its classes and its objects: those of a class have one colour, so that colour tells none apart."""
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    mask, instances = np.zeros((SIDE, SIDE), np.uint8), np.zeros((SIDE, SIDE), np.uint16)
    mask[64:] = 3 * (number == 0)
    mask[:, :32] += 3 * (number == 1)
    places = [(2, np.s_[top:bottom, left:right]) for top, bottom, left, right in BOXES[number]]
    places += [(1, (rows - y) ** 2 + (columns - x) ** 2 < r * r) for y, x, r in DISCS[number]]
    for count, (label, where) in enumerate(places, start=1):
        mask[where], instances[where] = label, count
    colours = np.array([[60, 120, 60], [200, 60, 60], [220, 200, 60], [40, 60, 160]])
    noise = np.random.default_rng(number).normal(0, 6, (SIDE, SIDE, 3))
    return np.clip(colours[mask] + noise, 0, 255).astype(np.uint8), mask, instances


def write_two(root: Path) -> Path:
    """Both images in train and in val, none in test."""
    for folder, split, images in (("prepared", "train", 2), ("prepared", "val", 2), ("prepared", "test", 0),
                                  ("augmented", "train", 0)):  # fmt: skip
        shutil.rmtree(root / "data" / folder / split, ignore_errors=True)
        write_header(root / "data" / folder, HEADER)
        writer = SplitWriter(root / "data" / folder, split, HEADER)
        for number in range(images):
            writer.add(Sample(f"{split}-{number}", f"g{number}", SIDE, SIDE, "two"), *scene(number))
        writer.close()
    return root


def learn(root: Path, arch: str) -> dict[str, Any]:
    """Train and evaluate; what metrics.json says of the objects of val."""
    train_forked(root, arch)
    succeeded(run_forked(["-m", "stages.evaluate", "--arch", arch, "--seed", "0"], root), check=True)
    found: dict[str, Any] = json.loads((root / f"results/{arch}/0/evaluate/metrics.json").read_text())["val"][
        "instances"
    ]
    return found


def shifts(root: Path, arch: str) -> NDArray[np.float64]:
    """How far the centre of each object that was found lies from the true one's, along rows and columns."""
    found = []
    for number in range(2):
        path = root / f"results/{arch}/0/evaluate/instances/val/val-{number}.png"
        said, truth = np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED)), scene(number)[2]
        for one in range(1, truth.max() + 1):
            most = np.bincount(said[truth == one]).argmax()
            found.append(np.argwhere(said == most).mean(0) - np.argwhere(truth == one).mean(0))
    return np.array(found)


@pytest.mark.slow  # minutes
@pytest.mark.parametrize(("arch", "iterations"), [("mask-rcnn-r18-fpn", 800), ("panoptic-deeplab-r18", 500)])
def test_two_images_are_learnt_by_heart(workspace: Workspace, arch: str, iterations: int) -> None:
    plain: dict[str, Any] = {"flips": [], "balance": {"by": "none", "power": 0.0}, "batch": 2}
    often: dict[str, Any] = {"iterations": iterations, "val_interval": iterations, "checkpoint_interval": iterations}
    optimizer = TRAIN["optimizer"] | {"clip": 1.0}
    root = write_two(workspace(arch=arch, more=1, optimizer=optimizer, **plain, **often))
    found = learn(root, arch)
    assert found["mask"]["AP50"] == found["mask"]["AP75"] == found["box"]["AP75"] == pytest.approx(1.0)
    assert min(found["mask"]["AP"], found["box"]["AP"]) > 0.9
    assert found["panoptic"]["RQ"] == 1.0 and found["panoptic"]["SQ"] > 0.97
    assert {name: each["error"] for name, each in found["counting"].items()} == {"disc": 0.0, "box": 0.0}
    away = shifts(root, arch)
    assert np.abs(away).max() < 0.5 and np.abs(away.mean(0)).max() < 0.2, "an offset that all objects share"
