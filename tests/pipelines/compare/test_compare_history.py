"""`compare` over a real git + DVC repository: a change of data, of params, of code, each told from the others."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from sklearn.metrics import jaccard_score

from pipelines.compare.as_markdown import as_markdown
from pipelines.compare.crossing import Crossed
from pipelines.compare.labels import Move, Turn
from pipelines.compare.page import as_page
from pipelines.compare.past import Past
from pixelproof.core.errors import StateError
from tests.pipelines.compare.compared import EVIL, History, found, reproduced, write_labels, write_params
from tests.pipelines.conftest import commit, python, sh
from tests.pipelines.test_workflows import installed, with_dependencies

ONE_SEED = "retraining noise is unknown (one seed)"

pytestmark = [pytest.mark.slow, pytest.mark.promise]  # the repository takes a while to build


def test_a_change_of_params_is_the_cause_and_its_regression_shuts_the_gate(history: History, tmp_path: Path) -> None:
    result = found(history.base, history.params)
    assert result.causes() == ["params"]
    assert result.facts.alarms == () and result.facts.untrue == ()
    assert [(p.key, p.base, p.head, p.stages) for p in result.params] == [("train.bias.unet", "0", "14", ("train",))]
    assert {row.architecture for row in result.rows if row.verdict == "regressed"} == {"unet"}
    assert {row.verdict for row in result.rows if row.architecture == "fcn"} == {"identical"}
    row = result.row("unet", "val")
    assert row and row.base == pytest.approx(reference(history, history.base, "val"), abs=1e-12)
    assert row.head == pytest.approx(reference(history, history.params, "val"), abs=1e-12)
    assert result.gate == "regressed" and not result.shared[0].changed
    assert as_markdown(result).startswith(
        f"### Comparison: regressed on validation: 1 of 2 architectures; {ONE_SEED}\n"
    )
    arguments = ("compare", history.base, history.params, "--out", str(tmp_path / "out"))
    assert python(*arguments, cwd=history.repo).returncode == 0
    assert python(*arguments, "--fail-on", "regression", cwd=history.repo).returncode == 1
    record = json.loads((tmp_path / "out/comparison.json").read_text())
    assert (record["schema"], record["gate"], record["causes"]) == (2, "regressed", ["params"])
    page = (tmp_path / "out/comparison.html").read_text()
    assert page.count("data:image/png;base64,") == 5 * len(result.worse) > 0
    assert str(tmp_path) not in page + (tmp_path / "out/comparison.json").read_text()


def test_an_improvement_leaves_the_gate_open(history: History) -> None:
    done = python("compare", history.params, history.base, "--fail-on", "regression", cwd=history.repo)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"### Comparison: improved on validation: 1 of 2 architectures; {ONE_SEED}\n")


def reference(history: History, revision: str, split: str) -> float:
    """unet's mIoU of a revision by scikit-learn, from the masks that it predicted."""
    sh("git", "checkout", "-q", revision, cwd=history.repo)
    sh("dvc", "checkout", "-q", cwd=history.repo)
    truths = sorted(Path("data/prepared", split, "masks").iterdir())
    true = np.concatenate([pixels(path) for path in truths])
    predicted = np.concatenate([pixels(Path("results/unet/0/evaluate/masks", split, path.name)) for path in truths])
    counted = true != 255
    return float(jaccard_score(true[counted], predicted[counted], average="macro"))


def pixels(path: Path) -> NDArray[np.uint8]:
    """The labels in a PNG, in a row."""
    array = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert array is not None
    return np.asarray(array, np.uint8).ravel()


