"""Merging sources, mapping their classes, fitting their images and counting what is there."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from pixelproof.core.errors import DataError, ParamsError
from pixelproof.data.dataset import (
    IGNORE,
    SPLITS,
    ClassInfo,
    Header,
    Sample,
    SplitWriter,
    iterate,
    read_header,
    read_instances,
    read_split,
    verify,
    write_header,
)
from pixelproof.data.images import Array
from pixelproof.data.resize import resize_image, resize_labels
from stages.prepare.merge import prepare
from stages.prepare.params import Prepare

PUBLIC = ("road", "car", "grass")
OWN = ("vehicle", "grass", "road", "mud")
SIZE = 24


def section(**changes: Any) -> Prepare:
    """A section `prepare` for both sources."""
    values: dict[str, Any] = {
        "sources": ["download", "cvat"],
        "shape": {"mode": "stretch", "width": SIZE, "height": SIZE, "overlap": 0},
        "map": {"cvat": {"vehicle": "car", "mud": "ignore"}},
        "accept": [],
        "split": {"val": 0.3, "test": 0.3, "folds": 0, "salt": 4, "frozen": "data/frozen.csv"},
    }
    split = {"split": values["split"] | changes.pop("split", {})}
    return Prepare.model_validate(values | changes | split)


def header(name: str, classes: tuple[str, ...]) -> Header:
    """Classes by name; cars and vehicles are things."""
    infos = [ClassInfo(i, n, (i, 0, 0), n in ("car", "vehicle")) for i, n in enumerate(classes)]
    return Header(name, tuple(infos), ({"name": name},))


def scene(name: str, classes: int, width: int = SIZE, height: int = SIZE) -> tuple[Array, Array, Array]:
    """An image, a mask and instances that depend on the name alone."""
    rng = np.random.default_rng([*hashlib.sha256(name.encode()).digest()])
    mask = cv2.resize(rng.integers(0, classes, (4, 4), np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    mask[:2, :2] = IGNORE
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    return image, mask, (mask == 0).astype(np.uint16) * 3 + (mask == 1) * 2


def write(data: Path, source: str, classes: tuple[str, ...], **splits: list[str]) -> None:
    """Write a source: `split=["group/id", ...]`."""
    root, head = data / source, header(source, classes)
    shutil.rmtree(root, ignore_errors=True)
    write_header(root, head)
    for split, names in splits.items():
        writer = SplitWriter(root, split, head)
        for name in names:
            group, _, sample_id = name.partition("/")
            sample = Sample(sample_id, group, SIZE, SIZE, source, metres_per_pixel=0.1)
            writer.add(sample, *scene(sample_id, len(classes)))
        writer.close()


def both(data: Path, groups: int = 9) -> None:
    """A published source, and an own one with a few groups of two images."""
    write(data, "download", PUBLIC, train=["p/p0", "p/p1", "q/p2"], val=["r/p3"], test=["s/p4", "s/p5"])
    write(data, "cvat", OWN, all=[f"g{n}/own{n}{shot}" for n in range(groups) for shot in "ab"])


def splits_of(data: Path) -> dict[str, str]:
    """`id -> split` of what was prepared."""
    return {s.id: split for split in SPLITS for s in read_split(data / "prepared", split)}


def digests(folder: Path) -> dict[str, str]:
    """`path -> SHA-256` under a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_sources_become_one_dataset(tmp_path: Path) -> None:
    both(tmp_path)
    counts = prepare(tmp_path, tmp_path / "cards", section())
    verify(tmp_path / "prepared")
    assert counts == {split: sum(s == split for s in splits_of(tmp_path).values()) for split in SPLITS}
    assert sum(counts.values()) == 6 + 18 and min(counts.values()) > 1
    published = {"p0": "train", "p1": "train", "p2": "train", "p3": "val", "p4": "test", "p5": "test"}
    assert published.items() <= splits_of(tmp_path).items()
    assert read_header(tmp_path / "prepared").names() == list(PUBLIC)
    assert read_header(tmp_path / "prepared").sources == ({"name": "download"}, {"name": "cvat"})
    to_public = {0: 1, 1: 2, 2: 0, 3: IGNORE, IGNORE: IGNORE}  # vehicle, grass, road, mud
    for split in SPLITS:
        for sample, image, mask in iterate(tmp_path / "prepared", split):
            own = sample.source == "cvat"
            expected = scene(sample.id, 4 if own else 3)
            assert (image == expected[0]).all()
            assert (mask == (np.vectorize(to_public.get)(expected[1]) if own else expected[1])).all()
            kept = read_instances(tmp_path / "prepared", split, sample)
            assert kept is not None and (kept == expected[2]).all()


