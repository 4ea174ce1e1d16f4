"""Networks that learn objects: what they are given, that their bytes repeat, and what they refuse."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixelproof.augmentation.steps import Scale
from pixelproof.core.files import read_json, write_json
from pixelproof.data.dataset import ClassInfo, Header, Sample, SplitWriter, write_header
from pixelproof.scoring.objects import numbered
from stages.train.data import Labelled, TrainSet, collate
from tests.forked import run_forked
from tests.stages.train.conftest import CLASSES, Workspace, train_forked, weights
from tests.stages.train.test_repeatable import DRIVER

THINGS = tuple(ClassInfo(info.id, info.name, info.color, info.name == "box") for info in CLASSES)
ARCH = "panoptic-deeplab-r18"


def write_numbers(root: Path, split: str, images: int) -> None:
    """Two boxes that touch in each image, with their numbers."""
    write_header(root, Header("boxes", THINGS))
    writer = SplitWriter(root, split, Header("boxes", THINGS))
    for number in range(images):
        rng = np.random.default_rng([7, len(split), number])
        mask, instances = np.zeros((64, 64), np.uint8), np.zeros((64, 64), np.uint16)
        top, left = rng.integers(4, 40, 2)
        for box in (1, 2):
            window = np.s_[top : top + 16, left + 10 * (box - 1) : left + 10 * box]
            mask[window], instances[window] = 2, box
        image = np.clip(
            np.where(instances, 100 + 60 * instances, 60)[..., None] + rng.normal(0, 9, (64, 64, 3)), 0, 255
        )
        writer.add(
            Sample(f"{split}-{number:02}", f"g{number}", 64, 64, "boxes"), image.astype(np.uint8), mask, instances
        )
    writer.close()


def with_numbers(root: Path) -> Path:
    """The workspace, its images replaced by those with numbered objects."""
    for folder, split, images in (("prepared", "train", 12), ("prepared", "val", 4), ("augmented", "train", 0)):
        for path in sorted((root / "data" / folder / split).rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        write_numbers(root / "data" / folder, split, images)
    return root


def test_objects_move_with_their_image(tmp_path: Path) -> None:
    """Whatever the policy does to an image, its objects are those of the changed mask and its changed numbers."""
    write_numbers(tmp_path, "train", 6)
    data = Labelled.open([(tmp_path, "train")])
    policy = (Scale(name="scale", p=1.0, smallest=0.7, largest=1.5, rare=0.0),)
    plain = TrainSet(data, (0, 0), ("horizontal",), policy)
    learnt = TrainSet(data, (0, 0), ("horizontal",), policy, things=data.things)
    for position in range(12):
        key = (position, position % 6)
        image, mask, objects = learnt[key]
        assert all(np.array_equal(one, other) for one, other in zip((image, mask), plain[key], strict=True))
        assert np.array_equal(objects > 0, mask == 2) and objects.max() in (1, 2)
    assert sorted(collate([learnt[0, 0], learnt[1, 1]])) == ["inputs", "masks", "objects"]
    assert sorted(collate([plain[0, 0]])) == ["inputs", "masks"]
    untouched = TrainSet(data, (0, 0), (), (), things=data.things)[0, 3]
    assert np.array_equal(untouched[2], numbered(data.read(3)[1], data.instances(3), [2]))


@pytest.mark.parametrize("arch", [ARCH, pytest.param("mask-rcnn-lite0-fpn", marks=pytest.mark.slow)])
def test_a_killed_training_resumes_to_the_same_bytes(workspace: Workspace, arch: str) -> None:
    """Two loader processes, and a kill, change no weight; Mask R-CNN draws boxes at random in each iteration."""
    settings: dict[str, Any] = {"iterations": 6, "val_interval": 3, "checkpoint_interval": 2}
    undisturbed = with_numbers(workspace("undisturbed", arch=arch, **settings))
    train_forked(undisturbed, arch)
    killed = with_numbers(workspace("killed", arch=arch, **settings, workers=2))
    done = run_forked([str(DRIVER), "iteration:5", "--arch", arch, "--seed", "0"], killed)
    assert done.returncode == -signal.SIGKILL
    assert "resumed after iteration 4" in train_forked(killed, arch).stdout
    assert weights(killed, arch) == weights(undisturbed, arch)


def test_data_without_objects_is_refused_in_one_line(workspace: Workspace) -> None:
    root = workspace(arch=ARCH)
    said = train_forked(root, ARCH, check=False)
    assert said.returncode == 2
    assert f"{ARCH}: data/prepared/train: no class that is a thing; label instances (docs/data.md)" in said.stderr
    for folder in ("prepared", "augmented"):
        header = read_json(root / f"data/{folder}/dataset.json")
        header["classes"][2]["thing"] = True
        write_json(root / f"data/{folder}/dataset.json", header)
    said = train_forked(root, ARCH, check=False)
    assert "no image whose objects are numbered" in said.stderr and said.stderr.count("\n") < 4
    assert not (root / "models").exists() and os.sep not in said.stderr.split("error:")[0]