def test_a_change_of_data_is_told_image_by_image_and_pixel_by_pixel(history: History) -> None:
    result = found(history.base, history.data)
    assert result.causes() == ["data"]
    train, val, test = result.data.splits
    assert (train.added, train.removed, train.relabelled) == (("train-new",), ("train-03",), ())
    assert (val.added, val.relabelled, val.images) == ((), ("val-00",), (12, 12))
    assert (test.added, test.relabelled, test.images) == (("test-new",), ("test-00", "test-01"), (12, 13))
    # val-00's square went down by two of its four rows; columns 4 and 5 are ground, 6 and 7 road
    assert {(t.before, t.after): t.pixels for t in val.turned} == {
        (EVIL, "ground"): 4, (EVIL, "road"): 4, ("ground", EVIL): 4, ("road", EVIL): 4,
    }  # fmt: skip
    assert test.turned[0] == Turn(EVIL, "ground", 16)
    shared = {one.split: (one.images, one.left_out) for one in result.shared}
    assert shared == {"val": (11, 1), "test": (10, 3)}
    assert {row.verdict for row in result.rows} == {"identical"}, "the model is the same, asked the same"
    assert "`--cross-evaluate` evaluates both models on both versions of the data" in as_markdown(result)


def test_an_image_that_moves_into_test_is_named(history: History) -> None:
    content = json.loads(Path("examples/labels.json").read_text())
    content["test"]["train-00"] = content["train"].pop("train-00")
    write_labels(history.repo, content)
    sh("dvc", "repro", "-q", "prepare", cwd=history.repo)
    assert found(history.base, "workspace").data.moves == (Move("train-00", "train", "test"),)


def test_a_change_of_code_names_the_file_its_stage_and_the_packages(history: History) -> None:
    result = found(history.base, history.code)
    assert result.causes() == ["code", "dependencies"]
    assert [(c.path, c.kind, c.stages) for c in result.code] == [
        ("stages/evaluate/__main__.py", "changed", ("evaluate",))
    ]
    assert [(v.package, v.base, v.head, v.numbers) for v in result.versions] == [("ruff", "1.0", "2.0", False)]


def test_a_changed_exam_is_split_into_its_part_and_the_model_s(history: History) -> None:
    """The table's other cells are what other revisions really are: `data` has the base's model, `params` its data."""
    kept = {path: Path(path).read_bytes() for path in ("dvc.lock", ".git/index")}
    before = sh("dvc", "status", cwd=history.repo).stdout
    result = found(history.base, history.both, cross=True)
    assert result.causes() == ["data", "params"]
    own = {name: found(getattr(history, name), getattr(history, name)) for name in ("data", "params", "both")}
    for split in ("val", "test"):
        row = next(one for one in result.crossed if (one.arch, one.split) == ("unet", split))
        cells = {name: one.row("unet", split) for name, one in own.items()}
        assert row.base_head == cells["data"].base and row.head_base == cells["params"].base  # type: ignore[union-attr]
        assert row.head_head == cells["both"].base  # type: ignore[union-attr]
        assert row.by_exam and row.by_model and row.change
        assert row.by_exam + row.by_model == pytest.approx(row.change, abs=1e-12)
        assert row.by_exam < 0 and row.by_model < 0
    row_ = result.row("unet", "test")
    assert row_ and row_.base == cells["data"].base, "both models on the head's data"  # type: ignore[union-attr]
    assert result.rows[0].groups == 12 and row_.groups == 13
    assert "due to the data" in as_markdown(result)
    assert {path: Path(path).read_bytes() for path in kept} == kept
    assert sh("git", "worktree", "list", cwd=history.repo).stdout.count("\n") == 1
    assert sh("dvc", "status", cwd=history.repo).stdout == before


def test_each_model_answers_with_its_own_code_and_the_workspace_with_what_is_not_committed(history: History) -> None:
    sh("git", "checkout", "-q", history.data, cwd=history.repo)
    sh("dvc", "checkout", "-q", cwd=history.repo)
    main = Path("stages/evaluate/__main__.py")
    main.write_text(main.read_text().replace("np.clip(np.round(", "0 * np.clip(np.round("))
    result = found(history.base, "workspace", cross=True)
    row = next(one for one in result.crossed if (one.arch, one.split) == ("unet", "val"))
    assert row.head_base is not None and row.head_base < 0.2, "everything is ground"
    assert row.base_head is not None and row.base_head > 0.7


def test_the_hand_worked_split_of_a_change() -> None:
    row = Crossed("unet", "test", base_base=0.5, base_head=0.4, head_base=0.7, head_head=0.55)
    assert row.change == pytest.approx(0.05)
    assert row.by_exam == pytest.approx((-0.1 - 0.15) / 2)
    assert row.by_model == pytest.approx((0.2 + 0.15) / 2)


