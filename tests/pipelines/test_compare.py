"""`compare`: a page that says what became better or worse and why, that nothing can break, and that always fits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines.compare import DIRECTIONS, compare, render
from pipelines.markdown import PAGE_LIMIT, code, fit, size
from pipelines.revision import open_revision
from stages.errors import StateError
from stages.report.figures import HEADLINE
from tests.pipelines.conftest import commit, python, sh


def write_metrics(arch: str, test: dict[str, object]) -> None:
    Path(f"metrics/{arch}.json").write_text(json.dumps({"test": test}))


def page(base: str = "HEAD", head: str = "workspace") -> str:
    return render(open_revision(base), open_revision(head))


def test_the_page_of_a_change_by_hand(repo: Path) -> None:
    base = commit(repo)
    Path("params.yaml").write_text(
        Path("params.yaml").read_text().replace("seed: 0", "seed: 7").replace("lr: 0.1, ", "")
    )
    sh("dvc", "repro", cwd=repo)
    write_metrics("unet", {"mIoU": 0.6, "pixel_accuracy": 0.7, "latency": 3})
    Path("metrics/fcn.json").unlink()
    write_metrics("new", {"mIoU": 0.25})
    head = commit(repo)
    assert page(base, head).splitlines() == [
        "### Metrics: 1 better, 1 worse, 0 unchanged, 4 missing in head, 2 new in head",
        "",
        f"base `{base}` ({base[:10]}), head `{head}` ({head[:10]})",
        "",
        "| architecture | metric | base | head | change | verdict |",
        "| --- | --- | --- | --- | --- | --- |",
        "| `fcn` | `test.mIoU` | 0.5000 | missing | not comparable | missing in head |",
        "| `fcn` | `test.pixel_accuracy` | 0.7500 | missing | not comparable | missing in head |",
        "| `fcn` | `val.mIoU` | undefined (null) | missing | not comparable | missing in head |",
        "| `new` | `test.mIoU` | missing | 0.2500 | not comparable | new in head |",
        "| `unet` | `test.latency` | missing | 3 | not comparable | new in head |",
        "| `unet` | `test.mIoU` | 0.5000 | 0.6000 | +0.1000 | better |",
        "| `unet` | `test.pixel_accuracy` | 0.7500 | 0.7000 | -0.0500 | worse |",
        "| `unet` | `val.mIoU` | undefined (null) | missing | not comparable | missing in head |",
        "",
        "#### Params",
        "",
        "- `seed`: `0` → `7`",
        "- `train.lr`: `0.1` → not set",
        "",
        "#### Data",
        "",
        "- `data/prepared/test`: 1 file, 14 B → 1 file, 14 B",
        "- `data/prepared/train`: 1 file, 14 B → 1 file, 14 B",
        "",
        "#### Code",
        "",
        "No change.",
    ]  # fmt: skip


def test_the_same_on_both_sides_is_no_change(repo: Path) -> None:
    text = page("HEAD", "HEAD")
    assert text.startswith("### Metrics: 0 better, 0 worse, 6 unchanged\n")
    assert text.count("No change.") == 3


def test_every_headline_number_has_a_direction() -> None:
    assert set(HEADLINE) <= DIRECTIONS.keys()


def test_a_metric_of_unknown_direction_is_said(repo: Path) -> None:
    write_metrics("unet", {"surprise": 1.0})
    commit(repo)
    write_metrics("unet", {"surprise": 1.5})
    assert "| `test.surprise` | 1.0000 | 1.5000 | +0.5000 | changed, direction unknown |" in page()


def test_a_change_too_small_for_four_decimals_is_shown(repo: Path) -> None:
    write_metrics("unet", {"mIoU": 0.5})
    commit(repo)
    write_metrics("unet", {"mIoU": 0.500001})
    assert "| 0.5000 | 0.5000 | +1.0e-06 | better |" in page()


def test_changed_code_is_named_by_file(repo: Path) -> None:
    Path("code/report.py").write_text("# new\n")
    sh("dvc", "repro", cwd=repo)
    assert page().endswith("#### Code\n\n- `code/report.py`: changed\n")


def test_a_side_without_dvc_lock_is_said_instead_of_no_change(repo: Path) -> None:
    Path("dvc.lock").unlink()
    assert page().count("- `workspace` has no dvc.lock, so nothing is known of it.") == 2


def test_hostile_names_stay_text(repo: Path) -> None:
    evil = "a|b`c`` <img src=x> @someone [x](http://y) \u202e\n# head"
    write_metrics("unet", {evil: 0.5})
    Path("params.yaml").write_text(Path("params.yaml").read_text() + json.dumps("**" + evil) + ": 1\n")
    text = page()
    row = next(line for line in text.splitlines() if "<img" in line and line.startswith("|"))
    cell = "```test.a\\|b`c`` <img src=x> @someone [x](http://y) \ufffd\ufffd# head```"
    assert row == f"| `unet` | {cell} | missing | 0.5000 | not comparable | new in head |"
    param = next(line for line in text.splitlines() if line.startswith("- ```**a|b"))
    assert param.endswith("```: not set → `1`")


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("a", "`a`"),
        ("", "`  `"),
        ("`", "`` ` ``"),
        ("a`b", "``a`b``"),
        (" a", "`  a `"),
        ("x" * 300, f"`{'x' * 199}…`"),
    ],
)
def test_code_spans(text: str, span: str) -> None:
    assert code(text) == span


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (3_400_000, "3.4 MB"),
        (5 * 10**13, "50.0 TB"),
        (None, "size not recorded"),
    ],
)
def test_sizes(count: int | None, text: str) -> None:
    assert size(count) == text


def test_a_page_that_is_too_long_is_cut_between_lines_and_says_so() -> None:
    lines = [f"line {number} é" for number in range(20_000)]
    cut = fit(lines)
    assert len(cut) <= len(cut.encode()) <= PAGE_LIMIT
    kept = cut.splitlines()
    assert kept[:-2] == lines[: len(kept) - 2]
    assert kept[-1].startswith(f"**{20_000 - (len(kept) - 2)} more lines left out**")
    assert fit(lines[:10]) == "\n".join(lines[:10]) + "\n"


def test_the_page_goes_into_a_folder_when_asked(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compare("HEAD", "workspace", Path("out"))
    assert capsys.readouterr().out == "out/comparison.md\n"
    assert Path("out/comparison.md").read_text() == page()


@pytest.mark.parametrize("name", ["nope", "--output=x", "HEAD:dvc.yaml", ""])
def test_a_bad_revision_is_one_line_and_exit_2(repo: Path, name: str) -> None:
    done = python("compare", "--", name, "HEAD", cwd=repo)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: revision {name!r}: git knows no such commit here")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("metrics/unet.json", "{"),
        ("metrics/unet.json", "[1]"),
        ("metrics/unet.json", "[" * 100_000),
        ("params.yaml", "a: &a {b: *a}"),
        ("params.yaml", "!!python/object/apply:os.system [true]"),
        ("dvc.lock", "stages: {train: {outs: [1]}}"),
        ("dvc.lock", "stages: [1]"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_one_line(repo: Path, path: str, text: str) -> None:
    Path(path).write_text(text)
    with pytest.raises(StateError, match=f"workspace: {path}"):
        page()
