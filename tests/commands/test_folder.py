"""`init` of a folder of images and masks: what it finds, what it writes, and the dataset that follows."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from commands._folder import init_folder, is_folder
from pixelproof.core.errors import DataError
from pixelproof.data.dataset import read_header, read_image, read_split
from pixelproof.sources import dubai, folder
from tests.pixelproof.sources import miniatures
from tests.pixelproof.sources.converted import convert, masks
from tests.pixelproof.sources.miniatures import photo, save
from tests.stages.cvat.fake import FakeExport

ROOT = Path(__file__).parents[2]
OPTIONS = {"lossy_masks": False}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with this project's params.yaml and dvc.yaml."""
    place = tmp_path / "clone"
    place.mkdir()
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, place / name)
    return place


def test_dubai_needs_its_names_in_one_file_and_then_equals_its_source(clone: Path, tmp_path: Path) -> None:
    raw = miniatures.dubai(tmp_path / "Semantic segmentation dataset")
    told = "\n".join(init_folder(raw, clone))
    assert "8 images with masks: 6 RGB and 2 palette, read as colours" in told
    assert "2 names repeat in several folders" in told and "void, not for a class: #" in told
    assert "classes.json: 2 of its 3 colours are in no mask: Water #50E3C2, Land (unpaved area) #F5A623" in told
    params = yaml.safe_load((clone / "params.yaml").read_text())
    assert params["download"]["dataset"] == "folder" and params["prepare"]["sources"] == ["download"]
    assert f"prepare.shape: {{mode: {params['prepare']['shape']['mode']}, width: " in told
    assert params["prepare"]["shape"] != yaml.safe_load((ROOT / "params.yaml").read_text())["prepare"]["shape"]
    place = clone / params["download"]["folder"]["path"]
    text = (place / "classes.csv").read_text()
    for info in dubai.CLASSES:
        text = text.replace("class-{:02X}{:02X}{:02X}".format(*info.color), info.name)
    (place / "classes.csv").write_text(text)
    ours = convert(folder, None, tmp_path / "ours", options={"path": str(place), **OPTIONS})
    theirs = convert(dubai, raw, tmp_path / "theirs")
    names = [[c.name for c in read_header(root).classes] for root in (ours, theirs)]
    assert sorted(names[0]) == sorted(names[1])
    numbers = np.array([names[1].index(name) for name in names[0]] + [255] * (256 - len(names[0])))
    for key, mask in masks(theirs).items():
        np.testing.assert_array_equal(numbers[masks(ours)[key]], mask)
    groups = [[(s.id, s.group) for s in read_split(root, "all")] for root in (ours, theirs)]
    assert groups[0] == groups[1]