def test_without_cache_and_remote_it_falls_back_and_names_the_pull(history: History, tmp_path: Path) -> None:
    shutil.rmtree(".dvc/cache")
    shutil.rmtree("results")
    result = found(history.base, history.params)
    assert result.unjudged == ("fcn", "unet") and result.gate == "not computed"
    assert result.pulls == (), "there is no remote to pull from"
    text = as_markdown(result)
    assert text.startswith("### Comparison: significance was not computed; metrics/ says: 0 better, 6 worse, ")
    assert "no default DVC remote is configured to fetch it from: `data/prepared/dataset.json`, " in text
    assert "`results/fcn/0/evaluate`, `results/unet/0/evaluate`" in text
    assert "dvc pull" not in text and str(tmp_path) not in text + as_page(result, [], [])
    gate = "compare", history.base, history.params, "--fail-on", "regression"
    done = python(*gate, cwd=history.repo)
    assert done.returncode == 2
    said = "error: --fail-on regression: significance was not computed (fcn, unet); "
    assert done.stderr == f"{said}evaluate both revisions, or --cross-evaluate\n"

    sh("dvc", "remote", "add", "-q", "--local", "-d", "store", str(tmp_path / "a store, far away"), cwd=history.repo)
    (tmp_path / "a store, far away").write_text("not a folder")
    result = found(history.base, history.params)
    wanted = "data/prepared/dataset.json data/prepared/test data/prepared/val evaluate results/data"
    assert result.pulls == (f"dvc pull --remote store --all-commits {wanted}",)
    text = as_markdown(result)
    assert f"- `{result.pulls[0]}`" in text and str(tmp_path) not in text + as_page(result, [], [])
    assert python(*gate, cwd=history.repo).stderr.startswith(f"{said}`dvc pull --remote store ")
    (tmp_path / "a store, far away").unlink()
    assert found(history.base, history.data).data.unknown == ("train", "val", "test")
    with pytest.raises(StateError, match="not all results are here"):
        found(history.base, history.data, cross=True)


def test_what_the_cache_lacks_comes_from_the_default_remote(history: History, tmp_path: Path) -> None:
    sh("dvc", "remote", "add", "-q", "--local", "-d", "store", str(tmp_path / "store"), cwd=history.repo)
    sh("dvc", "push", "-q", "--all-commits", cwd=history.repo)
    whole = found(history.base, history.data)
    shutil.rmtree(".dvc/cache")
    shutil.rmtree("results")
    assert found(history.base, history.data) == whole
    fetched = sum(path.is_file() for path in Path(".dvc/cache").rglob("*"))
    everything = sum(path.is_file() for path in (tmp_path / "store").rglob("*"))
    assert 0 < fetched < everything / 2, "only matrices, and masks that differ"


def test_the_named_pull_brings_it(history: History, tmp_path: Path) -> None:
    sh("dvc", "remote", "add", "-q", "--local", "-d", "store", str(tmp_path / "store"), cwd=history.repo)
    sh("dvc", "push", "-q", "--all-commits", cwd=history.repo)
    shutil.rmtree(".dvc/cache")
    (tmp_path / "store").rename(tmp_path / "away")
    (command,) = found(history.base, history.params).pulls
    (tmp_path / "away").rename(tmp_path / "store")
    sh(*command.split(), "-q", cwd=history.repo)
    (tmp_path / "store").rename(tmp_path / "away")
    assert found(history.base, history.params).rows


def test_a_workspace_is_compared_as_it_lies_on_the_disk_and_that_is_said(history: History) -> None:
    same = found("HEAD", "workspace")
    assert {row.verdict for row in same.rows} == {"identical"} and not same.notes
    path = Path("results/unet/0/evaluate/matrices.parquet")
    table = pq.read_table(path).to_pandas()
    table.loc[table.split == "val", "prediction"] = 0
    path.unlink()
    table.groupby(["split", "id", "group", "truth", "prediction"], as_index=False)["count"].sum().to_parquet(path)
    result = found("HEAD", "workspace")
    assert result.row("unet", "val").head < 0.2  # type: ignore[union-attr, operator]
    (note,) = result.notes
    assert "not what dvc.lock records" in note.text and note.names == ("results/unet/0/evaluate",)


