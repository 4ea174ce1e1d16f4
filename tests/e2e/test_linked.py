"""Photographs that no stage changes, under real DVC: what is linked to what, and that nothing is ever corrupted."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo

from pixelproof.data.dataset import verify
from pixelproof.data.remembered import VARIABLE
from tests.stages.cvat.fake import LABELS, FakeExport, shape, square
from tests.workspace import ROOT

IMAGES = ("a", "b", "c")
PLACES = ("data/annotations/images/{}.jpg", "data/cvat/train/images/{}.jpg", "data/prepared/train/images/{}.jpg")
LINKS = "hardlink,copy"  # after `reflink`, even where the disk has none, DVC leaves new outputs copies


def labelled(left: int = 3) -> FakeExport:
    """Three photographs with a car each."""
    made = FakeExport()
    for name in IMAGES:
        made.add(f"{name}.jpg", shape("polygon", "car", points=square(left, 2, 9, 11)), subset="Train")
    return made


def graph() -> dict[str, object]:
    """The two stages alone."""
    stages = {}
    for name, deps, outs in (
        ("cvat", ["data/annotations"], ["data/cvat"]),
        ("prepare", ["data/cvat"], ["data/prepared/dataset.json", "data/prepared/train", "results/data"]),
    ):
        command = f"{sys.executable} -m stages.{name}"
        stages[name] = {"cmd": command, "params": [name], "deps": deps, "outs": outs}
    return {"stages": stages}


def params() -> dict[str, object]:
    classes = [{"name": name, "color": color, "thing": name == "car"} for name, color in LABELS.items()]
    return {
        "cvat": {
            "exports": "data/annotations", "group": "image", "background": "ignore", "skip": [], "classes": classes
        },
        "prepare": {
            "sources": ["cvat"], "map": {}, "accept": [],
            "split": {"val": 0.0, "test": 0.0, "folds": 0, "salt": 0, "frozen": "frozen.csv"},
            "shape": {"mode": "stretch", "width": 20, "height": 16, "overlap": 0},
        },
    }  # fmt: skip


@pytest.fixture(params=["", LINKS], ids=["copies", "links"])
def repo(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """A repository in the current folder, labelled, run once."""
    for name, value in (("DVC_SITE_CACHE_DIR", str(tmp_path / "site")), ("PYTHONPATH", str(ROOT)), (VARIABLE, "1")):
        monkeypatch.setenv(name, value)
    folder = tmp_path / "a clone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    Repo.init(no_scm=True)
    config = "[core]\n    no_scm = true\n    analytics = false\n"
    Path(".dvc/config").write_text(config + (f"[cache]\n    type = {request.param}\n" if request.param else ""))
    Path("dvc.yaml").write_text(yaml.safe_dump(graph()))
    Path("params.yaml").write_text(yaml.safe_dump(params()))
    labelled().folder(Path("data/annotations"))
    found = Repo()
    found.add("data/annotations")
    found.reproduce()
    return found


def linked(repo: Repo) -> bool:
    return bool(repo.config["cache"].get("type"))


def check(repo: Repo) -> None:
    """Nothing differs from what DVC recorded, and all that it keeps is what its name says."""
    assert repo.status() == {}
    for path in Path(".dvc/cache/files/md5").glob("??/*"):
        assert hashlib.md5(path.read_bytes()).hexdigest() == path.parent.name + path.name.removesuffix(".dir")
    verify(Path("data/cvat"), ("train",))
    verify(Path("data/prepared"), ("train",))


def files_of(name: str) -> set[int]:
    return {Path(place.format(name)).stat().st_ino for place in PLACES}


def test_a_photograph_is_one_file_or_three_that_may_be_written_to(repo: Repo) -> None:
    check(repo)
    for name in IMAGES:
        assert len(files_of(name)) == (1 if linked(repo) else 3)
        assert {bool(Path(place.format(name)).stat().st_mode & 0o222) for place in PLACES} == {not linked(repo)}


def test_labelled_again_run_again_and_checked_out_again(repo: Repo) -> None:
    before = Path("data/cvat/train/masks/a.png").read_bytes()
    Path("data/annotations/annotations.xml").unlink()
    labelled(left=5).folder(Path("new"))
    Path("new/annotations.xml").replace("data/annotations/annotations.xml")
    repo.add("data/annotations")
    repo.reproduce()
    check(repo)
    assert Path("data/cvat/train/masks/a.png").read_bytes() != before
    for stage in ("cvat", "prepare"):
        repo.reproduce(stage, force=True, single_item=True)
        check(repo)
    for name in IMAGES:
        assert len(files_of(name)) == (1 if linked(repo) else 3)
    repo.checkout(force=True, relink=True)
    check(repo)


def test_a_photograph_that_is_replaced_changes_nothing_else(repo: Repo) -> None:
    """As editors and `pixelproof add` write: a new file in the place of the old one."""
    other = labelled().files["images/b.jpg"]
    path = Path("data/annotations/images/a.jpg")
    old = path.read_bytes()
    path.unlink()
    path.write_bytes(other)
    assert Path("data/cvat/train/images/a.jpg").read_bytes() == old
    repo.add("data/annotations")
    repo.reproduce()
    check(repo)
    assert Path("data/prepared/train/images/a.jpg").read_bytes() == other


def test_copies_may_be_written_to_in_place(repo: Repo) -> None:
    if linked(repo):
        pytest.skip("links are write-protected by DVC")
    for place in PLACES:
        path = Path(place.format("a"))
        content = path.read_bytes()
        path.write_bytes(b"written in place")
        others = {Path(other.format("a")).read_bytes() for other in PLACES if other != place}
        assert others == {content}
        repo.checkout(force=True)
        check(repo)


def test_a_stage_that_fails_leaves_links_and_cache_as_they_were(repo: Repo) -> None:
    values = params()
    values["prepare"]["map"] = {"cvat": {"no such class": "car"}}  # type: ignore[index]
    Path("params.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(Exception, match="prepare"):
        repo.reproduce()
    Path("params.yaml").write_text(yaml.safe_dump(params()))
    repo.reproduce()
    check(repo)
