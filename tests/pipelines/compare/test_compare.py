"""`compare`: a page that says what became better or worse and why, that nothing can break, and that always fits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.compare.as_markdown import as_markdown, unjudged
from pipelines.compare.causes import ParamChange
from pipelines.compare.compare import Options, compare, investigate, through_gate
from pipelines.compare.labels import Classes, DataChange, SplitChange, changed_classes
from pipelines.compare.metrics import compare_metrics, unjudged_rows, untested_rows
from pipelines.compare.page import as_page
from pipelines.compare.past import Past
from pipelines.compare.pictures import Extreme, Tile, extremes
from pipelines.compare.result import Comparison, Note, SideName, as_record
from pipelines.compare.runs import common_ids, spread, union
from pipelines.compare.significance import Row
from pipelines.compare.store import Outputs, Store
from pipelines.compare.words import NOTHING_SHARED, headline
from pipelines.dvc.graph import open_repo
from pipelines.dvc.revision import open_revision
from pipelines.markdown import PAGE_LIMIT, code, shortened
from pixelproof.core.csp import content_security_policy
from pixelproof.core.errors import ExitCode, StateError
from pixelproof.scoring.catalogue import headlines
from pixelproof.scoring.matrices import Matrices
from tests.pipelines.conftest import commit, python, sh


def write_metrics(arch: str, test: dict[str, object]) -> None:
    Path(f"metrics/{arch}.json").write_text(json.dumps({"test": test}))


def page(base: str = "HEAD", head: str = "workspace") -> str:
    with open_repo() as repo:
        store = Store(repo)
        return as_markdown(investigate(Outputs(open_revision(base), store), Outputs(open_revision(head), store)))


def test_without_matrices_the_page_is_of_metrics_and_says_so(repo: Path) -> None:
    base = commit(repo)
    Path("params.yaml").write_text(
        Path("params.yaml").read_text().replace("seed: 0", "seed: 7").replace("lr: 0.1, ", "")
    )
    sh("dvc", "repro", cwd=repo)
    write_metrics("unet", {"mIoU": 0.6, "pixel_accuracy": 0.7, "latency": 3})
    Path("metrics/fcn.json").unlink()
    write_metrics("new", {"mIoU": 0.25})
    head = commit(repo)
    lines = page(base, head).splitlines()
    assert lines[0] == (
        "### Comparison: gone: `fcn`; significance was not computed; "
        "metrics/ says: 1 better, 1 worse, 0 unchanged, 4 missing in head, 2 new in head; new: `new`"
    )
    assert lines[2] == f"base `{base}` ({base[:10]}), head `{head}` ({head[:10]})"
    assert "- `metrics: modified since report wrote it`" in lines, "edited by hand: dvc.lock is stale"
    start = lines.index("| architecture | metric | base | head | change | verdict |")
    assert lines[start + 2 : start + 10] == [
        "| `fcn` | `test.mIoU` | 0.5000 | missing | not comparable | missing in head |",
        "| `fcn` | `test.pixel_accuracy` | 0.7500 | missing | not comparable | missing in head |",
        "| `fcn` | `val.mIoU` | undefined (null) | missing | not comparable | missing in head |",
        "| `new` | `test.mIoU` | missing | 0.2500 | not comparable | new in head |",
        "| `unet` | `test.latency` | missing | 3 | not comparable | new in head |",
        "| `unet` | `test.mIoU` | 0.5000 | 0.6000 | +0.1000 | better |",
        "| `unet` | `test.pixel_accuracy` | 0.7500 | 0.7000 | -0.0500 | worse |",
        "| `unet` | `val.mIoU` | undefined (null) | missing | not comparable | missing in head |",
    ]
    assert "- `seed`: `0` → `7` (read by `download`)" in lines
    assert "- `train.lr`: `0.1` → not set (read by `train`)" in lines


def test_the_same_on_both_sides_is_no_change(repo: Path) -> None:
    text = page("HEAD", "HEAD")
    assert "0 better, 0 worse, 6 unchanged" in text.splitlines()[0]
    assert "Nothing that dvc.lock, params.yaml and requirements.lock record is different." in text


def test_every_headline_is_better_in_its_direction() -> None:
    before, after = ({"unet": {f"val.{m.name}": score for m in headlines()}} for score in (0.5, 0.6))
    verdicts = {row.key: row.verdict for row in compare_metrics(before, after)}
    assert verdicts == {
        "val.mIoU": "better",
        "val.pixel_accuracy": "better",
        "val.mean_f1": "better",
        "val.boundary_f1": "better",
        "val.ece": "worse",
    }


def test_a_metric_of_unknown_direction_is_said(repo: Path) -> None:
    write_metrics("unet", {"surprise": 1.0})
    commit(repo)
    write_metrics("unet", {"surprise": 1.5})
    assert "| `test.surprise` | 1.0000 | 1.5000 | +0.5000 | changed, direction unknown |" in page()


def test_a_change_too_small_for_four_decimals_is_a_change_without_an_exponent(repo: Path) -> None:
    write_metrics("unet", {"mIoU": 0.5})
    commit(repo)
    write_metrics("unet", {"mIoU": 0.500001})
    assert "| 0.5000 | 0.5000 | 0.0000 | better |" in page()


def test_changed_code_is_named_by_file_and_reader(repo: Path) -> None:
    Path("code/report.py").write_text("# new\n")
    Path("examples/more.xml").write_text("<annotations/>")
    sh("dvc", "repro", cwd=repo)
    lines = page().splitlines()
    assert "- `code/report.py`: changed (read by `report`)" in lines
    assert "- raw data, `examples/more.xml`: new (read by `cvat`)" in lines, "a folder's files are named one by one"


def test_a_side_without_dvc_lock_is_said(repo: Path) -> None:
    Path("dvc.lock").unlink()
    assert "- no dvc.lock, so nothing is known of its data and code: `workspace`" in page().splitlines()


def test_a_stranger_s_lock_cannot_point_out_of_the_cache(repo: Path) -> None:
    lock = Path("dvc.lock").read_text().splitlines()
    md5 = next(line for line in lock if line.endswith(".dir"))
    Path("dvc.lock").write_text("\n".join(lock).replace(md5, md5[: md5.index(":")] + ": ../../../../etc/passwd"))
    with open_repo() as dvc:
        outputs = Outputs(open_revision("workspace"), Store(dvc))
    assert [outputs.lock.hash_of(path) for path, found in outputs.lock.outs.items() if "/" in str(found)] == [None]


def test_hostile_names_stay_text(repo: Path) -> None:
    evil = "a|b`c`` <img src=x> @someone [x](http://y) \u202e\n# head"
    write_metrics("unet", {evil: 0.5})
    Path("params.yaml").write_text(Path("params.yaml").read_text() + json.dumps("**" + evil) + ": 1\n")
    text = page()
    row = next(line for line in text.splitlines() if "<img" in line and line.startswith("|"))
    cell = "```test.a\\|b`c`` <img src=x> @someone [x](http://y) \ufffd\ufffd# head```"
    assert row == f"| `unet` | {cell} | missing | 0.5000 | not comparable | new in head |"
    param = next(line for line in text.splitlines() if line.startswith("- ```**a|b"))
    assert param.endswith("```: not set → `1` (no stage reads it)")


# --- pages of a comparison made by hand ------------------------------------------------------------------------------

EVIL = "<img src=x onerror=alert(1)>"


def row(arch: str = "unet", split: str = "val", label: str | None = None, verdict: str = "regressed") -> Row:
    numbers = {"base": 0.5, "head": 0.4, "change": -0.1, "low": -0.2, "high": -0.05, "p": 0.0001, "p_holm": 0.004}
    return Row(
        split=split, architecture=arch, metric="iou" if label else "mIoU", label=label, **numbers,
        groups=9, differing=9, seeds=(1, 1), retraining=None, verdict=verdict, words=f"{verdict}: so it is",  # type: ignore[arg-type]
    )  # fmt: skip


def comparison(**changes: object) -> Comparison:
    plain = Comparison(SideName(EVIL, "a" * 40), SideName("workspace", None), rows=(row(), row(label=EVIL)))
    return replace(plain, classes=Classes((EVIL, "b"), ((1, 2, 3), (4, 5, 6))), **changes)  # type: ignore[arg-type]


def test_the_html_page_escapes_everything_and_states_a_policy_that_it_keeps() -> None:
    one = Extreme("unet", "val", EVIL, 0.5, 0.4, 1, 2, 3, 0)
    found = comparison(
        params=(ParamChange(EVIL, EVIL, "not set", (EVIL,)),),
        data=DataChange((SplitChange("val", (1, 1), added=(EVIL,)),), classes=(("added", EVIL),), unknown=("test",)),
        worse=(one,), notes=(Note("so it is", (EVIL,)),), stale=(EVIL,), unjudged=(EVIL,), pulls=(EVIL,),
    )  # fmt: skip
    text = as_page(found, [(one, [Tile("image", "data:image/png;base64,AA=="), Tile("truth", None)])], [])
    assert EVIL not in text and text.count("&lt;img src=x onerror=alert(1)&gt;") >= 14
    assert "<script" not in text and " style=" not in text and "http://" not in text and "https://" not in text
    style = text[text.index("<style>") + 7 : text.index("</style>")]
    policy = content_security_policy(style)
    assert policy.replace("'", "&#39;") in text, "the hash in the policy is that of this very style"
    assert "unsafe" not in policy and policy.startswith("default-src 'none'")
    assert ".class-1 { background: rgb(4 5 6) }" in style


def test_the_markdown_escapes_class_names_and_puts_the_verdict_first() -> None:
    lines = as_markdown(comparison()).splitlines()
    assert lines[0] == f"### Comparison: regressed on validation: 1 of 1 architecture; {ONE_SEED}"
    assert f"**`unet` regressed**: `mIoU`, `iou of {EVIL}`" in lines
    assert all("`" in line for line in lines if EVIL in line)


def test_what_no_test_judged_is_told_once_and_apart() -> None:
    unet: dict[str, Any] = {"val.mIoU": 0.5, "val.f1": 0.5, "val.calibration.ece": 0.1}
    before = {"unet": unet, "old": {"val.mIoU": 0.5, "val.f1": 0.6}}
    after = {"unet": unet | {"val.mIoU": 0.4, "val.calibration.ece": 0.2}}
    rows = compare_metrics(before, after)
    assert [(row.arch, row.key, row.verdict) for row in untested_rows(rows, ["unet"])] == [
        ("unet", "val.calibration.ece", "worse")
    ]
    assert [(row.arch, row.key) for row in unjudged_rows(rows, ["unet"], ["unet"])] == [("old", "val.mIoU")]
    assert len(unjudged_rows(rows, [], ["unet"])) == 5  # nothing was judged: metrics/ is all there is
    found = comparison(untested=untested_rows(rows, ["unet"]))
    text = as_markdown(found)
    assert "<details><summary>Not tested for significance: 0 better, 1 worse, 0 unchanged</summary>" in text
    line = "| `unet` | `val.calibration.ece` | 0.1000 | 0.2000 | +0.1000 | worse |"
    assert text.index(line) > text.index("#### Why")
    assert "<td>val.calibration.ece</td>" in as_page(found, [], [])


def test_a_page_of_many_numbers_fits_github_and_keeps_the_verdict() -> None:
    rows = tuple(
        row(f"net-{i}", split, f"class {c}" if c else None)
        for i in range(40)
        for c in range(50)
        for split in ("val", "test")
    )
    text = as_markdown(comparison(rows=rows))
    assert len(text.encode()) <= PAGE_LIMIT and "<details>" not in text
    assert text.startswith(f"### Comparison: regressed on validation: 40 of 40 architectures; {ONE_SEED}\n")
    assert "#### Why" in text


@pytest.mark.parametrize(
    ("rows", "unjudged", "gate"),
    [
        ((row(),), (), "regressed"),
        ((row(),), ("fcn",), "regressed"),
        ((row(verdict="alarm"),), ("fcn",), "alarm"),
        ((row(verdict="alarm"), row("fcn")), (), "regressed"),
        ((row(split="test"), row(verdict="no difference shown")), (), "passed"),
        ((row(label="car"), row(verdict="no difference shown")), (), "passed"),
        ((row(verdict="equivalent"),), ("fcn",), "not computed"),
        ((row(verdict="cannot tell"), row(label="car", verdict="identical")), (), "cannot tell"),
        ((row(verdict="not comparable"), row(label="car", verdict="identical")), (), "cannot tell"),
        ((row(verdict="cannot tell"), row("fcn", verdict="equivalent")), (), "cannot tell"),
        ((row(verdict="cannot tell"), row("fcn")), (), "regressed"),
        ((row(split="test"),), (), "not computed"),
        ((), (), "not computed"),
    ],
)
def test_the_gate_stands_on_one_metric_alone(rows: tuple[Row, ...], unjudged: tuple[str, ...], gate: str) -> None:
    found = comparison(rows=rows, unjudged=unjudged)
    assert found.gate == gate == as_record(found)["gate"]
    if gate == "not computed":
        with pytest.raises(StateError, match="--fail-on regression: significance was not computed"):
            through_gate(found)
        return
    codes = {"passed": ExitCode.GOOD, "regressed": ExitCode.WORSE, "alarm": ExitCode.WORSE}
    assert through_gate(found) == codes.get(gate, ExitCode.CANNOT_TELL)
    assert through_gate(found, require_evidence=True) == codes.get(gate, ExitCode.WORSE)


ONE_SEED = "retraining noise is unknown (one seed)"


def test_the_first_line_says_what_is_known_and_what_is_not() -> None:
    def said(*rows: Row, **more: object) -> str:
        return headline(comparison(rows=rows, **more), lambda name: f"<{name}>")

    assert said(row(verdict="cannot tell")) == f"cannot tell on validation: <unet> -0.1000 (so it is); {ONE_SEED}"
    look = "cannot tell on validation, but so large a drop needs a person to look: <unet> -0.1000 (so it is)"
    assert said(row(verdict="alarm"), row(label="car", verdict="identical")) == f"{look}; {ONE_SEED}"
    # "Cannot tell" of one network stands beside what is known of another, and never becomes "no difference".
    mixed = said(row(verdict="cannot tell"), row("fcn", verdict="no difference shown"), row("b", verdict="improved"))
    assert mixed.startswith("improved on validation: 1 of 3 architectures; cannot tell on validation: <unet> -0.1000")
    assert "no difference" not in mixed
    classes = said(row(verdict="no difference shown"), row(label="car"))
    assert classes.startswith(
        "no difference shown on validation; not mIoU, but other scores regressed: 1 of 1 architecture"
    )
    assert said(row(verdict="identical"), row(label="car", verdict="identical")) == "the same on validation"
    past = Past("unet", "0123456789abcdef", 3, 0.0123)
    assert said(row(), past=(past,)).endswith(
        "; retraining noise is unknown (one seed, with 3 seeds at 0123456789 it was <unet> ±0.0123)"
    )
    assert "retraining" not in said(replace(row(), retraining=0.01, seeds=(2, 2)))


def test_the_spread_of_retraining_is_each_architecture_s_and_each_split_s_own() -> None:
    spreads = {("unet", "val"): 0.01, ("unet", "test"): 0.02, ("fcn", "val"): 0.03, ("fcn", "test"): 0.04}
    rows = tuple(replace(row(*of), retraining=spread, seeds=(2, 3)) for of, spread in spreads.items())
    wanted = "`fcn` ±0.0300 on validation; `fcn` ±0.0400 on test; `unet` ±0.0100 on validation; `unet` ±0.0200 on test"
    text = as_markdown(comparison(rows=rows))
    assert f"Retraining with other seeds alone changes mIoU by up to: {wanted} (seeds: 2 → 3)." in text
    assert "means over the compared seeds (here 2 → 3)" in as_page(comparison(rows=rows), [], [])


def test_too_few_groups_for_an_interval_are_said() -> None:
    found = comparison(rows=(replace(row(verdict="alarm"), low=None, high=None, groups=5),))
    assert "| -0.1000 too few groups for an interval (5) |" in as_markdown(found)
    assert "<td>too few groups for an interval (5)</td>" in as_page(found, [], [])


def test_the_record_holds_plain_values_alone() -> None:
    record = as_record(comparison(worse=(Extreme("unet", "val", "a", 0.5, 0.4, 1, 2, 3, 0),)))
    assert json.loads(json.dumps(record, allow_nan=False))["worse"][0]["change"] == pytest.approx(-0.1)


def stack(*counts: list[list[int]]) -> Matrices:
    ids = [f"i{number}" for number in range(len(counts))]
    return Matrices(ids, ids, np.array(counts, np.int64))


def test_images_are_ranked_by_their_own_miou() -> None:
    right, half, wrong, none = [[4, 0], [0, 4]], [[4, 0], [2, 2]], [[0, 4], [4, 0]], [[0, 0], [0, 0]]
    base, head = stack(right, half, right, none, wrong), stack(half, right, wrong, none, wrong)
    worse, better = extremes("unet", "val", [base], [head], 3, 0)
    # half: 4 of 6 and 2 of 4 pixels, so (2/3 + 1/2) / 2
    assert [one.id for one in worse] == ["i2", "i0"] and [one.id for one in better] == ["i1"]
    assert [one.change for one in (*worse, *better)] == pytest.approx([-1, 7 / 12 - 1, 1 - 7 / 12])
    assert (worse[0].base_wrong, worse[0].head_wrong, worse[0].labelled) == (0, 8, 8)


def test_only_images_with_the_same_labels_are_common() -> None:
    base, head = stack([[4, 0], [0, 4]], [[4, 0], [0, 4]]), stack([[4, 0], [1, 3]], [[5, 0], [0, 3]])
    ids, shared = common_ids("val", [base], [head], DataChange(unknown=("val",)))
    assert (ids, shared.images, shared.left_out, shared.changed) == (["i0"], 1, 1, True), "i1 has other true pixels"
    ids, shared = common_ids("val", [base], [head], DataChange())
    assert (ids, shared.changed, shared.contradicted) == (["i0"], False, True), "the data is the same"
    change = SplitChange("val", (2, 2), relabelled=("i0",))
    assert common_ids("val", [base], [head], DataChange((change,)))[0] == []


def test_classes_are_matched_by_name() -> None:
    names = union(["a", "b"], ["b", "c"])
    assert names == ["b", "c", "a"]
    counts = spread(stack([[1, 2], [3, 4]]), ["a", "b"], names).counts[0]
    assert counts.tolist() == [[4, 0, 3], [0, 0, 0], [2, 0, 1]]
    old, new = (Classes(of, ((0, 0, 0),) * 2) for of in (("a", "b"), ("b", "c")))
    assert changed_classes(old, new) == [("added", "c"), ("removed", "a"), ("has another id", "b")]


# --- Markdown of anything --------------------------------------------------------------------------------------------


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


def test_a_page_that_is_too_long_is_cut_between_lines_and_says_so() -> None:
    lines = [f"line {number} é" for number in range(20_000)]
    cut = shortened(lines)
    assert len(cut) <= len(cut.encode()) <= PAGE_LIMIT
    kept = cut.splitlines()
    assert kept[:-2] == lines[: len(kept) - 2]
    assert kept[-1].startswith(f"**{20_000 - (len(kept) - 2)} more lines left out**")
    assert shortened(lines[:10]) == "\n".join(lines[:10]) + "\n"


def test_the_pages_go_into_a_folder_when_asked(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare("HEAD", "workspace", Options(Path("out"))) == ExitCode.GOOD
    assert capsys.readouterr().out == "out/comparison.md\n"
    assert sorted(path.name for path in Path("out").iterdir()) == [
        f"comparison.{end}" for end in ("html", "json", "md")
    ]
    kept = {path: path.read_bytes() for path in Path("out").iterdir()}
    compare("HEAD", "workspace", Options(Path("again")))
    assert {path: Path("again", path.name).read_bytes() for path in kept} == kept


def test_what_shares_no_image_is_told_apart_from_what_is_not_here() -> None:
    fell = compare_metrics({"unet": {"val.mIoU": 0.8}}, {"unet": {"val.mIoU": 0.1}})
    apart = comparison(rows=(), apart=("unet",), metrics=unjudged_rows(fell, [], ["unet"]))
    assert headline(apart).startswith(
        f"significance was not computed; {NOTHING_SHARED}; metrics/ says: 0 better, 1 worse"
    )
    assert any("`unet`" in line and NOTHING_SHARED in line for line in unjudged(apart))
    assert "are here" in "".join(unjudged(comparison(rows=(), unjudged=("unet",))))


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
