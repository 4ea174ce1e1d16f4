"""Augmentation while training: the same pixels whoever loads them, and what steps may know of the data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter

from pixelproof.augmentation.policies import Policy
from pixelproof.augmentation.steps import Step
from pixelproof.augmentation.view import Around
from pixelproof.core.files import write_json
from pixelproof.data.dataset import Header, Sample, SplitWriter, write_header
from stages.train import run
from stages.train.data import Labelled, Order, TrainSet, loader
from stages.train.decoded import Decoded
from stages.train.params import Train
from tests.stages.train.conftest import CLASSES, TRAIN, Workspace, write_split
from tests.stages.train.test_repeatable import last_state

SEED = (3, 0)
THINGS = tuple(replace(info, thing=info.id > 0) for info in CLASSES)


def policy(value: Any) -> tuple[Step, ...]:
    """The steps of a policy."""
    return tuple(TypeAdapter(Policy).validate_python(value))


def with_objects(root: Path) -> Labelled:
    """Eight images with discs and boxes that can be moved."""
    write_split(root, "train", 8, THINGS)
    return Labelled.open([(root, "train")])


def batches(train_set: TrainSet, workers: int) -> list[dict[str, Any]]:
    """The batches of five iterations, two epochs and a half."""
    return list(loader(train_set, Order(8, SEED, 4, 5), workers, pin=False))


def test_loader_workers_change_no_pixel(tmp_path: Path) -> None:
    """With objects moved and pasted from other images, cropped to another size; decoded or not."""
    data = with_objects(tmp_path / "data")
    around = Around((48, 32), data.things, (0.8, 0.1, 0.1))
    kept = Decoded(data, "digest", 1.0, tmp_path / "decoded")
    found = [
        batches(TrainSet(images, SEED, ("horizontal",), policy("strong"), around), workers)
        for images, workers in ((data, 0), (data, 1), (kept, 2), (kept, 0))
    ]
    assert found[0][0]["inputs"].shape == (4, 3, 32, 48) and found[0][0]["masks"].shape == (4, 32, 48)
    for others in found[1:]:
        for one, other in zip(found[0], others, strict=True):
            assert torch.equal(one["inputs"], other["inputs"]) and torch.equal(one["masks"], other["masks"])
    assert not torch.equal(found[0][0]["inputs"], found[0][4]["inputs"])
    larger = batches(TrainSet(data, SEED, (), (), Around((80, 96))), 0)[0]["masks"]
    assert larger.shape == (4, 96, 80) and ((larger == 255).sum((1, 2)) == 80 * 96 - 64 * 62).all()


def test_a_sample_is_drawn_from_seed_position_and_id(tmp_path: Path) -> None:
    data = with_objects(tmp_path)
    sets = [TrainSet(data, seed, (), policy("street"), Around(None, data.things)) for seed in (SEED, SEED, (4, 0))]
    assert np.array_equal(sets[0][7, 2][0], sets[1][7, 2][0])
    assert not np.array_equal(sets[0][7, 2][0], sets[2][7, 2][0])
    assert not np.array_equal(sets[0][7, 2][0], sets[0][8, 2][0])
    assert not np.array_equal(sets[0][7, 2][0], sets[0][7, 3][0])


def test_objects_are_the_instances_of_the_data(tmp_path: Path) -> None:
    """Two instances of a class that touch, 7x6 pixels each: one goes. As one component, both would."""
    header = Header("shapes", THINGS)
    write_header(tmp_path, header)
    writer = SplitWriter(tmp_path, "train", header)
    mask = np.zeros((32, 32), np.uint8)
    mask[10:16, :14] = 2
    instances = (mask // 2).astype(np.uint16)
    instances[10:16, 7:14] = 2
    writer.add(Sample("a", "g", 32, 32, "s"), np.zeros((32, 32, 3), np.uint8), mask, instances)
    writer.close()
    data = Labelled.open([(tmp_path, "train")])
    removal = policy([{"name": "remove_object", "p": 1.0, "area": 0.5}])
    left = [(TrainSet(data, SEED, (), removal, Around(None, data.things))[at, 0][1] == 2).sum() for at in range(8)]
    assert set(left) == {42}


def test_the_data_card_tells_which_classes_are_rare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = with_objects(tmp_path)
    pixels = {"ground": 60, "disc": 30, "box": 10}
    write_json(run.CARD, {"classes": [{"name": name, "pixels": count} for name, count in pixels.items()]})
    section = {key: value for key, value in TRAIN.items() if key not in ("seeds", "scale", "pretrained")}
    train = Train.model_validate(section | {"augment": "street", "crop": [48, 32]})
    assert run.around(data, train) == Around((48, 32), (1, 2), (0.6, 0.3, 0.1))
    plain = Train.model_validate(section | {"augment": "flip"})
    assert run.around(data, plain) == Around(None, (1, 2))


def test_workers_and_validations_change_no_weight(workspace: Workspace) -> None:
    """Two loader workers and another interval of validations change no weight; another policy does."""
    changes: dict[str, Any] = {"augment": "strong", "crop": [48, 32], "iterations": 12}
    plain = last_state(workspace("plain", **changes))
    other = last_state(workspace("other", **changes, workers=2, val_interval=12))
    assert all(torch.equal(plain[key], other[key]) for key in plain)
    weaker = last_state(workspace("weaker", **changes | {"augment": "flip"}))
    assert not all(torch.equal(plain[key], weaker[key]) for key in plain)
