"""`drift`: the statistics beside SciPy's, and the command with k-means over three colours."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_ind

from commands.__main__ import main
from commands._drifting.judge import ALIKE, group_means, shifts, verdict
from commands._drifting.measures import colours, distances
from pixelproof.core.errors import ExitCode, StateError
from pixelproof.data.dataset import Sample, SplitWriter
from tests.commands.colours import COLOURS, HEADER, make_clone, write


def drawn(groups: int, measures: int = 3, seed: int = 0, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1.0, (groups, measures))


def test_p_values_and_intervals_are_those_of_scipy() -> None:
    known, new = drawn(12), drawn(5, seed=1, shift=0.5)
    found = shifts(["a", "b", "c"], known, new)
    wanted = ttest_ind(new, known, equal_var=True)
    raw = np.sort(wanted.pvalue)
    holm = np.minimum(np.maximum.accumulate(raw * [3, 2, 1]), 1)
    assert sorted(each.p for each in found) == pytest.approx(list(holm))
    ends = wanted.confidence_interval(0.95)
    pooled = np.sqrt((11 * known.var(axis=0, ddof=1) + 4 * new.var(axis=0, ddof=1)) / 15)
    assert [each.low for each in found] == pytest.approx(list(ends.low / pooled))
    assert [each.high for each in found] == pytest.approx(list(ends.high / pooled))


@pytest.mark.parametrize("new", [1, 3, 20])
def test_images_that_are_alike_are_rarely_said_to_differ(new: int) -> None:
    said = [verdict(shifts(["a", "b", "c"], drawn(12, seed=n), drawn(new, seed=1000 + n)), ["a"]) for n in range(400)]
    assert said.count(ExitCode.WORSE) / len(said) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)
    alike = {1: 0.0, 3: 0.5, 20: 0.9}[new]
    assert said.count(ExitCode.GOOD) / len(said) >= alike


def test_one_group_alone_is_never_said_to_be_alike() -> None:
    found = [verdict(shifts(["a"], drawn(12, 1, n), drawn(1, 1, 1000 + n)), ["a"]) for n in range(100)]
    assert ExitCode.GOOD not in found and ExitCode.CANNOT_TELL in found


def test_a_large_shift_is_seen_in_one_group_and_a_constant_measure_in_any() -> None:
    assert verdict(shifts(["a"], drawn(12, 1), drawn(1, 1, shift=8)), ["a"]) is ExitCode.WORSE
    ones = np.ones((5, 1))
    (same,), (moved,) = shifts(["a"], ones, ones), shifts(["a"], ones, ones + 0.01)
    assert (same.verdict, same.p) == ("constant", 1.0) and (moved.verdict, moved.p) == ("differs", 0.0)
    assert ALIKE == 2.0


def test_groups_count_once_however_many_images_they_have() -> None:
    values = np.array([[0.0]] * 99 + [[10.0]])
    assert group_means(values, ["a"] * 99 + ["b"]).tolist() == [[0.0], [10.0]]


def test_colours_and_distances_by_hand() -> None:
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 255
    lightness, green_to_red, blue_to_yellow, contrast, sharpness = colours(red)
    assert (lightness, green_to_red, blue_to_yellow) == pytest.approx((53.24, 80.09, 67.20), abs=0.1)  # CIE's own
    assert contrast == sharpness == 0
    board = np.indices((8, 8)).sum(axis=0) % 2 * np.uint8(255)
    assert colours(np.repeat(board[..., None], 3, axis=2).astype(np.uint8))[4] > 5
    learnt = np.array([[1.0, 0.0]] * 5 + [[0.0, 1.0]] * 5)
    assert distances(np.array([[3.0, 0.0], [1.0, 1.0]]), learnt) == pytest.approx([-9, np.log10(1 - np.sqrt(0.5))])


def picture(draw: np.random.Generator, share: float = 0.5) -> np.ndarray:
    """A photograph with noise, whose left part, of about this share, is tomato, and the rest grass or lake."""
    width = int(np.clip(48 * draw.normal(share, 0.08), 0, 48))
    classes = np.repeat(np.where(np.arange(48) < width, 0, draw.integers(1, 3))[None], 32, axis=0)
    noisy: np.ndarray = COLOURS[classes] + draw.normal(0, 6, (32, 48, 3))
    return np.asarray(noisy.clip(0, 255), np.uint8)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone whose network knows three colours, with twelve groups to judge it by."""
    root, draw = make_clone(tmp_path / "clone", monkeypatch), np.random.default_rng(0)
    for split in ("val", "test"):
        writer = SplitWriter(root / "data/prepared", split, HEADER)
        for group in range(6):
            for number in range(8):
                sample = Sample(f"{group}-{number}", f"{split}{group}", 48, 32, "test")
                writer.add(sample, picture(draw), np.zeros((32, 48), np.uint8))
        writer.close()
    return root


def photos(folder: Path, groups: int, share: float = 0.5) -> None:
    draw = np.random.default_rng(1)
    for group in range(groups):
        for number in range(8):
            write(folder / f"flight-{group}/{number}.png", picture(draw, share))


def drift(*arguments: str) -> ExitCode:
    return main(["drift", *arguments, "--arch", "kmeans"])


def test_alike_different_and_too_few(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos(root / "alike", 12)
    photos(root / "red", 3, share=0.8)
    photos(root / "few", 1)
    assert drift("alike", "--out", "alike.json") is ExitCode.GOOD
    said = capsys.readouterr().out
    assert "96 images in 12 groups, beside 96 in 12" in said and "alike: nothing differs" in said
    kept = json.loads((root / "alike.json").read_text())
    assert kept["verdict"] == "good" and {"certainty", "share of tomato"} <= {each["name"] for each in kept["measures"]}
    assert drift("red") is ExitCode.WORSE
    differing = [line.split("|")[1].strip() for line in capsys.readouterr().out.splitlines() if "| differs |" in line]
    assert "share of tomato" in differing
    assert drift("few") is ExitCode.CANNOT_TELL
    assert "cannot tell: nothing differs that shows" in capsys.readouterr().out


def test_where_labelled_images_are_groups_of_one_new_ones_are_too(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in ("val", "test"):
        index = root / "data/prepared" / split / "index.csv"
        first, *others = (line.split(",") for line in index.read_text().splitlines())
        rows = [first, *([row[0], f"{split}{row[0]}", *row[2:]] for row in others)]
        index.write_text("".join(",".join(row) + "\n" for row in rows))
    photos(root / "few", 1)
    drift("few")
    assert "8 images in 8 groups, beside 96 in 96" in capsys.readouterr().out


def test_what_cannot_be_compared_is_told(root: Path) -> None:
    with pytest.raises(StateError, match="nowhere: no such file or folder"):
        drift("nowhere")
    photos(root / "few", 1)
    for split in ("val", "test"):
        index = root / "data/prepared" / split / "index.csv"
        index.write_text("".join(line.replace(f"{split}", "one") for line in index.read_text().splitlines(True)[:1]))
        for folder in ("images", "masks"):
            for path in (root / "data/prepared" / split / folder).iterdir():
                path.unlink()
    with pytest.raises(StateError, match=r"0 groups in val and test; 3 or more show"):
        drift("few")
