"""A sweep as it is written down."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pipelines.sweeps.common import reads
from pipelines.sweeps.spec import Sweep, name_of, read_sweep
from pixelproof.core.errors import PixelproofError


def written(folder: Path, text: str) -> Sweep:
    """The sweep of a file."""
    (folder / "tried.yaml").write_text(text)
    return read_sweep(folder / "tried.yaml")


def test_a_grid_is_every_combination_with_what_all_share(tmp_path: Path) -> None:
    sweep = written(tmp_path, "set: {train.ema: 0.9}\ngrid: {train.batch: [8, 16], train.optimizer.lr: [0.1, 0.2]}\n")
    assert [point.name for point in sweep.points] == [
        "batch=8,lr=0.1",
        "batch=8,lr=0.2",
        "batch=16,lr=0.1",
        "batch=16,lr=0.2",
    ]
    assert sweep.points[3].overrides == {"train.ema": 0.9, "train.batch": 16, "train.optimizer.lr": 0.2}
    assert sweep.varying() == ["train.batch", "train.optimizer.lr"]
    assert sweep.shared() == {"train.ema": 0.9}


def test_a_grid_that_nobody_can_run_is_refused_before_it_is_listed(tmp_path: Path) -> None:
    values = ", ".join(f"train.k{key}: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]" for key in range(20))
    with pytest.raises(PixelproofError, match="a grid of at most 1000 points, found 100,000,000,000,000,000,000"):
        written(tmp_path, f"grid: {{{values}}}\n")


def test_a_name_may_have_a_dot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("experiments").mkdir()
    Path("experiments/lr0.1.yaml").write_text("points: [{train.batch: 4}]\n")
    assert read_sweep(Path("lr0.1")).name == "lr0.1"


def test_points_are_a_list_or_have_names(tmp_path: Path) -> None:
    listed = written(tmp_path, "points: [{architectures: [unet]}, {architectures: [fcn, unet], train.batch: 4}]\n")
    assert [point.name for point in listed.points] == ["unet", "architectures=fcn+unet,batch=4"]
    named = written(tmp_path, "points: {as it is: {}, big: {train.batch: 64}}\n".replace("as it is", "as-it-is"))
    assert [(point.name, point.overrides) for point in named.points] == [("as-it-is", {}), ("big", {"train.batch": 64})]
    assert named.varying() == ["train.batch"]


def test_a_setting_of_null_is_not_one_that_is_left_alone(tmp_path: Path) -> None:
    """Whichever point comes first: what all points share runs once, with the settings of all."""
    for first, second in (("{}", "{train.crop: null}"), ("{train.crop: null}", "{}")):
        sweep = written(tmp_path, f"set: {{train.batch: null}}\npoints: {{a: {first}, b: {second}}}\n")
        assert sweep.varying() == ["train.crop"] and sweep.shared() == {"train.batch": None}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("about: nothing\n", "either `grid` or `points`, found neither"),
        ("grid: {a: [1]}\npoints: [{a: 1}]\n", "found both"),
        ("grid: {a: 1}\n", "a list of values for a"),
        ("grid: {a: []}\n", "a list of values for a"),
        ("points: []\n", "at least one point"),
        ("points: [{a: 1}, {a: 1}]\n", "a=1 twice"),
        ("points: {a/b: {a: 1}}\n", "'a/b'"),
        ("points: {a..b: {a: 1}}\n", "'a..b'"),
        ("grid: {a: [1]}\nseeds: 3\n", "found seeds"),
    ],
)
def test_what_is_no_sweep_is_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PixelproofError) as refused:
        written(tmp_path, text)
    assert said in str(refused.value) and "\n" not in str(refused.value)
    assert "tried.yaml" in str(refused.value)


def test_names_are_right_in_a_ref_of_git() -> None:
    steps = [{"name": "flip", "p": 0.5}]
    names = [
        name_of({"a.b": value})
        for value in ("", "x..y", "a/b c", "-", steps, None, True, 1e-5, "ü" * 9, list(range(99)), {"unet": 1})
    ]
    for name in names:
        assert subprocess.run(["git", "check-ref-format", f"refs/exps/s-{name}"], check=False).returncode == 0, name
    assert len(set(names)) == len(names) and max(map(len, names)) <= 80


def test_a_stage_reads_what_it_declares_and_what_is_filled_in() -> None:
    train = {"cmd": "run ${item.arch}", "matrix": {"arch": "${architectures}"}, "params": ["seed", "train.lr"]}
    assert all(reads(train, key) for key in ("architectures", "seed", "train.lr", "train", "train.lr.first"))
    assert not any(reads(train, key) for key in ("train.l", "train.batch", "arch", "seeds"))
    assert reads({"cmd": "x", "deps": ["${download.folder.path}"]}, "download.folder.path")
    assert reads({"cmd": "x", "params": [{"params.yaml": ["a.b"]}, {"other.yaml": ["c"]}]}, "a")
    assert not reads({"cmd": "x", "params": [{"other.yaml": ["c"]}]}, "c")
