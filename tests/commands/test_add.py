"""`add`: labels come again and again, and no image that is there changes its id or its split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import pytest
import yaml

from commands import add
from commands.__main__ import main
from commands._cvat.pull import Pulled
from pixelproof.core.errors import DataError, ParamsError, StateError
from stages.cvat.params import GROUPINGS, Subset
from tests.commands.adding import FIRST, LABELS, Clone, export, flight, in_all, project, splits, table
from tests.stages.cvat.fake import FakeExport, encoded, shape


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone.at(tmp_path / "clone")


def test_two_weeks_later_and_later_still(clone: Clone, tmp_path: Path) -> None:
    """Each further export in turn: names that restart, another file name, the whole project, more and corrected."""
    rows = clone.add(export(FIRST, "12").zip(tmp_path / "task_Yards_annotations_2026_11_01_10_00_00_cvat.zip"))
    assert in_all(rows) == (24, 0, 0, 0) and rows["groups"][-1] == 6 and min(rows["new"]) > 0
    old = clone.images()
    assert set(old) == {f"12-{name.replace('/', '-').removesuffix('.JPG')}" for name in FIRST}
    steps: list[tuple[FakeExport, tuple[int, ...]]] = [
        (export(flight(100, 5), "13"), (5, 0, 0, 24)),
        (export(FIRST, "12"), (0, 0, 0, 29)),
        (project(t12=("default", FIRST), t13=("default", flight(100, 5))), (0, 0, 0, 29)),
        (export({**FIRST, **{f"flight9/{n}": v for n, v in flight(200, 20).items()}}, "12"), (20, 0, 0, 29)),
    ]
    for number, (made, expected) in enumerate(steps):
        assert in_all(clone.add(made.zip(tmp_path / f"again {number}.zip"))) == expected
        now = clone.images()
        assert now.items() >= old.items(), number  # ids, splits, and all bytes of what did not change
        assert len(now) == sum(expected)
        old = now
    corrected = {name: (seed, 9 if number < 5 else left) for number, (name, (seed, left)) in enumerate(FIRST.items())}
    more = {f"flight9/{n}": v for n, v in flight(200, 20).items()}
    rows = clone.add(export({**corrected, **more}, "12").folder(tmp_path / "corrected"))
    assert in_all(rows) == (0, 5, 0, 44)
    now = clone.images()
    assert splits(now) == splits(old)
    assert sorted(name for name in now if now[name] != old[name])[0] == "12-flight0-DJI_0000"
    assert sum(now[name] != old[name] for name in now) == 5
    names = [path.name for path in (clone.store / "photographs").iterdir()]
    assert len(names) == 49 and len([*(clone.store / "exports").glob("*.csv")]) == 2


def test_repeating_changes_no_byte(clone: Clone, tmp_path: Path) -> None:
    made = export(FIRST, "12")
    path = made.zip(tmp_path / "a.zip")
    clone.told(path)
    before = clone.files()
    assert "nothing changed" in clone.told(path)
    made.about += "<dumped>2026-11-15 10:00:00</dumped>"  # as each export has: no label changed
    assert "nothing changed" in clone.told(made.folder(tmp_path / "b"))
    assert clone.files() == before


def test_a_dry_run_says_the_same_and_writes_nothing(clone: Clone, tmp_path: Path) -> None:
    first, second = export(FIRST, "12").zip(tmp_path / "a.zip"), export(flight(50, 3), "13").zip(tmp_path / "b.zip")
    for path in (first, second):
        before = clone.files()
        *said, last = clone.told(path, dry=True)
        assert clone.files() == before and last == "nothing was written (--dry-run)"
        assert not (clone.folder / "data").exists() or path is second
        assert clone.told(path)[:-1] == said


def test_annotations_without_photographs_use_those_that_are_there(clone: Clone, tmp_path: Path) -> None:
    clone.told(export(FIRST, "12").zip(tmp_path / "a.zip"))
    old = clone.images()
    moved = {name: (seed, 8) for name, (seed, _) in FIRST.items()}
    rows = clone.add(export(moved, "12", photographs=False).zip(tmp_path / "b.zip"))
    assert in_all(rows) == (0, 24, 0, 0)
    now = clone.images()
    assert splits(now) == splits(old) and not {*now.values()} & {*old.values()}
    before = clone.files()
    unknown = export({"x.JPG": (1, 1), "y.JPG": (2, 1), **moved}, "12", photographs=False).zip(tmp_path / "c.zip")
    with pytest.raises(DataError, match=r"none for 2 of 26 images; the first is 'x\.JPG'"):
        clone.told(unknown)
    larger = export({}, "12", photographs=False)
    larger.images = export(FIRST).images[:1]
    larger.images[0] = larger.images[0].replace('width="20"', 'width="21"')
    with pytest.raises(DataError, match=r"image 'flight0/DJI_0000\.JPG': expected the size .* 21x16, found 20x16"):
        clone.told(larger.zip(tmp_path / "larger.zip"))
    assert clone.files() == before
    # a name that only one task has, which is another
    assert in_all(clone.add(export(flight(300, 2), "14").zip(tmp_path / "d.zip"))) == (2, 0, 0, 24)
    before = clone.files()
    for task, fix in (("15", r"'Save images' on$"), ("", "or name the file as the task that has them$")):
        other = export({"DJI_0001.JPG": (0, 3)}, task, photographs=False).zip(tmp_path / "15.zip")
        with pytest.raises(DataError, match=f"of the task '15', found none for 1 of 1 images; .*{fix}"):
            clone.told(other)
    assert clone.files() == before


def test_one_picture_in_two_tasks_is_one_image(clone: Clone, tmp_path: Path) -> None:
    clone.told(export(FIRST, "12").zip(tmp_path / "a.zip"))
    old = clone.images()
    again = {f"other/{number}.JPG": value for number, value in enumerate(FIRST.values())}
    told = clone.told(export(again, "13").zip(tmp_path / "b.zip"))
    assert "in another task too, with the same labels: 24 images, kept once" in told
    assert clone.images() == old
    other = project(t14=("Test", {"x.JPG": (0, 3)})).zip(tmp_path / "x.zip")
    assert "1 of them are in another subset there: they stay where they came first" in clone.told(other)
    assert clone.images() == old
    # where the first task drops an image, the other's takes over its id
    first = dict([*FIRST.items()][1:])
    assert in_all(clone.add(export(first, "12").zip(tmp_path / "c.zip"))) == (0, 0, 0, 24)
    assert clone.images().keys() == old.keys()
    assert in_all(clone.add(export(dict([*again.items()][1:]), "13").zip(tmp_path / "d.zip"))) == (0, 0, 0, 24)
    assert clone.images().keys() == old.keys()
    assert in_all(clone.add(project(t14=("Test", {"y.JPG": (1, 3)})).zip(tmp_path / "e.zip"), replaced=["14"]))[2] == 1
    assert old.keys() - clone.images().keys() == {"12-flight0-DJI_0000"}


def test_a_picture_that_is_no_longer_the_same_gets_an_id_of_its_own(clone: Clone, tmp_path: Path) -> None:
    clone.told(export(FIRST, "12").zip(tmp_path / "a.zip"))
    clone.told(export({"b.JPG": (0, 3), "c.JPG": (1, 3)}, "1").zip(tmp_path / "b.zip"))
    old = clone.images()
    assert in_all(clone.add(export({"b.JPG": (90, 3), "c.JPG": (1, 3)}, "1").zip(tmp_path / "c.zip"))) == (1, 0, 0, 24)
    now = clone.images()
    assert now.items() >= old.items() and now.keys() - old.keys() == {"1-b"}


def by_picture(clone: Clone) -> dict[str, tuple[str, str]]:
    """By the bytes of image and labels, the id and the split."""
    return {digest: (name, split) for name, (split, digest) in clone.images().items()}


@pytest.mark.parametrize("change", ["one is dropped", "two are swapped", "one is put before"])
def test_where_names_shift_an_image_goes_with_its_photograph(change: str, clone: Clone, tmp_path: Path) -> None:
    pictures = [(seed, 2 + seed % 9) for seed in range(12)]
    names = [f"DJI_{number:04d}.JPG" for number in range(13)]
    clone.told(export(dict(zip(names, pictures, strict=False)), "12").zip(tmp_path / "a.zip"), group="image")
    old = by_picture(clone)
    assert len({split for _, split in old.values()}) == 3
    if change == "one is dropped":
        del pictures[2]
    elif change == "two are swapped":
        pictures[3], pictures[7] = pictures[7], pictures[3]
    else:
        pictures.insert(0, (99, 3))
    expected = {"one is dropped": (0, 0, 1, 11), "two are swapped": (0, 0, 0, 12), "one is put before": (1, 0, 0, 12)}
    again = export(dict(zip(names, pictures, strict=False)), "12").zip(tmp_path / "b.zip")
    assert in_all(clone.add(again)) == expected[change]
    now = by_picture(clone)
    assert all(now[digest] == old[digest] for digest in now.keys() & old.keys())
    assert len(now.keys() & old.keys()) == expected[change][-1]
    corrected = {name: (seed, left + 1) for name, (seed, left) in zip(names, pictures, strict=False)}
    alone = export(corrected, "12", photographs=False).zip(tmp_path / "c.zip")  # by the names that they have now
    assert in_all(clone.add(alone)) == (0, len(pictures), 0, 0)
    assert dict(by_picture(clone).values()) == dict(now.values())
    assert "nothing changed" in clone.told(export(corrected, "12").zip(tmp_path / "d.zip"))


def test_a_picture_that_takes_the_place_of_another_is_that_of_its_own_task(clone: Clone, tmp_path: Path) -> None:
    clone.told(export(FIRST, "12").zip(tmp_path / "a.zip"))
    clone.told(export({"b.JPG": (90, 3), "c.JPG": (91, 3)}, "1").zip(tmp_path / "b.zip"))
    old = clone.images()
    assert in_all(clone.add(export({"b.JPG": (0, 3), "c.JPG": (91, 3)}, "1").zip(tmp_path / "c.zip"))) == (0, 0, 1, 25)
    now = clone.images()
    assert old.items() >= now.items() and old.keys() - now.keys() == {"1-b"}
    # and one that two tasks have stays where it came first, by another name there
    renamed = {name.replace("DJI_0000", "renamed"): value for name, value in FIRST.items()}
    assert in_all(clone.add(export(renamed, "12").zip(tmp_path / "d.zip"))) == (0, 0, 0, 25)
    assert clone.images() == now


@pytest.mark.parametrize(("count", "background"), [(253, "background"), (254, "ignore")])
def test_as_many_labels_as_there_may_be(count: int, background: str, clone: Clone, tmp_path: Path) -> None:
    labels = ["panel", *(f"l{number}" for number in range(count - 1))]
    told = clone.told(export(FIRST, "12", labels).zip(tmp_path / "a.zip"))
    (said,) = (line for line in told if "cvat.background: " in line)
    assert f"cvat.background: {background}" in said
    assert ("254 labels leave no room for a class of those pixels" in said) == (count == 254)
    assert len(clone.params()["cvat"]["classes"]) == 254 and len(clone.images()) == 24


def test_a_video_whose_photographs_are_nowhere_is_refused_before_it_is_drawn(
    clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def frames(name: str, count: int, there: bool, *ends: int) -> Path:
        made = FakeExport(LABELS, about=f"<id>7</id><start_frame>0</start_frame><stop_frame>{count - 1}</stop_frame>")
        made.about += "<original_size><width>20</width><height>16</height></original_size>"
        boxes = (shape("box", frame=n, outside=0, xtl=n, ytl=2, xbr=n + 4, ybr=7) for n in ends)
        made.images = [f'<track id="0" label="panel">{"".join(boxes)}</track>']
        made.files = {f"images/frame_{n:06d}.PNG": encoded(20, 16, seed=n) for n in range(count if there else 0)}
        return made.zip(tmp_path / name)

    def drawn(*_: object) -> None:
        raise AssertionError("it was drawn")

    with monkeypatch.context() as patch:
        patch.setattr("stages.cvat.formats.cvat_video._Reader._draw", drawn)
        with pytest.raises(
            DataError, match=r"photographs in the export, or in an earlier one of the task '7', found none"
        ):
            clone.told(frames("a.zip", 100_000, False, 0, 4))
    assert in_all(clone.add(frames("b.zip", 9, True, 0, 4), frames("c.zip", 9, False, 0, 5))) == (9, 0, 0, 0)
    assert in_all(clone.add(frames("d.zip", 9, False, 1, 4))) == (0, 5, 0, 4)  # 0, and those after 4


def test_photographs_stay_as_long_as_an_export_has_them(clone: Clone, tmp_path: Path) -> None:
    """Of a project's export one task counts, the other came before it unchanged, and is replaced later."""
    clone.told(export(FIRST, "12").zip(tmp_path / "a.zip"))
    clone.told(project(t12=("default", FIRST), t13=("default", flight(50, 2))).zip(tmp_path / "b.zip"))
    first = {**FIRST, "flight0/DJI_0000.JPG": (99, 3)}
    assert in_all(clone.add(export(first, "12").zip(tmp_path / "c.zip"))) == (0, 1, 0, 25)
    old = clone.images()
    assert in_all(clone.add(export(flight(50, 2, left=9), "13").zip(tmp_path / "d.zip"))) == (0, 2, 0, 24)
    assert {name for name, value in clone.images().items() if value != old[name]} == {"13-DJI_0000", "13-DJI_0001"}


