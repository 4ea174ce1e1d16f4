"""The command `next`, and the choice behind it, worked out by hand."""

from __future__ import annotations

import csv
import hashlib
import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from commands.__main__ import main
from commands._ranking.spread import Candidate, candidate, choose
from pixelproof.core.errors import DataError, StateError
from pixelproof.data.dataset import write_header
from stages.evaluate.predict import Prediction
from tests.commands.colours import COLOURS, HEADER, halves, k_means, make_clone, publish, write


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone whose network is sure of tomatoes and lakes, and takes grass for grass with 0.45."""
    root = make_clone(tmp_path / "clone", monkeypatch)
    votes = torch.tensor([[0.9, 0.1, 0], [0.35, 0.45, 0.2], [0, 0.2, 0.8]])
    publish(root, "kmeans", k_means(votes))
    return root


def made(name: str, group: str, uncertainty: float, *shares: float) -> Candidate:
    """An image with these shares of whatever tells images apart."""
    return Candidate(name, group, uncertainty, 0.0, np.sqrt(np.array(shares)))


def test_an_image_is_measured_as_the_docs_say() -> None:
    image = np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)
    found = Prediction(np.array([[1, 1]], np.uint8), np.array([[0.4, 0.9]], np.float32))
    one = candidate("x", "g", image, found, 3)
    assert one.uncertainty == pytest.approx(0.35) and one.unsure == 0.5
    assert (one.roots**2)[[0, 63, 64, 65, 66]] == pytest.approx([0.25, 0.25, 0, 0.5, 0])
    assert (one.roots**2).sum() == pytest.approx(1)


def test_the_first_is_the_most_uncertain_and_the_next_differs_from_it() -> None:
    """The twin is nearly as uncertain as the first, and of another group, but teaches nothing more."""
    images = [
        made("sure", "a", 0.1, 0, 1, 0), made("first", "b", 0.5, 1, 0, 0),
        made("twin", "c", 0.49, 1, 0, 0), made("half", "d", 0.3, 0.25, 0, 0.75),
    ]  # fmt: skip
    choices = choose(images, 9)
    assert [choice.candidate.name for choice in choices] == ["first", "half", "sure", "twin"]
    assert choices[1].distance == pytest.approx(math.sqrt(1 - 0.5))  # 1 minus the root of 1 * 0.25
    assert (choices[0].nearest, choices[1].nearest, choices[3].nearest) == ("", "first", "first")


def test_frames_of_one_flight_are_not_the_answer() -> None:
    """Ten frames of one flight are twice as uncertain as those of five others; all are equally far apart."""
    shares = np.eye(20)
    flight = [made(f"a{n}", "a", 0.6, *shares[n]) for n in range(10)]
    others = [made(f"b{n}", f"b{n}", 0.29, *shares[10 + n]) for n in range(5)]
    choices = choose([*flight, *others], 7)
    assert [choice.candidate.name for choice in choices] == ["a0", "a1", "b0", "b1", "b2", "b3", "b4"]
    assert choices[1].place == 2


def test_the_table_names_images_groups_and_reasons(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(clone / "photos/a/1.png", halves(32, 48, 1, 1))
    write(clone / "photos/a/2.png", halves(32, 48, 1, 1))
    write(clone / "photos/b/3.png", halves(32, 48, 0, 1))
    write(clone / "photos/b/4.png", halves(32, 48, 2, 2))
    for out in ("one", "two"):
        main(["next", "photos", "--arch", "kmeans", "--number", "3", "--out", f"{out}.csv"])
    rows = list(csv.DictReader(Path("one.csv").read_text().splitlines()))
    assert [row["image"] for row in rows] == ["photos/a/1.png", "photos/b/4.png", "photos/b/3.png"]
    assert [row["group"] for row in rows] == ["a", "b", "b"]
    assert [float(row["uncertainty"]) for row in rows] == pytest.approx([0.55, 0.2, (0.1 + 0.55) / 2], abs=1e-3)
    assert [float(row["unsure"]) for row in rows] == [1, 0, 0.5]
    apart = math.sqrt(1 - math.sqrt(0.5))  # half of the second picture is the first one's grass
    assert rows[2]["why"].endswith(f"unsure; number 2 of b; {apart:.2f} from photos/a/1.png")
    page = Path("one.html").read_text()
    assert page.count("data:image/jpeg") == 3
    assert "3 of 4 images, from 2 groups" in capsys.readouterr().out
    for ending in (".csv", ".html"):
        assert Path(f"one{ending}").read_bytes() == Path(f"two{ending}").read_bytes()


def test_what_is_labelled_already_is_left_out(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known, new = (write(clone / f"photos/{n}.png", COLOURS[np.full((32, 48), n)]) for n in (0, 1))
    digest = hashlib.sha256(known.read_bytes()).hexdigest()
    (clone / "data/annotations").mkdir()
    (clone / "data/annotations/index.csv").write_text(f"task,name,id,photograph\n1,x,1-x,{digest}.png\n")
    main(["next", "photos", "--arch", "kmeans"])
    [row] = csv.DictReader(Path("exports/next.csv").read_text().splitlines())
    assert row["image"] == "photos/1.png"
    assert "1 of 1 images, from 1 groups; 1 are labelled already" in capsys.readouterr().out
    new.unlink()
    with pytest.raises(StateError, match=r"^the images: all 1 of them are labelled already"):
        main(["next", "photos", "--arch", "kmeans"])


def test_what_another_wrote_is_not_replaced(clone: Path) -> None:
    """Neither a table nor a page, not even that of `review`."""
    write(clone / "photos/1.png", halves(32, 48))
    main(["next", "photos", "--arch", "kmeans"])
    main(["next", "photos", "--arch", "kmeans"])
    page = Path("exports/next.html")
    for name, content in (("next.html", page.read_text().replace("Images to label next", "Labels to look at")),
                          ("next.csv", "a,b\n")):  # fmt: skip
        page.with_name(name).write_text(content)
        with pytest.raises(StateError, match=rf"^exports/{name}: it exists, and this command did not write it; give"):
            main(["next", "photos", "--arch", "kmeans"])
        assert page.with_name(name).read_text() == content
        page.unlink(missing_ok=True)


def test_16_bits_are_seen_as_the_network_saw_them(clone: Path) -> None:
    """Dim ones: the same picture as the one of 8 bits, in numbers and on the page."""
    for folder, pixels in (("deep", halves(32, 48).astype(np.uint16) + 1000), ("flat", halves(32, 48))):
        (clone / folder).mkdir()
        cv2.imwrite(str(clone / folder / "1.png"), pixels[..., ::-1])
    with pytest.raises(DataError, match="16 bits per channel, and the network learned from 8 alone"):
        main(["next", "deep", "--arch", "kmeans"])
    write_header(clone / "data/prepared", replace(HEADER, sources=({"window": "{low: 1000, high: 1255}"},)))
    found = []
    for folder in ("deep", "flat"):
        main(["next", folder, "--arch", "kmeans", "--out", f"{folder}.csv"])
        found.append([Path(f"{folder}{end}").read_text().replace(folder, "") for end in (".csv", ".html")])
    assert found[0] == found[1]


def test_a_name_is_no_formula(clone: Path) -> None:
    """Nor is that of a folder; without its first apostrophe, each is what it was."""
    names = ["=cmd|calc,x/+1.png", "a=/-1.png", "'b/@1.png"]
    for name in names:
        write(clone / name, halves(32, 48))
    main(["next", *names, "--arch", "kmeans"])
    rows = list(csv.DictReader(Path("exports/next.csv").read_text().splitlines()))
    assert {row["image"]: row["group"] for row in rows} == {
        "'=cmd|calc,x/+1.png": "'=cmd|calc,x", "a=/-1.png": "a=", "''b/@1.png": "''b",
    }  # fmt: skip


def test_a_name_is_no_markup(clone: Path) -> None:
    write(clone / "photos/<b>&.png", halves(32, 48))
    main(["next", "photos", "--arch", "kmeans"])
    page = Path("exports/next.html").read_text()
    assert "&lt;b&gt;&amp;.png" in page and "<b>" not in page
