"""`add` to what is there: a folder of version 0.1.0, and the version that DVC keeps."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pixelproof.core.errors import StateError
from pixelproof.core.params import check
from pixelproof.data.dataset import read_split
from stages.cvat.archive import find_exports
from stages.cvat.convert import convert
from stages.cvat.params import Params
from stages.cvat.store import convert_store
from tests.commands.adding import FIRST, LABELS, Clone, export, flight, in_all, project


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone.at(tmp_path / "clone")


def of_version_0_1_0(clone: Clone, tmp_path: Path, group: str) -> dict[str, Any]:
    """Its folder of exports, with its params.yaml; returns the samples that its stage would write."""
    export(FIRST, "12").zip(clone.store / "north.zip")
    export(flight(50, 3)).folder(clone.store / "south")
    if group == "export":
        export(flight(60, 3)).zip(clone.store / "west.zip")
    classes = [{"name": name, "color": color, "thing": name == "panel"} for name, color in LABELS.items()]
    clone.edit(exports="data/annotations", classes=classes, background="ignore", group=group)
    clone.edit(**{"skip": []})
    text = (clone.folder / "params.yaml").read_text()
    (clone.folder / "params.yaml").write_text(text.replace("  subsets: {}\n", ""))  # it had none
    assert "subsets" not in clone.params()["cvat"]
    section = check(Params, {"cvat": clone.params()["cvat"]}).cvat
    convert(find_exports(clone.store), tmp_path / "old", section)
    return {sample.id: sample for sample in read_split(tmp_path / "old", "all")}


@pytest.mark.parametrize("group", ["folder", "export", "image"])
def test_a_folder_of_version_0_1_0_is_taken_over(group: str, clone: Clone, tmp_path: Path) -> None:
    old = of_version_0_1_0(clone, tmp_path, group)
    before = clone.files()
    clone.told(export(flight(70, 2), "14").zip(tmp_path / "new.zip"), dry=True)
    assert clone.files() == before
    rows = clone.add(export(flight(70, 2), "14").zip(tmp_path / "new.zip"))
    assert in_all(rows) == (2, 0, 0, len(old))
    assert sorted(path.name for path in clone.store.iterdir()) == ["exports", "index.csv", "photographs"]
    section = check(Params, {"cvat": clone.params()["cvat"]}).cvat
    convert_store(clone.store, tmp_path / "new", section)
    now = {sample.id: sample for sample in read_split(tmp_path / "new", "all")}
    assert now.items() >= old.items() and len(now) == len(old) + 2
    for kind in ("images", "masks", "instances"):
        for path in (tmp_path / "old/all" / kind).iterdir():
            assert (tmp_path / "new/all" / kind / path.name).read_bytes() == path.read_bytes()
    # and its task comes again, under another name, with a subset
    again = project(t12=("Pool", FIRST)).zip(tmp_path / "again.zip")
    assert in_all(clone.add(again, subsets={"Pool": "unsplit"})) == (0, 0, 0, len(old) + 2)
    section = check(Params, {"cvat": clone.params()["cvat"]}).cvat
    convert_store(clone.store, tmp_path / "again", section)
    assert {sample.id: sample for sample in read_split(tmp_path / "again", "all")} == now
    # and both with other labels: ids and groups stay
    other = {name: (seed, 9) for name, (seed, _) in FIRST.items()}
    corrected = export(flight(50, 4, left=9)).zip(tmp_path / "task_south_annotations_2026_11_15_10_00_00_coco 1.0.zip")
    rows = clone.add(export(other, "12").zip(tmp_path / "corrected.zip"), corrected)
    assert in_all(rows) == (1, 27, 0, len(old) - 25)
    convert_store(clone.store, tmp_path / "again", section)
    last = {sample.id: sample for sample in read_split(tmp_path / "again", "all")}
    (added,) = last.keys() - now.keys()
    assert last.items() >= now.items() and last[added].group == ("south" if group != "image" else added)


def test_an_export_put_into_the_folder_by_hand_is_added_too(clone: Clone, tmp_path: Path) -> None:
    clone.told(export(FIRST, "12").zip(tmp_path / "a.zip"))
    lying = export(flight(50, 3), "13").zip(clone.store / "b.zip")
    assert in_all(clone.add(lying)) == (3, 0, 0, 24) and not lying.exists()
    assert len(clone.images()) == 27


@pytest.fixture
def repository(clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    """A clone with git and DVC."""
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "dvc"))
    for command in ("git init -q", f"{sys.executable} -m dvc init -q"):
        subprocess.run(command.split(), cwd=clone.folder, check=True)
    return clone


def test_dvc_keeps_each_version_and_no_other_is_added_to(repository: Clone, tmp_path: Path) -> None:
    clone, named = repository, repository.folder / "data/annotations.dvc"
    first, second = export(FIRST, "12").zip(tmp_path / "a.zip"), export(flight(50, 2), "13").zip(tmp_path / "b.zip")
    assert clone.told(first)[-1].startswith("data/annotations.dvc names this version")
    old = named.read_bytes()
    clone.told(second)
    new, index = named.read_bytes(), (clone.store / "index.csv").read_bytes()
    assert old != new
    for checked_out in (True, False):  # as git pull does, which DVC's checkout should follow
        named.write_bytes(old)
        if checked_out:
            command = [sys.executable, "-m", "dvc", "checkout", "-q", "data/annotations"]
            subprocess.run(command, cwd=clone.folder, check=True)
            assert (clone.store / "index.csv").read_bytes() != index
            clone.told(second)
            assert (clone.store / "index.csv").read_bytes() == index and named.read_bytes() == new
    before = clone.files()
    with pytest.raises(StateError, match=r"^data/annotations: not the version that data/annotations\.dvc names; run"):
        clone.told(second)
    assert clone.files() == before


def test_a_database_of_dvc_that_cannot_be_written_is_one_line(
    repository: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.told(export(FIRST, "12").zip(tmp_path / "a.zip"))
    before = repository.files()

    def full(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr("dvc.repo.Repo.__init__", full)
    with pytest.raises(StateError, match=r"^DVC's database: disk I/O error; check that its folder can be written, and"):
        repository.told(export(flight(50, 2), "13").zip(tmp_path / "b.zip"))
    assert repository.files() == before


def test_an_addition_that_dvc_has_not_kept_is_kept_by_the_next(
    repository: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = repository
    first, second = export(FIRST, "12").zip(tmp_path / "a.zip"), export(flight(50, 2), "13").zip(tmp_path / "b.zip")
    clone.told(first)
    with (
        monkeypatch.context() as patch,
        pytest.raises(StateError, match="is complete, but `dvc add`: failed; run `"),
    ):
        patch.setattr("commands._adding.dvc.sys.executable", "/bin/false")
        clone.told(second)
    before = (clone.folder / "data/annotations.dvc").read_bytes()
    assert "nothing changed" in clone.told(second)
    assert (clone.folder / "data/annotations.dvc").read_bytes() != before
