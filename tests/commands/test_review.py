"""The command `review`, with a network whose every prediction can be worked out by hand."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from commands.__main__ import main
from commands._cvat.frames import Frames
from commands._ranking.judging import OneForAll
from commands._ranking.origin import Origin, Origins
from commands.review import splits
from pixelproof.core.errors import DataError, StateError
from pixelproof.data.dataset import Header, Sample, SplitWriter, write_header
from tests.commands.colours import COLOURS, HEADER, ROOT, k_means, make_clone, publish
from tests.commands.cvat_place import server
from tests.cvat_faults import status
from tests.cvat_server import TOKEN, CvatServer

__all__ = ["server"]

TOMATO, GRASS, LAKE = range(3)
FIELD = Header("tiny", (replace(HEADER.classes[TOMATO], thing=True), *HEADER.classes[1:]))
Labels = NDArray[np.uint8]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with a labelled dataset: one image in val has a wrong label, one in train lacks an object."""
    root = make_clone(tmp_path / "clone", monkeypatch)
    write_header(root / "data/prepared", FIELD)
    write_split("val", {"12-north-0001": (tomato(4, 6), tomato(4, 6, LAKE)), "good": (tomato(8, 9), tomato(8, 9))})
    write_split("train", {"7-south": (tomato(10, 20), tomato(10, 20, GRASS))})
    write_split("test", {})
    monkeypatch.delenv("CVAT_HOST", raising=False)
    return root


def tomato(top: int, left: int, label: int = TOMATO) -> Labels:
    """A field of grass with a tomato of 10x12 pixels on it, or what else is taken for one."""
    labels = np.full((32, 48), GRASS, np.uint8)
    labels[top : top + 10, left : left + 12] = label
    return labels


def write_split(split: str, images: dict[str, tuple[Labels, Labels]]) -> None:
    """A split of images, each as what is on it and what is labelled."""
    writer = SplitWriter(Path("data/prepared"), split, FIELD)
    for name, (seen, labels) in images.items():
        writer.add(Sample(name, f"group {name}", 48, 32, "cvat"), COLOURS[seen], labels)
    writer.close()


def rows(path: str = "exports/review.csv") -> list[dict[str, str]]:
    """The table."""
    return list(csv.DictReader(Path(path).read_text().splitlines()))


def review(*arguments: str) -> None:
    """The command, in this process."""
    main(["review", "--arch", "kmeans", *arguments])


