"""Every public dataset through the stage: archives named as their publishers do, from a mirror to data/download."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pixelproof.core.errors import FetchError
from pixelproof.data.dataset import read_split
from pixelproof.fetch.licences import ACCEPTED
from pixelproof.sources import ade20k as facts
from pixelproof.sources import pascal_context as contexts
from pixelproof.sources.writing import Labelled
from stages.download.__main__ import write
from stages.download.kept import FOLDER
from stages.download.params import Download, Folder, Params, Synthetic
from tests.pixelproof.sources import miniatures
from tests.pixelproof.sources.converted import digest

VOC = {"train": ["2007_000032"], "val": ["2007_000033"]}


def packed(root: Path, mirror: Path, archives: dict[str, list[str]]) -> None:
    """Zip folders of a miniature as the publisher's archives."""
    for name, folders in archives.items():
        with zipfile.ZipFile(mirror / f"{name}.zip", "w") as archive:
            for path in sorted(path for folder in folders for path in (root / folder).rglob("*") if path.is_file()):
                archive.write(path, path.relative_to(root))


def oxford_pet(root: Path, mirror: Path) -> None:
    packed(miniatures.oxford_pet(root), mirror, {"images": ["images"], "annotations": ["annotations"]})


def voc(root: Path, mirror: Path) -> None:
    miniatures.sbd(miniatures.voc(root, "2012", VOC), ["2008_000001", "2007_000033"])
    archives = {"VOCtrainval_11-May-2012": ["VOCdevkit"], "benchmark": ["benchmark_RELEASE"]}
    packed(root, mirror, archives)


def cityscapes(root: Path, mirror: Path) -> None:
    miniatures.cityscapes(root)
    packed(root, mirror, {f"{name}_trainvaltest": [name] for name in ("leftImg8bit", "gtFine")})


def ade20k(root: Path, mirror: Path) -> None:
    packed(miniatures.ade20k(root), mirror, {"ADEChallengeData2016": ["ADEChallengeData2016"]})


def semantic_drone(root: Path, mirror: Path) -> None:
    archives = {"semantic_drone_dataset_semantics_v1.1": ["semantic_drone_dataset"]}
    packed(miniatures.semantic_drone(root), mirror, archives)


def pascal_context(root: Path, mirror: Path) -> None:
    miniatures.pascal_context(root)
    archives = {"VOCtrainval_03-May-2010": ["VOCdevkit"], "33_context_labels": ["33_context_labels"]}
    packed(root, mirror, archives)


def coco(root: Path, mirror: Path) -> None:
    miniatures.coco(root)
    for split in ("train", "val"):
        shutil.move(root / f"{split}2017/{split}2017", root / "photos")
        shutil.rmtree(root / f"{split}2017")
        shutil.move(root / "photos", root / f"{split}2017")
        packed(root, mirror, {f"{split}2017": [f"{split}2017"]})
    packed(root, mirror, {"panoptic_annotations_trainval2017": ["annotations"]})


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mirror, a cache of its own, and no licence accepted."""
    (tmp_path / "mirror").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setenv("PIXELPROOF_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(ACCEPTED, raising=False)
    return tmp_path


def params(dataset: str, variant: str = "") -> Params:
    folder = Folder(path="examples/folder", lossy_masks=False)
    synthetic = Synthetic.model_construct()
    return Params(
        seed=0, download=Download(dataset=dataset, variant=variant, workers=1, synthetic=synthetic, folder=folder)
    )


@pytest.mark.parametrize(
    ("make", "variant", "counts"),
    [
        (oxford_pet, "", "oxford_pet: 5 images (test 1"),
        (voc, "2012-sbd", "voc: 3 images (train 2, val 1)"),
        (cityscapes, "", "cityscapes: 3 images (train 2, val 1)"),
        (ade20k, "", "ade20k: 4 images (train 2, val 2)"),
        (semantic_drone, "", "semantic_drone: 3 images (all 3)"),
        (pascal_context, "33", "pascal_context: 3 images (train 2, val 1)"),
        (coco, "", "coco: 3 images (train 2, val 1)"),
    ],
)
def test_from_archives_to_a_dataset(
    here: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path, Path], None], variant: str, counts: str
) -> None:
    make(here / "made", here / "mirror")
    monkeypatch.setenv(ACCEPTED, "ade20k,cityscapes,semantic_drone")
    assert write(params(make.__name__, variant), here / "data/download").startswith(counts)
    assert [path.name for path in (here / "data").iterdir()] == ["download"]


def test_a_licence_comes_before_anything_is_read(here: Path) -> None:
    cityscapes(here / "made", here / "mirror")
    with pytest.raises(FetchError, match=r"cityscapes: its licence must be accepted first .* --accept cityscapes"):
        write(params("cityscapes"), here / "data/download")
    assert not (here / "data").exists()


def test_an_archive_that_has_changed_since_it_was_first_used_is_an_error(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ACCEPTED, "ade20k")
    (archive,) = facts.FACTS.archives
    monkeypatch.setattr(facts, "FACTS", replace(facts.FACTS, archives=(replace(archive, url=""),)))
    ade20k(here / "made", here / "mirror")
    write(params("ade20k"), here / "data/download")
    before = read_split(here / "data/download", "train")
    with zipfile.ZipFile(here / "mirror/ADEChallengeData2016.zip", "a") as changed:
        changed.writestr("ADEChallengeData2016/more.txt", "another version")
    with pytest.raises(
        FetchError, match=r"ADEChallengeData2016.zip: \d+ bytes .*when first used \d+ bytes.*ADEChall.*json"
    ):
        write(params("ade20k"), here / "data/download")
    assert read_split(here / "data/download", "train") == before


def test_what_no_url_gives_says_where_it_is(here: Path) -> None:
    with pytest.raises(
        FetchError, match=r"has no dubai-aerial; .* DATA_MIRROR .*; its publisher's page asks for a login"
    ):
        write(params("dubai"), here / "data/download")


def test_an_interrupted_conversion_goes_on_with_the_next_image_to_the_same_bytes(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pascal_context(here / "made", here / "mirror")
    write(params("pascal_context", "33"), here / "whole")
    read, seen = contexts._read, list[str]()

    def interrupted(item: tuple[Path, Path], table: dict[int, int]) -> Labelled:
        seen.append(item[0].stem)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return read(item, table)

    monkeypatch.setattr(contexts, "_read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(params("pascal_context", "33"), here / "data/download")
    assert not (here / "data/download").exists()
    write(params("pascal_context", "33"), here / "data/download")
    assert len(seen) == 4 and seen[2] == seen[3]
    assert digest(here / "data/download") == digest(here / "whole")
    assert list(FOLDER.iterdir()) == []
