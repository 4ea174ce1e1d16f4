"""`python -m stages.download` as DVC calls it: from params.yaml to data/download, whole or not at all."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pixelproof.core.errors import DataError, FetchError
from pixelproof.data.dataset import ClassInfo, Header, read_header, write_header
from pixelproof.sources import names, none
from pixelproof.sources.request import Request
from stages.download.__main__ import write
from stages.download.params import Download, Folder, Params, Synthetic

ROOT = Path(__file__).parents[3]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with this tree's code, graph and params, where params may be edited."""
    for name in ("commands", "pipelines", "pixelproof", "stages", "dvc.yaml"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    return tmp_path


def run(clone: Path, dataset: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    path = clone / "params.yaml"
    path.write_text(re.sub(r"(?m)^(  dataset:).*$", rf"\1 {dataset}", path.read_text(), count=1))
    command = [sys.executable, "-m", "stages.download", *arguments]
    return subprocess.run(command, cwd=clone, env=os.environ | environ, capture_output=True, text=True)


def params(dataset: str) -> Params:
    synthetic = Synthetic.model_construct()
    folder = Folder(path="examples/folder", lossy_masks=False)
    return Params(seed=0, download=Download(dataset=dataset, variant="", workers=1, synthetic=synthetic, folder=folder))


def test_none_writes_a_dataset_without_classes(clone: Path) -> None:
    done = run(clone, "none")
    assert (done.returncode, done.stdout) == (0, "none: 0 images\n"), done.stderr
    assert [p.name for p in (clone / "data").iterdir()] == ["download"]
    assert [p.name for p in (clone / "data" / "download").iterdir()] == ["dataset.json"]
    assert read_header(clone / "data" / "download") == Header("none", ())


def test_an_unknown_dataset_is_one_line_with_the_names(clone: Path) -> None:
    done = run(clone, "camvit")
    assert done.returncode == 2 and done.stdout == ""
    known = ", ".join(names())
    assert done.stderr == (
        f"error: params.yaml: download.dataset: found 'camvit'; allowed: {known} (did you mean 'camvid'?)\n"
    )
    assert not (clone / "data").exists()


def test_a_mirror_of_another_kind_is_one_line_and_writes_nothing(clone: Path) -> None:
    done = run(clone, "camvid", DATA_MIRROR="ftp://host/data", PIXELPROOF_CACHE=str(clone / "cache"))
    assert done.returncode == 2
    assert done.stderr == "error: DATA_MIRROR: ftp://; allowed: a folder, a file:// or an http(s):// url\n"
    assert list((clone / "data").iterdir()) == []


def test_a_variant_that_is_a_number_needs_no_quotes() -> None:
    values = params("voc").download.model_dump() | {"synthetic": Synthetic.model_construct(), "variant": 2007}
    assert Download.model_validate(values).variant == "2007"


def test_names_are_the_files_of_the_folder() -> None:
    assert {"camvid", "none", "synthetic"} <= set(names())
    assert names() == sorted(p.parent.name for p in (ROOT / "pixelproof/sources").glob("*/__init__.py"))


@pytest.mark.parametrize("error", [FetchError("url", "gone", "try later"), DataError("a", "b", "c", "d"), OSError()])
def test_what_was_there_stays_when_something_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    target = tmp_path / "data" / "download"
    write(params("none"), target)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}

    def half(request: Request, folder: Path) -> None:
        (folder / "half").write_text("written")
        raise error

    monkeypatch.setattr(none, "convert", half)
    with pytest.raises(type(error)):
        write(params("none"), target)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_what_a_killed_one_unpacked_is_removed(tmp_path: Path) -> None:
    left = tmp_path / "data/.unpacked.k7x2/archive"
    left.mkdir(parents=True)
    (left / "half").write_text("unpacked")
    (tmp_path / "data/own").mkdir()
    write(params("none"), tmp_path / "data/download")
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["download", "own"]


def test_a_source_gets_its_own_section_and_the_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`options` is the section of params.yaml that has the dataset's name; workers and seed are passed on."""
    synthetic = pytest.importorskip("pixelproof.sources.synthetic")
    asked: list[Request] = []

    def convert(request: Request, target: Path) -> None:
        asked.append(request)
        write_header(target, Header("x", (ClassInfo(0, "a", (0, 0, 0)),)))

    monkeypatch.setattr(synthetic, "convert", convert)
    section = Synthetic.model_construct(side=64)
    download = Download.model_construct(dataset="synthetic", variant="", workers=3, synthetic=section)
    write(Params.model_construct(seed=7, download=download), tmp_path / "out")
    assert asked == [Request(seed=7, archive=None, options={"side": 64}, workers=3)]
