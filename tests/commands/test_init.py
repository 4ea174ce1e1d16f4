"""`init`: a team's own export, with labels that nobody here has seen, becomes params.yaml and a dataset."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from dvc.utils.hydra import apply_overrides

from commands.__main__ import main
from commands._adding.add import Request, add
from pipelines.edit import set_values
from pixelproof.core.errors import DataError, ParamsError, StateError
from pixelproof.core.files import read_json
from stages.cvat.__main__ import main as stage
from stages.prepare.merge import prepare
from stages.prepare.params import Params as PrepareParams
from tests.commands.adding import table
from tests.stages.cvat.fake import FakeExport, encoded, shape, square

ROOT = Path(__file__).parents[2]
LABELS = {"Solar panel": "#12ab3C", "Hof: Süd": "#ff0000", "ignore": "#000000", "never drawn": ""}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with this project's params.yaml and dvc.yaml."""
    folder = tmp_path / "clone"
    folder.mkdir()
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def init(export: Path, root: Path, portable: bool | None = None) -> list[str]:
    """As `pixelproof init` does."""
    return add(Request([export], portable=portable), root)


def own(
    images: int = 12, folder: str = "", labels: dict[str, str] | None = None, export: FakeExport | None = None
) -> FakeExport:
    """A yard as ground that covers nearly everything, panels on it, a corner to ignore."""
    export = export or FakeExport(labels or LABELS)
    for number in range(images):
        panels = [shape("box", "Solar panel", xtl=x, ytl=5, xbr=x + 2, ybr=7, z_order=1) for x in (4, 9)]
        yard = shape("polygon", "Hof: Süd", points=square(0, 0, 20, 16))
        export.add(f"{folder}{number:03d}.png", yard, *panels, shape("box", "ignore", xtl=0, ytl=0, xbr=3, ybr=3))
    return export


def params_of(clone: Path) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((clone / "params.yaml").read_text())
    return values


