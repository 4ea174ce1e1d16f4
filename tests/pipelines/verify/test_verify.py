"""`verify workspace`: what is identical, within the tolerance, different, missing and new is told apart and counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.verify.verify import best, verify, verify_workspace
from pixelproof.core.errors import ExitCode, ParamsError, StateError
from pixelproof.core.machine import processor
from tests.pipelines.conftest import commit, python, sh


def change(arch: str, **test: Any) -> None:
    """Set numbers of `test`; None takes one away."""
    path = Path(f"metrics/{arch}.json")
    content = json.loads(path.read_text())
    content["test"] = {key: value for key, value in (content["test"] | test).items() if value is not None}
    path.write_text(json.dumps(content))


NOT_RUN = "nothing has been run here, so the metrics are git's own: nothing to compare; run `dvc repro` first"


def test_metrics_as_committed_are_identical_where_they_were_made(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("reports").mkdir()
    Path("reports/index.html").write_text("")
    assert verify_workspace() == ExitCode.GOOD
    assert capsys.readouterr().out.splitlines() == [
        f"report: {repo / 'reports/index.html'}",
        f"every output has the bytes of HEAD's dvc.lock (7 outputs), on {processor()[0]}",
        "6 identical, 0 within tolerance (another processor), 0 different",
    ]


def test_of_a_changed_tree_nothing_is_said_of_bytes(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The processor is not why they differ from HEAD's."""
    Path("params.yaml").write_text(Path("params.yaml").read_text() + "# a comment\n")
    assert verify_workspace() == ExitCode.GOOD
    assert "bytes" not in capsys.readouterr().out