def test_same_bytes_whatever_was_there_before(tmp_path: Path) -> None:
    both(tmp_path)
    prepare(tmp_path, tmp_path / "cards", section())
    before = digests(tmp_path)
    prepare(tmp_path, tmp_path / "cards", section())
    assert digests(tmp_path) == before


def test_new_images_move_no_older_one_and_stay_out_of_other_splits(tmp_path: Path) -> None:
    both(tmp_path / "few", groups=9)
    both(tmp_path / "many", groups=30)
    for data in (tmp_path / "few", tmp_path / "many"):
        prepare(data, data / "cards", section())
    few, many = splits_of(tmp_path / "few"), splits_of(tmp_path / "many")
    assert few.items() <= many.items()
    assert {many[f"own{n}a"] == many[f"own{n}b"] for n in range(30)} == {True}

    write(tmp_path / "more", "download", PUBLIC, train=["p/p0"], val=["r/p3"], test=["s/p4"])
    prepare(tmp_path / "more", tmp_path / "more/cards", section(sources=["download"]))
    before = digests(tmp_path / "more")
    write(tmp_path / "more", "download", PUBLIC, train=["p/p0"], val=["r/p3"], test=["s/p4", "t/p9"])
    prepare(tmp_path / "more", tmp_path / "more/cards", section(sources=["download"]))
    changed = {name for name, digest in digests(tmp_path / "more").items() if before.get(name) != digest}
    assert {name for name in changed if not name.startswith(("download", "cards/c"))} == {
        "cards/test.json", "prepared/test/index.csv", "prepared/test/images/p9.png", "prepared/test/masks/p9.png",
        "prepared/test/instances/p9.png",
    }  # fmt: skip


def test_own_classes_alone_can_be_merged_among_themselves(tmp_path: Path) -> None:
    write(tmp_path, "cvat", OWN, all=[f"g{n}/own{n}" for n in range(9)])
    prepare(tmp_path, tmp_path / "cards", section(sources=["cvat"], map={"cvat": {"mud": "road", "grass": "ignore"}}))
    classes = read_header(tmp_path / "prepared").classes
    assert [(c.id, c.name, c.thing) for c in classes] == [(0, "vehicle", True), (1, "road", False)]
    ((sample, _, mask), *_) = iterate(tmp_path / "prepared", "train")
    expected = scene(sample.id, 4)[1]
    assert (mask == np.array([0, IGNORE, 1, 1] + [IGNORE] * 252)[expected]).all()


def test_own_classes_are_merged_and_renamed_to_new_names(tmp_path: Path) -> None:
    """The other source's classes may take the new names."""
    both(tmp_path)
    moved = {"download": {"road": "way", "grass": "way", "car": "traffic"}, "cvat": {"vehicle": "traffic"}}
    moved["cvat"] |= {"grass": "way", "road": "way", "mud": "ignore"}
    prepare(tmp_path, tmp_path / "cards", section(map=moved))
    classes = read_header(tmp_path / "prepared").classes
    assert [(c.id, c.name, c.color, c.thing) for c in classes] == [
        (0, "way", (0, 0, 0), False),
        (1, "traffic", (1, 0, 0), True),
    ]
    lookups = {"download": [0, 1, 0], "cvat": [1, 0, 0, IGNORE]}
    for split in SPLITS:
        for sample, _, mask in iterate(tmp_path / "prepared", split):
            expected = scene(sample.id, 4 if sample.source == "cvat" else 3)[1]
            ids = np.array([*lookups[sample.source], *[IGNORE] * 253], np.uint8)
            assert (mask == ids[expected]).all()
    made = {c["name"]: c["from"] for c in json.loads((tmp_path / "cards/card.json").read_text())["classes"]}
    assert made["way"] == {"download": ["road", "grass"], "cvat": ["grass", "road"]}


def test_a_thing_merged_with_what_is_none_is_none(tmp_path: Path) -> None:
    both(tmp_path)
    moved = {
        "download": {"road": "ground", "car": "ground"},
        "cvat": dict.fromkeys(("vehicle", "road", "mud"), "ground"),
    }
    prepare(tmp_path, tmp_path / "cards", section(map=moved))
    assert [(c.name, c.thing) for c in read_header(tmp_path / "prepared").classes] == [
        ("ground", False),
        ("grass", False),
    ]


