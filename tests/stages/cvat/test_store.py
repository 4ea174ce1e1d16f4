"""The store: what an export says is the same from it, whatever its format; what is damaged is refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import SPLITS, UNSPLIT, read_image, read_instances, read_mask, read_split, verify
from pixelproof.data.images import Array
from stages.cvat.convert import convert
from stages.cvat.params import Cvat
from stages.cvat.store import COLUMNS, Line, convert_store, index_text, read_index, write_index
from tests.commands.adding import Clone, export, flight
from tests.stages.cvat.formats.made import LABELS, mask_items, masks, photo, written
from tests.stages.cvat.formats.made import export as made_by_datumaro
from tests.stages.cvat.formats.made import item as item_of

PARAMS = {
    "exports": "x", "group": "image", "background": "ignore", "skip": ["box"],
    "classes": [{"name": name, "color": "#010203", "thing": True} for name in LABELS],
}  # fmt: skip
POLYGON = "1 0.1 0.125 0.4 0.125 0.4 0.375 0.1 0.375\n"


def yolo(folder: Path) -> Path:
    """Its polygons are fractions of the photographs' sizes."""
    names = ["a", "b", "c"]
    files: dict[str, Any] = {"data.yaml": yaml.dump({"names": dict(enumerate(LABELS)), "train": "train.txt"})}
    files["train.txt"] = "".join(f"images/train/{name}.png\n" for name in names)
    for number, name in enumerate(names):
        files[f"images/train/{name}.png"] = photo(20 + number, 16, seed=number)
        files[f"labels/train/{name}.txt"] = POLYGON if number else ""
    return written(folder, files)


def by_datumaro(kind: str, folder: Path) -> Path:
    items = [item_of(f"{'a' * (n + 1)}.png", mask_items(*masks(n)), "train") for n in range(3)]
    return made_by_datumaro(folder, kind, items, save_media=True)


def drawn(root: Path) -> dict[bytes, tuple[str, Array, bytes]]:
    """By its pixels, the split, mask and objects of each image."""
    splits = [split for split in (*SPLITS, UNSPLIT) if (root / split).is_dir()]
    verify(root, tuple(splits))
    found = {}
    for split, sample in [(name, sample) for name in splits for sample in read_split(root, name)]:
        instances = read_instances(root, split, sample)
        mask = read_mask(root, split, sample, len(LABELS))
        objects = b"" if instances is None else instances.tobytes()
        found[read_image(root, split, sample).tobytes()] = (split, mask, objects)
    return found


@pytest.mark.parametrize("kind", ["yolo", "coco_instances", "datumaro", "voc_segmentation"])
def test_every_format_says_the_same_from_the_store(kind: str, tmp_path: Path) -> None:
    path = yolo(tmp_path / "x") if kind == "yolo" else by_datumaro(kind, tmp_path / "x")
    section = Cvat.model_validate(PARAMS)
    convert([path], tmp_path / "direct", section)
    clone = Clone.at(tmp_path / "clone")
    clone.told(path)
    convert_store(clone.store, tmp_path / "stored", section)
    direct, stored = drawn(tmp_path / "direct"), drawn(tmp_path / "stored")
    assert direct.keys() == stored.keys() and len(direct) == 3
    for pixels, (split, mask, objects) in direct.items():
        assert stored[pixels][0] == split and stored[pixels][2] == objects
        np.testing.assert_array_equal(stored[pixels][1], mask)
    before = clone.files()
    assert "nothing changed" in clone.told(path) and clone.files() == before


def test_masks_without_photographs_find_them_by_name(tmp_path: Path) -> None:
    """They do not tell the endings of names, nor the size of an image without labels."""
    whole, without = by_datumaro("voc_segmentation", tmp_path / "whole/x"), tmp_path / "without/x"
    clone = Clone.at(tmp_path / "clone")
    clone.told(whole)
    section = Cvat.model_validate(PARAMS)
    convert_store(clone.store, tmp_path / "before", section)
    ids = [line.id for line in read_index(clone.store)]
    by_datumaro("voc_segmentation", without)
    for path in [*(without / "JPEGImages").iterdir(), without / "SegmentationClass/aa.png"]:
        path.unlink()
    clone.told(without)
    convert_store(clone.store, tmp_path / "after", section)
    assert [line.id for line in read_index(clone.store)] == ids
    before, after = drawn(tmp_path / "before"), drawn(tmp_path / "after")
    changed = [pixels for pixels in before if (before[pixels][1] != after[pixels][1]).any()]
    assert before.keys() == after.keys() and len(changed) == 1 and (after[changed[0]][1] == 255).all()


LINE = Line("12", "", "a,\"b\"/é.png", "12-a", "", "", "x-1", "0.png", "", "0", "x", "task-12")  # fmt: skip


def test_the_index_comes_back_sorted(tmp_path: Path) -> None:
    lines = [LINE, Line("12", "", "a", "12-b", "copy", "overruled", "x-1", "0.png", "7", "0", "x", "task-12")]
    write_index(tmp_path, index_text(lines))
    assert read_index(tmp_path) == [lines[1], lines[0]]
    assert index_text(read_index(tmp_path)) == index_text(lines)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"id": "../x"}, r"index\.csv:2: expected a line that `pixelproof add` wrote"),
        ({"photograph": "../x.png"}, r"index\.csv:2"),
        ({"export": "a/b"}, r"index\.csv:2"),
        ({"export": ""}, r"index\.csv:2"),
        ({"name": "/etc/passwd"}, r"index\.csv:2"),
        ({"copy": "yes"}, r"index\.csv:2"),
        ({"COLUMNS": "task,name"}, r"expected the columns task,subset,name,.* found task,name; restore the folder"),
        ({"TEXT": "\xff"}, "expected a table in UTF-8"),
        ({"TWICE": ""}, r"expected one line for each image, found two for 'a\.png'"),
        ({"SHORT": ""}, r"index\.csv:2"),
    ],
)
def test_a_damaged_index_is_refused(change: dict[str, str], expected: str, tmp_path: Path) -> None:
    values = dict(zip(COLUMNS, ("12", "", "a.png", "12-a", "", "", "x-1", "0.png", "", "0", "x", "b"), strict=True))
    rows = [",".join(COLUMNS), ",".join((values | change)[name] for name in COLUMNS)]
    rows[0] = change.get("COLUMNS", rows[0])
    rows += [rows[1]] if "TWICE" in change else []
    rows[1] = "12,a" if "SHORT" in change else rows[1]
    (tmp_path / "index.csv").write_bytes("\n".join(rows).encode("latin-1") + change.get("TEXT", "").encode("latin-1"))
    with pytest.raises(DataError, match=expected) as error:
        read_index(tmp_path)
    assert "\n" not in str(error.value)


def test_parts_that_are_missing_are_named(tmp_path: Path) -> None:
    clone = Clone.at(tmp_path / "clone")
    clone.told(export(flight(0, 4), "12").zip(tmp_path / "a.zip"))
    section = Cvat.model_validate(clone.params()["cvat"])
    whole = clone.files()
    (folder,) = (path for path in (clone.store / "exports").iterdir() if path.is_dir())
    for path, expected in (
        (min((clone.store / "photographs").iterdir()), r"photographs/.*expected a file of the store, found none"),
        (folder.with_name(f"{folder.name}.csv"), "expected a table of photographs, found .*No such file"),
        (folder / "annotations.xml", r"expected annotations\.xml|found none of them|found .*"),
    ):
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(DataError, match=expected):
            convert_store(clone.store, tmp_path / "out", section)
        path.write_bytes(content)
    assert clone.files() == whole
