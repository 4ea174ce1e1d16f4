"""Ids, tasks and groups of images."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelproof.core.errors import DataError, ParamsError
from pixelproof.core.params import check
from pixelproof.data.dataset import ID_PATTERN, UNSPLIT, read_split
from stages.cvat.archive import inside
from stages.cvat.convert import convert
from stages.cvat.naming import Key, ids_of, task_of
from stages.cvat.params import Params
from tests.stages.cvat.fake import FakeExport, params

letters = st.text(st.sampled_from("aA1-._/ é图片\u0301\U0001f600"), min_size=1, max_size=6).filter(inside)
keys = st.builds(Key, st.sampled_from(["", "1", "12", "north", "1-a"]), st.sampled_from(["", "Train", "test"]), letters)


@settings(max_examples=150)
@given(st.sets(keys, max_size=12), st.randoms())
def test_ids_are_valid_unique_and_independent_of_the_order(found: set[Key], shuffle: random.Random) -> None:
    ids = ids_of(found)
    assert set(ids) == found and all(ID_PATTERN.fullmatch(name) and len(name) < 200 for name in ids.values())
    assert len({name.casefold() for name in ids.values()}) == len(found)  # also where A.png and a.png are one file
    order = list(found)
    shuffle.shuffle(order)
    assert ids_of(order) == ids


@settings(max_examples=150)
@given(st.sets(keys, max_size=8), st.sets(keys, max_size=8))
def test_ids_that_were_given_stay(first: set[Key], then: set[Key]) -> None:
    before = ids_of(first)
    after = ids_of(first | then, before)
    assert after.items() >= before.items() and len(set(after.values())) == len(first | then)


def test_ids_are_readable_where_they_can_be() -> None:
    found = ids_of(
        [
            Key("12", "", "flight3/0001.JPG"),
            Key("flights", "", "0001.png"),
            Key("12", "", "图片一.png"),
            Key("12", "", "图片二.png"),
            Key("north", "", "Straße é 1.png"),
            Key("12", "", "x.jpg"),
            Key("12", "", "x.png"),
            Key("12", "", f"{'long' * 60}.png"),
        ]
    )
    exact, plain, *rest = found.values()
    assert (exact, plain) == ("12-flight3-0001", "0001")
    begins = ["12-", "12-", "Strae-e-1-", "12-x-", "12-x-", "12-longlong"]
    assert [name[: len(start)] for name, start in zip(rest, begins, strict=True)] == begins
    assert len({*found.values()}) == 8 and max(map(len, found.values())) < 140


def test_a_name_that_looks_like_another_ones_id() -> None:
    twins = [Key("", "", "x.jpg"), Key("", "", "x.png")]
    found = ids_of([*twins, Key("", "", f"{ids_of(twins)[twins[0]]}.png")])
    assert len({*found.values()}) == 3


@pytest.mark.parametrize(
    ("export", "task"),
    [
        ("task_North field_annotations_2026_11_01_10_00_00_cvat for images 1.1", "North field"),
        ("project_a_annotations_b_dataset_2026_11_01_10_00_00_coco 1.0", "a_annotations_b"),
        ("job_7_annotations_2026_11_15_09_30_00_cvat for video 1.1", "7"),
        ("task_1", "task_1"),
        ("export", "export"),
    ],
)
def test_the_task_of_an_export_that_does_not_say(export: str, task: str) -> None:
    assert task_of(export, "") == task and task_of(export, "12") == "12"


def groups(tmp_path: Path, group: object, *exports: FakeExport) -> dict[str, str]:
    folder = tmp_path / "annotations"
    paths = [export.zip(folder / f"{name}.zip") for name, export in zip(("north", "south"), exports, strict=False)]
    convert(paths, tmp_path / "out", params(group=group, exports=str(folder)[1:]))
    splits = [path.name for path in (tmp_path / "out").iterdir() if path.is_dir()]
    return {sample.id: sample.group for split in splits for sample in read_split(tmp_path / "out", split)}


def test_groups_of_every_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    flat = FakeExport(about="<id>12</id><subset>Train</subset>").add("p7_s1.png").add("p7_s2.png")
    deep = FakeExport().add("a/p8_s1.png")
    assert groups(tmp_path, "folder", flat, deep) == {"p7_s1": "north", "p7_s2": "north", "a-p8_s1": "a"}
    assert groups(tmp_path, "task", flat, deep) == {"p7_s1": "task-12", "p7_s2": "task-12", "a-p8_s1": "south"}
    assert groups(tmp_path, "subset", flat, deep) == {"p7_s1": "Train", "p7_s2": "Train", "a-p8_s1": UNSPLIT}
    assert groups(tmp_path, "image", flat, deep) == {name: name for name in ("p7_s1", "p7_s2", "a-p8_s1")}
    by_patient = {"p7_s1": "p7", "p7_s2": "p7", "a-p8_s1": "p8"}
    assert groups(tmp_path, {"regex": r"(p\d+)_"}, flat, deep) == by_patient
    assert groups(tmp_path, {"regex": r"p\d+"}, flat, deep) == by_patient
    table = tmp_path / "annotations/patients.csv"
    table.write_text("name,group\np7_s1.png,Anna\np7_s2.png,Anna\na/p8_s1.png,Béla\n")
    by_table = groups(tmp_path, {"file": "patients.csv"}, flat, deep)
    assert by_table == {"p7_s1": "Anna", "p7_s2": "Anna", "a-p8_s1": "Béla"}


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (None, "a table of groups, with the columns name and group, found "),
        ("name,group\n1.png,a\n", r"image '2\.png': expected a line for it in t\.csv, found none; add `2\.png,GROUP`"),
        ("image,group\n1.png,a\n", r"columns name and group in its first line, .* found the first line 'image,group'"),
        ("name;group\n1.png;a\n", r"t\.csv: expected .* found the first line 'name;group'; see docs"),
        ("name, group\n1.png, a\n", r"t\.csv: expected .* found the first line 'name, group'; see docs"),
        ("1.png,a\n", r"t\.csv: expected .* found the first line '1\.png,a'; see docs"),
        ("", r"t\.csv: expected a table of groups, .* found an empty file"),
        ("name,group\n1.png,\n", r"t\.csv:2: expected a name and a group, found '1\.png' and ''"),
        ("name,group\n1.png,a\n1.png,b\n", r"t\.csv:3: expected one group for each name, found 'a' and 'b'"),
    ],
)
def test_tables_of_groups_that_are_wrong(
    table: str | None, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    (tmp_path / "annotations").mkdir()
    if table is not None:
        (tmp_path / "annotations/t.csv").write_text(table)
    with pytest.raises(DataError, match=expected):
        groups(tmp_path, {"file": "t.csv"}, FakeExport().add("1.png").add("2.png"))


def test_a_pattern_that_finds_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"image '1\.png': expected a name in which 'p\\\\d' finds a group"):
        groups(tmp_path, {"regex": r"p\d"}, FakeExport().add("1.png"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("folders", r"cvat\.group: found 'folders'; allowed: folder, task, .*did you mean 'folder'\?"),
        ({"regexp": "a"}, r"cvat\.group: found \{'regexp': 'a'\}; allowed: folder, .* regex: PATTERN, or file"),
        ({"regex": "("}, r"cvat\.group\.regex: found '\('; no regular expression: "),
        ({"file": "../groups.csv"}, "must be in the folder of the exports"),
        (7, "cvat.group: found 7; allowed"),
    ],
)
def test_groups_that_params_cannot_mean(value: object, expected: str) -> None:
    values = params().model_dump() | {"group": value}
    with pytest.raises(ParamsError, match=expected) as error:
        check(Params, {"cvat": values})
    assert "\n" not in str(error.value)


def test_params_of_version_0_1_are_valid() -> None:
    values = params().model_dump()
    del values["subsets"]
    assert check(Params, {"cvat": values}).cvat == params()
    label = {"color": "#000000", "thing": False}
    with pytest.raises(ParamsError, match=r"cvat\.classes: .*at most 254 items") as error:
        check(Params, {"cvat": values | {"classes": [{"name": str(n)} | label for n in range(255)]}})
    assert "\n" not in str(error.value)
