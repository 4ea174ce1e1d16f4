"""`init` of a folder whose masks cannot be read as classes: one line, and nothing is invented."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands.__main__ import main
from commands._folder import init_folder
from pipelines.edit import set_values
from pixelproof.core.errors import DataError, StateError
from pixelproof.data.images import Array
from tests.pixelproof.sources.miniatures import photo, save

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with this project's params.yaml and dvc.yaml."""
    place = tmp_path / "clone"
    place.mkdir()
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, place / name)
    return place


def own(clone: Path, *masks: Array) -> Path:
    """A folder in the clone with a photograph for each mask."""
    raw, rng = clone / "data/own", np.random.default_rng(0)
    for number, mask in enumerate(masks):
        photo(raw / f"images/{number}.png", rng, *mask.shape[:2])
        save(raw / f"masks/{number}.png", mask)
    return raw


@pytest.mark.parametrize("option", [("--group", "task"), ("--subset", "a=val"), ("--replace", "12")])
def test_options_of_exports_are_refused_and_folders_decide_groups(
    clone: Path, monkeypatch: pytest.MonkeyPatch, option: tuple[str, str]
) -> None:
    raw = own(clone, *[np.eye(12, 16, dtype=np.uint8)] * 4)
    before = (clone / "params.yaml").read_text()
    monkeypatch.chdir(clone)
    said = r"own, a folder [^\n]*: {0}, which [^\n]*; here the folders around `images` [^\n]*; leave out {0}$"
    with pytest.raises(StateError, match=said.format(option[0])):
        main(["init", str(raw), *option, "--no-portable"])
    assert not (raw / "classes.csv").exists() and (clone / "params.yaml").read_text() == before


def test_too_few_groups_are_told_with_what_decides_them(clone: Path) -> None:
    """Images in one folder are one group; of eight, none fill twenty folds."""
    raw = own(clone, *[np.eye(12, 16, dtype=np.uint8)] * 8)
    said = (
        r"found {}; [^\n]*; the folders around `images` that name no split are the groups, and an image in none is one$"
    )
    params = clone / "params.yaml"
    params.write_text(set_values(params.read_text(), {"prepare.split.folds": 20}))
    with pytest.raises(DataError, match="of enough groups for 20 folds and test, " + said.format(8)):
        init_folder(raw, clone)
    (raw / "flight").mkdir()
    for name in ("images", "masks"):
        (raw / name).rename(raw / "flight" / name)
    params.write_text(set_values(params.read_text(), {"prepare.split.folds": 0}))
    with pytest.raises(DataError, match="own: expected images of three groups or more, " + said.format(1)):
        init_folder(raw, clone)


def test_more_values_than_classes_are_merged_in_jpegs_alone(clone: Path) -> None:
    ids = np.arange(300, dtype=np.uint16).reshape(15, 20)
    raw = own(clone, *[ids] * 4)
    before = (clone / "params.yaml").read_text()
    with pytest.raises(
        DataError, match=r"own: expected masks of at most 254 classes, found 300 ids, from 0 to 299, in"
    ):
        init_folder(raw, clone)
    assert not (raw / "classes.csv").exists() and (clone / "params.yaml").read_text() == before
    for number in range(4):
        save(raw / f"masks/{number}.png", np.dstack([ids % 100, ids // 100, ids * 0]).astype(np.uint8))
    with pytest.raises(DataError, match=r"found 300 colours in masks that are no JPEGs; [^\n]*classes.csv"):
        init_folder(raw, clone)
    save(raw / "masks/3.jpg", np.zeros((15, 20, 3), np.uint8))
    (raw / "masks/3.png").unlink()
    with pytest.raises(DataError, match=r"found 300 colours"):
        init_folder(raw, clone)


def test_a_classes_file_may_give_many_values_to_few_classes(clone: Path) -> None:
    raw = own(clone, *[np.arange(300, dtype=np.uint16).reshape(15, 20)] * 4)
    lines = ["value,name,within", *(f"{value},{'ab'[value % 2]}," for value in range(290)), "294,c,5"]
    (raw / "classes.csv").write_text("\n".join(lines) + "\n")
    init_folder(raw, clone)
    names = [line.split(",")[1] for line in (raw / "classes.csv").read_text().splitlines()[1:]]
    assert names == [*"ab" * 145, "c"]


def test_small_ids_in_jpegs_are_no_noise_of_one_class(clone: Path) -> None:
    raw = own(clone, *[(np.arange(4096).reshape(64, 64) // 1400).astype(np.uint8)] * 4)
    for path in (raw / "masks").iterdir():
        save(path.with_suffix(".jpg"), np.asarray(Image.open(path)), quality=95)
        path.unlink()
    with pytest.raises(
        DataError, match=r"own: expected masks that tell .* JPEGs of \d+ ids, from 0 to \d+, which cannot"
    ):
        init_folder(raw, clone)
    assert not (raw / "classes.csv").exists()
    (raw / "classes.csv").write_text("value,name,within\n0,a,0\n1,b,0\n2,c,1\n")
    init_folder(raw, clone)
    assert len((raw / "classes.csv").read_text().splitlines()) == 4


def test_colours_of_masks_in_bgr_are_told_and_red_beside_blue_is_not(clone: Path) -> None:
    palette = np.array([(255, 0, 0), (132, 41, 246), (60, 16, 152), (90, 90, 90), (0, 0, 255)], np.uint8)
    mask = palette[np.arange(192).reshape(12, 16) % 5]
    raw = own(clone, *[mask] * 4)
    assert "exchanged" not in "\n".join(init_folder(raw, clone))
    save(raw / "masks/2.png", mask[..., ::-1])
    (told,) = [line for line in init_folder(raw, clone) if "exchanged" in line]
    assert "no mask holds both: #98103C (#3C1098), #F62984 (#8429F6); if so" in told

    for number in range(4):
        save(raw / f"masks/{number}.png", mask[..., ::-1])
    (raw / "classes.csv").unlink()
    assert "exchanged" not in "\n".join(init_folder(raw, clone))
    (raw / "classes.json").write_text('[{"title": "land", "color": "#8429F6"}]')
    (told,) = [line for line in init_folder(raw, clone) if "exchanged" in line]
    assert "no mask holds both: #F62984 (#8429F6); if so" in told


def test_a_link_that_no_copy_can_follow_is_named_and_others_are_followed(clone: Path, tmp_path: Path) -> None:
    raw = own(clone, *[np.eye(12, 16, dtype=np.uint8)] * 4).rename(tmp_path / "outside")
    for link, to, found in (
        ("images/gone.png", "nowhere.png", "a link that leads nowhere"),
        ("notes.txt", "notes.txt", "a link that leads nowhere"),
        ("up", "..", r"one to \.\., around it"),
    ):
        (raw / link).symlink_to(to)
        with pytest.raises(DataError, match=rf"outside/{link}: [^\n]*found {found}; [^\n]*$"):
            init_folder(raw, clone)
        (raw / link).unlink()
    (raw / "masks").rename(tmp_path / "elsewhere")
    (raw / "masks").symlink_to(tmp_path / "elsewhere")
    init_folder(raw, clone)
    assert len(list((clone / "data/folders/outside/masks").iterdir())) == 4

    shutil.rmtree(clone / "data/folders")
    (raw / "masks/.pipe").symlink_to("nowhere")  # in a linked folder, where only the copy comes
    with pytest.raises(
        DataError, match=r"masks/\.pipe: expected a file to copy, found one that cannot be read; [^\n]*$"
    ):
        init_folder(raw, clone)
    assert list((clone / "data/folders").iterdir()) == []
