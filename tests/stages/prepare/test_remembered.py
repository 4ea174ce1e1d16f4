"""The same bytes with and without memory, data cards included, and work on those images alone that changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import read_split, write_header
from stages.prepare import merge
from stages.prepare.merge import prepare
from tests.remembering import Remembering, digests
from tests.stages.prepare.planted import prepared, scenes
from tests.stages.prepare.test_prepare import OWN, SIZE, both, header, section

IMAGES = 6 + 18
SHAPES = [
    {"mode": "stretch", "width": SIZE, "height": SIZE, "overlap": 0},
    {"mode": "fit", "width": 32, "height": 20, "overlap": 0},
    {"mode": "crop", "width": 16, "height": 20, "overlap": 0},
    {"mode": "tile", "width": 16, "height": 16, "overlap": 4},
]


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Remembering:
    both(tmp_path / "data")
    return Remembering(monkeypatch, tmp_path, merge, "_made")


def run(**changes: Any) -> None:
    prepare(Path("data"), Path("results/data"), section(**changes))


def outputs() -> dict[str, str]:
    return digests(Path("data/prepared"), Path("results/data"))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape["mode"])
def test_the_same_bytes_with_memory_without_and_where_it_is_damaged(memory: Remembering, shape: Any) -> None:
    def shaped() -> None:
        run(shape=shape)

    assert memory.worked(shaped, "0") == IMAGES
    expected = outputs()
    assert len(expected) >= 3 * IMAGES + 7
    for work in (IMAGES, 0):
        assert memory.worked(shaped) == work
        assert outputs() == expected
    memory.damage()
    for work in (IMAGES, 0):
        assert memory.worked(shaped) == work
        assert outputs() == expected


def test_images_that_changed_are_prepared_anew(memory: Remembering) -> None:
    memory.worked(run)
    donor = Path("data/cvat/all")
    for folder in ("images", "masks", "instances"):
        (donor / folder / "own0a.png").write_bytes((donor / folder / "own1b.png").read_bytes())
        assert memory.worked(run) == 1, folder
    (donor / "instances/own2a.png").unlink()
    assert memory.worked(run) == 1
    found = outputs()
    memory.worked(run, "0")
    assert outputs() == found


def test_what_shapes_an_image_counts(memory: Remembering) -> None:
    memory.worked(run)
    for changes, work in (
        ({"map": {"cvat": {"vehicle": "car", "mud": "road"}}}, 18),  # of the source that has it
        ({"shape": SHAPES[1]}, IMAGES),
        ({"shape": SHAPES[3]}, IMAGES),
    ):
        assert memory.worked(lambda changes=changes: run(**changes)) == work  # type: ignore[misc]
        found = outputs()
        memory.worked(lambda changes=changes: run(**changes), "0")  # type: ignore[misc]
        assert outputs() == found


def test_an_image_in_another_split_has_that_splits_shape(memory: Remembering) -> None:
    memory.worked(lambda: run(shape=SHAPES[3]))
    moved = {"shape": SHAPES[3], "split": {"val": 0.3, "test": 0.3, "salt": 5}}
    assert 0 < memory.worked(lambda: run(**moved)) < 18
    found = outputs()
    memory.worked(lambda: run(**moved), "0")
    assert outputs() == found
    assert {sample.width for sample in read_split(Path("data/prepared"), "val")} == {SIZE}
    assert {sample.width for sample in read_split(Path("data/prepared"), "train")} == {16}


def test_a_mask_that_the_source_no_longer_allows_is_refused(memory: Remembering) -> None:
    memory.worked(run)
    write_header(Path("data/cvat"), header("cvat", OWN[:3]))  # the mapping of the classes that are left is the same
    with pytest.raises(DataError, match="class ids 0 to 2, or 255, found id 3"):
        memory.worked(lambda: run(map={"cvat": {"vehicle": "car"}}))


def test_mistakes_are_told_of_recalled_images_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = scenes(tmp_path / "in")
    for one, other in ((3, 7), (4, 8)):  # masks that are swapped
        first, second = (root / f"train/masks/flight{number:02d}/a.png" for number in (one, other))
        content = first.read_bytes()
        first.write_bytes(second.read_bytes())
        second.write_bytes(content)
    twin = root / "train/images/flight05/a.png"
    twin.write_bytes((root / "train/images/flight06/a.png").read_bytes())
    memory = Remembering(monkeypatch, tmp_path, merge, "_made")
    cards = []
    for gib, work in (("0", 24), ("1", 24), ("1", 0)):
        assert memory.worked(lambda: cards.append(prepared(root)), gib) == work
    assert cards[0] == cards[1] == cards[2]
    assert cards[2]["duplicates"]["equal"]["count"] == 1 and cards[2]["duplicates"]["mask_of_another"]["count"] > 0