def test_unseen_labels_flat_names_no_edit(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (clone / "params.yaml").read_text()
    told = "\n".join(init(own().zip(tmp_path / "task 7.zip"), clone))
    values = params_of(clone)
    assert values["cvat"] == {
        "exports": "data/annotations", "group": "image", "background": "ignore", "skip": [], "subsets": {},
        "window": None, "scale": "none", "classes": [
            {"name": "Solar panel", "color": "#12ab3C", "thing": True},
            {"name": "Hof: Süd", "color": "#ff0000", "thing": False},
            {"name": "ignore", "color": "#000000", "thing": True},
            {"name": "never drawn", "color": "#f58231", "thing": False},
        ],
    }  # fmt: skip
    assert values["download"]["dataset"] == "none"
    assert values["prepare"]["sources"] == ["cvat"] and values["prepare"]["map"] == {"cvat": {"ignore": "ignore"}}
    assert "Solar panel" in told and "12 images" in told and "make repro" in told
    untouched = [
        line for line in before.splitlines() if line.lstrip().startswith("#") or line.startswith(("  width", "seed"))
    ]
    assert [line for line in (clone / "params.yaml").read_text().splitlines() if line in untouched] == untouched
    monkeypatch.chdir(clone)
    monkeypatch.setattr("sys.argv", ["cvat"])
    stage()
    assert "12 images of 1 exports" in capsys.readouterr().out
    section = PrepareParams.model_validate({"prepare": values["prepare"]}).prepare
    counts = prepare(clone / "data", clone / "results/data", section)
    assert sum(counts.values()) == 12 and min(counts.values()) >= 1
    header = yaml.safe_load((clone / "data/prepared/dataset.json").read_text())
    assert [c["name"] for c in header["classes"]] == ["Solar panel", "Hof: Süd", "never drawn"]


def test_a_rare_class_is_in_every_split(clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in 4 of 16 images; a salt chosen by images alone leaves a split without it."""
    export = own(16)
    for number in range(12, 16):
        export.images[number] = export.images[number].replace('label="Hof: Süd"', 'label="never drawn"')
    init(export.zip(tmp_path / "one.zip"), clone)
    monkeypatch.chdir(clone)
    monkeypatch.setattr("sys.argv", ["cvat"])
    stage()
    section = PrepareParams.model_validate({"prepare": params_of(clone)["prepare"]}).prepare
    prepare(clone / "data", clone / "results/data", section)
    splits = read_json(clone / "results/data/card.json")["splits"]
    found = {split: {info["name"]: info["pixels"] for info in card["classes"]} for split, card in splits.items()}
    assert all(pixels["never drawn"] and pixels["Hof: Süd"] for pixels in found.values())


def test_folders_are_groups_and_a_second_export_is_added(clone: Path, tmp_path: Path) -> None:
    first = own(0)
    for flight in range(4):
        own(3, f"flight{flight}/", export=first)
    init(first.zip(tmp_path / "first.zip"), clone)
    assert params_of(clone)["cvat"]["group"] == "folder"
    text = (clone / "params.yaml").read_text().replace("thing: true", "thing: false  # by hand")
    (clone / "params.yaml").write_text(text.replace("- cvat", "- download\n  - cvat"))
    before = params_of(clone)
    second = own(2, "flight9/", LABELS | {"Zaun": "#010203"})
    second.add(
        "flight9/x.png", shape("polygon", "Zaun", points=square(1, 1, 3, 3)), shape("polyline", "Zaun", points="1,1")
    )
    second.files = {name: encoded(20, 16, seed=100 + number) for number, name in enumerate(second.files)}
    told = init(second.folder(tmp_path / "second"), clone)
    after = params_of(clone)
    assert after["cvat"].pop("classes") == [
        *before["cvat"].pop("classes"),
        {"name": "Zaun", "color": "#010203", "thing": True},
    ]
    assert after["cvat"].pop("skip") == ["polyline"] and before["cvat"].pop("skip") == []
    assert after == before
    rows = table(told)
    assert [rows[name][-1] for name in ("new", "unchanged", "groups")] == [3, 12, 5]
    assert "new in cvat.classes: Zaun (a thing)" in told


def test_exports_whose_names_repeat_are_tasks_and_groups(clone: Path, tmp_path: Path) -> None:
    paths = []
    for number, name in enumerate(("north", "south", "west", "east")):
        export = own(0)
        export.add("1.png", shape("box", "ignore", xtl=number, ytl=0, xbr=9, ybr=3))
        export.files["images/1.png"] = encoded(20, 16, seed=number)
        paths.append(export.zip(tmp_path / f"{name}.zip"))
    told = add(Request(paths), clone)
    assert params_of(clone)["cvat"]["group"] == "folder"
    assert [table(told)[name][-1] for name in ("new", "groups")] == [4, 4]


@pytest.mark.parametrize("unsplit", [0, 12])
def test_subsets_of_a_project_are_its_splits(
    unsplit: int, clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Side by side with images that prepare splits; the tasks' names repeat."""
    export = FakeExport(LABELS, meta="project")
    for task, (subset, images) in enumerate({"Train": 5, "Val": 2, "Test": 3, "default": unsplit}.items()):
        single = own(images, f"{'' if task < 3 else 'own/'}").images
        for number, image in enumerate(single):
            export.images.append(image.replace("<image ", f'<image task_id="{task}" subset="{subset}" '))
            name = f"{'' if task < 3 else 'own/'}{number:03d}.png"
            export.files[f"images/{subset}/{name}"] = encoded(20, 16, seed=100 * task + number)
    told = init(export.zip(tmp_path / "project.zip"), clone)
    assert told[0].startswith(f"{10 + unsplit} images")
    if not unsplit:
        assert any(line.split() == ["new", "5", "2", "3", "10"] for line in told)
    monkeypatch.chdir(clone)
    monkeypatch.setattr("sys.argv", ["cvat"])
    stage()
    values = params_of(clone)
    counts = prepare(
        clone / "data", clone / "results/data", PrepareParams.model_validate({"prepare": values["prepare"]}).prepare
    )
    assert sum(counts.values()) == 10 + unsplit
    assert all(counts[split] >= images for split, images in (("train", 5), ("val", 2), ("test", 3)))
    index = (clone / "data/prepared/test/index.csv").read_text()
    assert all(f"2-{number:03d}," in index for number in range(3))


@pytest.mark.parametrize(("labels", "found"), [(0, "0; add labels"), (255, "255; merge or remove")])
def test_too_few_and_too_many_labels(labels: int, found: str, clone: Path, tmp_path: Path) -> None:
    export = FakeExport({f"label {number}": "#123456" for number in range(labels)})
    for number in range(3):
        export.add(f"{number}.png")
    with pytest.raises(DataError, match=rf"one\.zip: expected 1 to 254 labels, found {found}"):
        init(export.zip(tmp_path / "one.zip"), clone)


@pytest.mark.parametrize(
    ("corner", "background", "classes"), [(18, "background", ["panel", "background"]), (20, "ignore", ["panel"])]
)
def test_background_is_a_class_where_much_is_outside(
    corner: int, background: str, classes: list[str], clone: Path, tmp_path: Path
) -> None:
    export = FakeExport({"panel": "#112233"})
    for number in range(3):
        export.add(f"{number}.png", shape("polygon", "panel", points=square(0, 0, corner, 16)))
    init(export.zip(tmp_path / "one.zip"), clone)
    section = params_of(clone)["cvat"]
    assert section["background"] == background and [c["name"] for c in section["classes"]] == classes


def test_background_that_was_labelled(clone: Path, tmp_path: Path) -> None:
    export = FakeExport({"Background": "#112233", "panel": "#445566"})
    for number in range(3):
        export.add(f"{number}.png", shape("polygon", "panel", points=square(0, 0, 9, 9)))
    init(export.zip(tmp_path / "one.zip"), clone)
    assert params_of(clone)["cvat"]["background"] == "Background"


def test_what_is_wrong_changes_nothing(clone: Path, tmp_path: Path) -> None:
    before = (clone / "params.yaml").read_bytes()
    for export, expected in ((own(2), "three groups or more, found 2"), (own(3), "whole image")):
        if expected == "whole image":
            export.files["images/001.png"] = encoded(20, 16)[:-9]
        with pytest.raises(DataError, match=expected):
            init(export.zip(tmp_path / "one.zip"), clone)
    with pytest.raises(DataError, match="no such file"):
        init(tmp_path / "none.zip", clone)
    assert (clone / "params.yaml").read_bytes() == before and not (clone / "data").exists()


def test_what_contains_the_clone_is_no_export_and_is_not_searched(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own().folder(tmp_path / "all")  # an export by its form, with the clone in it
    inside = shutil.copytree(clone, tmp_path / "all/clone")
    before = (inside / "params.yaml").read_bytes()
    for folder in (tmp_path / "all", inside, Path("/")):
        with pytest.raises(DataError, match="expected an export of CVAT, found a folder that contains this clone; "):
            init(folder, inside)
    assert (inside / "params.yaml").read_bytes() == before and not (inside / "data").exists()
    monkeypatch.chdir(inside)
    with pytest.raises(StateError, match=r"^pixelproof init: argument export: expected a path, found an empty arg"):
        main(["init", ""])


@pytest.mark.parametrize(
    ("options", "terminal", "answer", "portable"),
    [
        ([], False, None, True),  # as params.yaml says
        (["--no-portable"], True, None, False),
        (["--portable"], True, None, True),
        ([], True, "n", False),
        ([], True, "", True),
    ],
)
def test_whether_bytes_must_be_portable_is_asked_on_a_terminal(
    clone: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    terminal: bool,
    answer: str | None,
    portable: bool,
) -> None:
    def answered(_: str) -> str:
        assert answer is not None, "asked without need"
        return answer

    monkeypatch.chdir(clone)
    monkeypatch.setenv("PIXELPROOF_FROM", str(clone))
    monkeypatch.setattr("sys.stdin.isatty", lambda: terminal, raising=False)
    monkeypatch.setattr("builtins.input", answered)
    main(["init", str(own().zip(tmp_path / "task.zip")), *options])
    assert params_of(clone)["compute"]["portable"] is portable


def test_edit_writes_what_dvc_writes(tmp_path: Path) -> None:
    """The same change by `dvc exp run -S`, of this repository's params."""
    changes = {
        "cvat.exports": "a folder",
        "cvat.skip": ["points", "tag"],
        "cvat.classes": [{"name": "Hof: Süd", "color": "#12ab3C", "thing": True}],
        "prepare.sources": ["cvat"],
        "measure.landing.safe": [],
    }
    text = (ROOT / "params.yaml").read_text()
    by_dvc = tmp_path / "params.yaml"
    by_dvc.write_text(text)
    apply_overrides(
        by_dvc,
        [
            "cvat.exports=a folder",
            "cvat.skip=[points,tag]",
            "cvat.classes=[{name: 'Hof: Süd', color: '#12ab3C', thing: true}]",
            "prepare.sources=[cvat]",
            "measure.landing.safe=[]",
        ],
    )
    assert set_values(text, changes) == by_dvc.read_text() != text
    assert set_values(text, {}) == text


def test_edit_replaces_maps_and_refuses_what_is_not_there() -> None:
    text = "a:\n  b: {c: 1}\n\n# before d\nd: 2\n"
    assert set_values(text, {"a.b": {}, "d": {"e": 1}}) == "a:\n  b: {}\n\n# before d\nd:\n  e: 1\n"
    with pytest.raises(ParamsError, match=r"a\.x: found no such key"):
        set_values(text, {"a.x": 2})


def test_the_window_of_16_bits_is_measured_once(clone: Path, tmp_path: Path) -> None:
    export = own()
    dim = np.random.default_rng(0).integers(100, 900, (16, 20)).astype(np.uint16)
    export.files["images/003.png"] = cv2.imencode(".png", dim)[1].tobytes()
    told = "\n".join(init(export.zip(tmp_path / "one.zip"), clone))
    low, high = (int(n) for n in np.percentile(dim, [0.5, 99.5], method="inverted_cdf"))
    assert f"1 image has 16 bits per channel: cvat.window is {{low: {low}, high: {high}}}" in told
    assert params_of(clone)["cvat"]["window"] == {"low": low, "high": high}
    export.files["images/004.png"] = cv2.imencode(".png", dim * 50)[1].tobytes()
    init(export.zip(tmp_path / "one.zip"), clone)
    assert params_of(clone)["cvat"]["window"] == {"low": low, "high": high}, "older images would change"