def test_wrong_labels_are_listed_with_where_to_click(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    review()
    found = {row["image"]: row for row in rows()}
    assert set(found) == {"12-north-0001", "7-south"}, "nothing is wrong with the third"
    wrong, missing = found["12-north-0001"], found["7-south"]
    expected = {
        "kind": "wrong class", "split": "val", "group": "group 12-north-0001", "task": "12", "url": "",
        "left": "6", "top": "4", "right": "18", "bottom": "14",
        "label": "lake", "predicted": "tomato", "pixels": "120", "learnt": "no",
    }  # fmt: skip
    assert expected.items() <= wrong.items()
    assert (missing["kind"], missing["learnt"], missing["label"]) == ("missing object", "yes", "grass")
    assert sorted(row["rank"] for row in rows()) == ["1", "2"]
    said = capsys.readouterr().out
    assert "2 regions of 3 images: 1 missing object, 1 wrong class; 1 are judged by a network that learnt" in said
    page = Path("exports/review.html").read_text()
    assert "labelled lake, predicted tomato" in page and page.count("data:image/jpeg") == 2 * 3
    assert str(clone) not in page


def test_the_usual_confusion_comes_last(clone: Path) -> None:
    """Lake is labelled where tomatoes are, all the time, and grass once: that is the surprise."""
    lakes = {f"lake-{n}": (tomato(4, 6 + n), tomato(4, 6 + n, LAKE)) for n in range(5)}
    for path in Path("data/prepared/val").rglob("*.png"):
        path.unlink()
    write_split("val", lakes | {"one": (tomato(4, 6), tomato(4, 6, GRASS))})
    review("--split", "val", "--number", "3")
    assert [row["image"] for row in rows()] == ["one", "lake-0", "lake-1"], "equal scores by name"


def test_the_same_data_gives_the_same_bytes(clone: Path) -> None:
    for name in ("one", "two"):
        review("--out", f"{name}.csv")
    for ending in (".csv", ".html"):
        assert Path(f"one{ending}").read_bytes() == Path(f"two{ending}").read_bytes()


def test_only_the_splits_that_are_asked_for(clone: Path) -> None:
    review("--split", "train")
    assert [row["image"] for row in rows()] == ["7-south"]
    with pytest.raises(StateError, match=r"^data/prepared: no image in test; give --split another one"):
        review("--split", "test")
    assert splits("test,val") == ("val", "test")
    with pytest.raises(StateError, match=r"expected some of train,val,test, found 'vall'"):
        review("--split", "vall")


def test_what_another_wrote_is_not_replaced(clone: Path) -> None:
    review()
    review()
    Path("mine.csv").write_text("a,b\n")
    Path("page.html").write_text("mine")
    Path("folder.html").mkdir()
    foreign = "it exists, and this command did not write it"
    for name, of, said in (
        ("mine.csv", "mine.csv", foreign), ("page.html", "page.csv", foreign), ("folder.html", "folder.csv", foreign),
        ("x.txt", "x.txt", "not a .csv"),
    ):  # fmt: skip
        with pytest.raises(StateError, match=f"^{name}: {said}"):
            review("--out", of)
    assert Path("mine.csv").read_text() == "a,b\n" and Path("page.html").read_text() == "mine"
    assert not Path("page.csv").exists()


def test_several_seeds_average_their_probabilities(clone: Path) -> None:
    """The second takes tomatoes for grass with 0.6; the first is sure of all it sees."""
    votes = torch.tensor([[0.4, 0.6, 0], [0, 1, 0], [0, 0, 1]])
    publish(clone, "kmeans", k_means(votes), seed=1)
    judge = OneForAll("kmeans", [0, 1]).of("val", Sample("x", "x", 48, 32, "cvat"))
    found = judge(COLOURS[tomato(4, 6)], "x")
    np.testing.assert_allclose(found[:, 5, 7], [0.7, 0.3, 0], atol=1e-3)
    np.testing.assert_allclose(found[:, 0, 0], [0, 1, 0], atol=1e-3)


def test_a_tile_is_told_by_its_place_in_the_whole_image(clone: Path) -> None:
    writer = SplitWriter(Path("data/prepared"), "train", FIELD)
    sample = Sample("3-east-96-64", "g", 48, 32, "cvat", parent="3-east", x=96, y=64)
    for path in Path("data/prepared/train").rglob("*.png"):
        path.unlink()
    writer.add(sample, COLOURS[tomato(10, 20)], tomato(10, 20, GRASS))
    writer.close()
    review("--split", "train")
    [row] = rows()
    assert (row["left"], row["top"], row["task"]) == ("116", "74", "3")


def test_the_index_of_annotations_says_what_an_image_is_called(tmp_path: Path) -> None:
    index = tmp_path / "index.csv"
    index.write_text(
        "task,subset,name,id,overruled,frame\n"
        "12,,a b/frame_000007,12-x,overruled,7\n13,,clip/frame_000009,12-x,,9\nnorth,,n.png,n,,\n"
    )
    origins = Origins.read(index, {"CVAT_HOST": "https://cvat.example/"})
    sample = Sample("12-x", "g", 8, 8, "cvat")
    assert origins.of(sample) == Origin("13", "clip/frame_000009", "9", "https://cvat.example/tasks/13")
    assert origins.of(replace(sample, id="n")) == Origin("north", "n.png")
    assert origins.of(replace(sample, id="t", parent="12-x")).frame == "9"
    assert origins.of(replace(sample, id="12-y", source="synthetic")) == Origin()
    assert Origins.read(tmp_path / "none.csv", {}).of(sample) == Origin("12")
    index.write_text("id,photo\na,b\n")
    with pytest.raises(DataError, match=r"index\.csv: expected columns task, name and id, found id, photo"):
        Origins.read(index, {})


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("https://anna:pass-word@cvat.example.org/?t=abc", "it holds a user or a password"),
        ("https://cvat.example.org/?t=pass-word", "'https://cvat.example.org' and what follows is not the address"),
        ("javascript:alert(1)//", "not an address"),
        ("ftp://cvat.example.org", "'ftp://cvat.example.org' is not the address of a server"),
    ],
)
def test_an_address_with_more_than_a_server_is_refused_before_anything_is_judged(
    clone: Path, monkeypatch: pytest.MonkeyPatch, host: str, said: str
) -> None:
    monkeypatch.setenv("CVAT_HOST", host)
    monkeypatch.delattr("commands._review.rank")
    with pytest.raises(StateError, match=f"^CVAT_HOST: {re.escape(said)}") as error:
        review()
    assert "pass-word" not in str(error.value) and not Path("exports").exists()