def test_other_labels_for_one_picture_name_both_and_replace_decides(clone: Clone, tmp_path: Path) -> None:
    clone.told(export(FIRST, "12").zip(tmp_path / "a.zip"))
    old, before = clone.images(), clone.files()
    other = export({"mine.JPG": (0, 11), "mine too.JPG": (1, 3)}, "13").zip(tmp_path / "b.zip")
    expected = (
        r"^task '13', image 'mine\.JPG': .* in task '12' as 'flight0/DJI_0000\.JPG', found others; .*--replace TASK"
    )
    with pytest.raises(DataError, match=expected):
        clone.told(other)
    assert clone.files() == before
    assert in_all(clone.add(other, replaced=["12"])) == (0, 1, 0, 23)
    now = clone.images()
    assert now.keys() == old.keys() and {n for n in now if now[n] != old[n]} == {"12-flight0-DJI_0000"}
    assert now["12-flight0-DJI_0000"][0] == old["12-flight0-DJI_0000"][0]  # its split
    after = clone.files()
    for path in (other, tmp_path / "a.zip"):  # the decision stays
        assert "nothing changed" in clone.told(path)
    assert clone.files() == after
    gone = export({"mine too.JPG": (1, 3)}, "13").zip(tmp_path / "c.zip")  # what had decided is gone
    clone.told(gone)
    assert clone.images() == old
    with pytest.raises(DataError, match="correct one of the two in CVAT"):
        clone.told(export({"x.JPG": (500, 1), "y.JPG": (500, 2)}, "14").zip(tmp_path / "d.zip"))