def test_names_that_were_written_stay_and_new_values_are_added(clone: Path) -> None:
    raw, rng = clone / "data/own", np.random.default_rng(0)
    for number in range(8):
        photo(raw / f"images/{number}.png", rng)
        save(raw / f"masks/{number}.png", np.full((12, 16), number // 4, np.uint8))
    init_folder(raw, clone)
    assert yaml.safe_load((clone / "params.yaml").read_text())["download"]["folder"]["path"] == "data/own"
    path = raw / "classes.csv"
    path.write_text(path.read_text().replace("class-1", "roof"))
    photo(raw / "images/9.png", rng)
    save(raw / "masks/9.png", np.full((12, 16), 7, np.uint8))
    init_folder(raw, clone)
    assert [line.split(",")[:2] for line in path.read_text().splitlines()[1:]] == [
        ["0", "class-0"], ["1", "roof"], ["7", "class-7"],
    ]  # fmt: skip


def test_a_copy_keeps_its_names_and_what_the_folder_does_not_have(clone: Path, tmp_path: Path) -> None:
    raw, place, rng = tmp_path / "own", clone / "data/folders/own", np.random.default_rng(0)
    for number in range(8):
        photo(raw / f"images/{number}.png", rng)
        save(raw / f"masks/{number}.png", np.full((12, 16), number // 4, np.uint8))
    init_folder(raw, clone)
    named = (place / "classes.csv").read_text().replace("class-1", "roof")
    (place / "classes.csv").write_text(named)
    init_folder(raw, clone)
    assert (place / "classes.csv").read_text() == named
    (place / "notes.txt").write_text("mine")
    save(raw / "masks/3.png", np.full((12, 16), 1, np.uint8))
    with pytest.raises(DataError, match=r"2 files that it has not, .* otherwise: masks/3.png, notes.txt; go on with"):
        init_folder(raw, clone)
    assert (place / "notes.txt").read_text() == "mine" and (place / "classes.csv").read_text() == named
    shutil.rmtree(place / "masks")
    (place / "notes.txt").unlink()
    init_folder(raw, clone)
    assert (place / "masks/3.png").read_bytes() == (raw / "masks/3.png").read_bytes()
    assert (place / "classes.csv").read_text().count("roof") == 1


def test_a_shape_that_was_chosen_stays(clone: Path) -> None:
    path = clone / "params.yaml"
    shutil.copytree(ROOT / "examples/folder", clone / "examples/folder")
    init_folder(clone / "examples/folder", clone)
    values = yaml.safe_load(path.read_text())
    values["prepare"]["shape"] |= {"mode": "crop", "width": 48}
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    init_folder(clone / "examples/folder", clone)
    assert yaml.safe_load(path.read_text())["prepare"]["shape"] == values["prepare"]["shape"]


def test_the_split_is_told_as_it_will_be_learnt(clone: Path) -> None:
    """With `learn_val`, what would be val is part of train."""
    rng, folder = np.random.default_rng(0), clone / "data/photos"
    for number in range(20):
        photo(folder / f"images/{number}.png", rng, 40, 40)
        save(folder / f"masks/{number}.png", np.eye(40, dtype=np.uint8))

    def told() -> dict[str, int]:
        (line,) = (line for line in init_folder(folder, clone) if line.startswith("splits: "))
        return {name: int(count) for name, count in re.findall(r"(train|val|test) (\d+)", line)}

    apart, path = told(), clone / "params.yaml"
    values = yaml.safe_load(path.read_text())
    values["prepare"]["split"]["learn_val"] = True
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    assert told() == {"train": apart["train"] + apart["val"], "test": apart["test"]}


def test_black_and_white_is_background_and_foreground_and_255_among_ids_is_void(clone: Path) -> None:
    rng = np.random.default_rng(0)
    for name, values in (("binary", (0, 255)), ("ids", (0, 1, 2, 255)), ("wide", (0, 1, 255)), ("grey", (0, 127, 255))):
        for number in range(8):
            photo(clone / f"data/{name}/images/{number}.png", rng, 40, 40)
            mask = np.zeros((40, 40), np.uint8)
            for place, value in enumerate(values):
                mask[place] = value
            if name != "ids":
                mask[20:] = 255
            save(clone / f"data/{name}/masks/{number}.png", mask)
        init_folder(clone / f"data/{name}", clone)
    binary, ids, wide, grey = (
        (clone / f"data/{name}/classes.csv").read_text() for name in ("binary", "ids", "wide", "grey")
    )
    assert "0,background," in binary and "255,foreground," in binary
    assert "255,ignore," in ids and "0,class-0," in ids
    assert "255,ignore," in wide and "255,class-255," in grey  # ids that were counted up, and greys


def test_colours_of_jpeg_noise_are_proposed_as_the_frequent_ones(clone: Path) -> None:
    rng, colors = np.random.default_rng(0), np.array([(200, 30, 40), (20, 160, 90)], np.uint8)
    for number in range(8):
        photo(clone / f"data/own/images/{number}.png", rng, 64, 64)
        mask = colors[(np.arange(64) < 20 + number).astype(int)][None].repeat(64, 0)
        save(clone / f"data/own/masks/{number}.jpg", mask, quality=75)
    told = "\n".join(init_folder(clone / "data/own", clone))
    lines = (clone / "data/own/classes.csv").read_text().splitlines()[1:]
    assert len(lines) == 2 and "8 masks are JPEGs" in told and "further values are taken for the nearest" in told
    options = {"path": str(clone / "data/own"), "lossy_masks": True}
    found = masks(convert(folder, None, clone / "out", options=options))
    first = int(found["all/0"][0, 0])
    for number in range(8):
        expected = np.where(np.arange(64) < 20 + number, first, 1 - first)[None].repeat(64, 0)
        assert (found[f"all/{number}"] != expected).mean() < 0.02  # at the edge


def test_a_cvat_export_and_texts_beside_images_are_no_such_folder(tmp_path: Path) -> None:
    export = FakeExport({"a": "#000000"})
    export.add("masks/1.png")
    assert not is_folder(export.folder(tmp_path / "cvat"), tmp_path / "clone")
    photo(tmp_path / "yolo/images/a.png", np.random.default_rng(0))
    (tmp_path / "yolo/labels").mkdir()
    (tmp_path / "yolo/labels/a.txt").write_text("0 0.5 0.5 0.1 0.1")
    assert not is_folder(tmp_path / "yolo", tmp_path / "clone")
    assert is_folder(miniatures.dubai(tmp_path / "dubai"), tmp_path / "clone")
    assert not is_folder(tmp_path / "dubai", tmp_path / "dubai/Tile 1/clone")


def test_the_window_of_16_bits_is_measured_once_and_used(clone: Path, tmp_path: Path) -> None:
    raw, rng = tmp_path / "deep", np.random.default_rng(0)
    dim = rng.integers(100, 900, (12, 16)).astype(np.uint16)
    for number in range(4):
        save(raw / f"images/{number}.png", dim)
        save(raw / f"masks/{number}.png", np.full((12, 16), number // 2, np.uint8))
    low, high = (int(n) for n in np.percentile(dim, [0.5, 99.5], method="inverted_cdf"))
    stated = f"download.folder.window is {{low: {low}, high: {high}}}"
    assert f"4 images have 16 bits per channel: {stated}" in "\n".join(init_folder(raw, clone))
    options = yaml.safe_load((clone / "params.yaml").read_text())["download"]["folder"]
    assert options["window"] == {"low": low, "high": high}
    lines = (clone / "params.yaml").read_text().splitlines()
    at = lines.index("    window:")  # without "empty", and the section `cvat` keeps its comment
    assert lines[at + 1 : at + 4] == [f"      low: {low}", f"      high: {high}", ""]
    assert lines[at + 4].startswith("# Your own annotations") and lines[at + 5] == "cvat:"
    out = convert(folder, None, tmp_path / "out", workers=2, options=options | {"path": str(clone / options["path"])})
    assert read_header(out).sources[0]["window"] == f"{{low: {low}, high: {high}}}"
    expected = np.floor((dim.clip(low, high) - float(low)) / (high - low) * 255 + 0.5)
    np.testing.assert_array_equal(read_image(out, "all", read_split(out, "all")[0])[..., 0], expected)

    save(raw / "images/3.png", dim * 40)
    shutil.rmtree(clone / options["path"] / "images")
    assert "16 bits" not in "\n".join(init_folder(raw, clone))
    assert yaml.safe_load((clone / "params.yaml").read_text())["download"]["folder"]["window"] == options["window"]
    with pytest.raises(
        DataError, match=r"0\.png: .* found 16 bits .*\(4 such images\); .*`download\.folder\.window: {low"
    ):
        convert(folder, None, tmp_path / "no", workers=2, options={"path": str(clone / options["path"]), **OPTIONS})
