"""Copies are the same bytes whoever makes them, and labels go where the image goes."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixelproof.augmentation.apply import apply
from pixelproof.augmentation.policies import Policy
from pixelproof.augmentation.view import Around, View
from pixelproof.core.errors import DataError
from pixelproof.data.dataset import (
    IGNORE,
    ClassInfo,
    Header,
    Sample,
    SplitWriter,
    read_image,
    read_instances,
    read_mask,
    read_split,
    verify,
    write_header,
)
from pixelproof.data.images import Array
from stages.augment.copies import Split, augment, copy_of, generator
from stages.augment.params import Augment, Rare

GEOMETRY: list[dict[str, Any]] = [
    {"name": "flip", "p": 0.5, "axis": "horizontal"},
    {"name": "flip", "p": 0.5, "axis": "vertical"},
    {"name": "rotate", "p": 0.7, "degrees": 60},
    {"name": "crop", "p": 0.7, "area": 0.3},
]
LIGHT: list[dict[str, Any]] = [
    {"name": "color", "p": 0.8, "brightness": 0.3, "contrast": 0.3, "saturation": 0.3},
    {"name": "noise", "p": 0.5, "std": 0.05},
]
CLASSES = 2
HEADER = Header("prepared", tuple(ClassInfo(i, f"class {i}", (i, i, i), i == 1) for i in range(CLASSES)))


def section(policy: list[dict[str, Any]], copies: int = 2, workers: int = 1, more: int = 0) -> Augment:
    rare = {"copies": more, "below": 0.1}
    return Augment.model_validate({"copies": copies, "rare": rare, "workers": workers, "policy": policy})


def change(policy: Policy, rng: np.random.Generator, image: Array, mask: Array, instances: Array) -> list[Array]:
    """Image, mask and instances after a policy."""
    found = apply(policy, View(image, mask, instances), rng, Around())
    assert found.instances is not None
    return [found.image, found.mask, found.instances]


def blocks(name: str, width: int = 40, height: int = 32) -> tuple[Array, Array, Array]:
    """Large blocks of two classes and one instance, written into the image's channels too; no mix looks like either."""
    rng = np.random.default_rng([*hashlib.sha256(name.encode()).digest()])
    mask = np.kron(rng.integers(0, 2, (height // 8, width // 8), np.uint8), np.ones((8, 8), np.uint8))
    instances = np.kron(rng.integers(0, 2, (height // 8, width // 8)), np.ones((8, 8), int)) * 65535
    image = np.stack([mask * 200 + 40, instances // 65535 * 200 + 40, np.full_like(mask, 200)], axis=2)
    return image.astype(np.uint8), mask, instances.astype(np.uint16)


def write(root: Path, names: list[str], with_instances: bool = True) -> None:
    """A train split with these ids."""
    write_header(root, HEADER)
    writer = SplitWriter(root, "train", HEADER)
    for name in names:
        image, mask, instances = blocks(name)
        sample = Sample(name, f"flight {name[0]}", 40, 32, "made", metres_per_pixel=0.1)
        writer.add(sample, image, mask, instances if with_instances else None)
    writer.close()


def digests(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_workers_order_and_company_change_no_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{letter}{number}" for letter in "abc" for number in range(3)]
    write(tmp_path / "prepared", names)
    augment(tmp_path / "prepared", tmp_path / "one", section(GEOMETRY + LIGHT), seed=1)
    augment(tmp_path / "prepared", tmp_path / "two", section(GEOMETRY + LIGHT, workers=2), seed=1)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    verify(tmp_path / "one", ("train",))

    def shuffled(root: Path, split: str) -> list[Sample]:
        return random.Random(3).sample(found := read_split(root, split), len(found))

    monkeypatch.setattr("stages.augment.copies.read_split", shuffled)
    augment(tmp_path / "prepared", tmp_path / "three", section(GEOMETRY + LIGHT), seed=1)
    assert digests(tmp_path / "one") == digests(tmp_path / "three")

    write(tmp_path / "fewer", names[:4])
    augment(tmp_path / "fewer", tmp_path / "four", section(GEOMETRY + LIGHT, copies=1), seed=1)
    ours = {name: digest for name, digest in digests(tmp_path / "four").items() if name.endswith(".png")}
    assert len(ours) == 12 and ours.items() <= digests(tmp_path / "one").items()

    augment(tmp_path / "prepared", tmp_path / "five", section(GEOMETRY + LIGHT), seed=2)
    assert digests(tmp_path / "one") != digests(tmp_path / "five")


def test_copies_are_lines_of_their_own(tmp_path: Path) -> None:
    write(tmp_path / "prepared", ["a0", "b1"], with_instances=False)
    assert augment(tmp_path / "prepared", tmp_path / "out", section(GEOMETRY), seed=0) == 4
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["dataset.json", "train"]
    assert not (tmp_path / "out/train/instances").exists()
    found = [(s.id, s.parent, s.group, s.source, s.metres_per_pixel) for s in read_split(tmp_path / "out", "train")]
    assert found == [
        (f"{parent}.aug{copy}", parent, f"flight {parent[0]}", "made", None)
        for parent in ("a0", "b1")
        for copy in (1, 2)
    ]
    assert augment(tmp_path / "prepared", tmp_path / "out", section(GEOMETRY, copies=0), seed=0) == 0
    assert read_split(tmp_path / "out", "train") == []


def test_labels_go_where_the_image_goes(tmp_path: Path) -> None:
    """Classes and instances stand in the image's channels: inside the blocks they must still agree."""
    write(tmp_path / "prepared", [f"a{n}" for n in range(12)])
    augment(tmp_path / "prepared", tmp_path / "out", section(GEOMETRY, copies=4), seed=0)
    compared, moved, outside = 0, 0, 0
    for sample in read_split(tmp_path / "out", "train"):
        image = read_image(tmp_path / "out", "train", sample).astype(int)
        mask = read_mask(tmp_path / "out", "train", sample, CLASSES)
        instances = read_instances(tmp_path / "out", "train", sample)
        assert instances is not None
        original, original_mask, _ = blocks(str(sample.parent))
        assert image.shape == original.shape
        moved += int((mask != original_mask).any())
        outside += int((mask == IGNORE).sum())
        assert (instances[mask == IGNORE] == 0).all()
        if (mask == IGNORE).sum() > 100:
            assert (image[mask == IGNORE] == 0).mean() > 0.5  # black, but for what the edges mix in
        pure = (mask != IGNORE) & (image[..., 2] == 200)
        for channel, labels in ((0, mask), (1, instances // 65535)):
            value = (image[..., channel] - 40) / 200
            flat = pure & (np.abs(value - value.round()) < 0.02)
            agree = value.round()[flat] == labels[flat]
            assert agree.mean() > 0.995, sample.id
            compared += int(flat.sum())
    assert moved >= 40 and outside > 2000 and compared > 50_000


def test_exact_moves() -> None:
    image, mask, instances = blocks("exact")
    for axis, flipped in (("horizontal", np.fliplr), ("vertical", np.flipud)):
        policy = section([{"name": "flip", "p": 1, "axis": axis}]).policy
        changed = change(policy, generator(0, "x", 1), image, mask, instances)
        for before, after in zip((image, mask, instances), changed, strict=True):
            assert (flipped(before) == after).all() and before.dtype == after.dtype


@pytest.mark.parametrize("step", LIGHT)
def test_light_changes_the_image_alone(step: dict[str, Any]) -> None:
    image, mask, instances = blocks("light")
    mask[:4] = IGNORE
    changed = change(section([step | {"p": 1}]).policy, generator(0, "x", 1), image, mask, instances)
    assert (changed[1] == mask).all() and (changed[2] == instances).all()
    difference = np.abs(changed[0].astype(int) - image)
    assert difference.any() and difference.mean() < 60 and changed[0].dtype == np.uint8


def test_steps_fire_as_often_as_they_say_and_by_themselves() -> None:
    """Of two steps with p = 0.5, none, one or both are taken in a quarter, a half, a quarter of the copies."""
    policy = section([{"name": "flip", "p": 0.5, "axis": axis} for axis in ("horizontal", "vertical")]).policy
    corners = np.arange(4, dtype=np.uint8).reshape(2, 2)
    found = [
        change(policy, generator(0, "x", copy), np.stack([corners] * 3, 2), corners, corners) for copy in range(400)
    ]
    for corner in range(4):
        assert abs(sum(mask[0, 0] == corner for _, mask, _ in found) / 400 - 0.25) < 0.08


OBJECTS: list[dict[str, Any]] = [
    {"name": "remove_object", "p": 0.5, "area": 0.5},
    {"name": "paste", "p": 1.0, "count": 2, "smallest": 0.5, "largest": 1.0, "area": 0.9, "order": "front"},
]


def test_objects_are_pasted_from_the_other_images_whoever_makes_the_copies(tmp_path: Path) -> None:
    write(tmp_path / "prepared", [f"{letter}{number}" for letter in "abc" for number in range(5)])
    for name, workers in (("one", 1), ("two", 2)):
        augment(tmp_path / "prepared", tmp_path / name, section(OBJECTS, workers=workers), seed=1)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    verify(tmp_path / "one", ("train",))
    changed = 0
    for sample in read_split(tmp_path / "one", "train"):
        mask = read_mask(tmp_path / "one", "train", sample, CLASSES)
        changed += int((mask != blocks(str(sample.parent))[1]).any())
    assert changed >= 5


def test_images_with_rare_classes_get_more_copies(tmp_path: Path) -> None:
    """Class 1 has 64 of 4 x 1280 pixels, all in one image: that one gets three copies, the others one."""
    write_header(tmp_path / "prepared", HEADER)
    writer = SplitWriter(tmp_path / "prepared", "train", HEADER)
    for number in range(4):
        mask: Array = np.zeros((32, 40), np.uint8)
        mask[:8, :8] = number == 2
        writer.add(Sample(f"a{number}", "g", 40, 32, "made"), np.zeros((32, 40, 3), np.uint8), mask)
    writer.close()
    augment(tmp_path / "prepared", tmp_path / "out", section([], copies=1, more=2), seed=0)
    assert [s.id for s in read_split(tmp_path / "out", "train")] == [
        "a0.aug1", "a1.aug1", "a2.aug1", "a2.aug2", "a2.aug3", "a3.aug1"
    ]  # fmt: skip
    augment(tmp_path / "prepared", tmp_path / "none", section([], copies=0), seed=0)
    assert read_split(tmp_path / "none", "train") == []


def test_copies_do_not_tell_of_other_folds_labels(tmp_path: Path) -> None:
    """Class 1 is rare where both folds are counted together; within fold 0, whose images are copied, it is not."""
    found = []
    for share in (4, 32):  # columns of class 1 in fold 1
        root = tmp_path / str(share)
        write_header(root, HEADER)
        writer = SplitWriter(root, "train", HEADER)
        for number in range(4):
            mask: Array = np.zeros((32, 40), np.uint8)
            mask[:, : share if number % 2 else 8] = 1
            sample = Sample(f"a{number}", f"g{number}", 40, 32, "made", fold=number % 2)
            writer.add(sample, np.zeros((32, 40, 3), np.uint8), mask)
        writer.close()
        rare = section([], copies=1, more=2).model_copy(update={"rare": Rare(copies=2, below=0.19)})
        augment(root, root / "out", rare, seed=0)
        found.append([s.id for s in read_split(root / "out", "train") if s.fold == 0])
    assert found[0] == found[1] == ["a0.aug1", "a2.aug1"]


def test_a_broken_image_is_one_error_from_any_worker(tmp_path: Path) -> None:
    write(tmp_path / "prepared", [f"a{n}" for n in range(4)])
    path = tmp_path / "prepared/train/images/a2.png"
    path.write_bytes(path.read_bytes()[:-20])
    for workers in (1, 2):
        with pytest.raises(DataError, match=r"train/images/a2\.png: expected a whole PNG image"):
            augment(tmp_path / "prepared", tmp_path / "out", section([], workers=workers), seed=0)
        assert sorted(found.name for found in tmp_path.iterdir()) == ["prepared"]


@pytest.mark.parametrize("step", GEOMETRY[2:])
def test_labels_are_not_shifted_by_parts_of_a_pixel(step: dict[str, Any]) -> None:
    """On a ramp, image and labels say the same position; OpenCV's plain nearest would be off by up to a half."""
    ramp = np.tile(np.arange(60, dtype=np.uint8), (60, 1))
    shifts = []
    for copy in range(30):
        policy, rng = section([step | {"p": 1}]).policy, generator(0, "ramp", copy)
        image, mask, _ = change(policy, rng, np.stack([ramp * 4] * 3, 2), ramp, np.zeros_like(ramp))
        inner = mask[20:40, 20:40] != IGNORE
        shifts.append((image[20:40, 20:40, 0] / 4 - mask[20:40, 20:40])[inner].mean())
    assert abs(np.mean(shifts)) < 0.06


def test_what_is_pasted_is_of_the_same_fold(tmp_path: Path) -> None:
    """Else a copy would show a network what it must not learn from."""
    write_header(tmp_path, HEADER)
    writer = SplitWriter(tmp_path, "train", HEADER)
    for number in range(6):
        sample = Sample(f"a{number}", "g", 8, 8, "made", fold=number % 2)
        writer.add(sample, np.full((8, 8, 3), number, np.uint8), np.zeros((8, 8), np.uint8))
    writer.close()
    around = Split(tmp_path, HEADER).around((), fold=1)
    assert around.read is not None
    assert [int(around.read(index).image[0, 0, 0]) for index in range(around.others)] == [1, 3, 5]
    assert Split(tmp_path, HEADER).around(()).others == 6
    assert copy_of(sample, 1).fold == 1