@pytest.mark.parametrize(("host", "link"), [("app.cvat.ai", "https://app.cvat.ai"), ("http://10.0.0.7:8080/", None)])
def test_links_need_no_token_and_are_those_of_a_browser(
    clone: Path, monkeypatch: pytest.MonkeyPatch, host: str, link: str | None
) -> None:
    """No token travels, so that a server in the house may speak http."""
    monkeypatch.setenv("CVAT_HOST", host)
    review("--split", "val")
    assert [row["url"] for row in rows()] == [f"{link or host.rstrip('/')}/tasks/12"]


def test_links_lead_to_the_frame_in_its_job(clone: Path, server: CvatServer) -> None:
    """Of two tasks, the second with jobs of frames 0 to 2, 2 to 4 and 5."""
    for path in Path("data/prepared/val").rglob("*.png"):
        path.unlink()
    wrong = (tomato(4, 6), tomato(4, 6, LAKE))
    write_split("val", {"7-a-7-03": wrong, "8-a-8-02": wrong, "8-a-8-04": wrong, "8-gone": wrong, "north": wrong})
    review("--split", "val", "--links")
    links = {row["image"]: row["url"].removeprefix(server.url) for row in rows()}
    assert links == {
        "7-a-7-03": "/tasks/7/jobs/700?frame=3", "8-a-8-02": "/tasks/8/jobs/800?frame=2",
        "8-a-8-04": "/tasks/8/jobs/801?frame=4", "8-gone": "/tasks/8", "north": "",
    }  # fmt: skip
    assert {row["image"]: row["frame"] for row in rows()}["8-a-8-04"] == "4"
    assert "/tasks/8/jobs/801?frame=4" in Path("exports/review.html").read_text()
    assert not any(TOKEN in path.read_text() for path in Path("exports").iterdir())


@pytest.mark.parametrize("answer", [404, 403])
def test_a_task_that_is_gone_costs_its_links_alone(
    clone: Path, server: CvatServer, capsys: pytest.CaptureFixture[str], answer: int
) -> None:
    for path in Path("data/prepared/val").rglob("*.png"):
        path.unlink()
    wrong = (tomato(4, 6), tomato(4, 6, LAKE))
    write_split("val", {"7-a-7-03": wrong, "8-a-8-02": wrong, "8-a-8-04": wrong})
    server.fail("GET /api/tasks/8", status(answer))
    review("--links", "--split", "val")
    links = {row["image"]: row["url"].removeprefix(server.url) for row in rows()}
    assert links == {"7-a-7-03": "/tasks/7/jobs/700?frame=3", "8-a-8-02": "", "8-a-8-04": ""}
    said = "2 have no link: the server has no such task, or hides it from the token's owner."
    assert said in capsys.readouterr().out and said.partition("'")[0] in Path("exports/review.html").read_text()


def test_a_server_that_cannot_be_asked_is_said_before_anything_is_judged(
    clone: Path, server: CvatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CVAT_ACCESS_TOKEN", "another")
    monkeypatch.delattr("commands._review.rank")
    with pytest.raises(StateError, match=r"CVAT_ACCESS_TOKEN: .* does not accept it"):
        review("--links")


def test_frames_of_a_video_are_counted_as_its_task_does() -> None:
    frames = Frames({}, start=10, step=5, jobs=((0, 3, 41), (4, 9, 42)))
    assert frames.place("x", "frame_000030", "30") == (4, 42)
    assert frames.place("x", "frame_000090", "90") is None


def test_help_imports_nothing_slow() -> None:
    program = "import sys, commands.review, commands.next; sys.exit(bool({'torch', 'cv2', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