def test_the_default_is_the_workspace_against_where_it_left_main(history: History) -> None:
    sh("git", "checkout", "-q", "params", cwd=history.repo)
    sh("dvc", "checkout", "-q", cwd=history.repo)
    done = python("compare", cwd=history.repo)
    assert done.returncode == 0, done.stderr
    assert f"base `{history.base}` ({history.base[:10]}), head `workspace`" in done.stdout
    assert "regressed on validation" in done.stdout
    sh("git", "branch", "-m", "main", "trunk", cwd=history.repo)
    done = python("compare", cwd=history.repo)
    assert done.returncode == 2
    assert done.stderr.startswith("error: base: no branch main here that HEAD branched off; name a branch")


def test_a_stale_lock_is_told_without_data_and_without_a_checkout(history: History) -> None:
    write_params(history.repo, train={"seeds": [0], "bias": {"unet": 9, "fcn": 4}})
    stale = commit(history.repo)
    sh("git", "checkout", "-q", history.base, cwd=history.repo)
    result = found(history.base, stale)
    assert [line.split(" (read")[0] for line in result.stale] == ["params.yaml: train.bias: modified since the run"]
    assert "**The head's dvc.lock is stale**" in as_markdown(result)
    done = python("check", stale, cwd=history.repo)
    assert done.returncode == 1 and "dvc.lock is stale: 1 thing(s)" in done.stdout
    done = python("compare", history.base, stale, "--out", "out", cwd=history.repo)
    assert done.returncode == 2 and Path("out/comparison.md").is_file(), "the page is written all the same"
    said = f"error: {stale}: dvc.lock: stale: params.yaml: train.bias: modified since the run"
    assert said in done.stderr
    assert python("check", history.params, cwd=history.repo).returncode == 0


# Nothing can be imported that only other packages than these bring.
BLOCK = """
import importlib.metadata, runpy, sys
allowed, owners = {allowed!r}, importlib.metadata.packages_distributions()
class Block:
    def find_spec(self, name, path=None, target=None):
        of = [owner.lower() for owner in owners.get(name.split(".")[0], [])]
        if of and not set(of) & allowed:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Block())
sys.argv = {argv!r}
runpy.run_module("commands", run_name="__main__")
"""


def test_it_needs_no_more_than_the_workflow_installs(history: History) -> None:
    argv = ["pixelproof", "compare", history.base, history.data, "--out", "out"]
    program = BLOCK.format(allowed=with_dependencies(installed()), argv=argv)
    sh(sys.executable, "-c", program, cwd=history.repo)
    assert json.loads(Path("out/comparison.json").read_text())["gate"] == "passed"


def test_two_seeds_are_told_from_retraining(history: History) -> None:
    write_params(history.repo, train={"seeds": [0, 1], "bias": {"unet": 0, "fcn": 4}})
    sh("dvc", "repro", "-q", cwd=history.repo)
    result = found("workspace", "workspace")
    assert {row.seeds for row in result.rows} == {(2, 2)}
    assert all(row.retraining is not None for row in result.rows)
    assert "Retraining with other seeds alone changes mIoU by up to: `fcn` ±" in as_markdown(result)
    several, mean = commit(history.repo), result.row("unet", "val")
    write_params(history.repo, train={"seeds": [0], "bias": {"unet": 14, "fcn": 4}})
    head = reproduced(history.repo)
    again = found(history.base, head)
    row = again.row("unet", "val")
    assert mean and row and mean.base and row.base
    # Seed 1's mIoU is as far from the mean as seed 0's, and t of one degree of freedom is 12.706.
    apart = 2 * abs(mean.base - row.base)
    assert [replace(of, retraining=0.0) for of in again.past] == [Past("unet", several, 2, 0.0)]
    assert again.past[0].retraining == pytest.approx(12.706 * apart, rel=1e-3)
    assert f"(one seed, with 2 seeds at {several[:10]} it was `unet` ±" in as_markdown(again).splitlines()[0]