def test_in_a_fresh_clone_there_is_nothing_to_compare(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (0, 1):  # with a lock of this tree, and of another
        Path("params.yaml").write_text(Path("params.yaml").read_text().replace("seed: 0", f"seed: {seed}"))
        commit(clone)
        assert verify_workspace() == ExitCode.CANNOT_TELL
        assert capsys.readouterr().out.splitlines() == [
            "report: none yet, `dvc repro` writes reports/index.html",
            NOT_RUN,
        ]


def test_metrics_of_another_tree_are_not_identical_to_this_ones(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("seed: 0", "seed: 1"))
    for _ in ("changed", "committed"):
        assert verify_workspace() == ExitCode.CANNOT_TELL
        said = "not up to date: download; the metrics here are not this tree's, run `dvc repro`"
        assert capsys.readouterr().out.splitlines()[-1] == said
        commit(repo)
    sh("dvc", "repro", cwd=repo)
    capsys.readouterr()
    assert verify_workspace() == ExitCode.GOOD
    assert "bytes" not in capsys.readouterr().out  # the processor is not why they differ from HEAD's
    change("unet", mIoU=0.515)  # within the tolerance, and by hand
    assert verify_workspace() == ExitCode.CANNOT_TELL
    assert "not up to date: report; " in capsys.readouterr().out


def test_metrics_that_head_has_of_an_earlier_tree_cannot_tell(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As after `init` or `add`, whose last line says to commit before `make repro`."""
    params = Path("params.yaml").read_text()
    for seed, expected in ((0, ExitCode.WORSE), (1, ExitCode.CANNOT_TELL)):  # edited by hand; of an earlier tree
        change("unet", mIoU=0.9)
        Path("params.yaml").write_text(params.replace("seed: 0", f"seed: {seed}"))
        commit(repo)
        sh("dvc", "repro", cwd=repo)
        assert verify_workspace() == expected
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "best: fcn, unet, with a test mIoU of 0.5",
        "report: none yet, `dvc repro` writes reports/index.html",
        "to compare with HEAD, whose dvc.lock is of another tree (param seed): bin/pixelproof compare HEAD",
    ]
    commit(repo)
    assert verify_workspace() == ExitCode.GOOD
    assert "every output has the bytes of HEAD's dvc.lock" in capsys.readouterr().out


def test_every_kind_of_difference_is_counted_and_named(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change("unet", mIoU=0.515, pixel_accuracy=0.7)  # 0.015 and 0.05 apart; the tolerance is 0.02
    change("fcn", mIoU=None, f1=0.4)
    assert verify_workspace() == ExitCode.WORSE
    assert capsys.readouterr().out.splitlines() == [
        "fcn: test.f1: 0.4 here, not in HEAD's metrics",
        "fcn: test.mIoU: 0.5 in HEAD, missing here",
        "unet: test.pixel_accuracy: 0.75 in HEAD, 0.7 here: 0.05 apart, tolerance 0.02",
        "report: none yet, `dvc repro` writes reports/index.html",
        "3 identical, 1 within tolerance (another processor), 2 different, 1 new (HEAD has none)",
    ]


TABLE = "architecture,split,class,iou\nunet,test,road,0.5\nunet,test,roof,\nfcn,test,road,0.25\n"


@pytest.mark.parametrize("folder", ["tables", "metrics"])
def test_the_table_of_classes_is_compared_where_the_metrics_are_identical(
    clone: Path, capsys: pytest.CaptureFixture[str], folder: str
) -> None:
    path = Path(folder, "per_class.csv")
    path.parent.mkdir(exist_ok=True)
    path.write_text(TABLE)
    commit(clone)
    path.write_text(TABLE.replace("0.5", "0.6").replace("roof,", "roof,0.75"))
    assert verify_workspace() == ExitCode.WORSE
    assert capsys.readouterr().out.splitlines() == [
        "unet: test.classes.road.iou: 0.5 in HEAD, 0.6 here: 0.1 apart, tolerance 0",
        "unet: test.classes.roof.iou: None in HEAD, 0.75 here",
        "report: none yet, `dvc repro` writes reports/index.html",
        "7 identical, 0 within tolerance (another processor), 2 different",
    ]
    change("unet", mIoU=0.515)  # as on another processor, on which a class may be further apart
    assert verify_workspace() != ExitCode.WORSE
    path.write_text(TABLE.replace("fcn,test,road,0.25\n", ""))
    assert verify_workspace() == ExitCode.WORSE
    assert "fcn: test.classes.road.iou: 0.25 in HEAD, missing here" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not enough values"),
        ("class,iou\nroad,0.5\n", "its first columns are not architecture, split, class"),
        (TABLE.replace("0.25", "much"), "'much'"),
        (TABLE.replace("0.25", "0.25,1"), "longer"),
        (f"{TABLE}unet,test,road,0.5\n", "unet, test, road is there twice"),
    ],
)
def test_a_table_of_classes_that_cannot_be_read_is_named(clone: Path, text: str, said: str) -> None:
    Path("metrics/per_class.csv").write_text(text)
    with pytest.raises(StateError, match=f"workspace: metrics/per_class.csv: cannot be read .*{said}"):
        verify_workspace()


def test_a_changed_tree_ends_in_three_lines(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change("unet", mIoU=0.9)
    assert verify_workspace() == ExitCode.WORSE
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("seed: 0", "seed: 1"))
    Path("my data.dvc").touch()
    capsys.readouterr()
    assert verify_workspace() == ExitCode.CANNOT_TELL
    assert capsys.readouterr().out.splitlines() == [
        "best: unet, with a test mIoU of 0.9",
        "report: none yet, `dvc repro` writes reports/index.html",
        "to compare with HEAD, whose tree differs (params.yaml, my data.dvc): bin/pixelproof compare HEAD",
    ]


def test_a_tie_for_the_best_names_all_and_no_score_none() -> None:
    assert best({"a": {"test.mIoU": 0.5}, "b": {"test.mIoU": 0.5}}) == "best: a, b, with a test mIoU of 0.5"
    assert best({"a": {"test.mIoU": None}, "b": {}}) == "best: unknown, as no network has a test mIoU"


def test_a_number_where_there_was_null_is_different(clone: Path) -> None:
    content = json.loads(Path("metrics/fcn.json").read_text())
    content["val"]["mIoU"] = 0.0
    Path("metrics/fcn.json").write_text(json.dumps(content))
    done = python("verify", "workspace", cwd=clone)
    assert done.returncode == 1
    assert "fcn: val.mIoU: None in HEAD, 0.0 here" in done.stdout


def test_a_missing_file_is_named(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("metrics/fcn.json").unlink()
    assert verify_workspace() == ExitCode.WORSE
    assert "fcn: test.mIoU: 0.5 in HEAD, missing here" in capsys.readouterr().out


def test_a_head_without_metrics_cannot_be_told(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = {path: path.read_text() for path in Path("metrics").iterdir()}
    sh("git", "rm", "-q", "-r", "--", "metrics", cwd=clone)
    commit(clone)
    with pytest.raises(StateError, match="run `dvc repro` first"):
        verify_workspace()
    Path("metrics").mkdir()
    for path, text in kept.items():
        path.write_text(text)
    assert verify_workspace() == ExitCode.CANNOT_TELL
    assert (
        capsys.readouterr()
        .out.splitlines()[-1]
        .startswith("HEAD has no metrics: commit metrics/ to compare the 6 here")
    )


def test_the_tolerance_is_a_checked_param(clone: Path) -> None:
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("tolerance: 0.02", "tolerance: 2"))
    with pytest.raises(ParamsError, match=r"pipelines\.tolerance: found 2"):
        verify_workspace()


@pytest.mark.parametrize(("cached", "out"), [(True, None), (False, Path("certificate"))])
def test_the_workspace_gives_no_certificate(clone: Path, cached: bool, out: Path | None) -> None:
    with pytest.raises(StateError, match="leave out --cached and --out, or name a commit"):
        verify("workspace", cached, out)