def test_what_says_nothing_is_not_kept(clone: Clone, tmp_path: Path) -> None:
    folder = export(FIRST, "12").folder(tmp_path / "Downloads")
    for name in ("film.mp4", "images/other.JPG", "letters/1.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"private")
    assert in_all(clone.add(folder / "annotations.xml")) == (24, 0, 0, 0)
    (kept,) = (path for path in (clone.store / "exports").rglob("*") if path.is_file() and path.suffix != ".csv")
    assert kept.name == "annotations.xml" and len([*(clone.store / "photographs").iterdir()]) == 24
    assert len(clone.images()) == 24


def test_the_same_labels_in_other_words_are_the_same(clone: Clone, tmp_path: Path) -> None:
    clone.told(export(FIRST, "12").zip(tmp_path / "a.zip"))
    made = export(FIRST, "12")
    made.images = [line.replace('z_order="0"', 'z_order="7"') for line in made.images]
    assert "nothing changed" in clone.told(made.zip(tmp_path / "b.zip"))


def test_another_task_of_the_same_name_is_no_replacement(clone: Clone, tmp_path: Path) -> None:
    clone.told(export(FIRST).zip(tmp_path / "export.zip"))
    other = export({f"b{number}.JPG": (70 + number, 3) for number in range(3)}).zip(tmp_path / "b/export.zip")
    with pytest.raises(DataError, match="pictures of the task 'export', of which there are 24, found none of them"):
        clone.told(other)
    assert in_all(clone.add(other, replaced=["export"])) == (3, 0, 24, 0)
    names_restart = export({f"b{number}.JPG": (80 + number, 3) for number in range(3)}).zip(tmp_path / "c/export.zip")
    with pytest.raises(DataError, match="pictures of the task 'export', of which there are 3, found none of them"):
        clone.told(names_restart)
    one_new = export({"b0.JPG": (70, 3), "b1.JPG": (90, 3), "b2.JPG": (72, 3)}).zip(tmp_path / "d/export.zip")
    told = clone.told(one_new)
    assert in_all(table(told)) == (0, 1, 0, 2) and "with another photograph than before: 1 image" in told


def test_an_image_keeps_its_id_in_another_subset_and_by_another_name(clone: Clone, tmp_path: Path) -> None:
    first, moved = flight(0, 8), flight(0, 8)
    clone.told(
        project(t3=("Train", first), t4=("val", flight(20, 2)), t5=("Test", flight(30, 2))).zip(tmp_path / "a.zip")
    )
    old = clone.images()
    assert [split for _, (split, _) in sorted(old.items())] == ["train"] * 8 + ["val"] * 2 + ["test"] * 2
    moved["renamed.JPG"] = moved.pop("DJI_0007.JPG")
    told = clone.told(project(t3=("Validation", moved)).zip(tmp_path / "b.zip"))
    assert "of another split than before, as their subset or group changed: 8 images" in told
    now = clone.images()
    assert now.keys() == old.keys() and {now[name][0] for name in now if name.startswith("3-")} == {"val"}


def test_where_all_is_learnt_from_no_image_is_counted_for_validation(clone: Clone, tmp_path: Path) -> None:
    values = clone.params()
    values["prepare"]["split"]["learn_val"] = True
    (clone.folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    rows = clone.add(export(FIRST).zip(tmp_path / "a.zip"))
    counts = Counter(splits(clone.images()).values())
    assert rows["new"] == [counts["train"], 0, counts["test"], 24] and counts["test"] > 0


def test_subsets_of_other_names_are_asked_for_or_listed(clone: Clone, tmp_path: Path) -> None:
    made = project(t3=("North", flight(0, 3)), t4=("South = b", flight(20, 2)), t5=("Test", flight(30, 2)))
    path = made.zip(tmp_path / "a.zip")
    with pytest.raises(ParamsError, match=r"found nothing about 'North', 'South = b'; add --subset 'North=train' --"):
        clone.told(path)
    answers = iter(["trian", "train", "val"])
    rows = clone.add(path, ask=lambda question: next(answers))
    assert rows["new"] == [3, 2, 2, 7] and not [*answers]
    assert clone.params()["cvat"]["subsets"] == {"North": "train", "South = b": "val"}
    more = project(t6=("West", flight(50, 1))).zip(tmp_path / "b.zip")
    assert clone.add(more, subsets={"West": "test"})["new"] == [0, 0, 1, 1]
    with pytest.raises(ParamsError, match=r"'North' is train; images that are there would change their split"):
        clone.told(more, subsets={"North": "val"})


def run(clone: Clone, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.chdir(clone.folder)
    monkeypatch.setenv("PIXELPROOF_FROM", str(clone.folder))
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    main(["add", *arguments])


def test_the_command_and_its_options(
    clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project(t3=("North", flight(0, 6)), t4=("default", flight(20, 3))).zip(clone.folder / "a.zip")
    run(clone, monkeypatch, "a.zip", "--subset", "North=unsplit", "--group", r"regex:DJI_\d+", "--dry-run")
    assert "nothing was written" in capsys.readouterr().out and not (clone.folder / "data").exists()
    names = [f"DJI_{number:04d}.JPG" for number in range(6)]
    (tmp_path / "slides.csv").write_text("name,group\n" + "".join(f"{name},{n // 2}\n" for n, name in enumerate(names)))
    run(clone, monkeypatch, "a.zip", "--subset", "North=unsplit", "--group", "file:../slides.csv")
    assert clone.params()["cvat"]["group"] == {"file": "slides.csv"}
    assert (clone.store / "slides.csv").read_text() == (tmp_path / "slides.csv").read_text()
    assert "groups" in capsys.readouterr().out and len(clone.images()) == 9
    export({"new.png": (50, 1)}, "9").zip(clone.folder / "b.zip")
    with pytest.raises(DataError, match=r"task '9', image 'new\.png': expected a line for it in slides\.csv"):
        run(clone, monkeypatch, "b.zip")
    with (tmp_path / "slides.csv").open("a") as file:
        file.write("new.png,7\n")
    run(clone, monkeypatch, "b.zip", "--group", "file:../slides.csv")
    with pytest.raises(ParamsError, match=r"cvat\.group: found .*; images that are there would change their splits"):
        run(clone, monkeypatch, "b.zip", "--group", "task")
    for wrong in (["--subset", "a=b"], ["--group", "folders"], ["--group", "file:"]):
        with pytest.raises(StateError, match=r"expected (NAME=SPLIT|one of folder, task)"):
            run(clone, monkeypatch, "b.zip", *wrong)
    with pytest.raises(StateError, match=r"^cvat:x: neither a path nor a task of a CVAT server; write cvat:TASK"):
        run(clone, monkeypatch, "cvat:x")


def test_tasks_of_a_server_are_pulled_and_added(
    clone: Clone, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def pull(projects: list[int], tasks: list[int], finished: object, out: Path, held: Mapping[str, int]) -> Pulled:
        asked.append((projects, tasks, dict(held)))
        exports = [export(FIRST, "12").folder(out / "task-12-a"), export(flight(50, 2), "13").folder(out / "task-13-b")]
        return Pulled(exports, {})

    monkeypatch.setattr("commands._cvat.pull.pull", pull)
    run(clone, monkeypatch, "cvat:project/3")
    assert table(capsys.readouterr().out.splitlines())["new"][-1] == 26
    before = clone.files()
    run(clone, monkeypatch, "cvat:12")
    assert "nothing changed" in capsys.readouterr().out and clone.files() == before
    assert asked == [([3], [], {}), ([], [12], {"12": 24, "13": 2})]


def test_new_labels_are_appended_and_what_was_edited_stays(clone: Clone, tmp_path: Path) -> None:
    clone.told(export(FIRST, "12").zip(tmp_path / "a.zip"))
    clone.edit(background="yard")
    before = clone.params()["cvat"]
    made = export(flight(50, 2), "13", labels=("fence", "panel"))
    made.images[0] = made.images[0].replace("</image>", shape("polyline", "fence", points="1,1;2,2") + "</image>")
    told = clone.told(made.zip(tmp_path / "b.zip"))
    assert "new in cvat.classes: fence (not a thing)" in told
    assert "skipped, as they have no area: 1 polyline (cvat.skip)" in told
    after = clone.params()["cvat"]
    assert after["classes"] == [*before["classes"], {"name": "fence", "color": "#010203", "thing": False}]
    assert after == before | {"classes": after["classes"], "skip": ["polyline"]}


def test_help_lists_what_params_allow() -> None:
    assert GROUPINGS == add.GROUPS
    assert get_args(Subset) == add.SPLITS