def test_resizing_keeps_labels_where_the_image_goes(tmp_path: Path) -> None:
    """The class is written into the image's colour, so that both can be compared after the resize."""
    head = header("download", PUBLIC)
    write_header(tmp_path / "download", head)
    sizes = {"bigger": (96, 72), "smaller": (12, 10), "fits": (SIZE, SIZE)}
    for split in SPLITS:
        writer = SplitWriter(tmp_path / "download", split, head)
        for name, (width, height) in sizes.items():
            _, mask, instances = scene(name, 3, width, height)
            mask[mask == IGNORE] = 0
            image = np.repeat((mask * 100)[..., None], 3, axis=2)
            sample = Sample(f"{split}-{name}", f"{split}", width, height, "download", metres_per_pixel=0.5)
            path = tmp_path / "fits.jpg"
            path.write_bytes(bytes(cv2.imencode(".jpg", image)[1].tobytes()))
            writer.add(sample, path if name == "fits" else image, mask, instances)
        writer.close()
    prepare(tmp_path, tmp_path / "cards", section(sources=["download"], accept=["twice"]))
    verify(tmp_path / "prepared")
    for sample, image, mask in iterate(tmp_path / "prepared", "train"):
        width, height = sizes[sample.id.removeprefix("train-")]
        assert sample.metres_per_pixel == pytest.approx(0.5 * (width * height / SIZE**2) ** 0.5)
        pure = np.isin(image[..., 0], (0, 100, 200))  # not mixed of two classes
        assert pure.mean() > 0.4 and (image[..., 0][pure] == mask[pure] * 100).all()
    copied = (tmp_path / "prepared/train/images/train-fits.jpg").read_bytes()
    assert copied == (tmp_path / "download/train/images/train-fits.jpg").read_bytes()
    notes = json.loads((tmp_path / "cards/train.json").read_text())["notes"]
    assert "2 of 3 images changed their aspect at 24x24" in notes


def test_card_counts_what_numpy_counts(tmp_path: Path) -> None:
    write(tmp_path, "download", PUBLIC, train=["p/p0", "p/p1", "q/p2"], val=["p/p3"], test=[])
    prepare(tmp_path, tmp_path / "cards", section(sources=["download"]))
    card = json.loads((tmp_path / "cards/train.json").read_text())
    scenes = [scene(name, 3) for name in ("p0", "p1", "p2")]
    masks = np.stack([mask for _, mask, _ in scenes])
    assert (card["images"], card["groups"], card["sources"]) == (3, 2, {"download": 3})
    assert card["pixels"] == {"labelled": int((masks != IGNORE).sum()), "ignored": int((masks == IGNORE).sum())}
    for info in card["classes"]:
        here = masks == info["id"]
        with_it = here.any(axis=(1, 2))
        assert info["pixels"] == here.sum() and info["images"] == with_it.sum()
        assert info["share"] == here.sum() / (masks != IGNORE).sum()
        assert info["pixels_where_present"] == with_it.sum() * SIZE**2
        assert info["instances"] == (with_it.sum() if info["name"] == "car" else None)
    pixels = np.concatenate([image.reshape(-1, 3) for image, _, _ in scenes]).astype(float)
    assert card["rgb"]["mean"] == pytest.approx(pixels.mean(axis=0))
    assert card["rgb"]["std"] == pytest.approx(pixels.std(axis=0))
    assert card["notes"] == []
    crossing = json.loads((tmp_path / "cards/val.json").read_text())["notes"]
    assert crossing[0] == "1 groups are in an earlier split too, as published: p"
    empty = json.loads((tmp_path / "cards/test.json").read_text())
    assert empty["notes"] == ["no image"] and empty["images"] == 0 and empty["rgb"] is None
    assert read_split(tmp_path / "prepared", "test") == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"map": {"cvat": {"mud": "ignore"}}},
            'prepare.map.cvat: found no entry for the class \'vehicle\'; write `map: {"cvat": {"mud": "ignore", '
            '"vehicle": "ignore"}}`, with what each is instead: road, car, grass, ignore',
        ),
        (
            {"map": {"cvat": {}}},
            'found no entry for 2 classes: \'vehicle\', \'mud\'; write `map: {"cvat": {"vehicle": "ignore", ',
        ),
        (
            {"map": {"cvat": {"vehicle": "cart", "mud": "road"}}},
            "prepare.map.cvat.vehicle: found 'cart'; allowed: car, ",
        ),
        (
            {"map": {"cvat": {"vehicle": "car", "mud": "ignore", "mut": "road"}}},
            "'mut'; allowed: grass, mud, road, vehicle",
        ),
        ({"map": {"download": dict.fromkeys(PUBLIC, "ignore")}}, "keep at least one"),
        (
            {"sources": ["cvat"], "map": {"cvat": {"mud": "Void"}}},
            "found 'mud' mapped to 'Void', which would count as a class; write {\"mud\": \"ignore\"}, or",
        ),
    ],
)
def test_classes_that_match_nothing(changes: dict[str, Any], expected: str, tmp_path: Path) -> None:
    both(tmp_path)
    with pytest.raises(ParamsError) as error:
        prepare(tmp_path, tmp_path / "cards", section(**changes))
    assert expected in str(error.value)
    assert not (tmp_path / "prepared").exists() and not (tmp_path / "cards").exists()


