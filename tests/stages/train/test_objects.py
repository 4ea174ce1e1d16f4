"""Networks that learn objects: what they are given, that their bytes repeat, and what they refuse."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixelproof.augmentation.steps import Scale
from pixelproof.core.files import read_json, write_json
from pixelproof.core.portable import CAPS, missing_instructions
from pixelproof.data.dataset import ClassInfo, Header, Sample, SplitWriter, write_header
from pixelproof.scoring.objects import numbered
from stages.train.data import Labelled, TrainSet, collate
from tests.forked import run_forked
from tests.stages.train.conftest import CLASSES, COMMAND, Workspace, succeeded, train_forked
from tests.stages.train.test_repeatable import DRIVER, files_in, outputs

THINGS = tuple(ClassInfo(info.id, info.name, info.color, info.name == "box") for info in CLASSES)
ARCH = "panoptic-deeplab-r18"


def write_numbers(root: Path, split: str, images: int, folds: int = 0, swapped: int | None = None) -> None:
    """Two boxes that touch in each image, with their numbers.

    With folds, image i is in fold i % folds, and all splits have the same images. In the one that is `swapped` both
    boxes are one object: the classes stay as they are.
    """
    write_header(root, Header("boxes", THINGS))
    writer = SplitWriter(root, split, Header("boxes", THINGS))
    for number in range(images):
        rng = np.random.default_rng([7, 0 if folds else len(split), number])
        mask, instances = np.zeros((64, 64), np.uint8), np.zeros((64, 64), np.uint16)
        top, left = rng.integers(4, 40, 2)
        for box in (1, 2):
            window = np.s_[top : top + 16, left + 10 * (box - 1) : left + 10 * box]
            mask[window], instances[window] = 2, box
        image = np.clip(
            np.where(instances, 100 + 60 * instances, 60)[..., None] + rng.normal(0, 9, (64, 64, 3)), 0, 255
        )
        fold = number % folds if folds else None
        if fold is not None and fold == swapped:
            instances = np.minimum(instances, 1)
        sample = Sample(f"{'both' if folds else split}-{number:02}", f"g{number}", 64, 64, "boxes", fold=fold)
        writer.add(sample, image.astype(np.uint8), mask, instances)
    writer.close()


def with_numbers(root: Path) -> Path:
    """The workspace, its images replaced by those with numbered objects."""
    for folder, split, images in (("prepared", "train", 12), ("prepared", "val", 4), ("augmented", "train", 0)):
        for path in sorted((root / "data" / folder / split).rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        write_numbers(root / "data" / folder, split, images)
    return root


def in_folds(root: Path, swapped: int | None = None) -> Path:
    """The workspace with numbered objects, in two folds."""
    for split in ("train", "val"):
        shutil.rmtree(root / "data/prepared" / split)
        write_numbers(root / "data/prepared", split, 6, folds=2, swapped=swapped)
    shutil.rmtree(root / "data/augmented/train")
    write_numbers(root / "data/augmented", "train", 0)
    card = read_json(root / "results/data/train.json")
    nothing = [{"name": info.name, "pixels": 0, "pixels_where_present": 0} for info in THINGS]
    write_json(root / "results/data/train.json", card | {"folds": [{"fold": n, "classes": nothing} for n in range(2)]})
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


@pytest.mark.parametrize("arch", [ARCH, pytest.param("mask-rcnn-r18-fpn", marks=pytest.mark.slow)])
def test_a_killed_training_resumes_to_the_same_bytes(workspace: Workspace, arch: str) -> None:
    """Two loader processes, a kill and older instructions change no byte, of evaluation neither.

    Mask R-CNN draws boxes at random in each iteration. `compute.portable` holds all processes to the same instructions,
    whatever libraries are told.
    """
    settings: dict[str, Any] = {"iterations": 6, "val_interval": 3, "checkpoint_interval": 2}
    older = {} if missing_instructions() else {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"}
    roots = [
        with_numbers(workspace(name, arch=arch, compute={"portable": True}, **settings, workers=workers))
        for name, workers in (("undisturbed", 0), ("killed", 2))
    ]

    def run(root: Path, *command: str, told: dict[str, str] = CAPS) -> subprocess.CompletedProcess[str]:
        return run_forked([*command, "--arch", arch, "--seed", "0"], root, os.environ | told)

    succeeded(run(roots[0], *COMMAND), check=True)
    assert run(roots[1], str(DRIVER), "iteration:5").returncode == -signal.SIGKILL
    assert "resumed after iteration 4" in run(roots[1], *COMMAND, told=older).stdout
    assert outputs(roots[1], arch) == outputs(roots[0], arch)
    for root, told in zip(roots, (CAPS, older), strict=True):
        write_numbers(root / "data/prepared", "test", 2)
        succeeded(run(root, "-m", "stages.evaluate", told=told), check=True)
    assert files_in(roots[1] / f"results/{arch}/0/evaluate") == files_in(roots[0] / f"results/{arch}/0/evaluate")


def test_in_folds_the_numbers_of_a_networks_own_fold_are_not_learnt(workspace: Workspace) -> None:
    """Other objects in fold 1, of the same classes, change the network of fold 0 and leave that of fold 1."""
    settings: dict[str, Any] = {"iterations": 2, "val_interval": 2, "checkpoint_interval": 2, "batch": 2}
    roots = [in_folds(workspace(f"swapped-{fold}", arch=ARCH, **settings), fold) for fold in (None, 1)]
    for root in roots:
        train_forked(root, ARCH)
    for fold, same in enumerate([False, True]):
        both = [(root / f"models/{ARCH}/0/fold-{fold}/weights.safetensors").read_bytes() for root in roots]
        assert (both[0] == both[1]) is same


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