@pytest.mark.parametrize("target", ["", " ", "a\nb"])
def test_a_class_is_mapped_to_a_name_in_one_line(target: str) -> None:
    with pytest.raises(ValidationError, match=r"cvat: 'mud': expected a name in one line, or `ignore`; found '"):
        section(map={"cvat": {"mud": target}})


def test_sources_that_clash_or_hold_nothing(tmp_path: Path) -> None:
    write_header(tmp_path / "download", Header("none", ()))
    write(tmp_path, "cvat", PUBLIC, all=["a/x"])
    with pytest.raises(ParamsError, match="'download', which holds no image"):
        prepare(tmp_path, tmp_path / "cards", section(map={}))
    write(tmp_path, "download", PUBLIC, train=["b/x"], val=["c/y"], test=["d/z"])
    with pytest.raises(DataError, match=r"cvat/all/index\.csv.*'x', also in .*download/train/index\.csv"):
        prepare(tmp_path, tmp_path / "cards", section(map={}))
    write(tmp_path, "cvat", PUBLIC, all=[f"{group}/own-{group}" for group in "bcd"])
    with pytest.raises(DataError, match=r"expected each group in one split only, found '[bcd]'"):
        prepare(tmp_path, tmp_path / "cards", section(map={}))


def test_an_empty_split_names_the_salt_that_fills_it(tmp_path: Path) -> None:
    write(tmp_path, "cvat", PUBLIC, all=[f"g{n}/own{n}" for n in range(3)])
    with pytest.raises(ParamsError) as error:
        prepare(
            tmp_path, tmp_path / "cards", section(sources=["cvat"], map={}, split={"val": 0.1, "test": 0.1, "salt": 1})
        )
    message = str(error.value)
    assert message.startswith("params.yaml: prepare.split.salt: found 1, which puts none of the 3 groups into ")
    salt = int(message.split("set it to ")[1].split(",")[0])
    prepare(
        tmp_path, tmp_path / "cards", section(sources=["cvat"], map={}, split={"val": 0.1, "test": 0.1, "salt": salt})
    )
    assert sorted(splits_of(tmp_path).values()) == ["test", "train", "val"]
    write(tmp_path, "cvat", PUBLIC, all=["g0/own0", "g1/own1"])
    with pytest.raises(
        ParamsError, match=r"no salt fills every split: more groups are needed \(with `cvat.group: image"
    ):
        prepare(tmp_path, tmp_path / "cards", section(sources=["cvat"], map={}))
    write(tmp_path, "download", PUBLIC, all=[f"g{n}/own{n}" for n in range(8)])
    with pytest.raises(
        ParamsError, match=r"every fold: more groups are needed \(in a folder of images and masks, those"
    ):
        prepare(tmp_path, tmp_path / "cards", section(sources=["download"], map={}, split={"folds": 20}))
    prepare(tmp_path, tmp_path / "cards", section(sources=["cvat"], map={}, split={"val": 0.0, "test": 0.0, "salt": 0}))
    assert set(splits_of(tmp_path).values()) == {"train"}


def test_a_broken_source_leaves_what_was_prepared(tmp_path: Path) -> None:
    both(tmp_path)
    prepare(tmp_path, tmp_path / "cards", section())
    before = digests(tmp_path / "prepared") | digests(tmp_path / "cards")
    mask = tmp_path / "cvat/all/masks/own0a.png"
    mask.write_bytes(mask.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"cvat/all/masks/own0a\.png"):
        prepare(tmp_path, tmp_path / "cards", section())
    assert digests(tmp_path / "prepared") | digests(tmp_path / "cards") == before
    assert not list(tmp_path.glob(".*tmp"))


@pytest.mark.parametrize("size", [37, 60, 96])
def test_labels_are_not_shifted_by_parts_of_a_pixel(size: int) -> None:
    """On a ramp, image and labels say the same position; OpenCV's plain nearest would be off by up to a half."""
    ramp = np.tile(np.arange(60, dtype=np.uint8), (60, 1))
    image, labels = resize_image(np.stack([ramp * 4] * 3, 2), size, size), resize_labels(ramp, size, size)
    assert abs((image[..., 0] / 4 - labels)[:, 3:-3].mean()) < 0.06
