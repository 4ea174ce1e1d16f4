"""What stands above every verdict: forged records, renamed classes, other seeds, networks that are gone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from pipelines.compare.as_markdown import as_markdown
from pipelines.compare.page import as_page
from pipelines.compare.store import in_public
from pixelproof.core.errors import StateError
from tests.pipelines.compare.compared import EVIL, History, found, labels, reproduced, write_labels, write_params
from tests.pipelines.conftest import commit, python, sh

pytestmark = [pytest.mark.slow, pytest.mark.promise]  # the repository takes a while to build
BIAS = {"unet": 0, "fcn": 4}

ONE_SEED = "retraining noise is unknown (one seed)"


def edited_metrics(arch: str, split: str, value: float, metric: str = "mIoU") -> str:
    """A commit whose metrics/ were edited, and dvc.lock with them: nothing that git tracks contradicts it."""
    path = Path(f"metrics/{arch}.json")
    content = json.loads(path.read_text())
    content[split][metric] = value
    path.write_text(json.dumps(content))
    sh("dvc", "commit", "-q", "-f", "report", cwd=Path())
    return commit(Path())


def test_metrics_edited_together_with_their_hash_are_refused(history: History) -> None:
    before = json.loads(Path("metrics/unet.json").read_text())["val"]["mIoU"]
    forged = edited_metrics("unet", "val", 0.99)
    result = found(history.base, forged)
    line = f"metrics/unet.json: val.mIoU is 0.990000, but the per-image matrices give {before:.6f}"
    assert result.facts.untrue == (line,)
    assert {row.verdict for row in result.rows} == {"identical"}, "verdicts are from the matrices"
    for text in (as_markdown(result), as_page(result, [], [])):
        assert line in text
    alarms = "outputs differ without a cause; the head's metrics/ is not what its results give"
    assert as_markdown(result).startswith(f"### Comparison: {alarms}; the same on validation")
    done = python("compare", history.base, forged, cwd=history.repo)
    assert done.returncode == 2 and done.stderr.startswith(f"error: {forged}: {line}; run `dvc repro --force")
    back = found(forged, history.base)
    assert back.facts.untrue == () and "the base's metrics/ is not" in as_markdown(back).splitlines()[0]
    assert python("compare", forged, history.base, cwd=history.repo).returncode == 0, "the head mends it"


def about_metrics(name: str) -> list[str]:
    """The lines of `check` about metrics/: of the tiny repository's code it has more to say."""
    done = python("check", name, cwd=Path())
    assert done.stderr == ""
    return [line for line in done.stdout.splitlines() if line.startswith("metrics/")]


def test_check_finds_edited_metrics_where_the_cache_has_the_results(history: History) -> None:
    before = json.loads(Path("metrics/unet.json").read_text())["val"]["mIoU"]
    forged = edited_metrics("unet", "val", 0.99)
    sh("dvc", "repro", cwd=history.repo)
    assert json.loads(Path("metrics/unet.json").read_text())["val"]["mIoU"] == 0.99, "to DVC, it is up to date"
    mend = "dvc repro --force --single-item report"
    said = [
        f"metrics/unet.json: val.mIoU is 0.990000, but the per-image matrices give {before:.6f}",
        "metrics/ is not what the results give: 1 number(s) above; "
        f"run `{mend}`, then commit dvc.lock, metrics/ and tables/",
    ]
    assert about_metrics("workspace") == about_metrics(forged) == said
    assert python("check", forged, cwd=history.repo).returncode == 1
    assert python("check", history.base, cwd=history.repo).returncode == 0
    sh(*mend.split(), cwd=history.repo)
    assert about_metrics("workspace") == []
    sh("dvc", "remote", "add", "-d", "store", str(history.repo.parent / "store"), cwd=history.repo)
    sh("dvc", "push", "-q", cwd=history.repo)
    shutil.rmtree(".dvc/cache")  # as in a fresh clone: what git tracks agrees with itself, and nothing is fetched
    assert python("check", forged, cwd=history.repo).returncode == 0
    assert not Path(".dvc/cache/files").exists()


def test_check_holds_metrics_against_the_results_in_dvc_lock_and_not_those_on_disk(history: History) -> None:
    sh("git", "checkout", "-q", history.params, cwd=history.repo)  # without `dvc checkout`: results are the base's
    assert about_metrics("workspace") == []


def test_rounding_is_no_forgery(history: History) -> None:
    before = json.loads(Path("metrics/unet.json").read_text())["val"]["mIoU"]
    assert found(history.base, edited_metrics("unet", "val", before + 4e-7)).facts.untrue == ()
    assert found(history.base, edited_metrics("unet", "val", before + 4e-6)).facts.untrue != ()


def test_metrics_that_matrices_do_not_give_are_held_against_what_evaluate_wrote(history: History) -> None:
    forged = edited_metrics("fcn", "val", 0.01, "ece")
    said = ("metrics/fcn.json: val.ece is 0.010000, but evaluate found 0.100000",)
    assert found(history.base, forged).facts.untrue == said
    sh("git", "checkout", "-q", history.base, cwd=history.repo)
    forged = edited_metrics("fcn", "test", 0.5, "boundary_f1")
    said = ("metrics/fcn.json: test.boundary_f1 is 0.500000, but evaluate found 0.600000",)
    assert found(history.base, forged).facts.untrue == said, "of the widest tolerance"


def test_results_of_another_network_are_no_improvement(history: History) -> None:
    """In the base's name, unet's results are what fcn's were before: consistent, better, and without any cause."""
    sh("git", "checkout", "-q", history.params, cwd=history.repo)
    sh("dvc", "checkout", "-q", cwd=history.repo)
    lock = yaml.safe_load(Path("dvc.lock").read_text())
    unet, fcn = (lock["stages"][f"evaluate@{arch}-0"]["outs"][0] for arch in ("unet", "fcn"))
    unet |= {key: fcn[key] for key in ("md5", "size", "nfiles")}
    Path("dvc.lock").write_text(yaml.safe_dump(lock))
    sh("dvc", "checkout", "-q", "-f", "results/unet/0/evaluate", cwd=history.repo)
    sh("dvc", "repro", "-q", "--single-item", "report", cwd=history.repo)
    forged = commit(history.repo)
    assert python("check", forged, cwd=history.repo).returncode == 0
    result = found(history.params, forged)
    assert {row.architecture for row in result.rows if row.verdict == "improved"} == {"unet"} and not result.causes()
    alarm, same = result.facts.alarms
    assert alarm.things == ("results/unet/0/evaluate (written by evaluate@unet-0)",), "report read other results"
    assert same.things == ("results/unet/0/evaluate is results/fcn/0/evaluate",)
    lines = as_markdown(result).splitlines()
    said = "outputs differ without a cause; networks or seeds share their results to the byte"
    assert lines[0] == f"### Comparison: {said}; improved on validation: 1 of 2 architectures; {ONE_SEED}"
    assert "- `results/unet/0/evaluate (written by evaluate@unet-0)`" in lines[:10]
    gate = python("compare", history.params, forged, "--fail-on", "regression", cwd=history.repo)
    assert gate.returncode == 3, "an improvement without a cause proves nothing"
    assert python("compare", forged, history.params, "--fail-on", "regression", cwd=history.repo).returncode == 1


def test_a_renamed_class_hides_no_regression(history: History) -> None:
    changed = labels()
    changed["classes"][1] = "street"
    write_labels(history.repo, changed)
    write_params(history.repo, train={"seeds": [0], "bias": BIAS | {"unet": 14}})
    head = reproduced(history.repo)
    for cross in (False, True):
        result = found(history.base, head, cross)
        assert result.data.classes == (("renamed", "road → street"),)
        assert [(one.images, one.left_out) for one in result.shared] == [(12, 0), (12, 0)]
        row, same = result.row("unet", "val", "iou", "street"), result.row("fcn", "val", "iou", "street")
        assert row and row.verdict == "regressed" and same and same.verdict == "identical"
        assert {row.label for row in result.rows} == {None, "ground", "street", EVIL}
        text = as_markdown(result)
        assert "- class `road → street`: renamed" in text and "--cross-evaluate" not in text
        assert "mIoU is a mean over different classes" not in text


def test_a_class_with_other_labels_is_another_class(history: History) -> None:
    """The id alone does not make it the same: every image that holds it was labelled anew."""
    changed = labels()
    changed["classes"][2] = "pond"
    for split in ("train", "val", "test"):
        for line in changed[split].values():
            line[1] = 8
    write_labels(history.repo, changed)
    head = reproduced(history.repo)
    assert set(found(history.base, head).data.classes) == {("added", "pond"), ("removed", EVIL)}


def test_what_was_cross_evaluated_is_not_told_to_cross_evaluate(history: History) -> None:
    changed = labels()
    changed["classes"] = changed["classes"][::-1]  # the same label maps, every class under another's name but one
    write_labels(history.repo, changed)
    head = reproduced(history.repo)
    result = found(history.base, head, cross=True)
    assert {name for what, name in result.data.classes if what == "renamed"} == {f"ground → {EVIL}", f"{EVIL} → ground"}
    assert "`--cross-evaluate`" not in as_markdown(result) + as_page(result, [], [])


def test_other_seeds_are_not_mixed_in(history: History) -> None:
    write_params(history.repo, train={"seeds": [0, 1, 2], "bias": BIAS})
    head = reproduced(history.repo)
    result = found(history.base, head)
    assert {row.verdict for row in result.rows} == {"identical"}, "seed 0 is the same on both sides"
    assert result.worse == result.better == (), "no image either"
    said = "1 seed in the base, 3 seeds in the head (base 0; head 0, 1, 2); compared: seed 0"
    assert f"- `unet`: {said}" in as_markdown(result) and said in as_page(result, [], [])
    short = "seeds: 1 → 3, of which 1 → 1 compared"
    assert f"({short})" in as_markdown(result) and short.removeprefix("seeds: ") in as_page(result, [], [])
    both = found(head, head)
    assert both.facts.seeds == () and both.facts.untrue == (), "metrics/ are means over the seeds"


def test_out_of_fold_is_said_and_not_crossed(history: History) -> None:
    """Which network of another revision did not learn from an image is not known."""
    write_params(history.repo, prepare={"split": {"folds": 5}})
    changed = labels()
    changed["val"]["val-00"][1] = 6
    write_labels(history.repo, changed)
    head = reproduced(history.repo)
    result = found(history.base, head)
    (said, shares) = (note for note in result.notes if "fold" in note.text or "shares" in note.text)
    assert said.names == (head,) and "judged by the network, of 5, that did not learn from its fold" in said.text
    assert "different shares of the images" in shares.text
    assert "validation is out of fold" in as_markdown(result) and "validation is out of fold" in as_page(result, [], [])
    assert not any("out of fold" in note.text for note in found(history.base, history.data).notes)
    with pytest.raises(StateError, match="--cross-evaluate: networks in folds"):
        found(history.base, head, cross=True)


def test_without_images_in_val_there_is_no_verdict_on_it(history: History) -> None:
    """As where `prepare.split.learn_val` gave all to train: networks are not judged by what they have learnt from."""
    changed = labels()
    changed["train"] |= changed["val"]
    changed["val"] = {}
    changed["test"]["test-00"][1] = 6
    write_labels(history.repo, changed)
    write_params(history.repo, prepare={"split": {"learn_val": True}})
    head = reproduced(history.repo)
    for base, other, cross in ((history.base, head, False), (history.base, head, True), (head, history.base, True)):
        result = found(base, other, cross)
        assert ({row.split for row in result.rows}, result.gate) == ({"test"}, "not computed")
        assert {one.split for one in result.crossed} == ({"test"} if cross else set())
        assert result.facts.unvalidated == (head,) and result.worse == result.better == ()
        said = "no labelled image in val (as `prepare.split.learn_val` has it): no verdict on it"
        assert f"- {said}: `{head}`" in as_markdown(result) and "no labelled image in val" in as_page(result, [], [])
        assert as_markdown(result).startswith("### Comparison: validation was not compared")
    assert {row.split for row in found(head, head).rows} == {"test"}
    assert found(history.base, history.data).facts.unvalidated == ()
    for option in (["--fail-on", "regression"], ["--require-evidence", "--cross-evaluate"]):
        done = python("compare", history.base, head, *option, cwd=history.repo)
        line = f"error: --fail-on regression: significance was not computed (no labelled image in val of {head});"
        assert (done.returncode, done.stderr.splitlines()[-1].startswith(line)) == (2, True), done.stderr


def test_crossed_scores_are_of_the_same_seeds(history: History) -> None:
    changed = labels()
    changed["val"]["val-00"][1] = 6
    write_labels(history.repo, changed)
    write_params(history.repo, train={"seeds": [0, 1], "bias": BIAS})
    (row,) = [one for one in found(history.base, reproduced(history.repo), True).crossed if one.arch == "unet"]
    assert row.base_base == row.head_base and row.base_head == row.head_head, "seed 0 has the same weights"


def test_a_network_that_is_gone_is_in_the_headline_and_refused(history: History) -> None:
    write_params(history.repo, architectures=["unet"])
    Path("metrics/fcn.json").unlink()
    shutil.rmtree("results/fcn")
    head = reproduced(history.repo)
    result = found(history.base, head)
    assert as_markdown(result).startswith("### Comparison: gone: `fcn`; the same on validation")
    assert "<h1>Gone: fcn; the same on validation" in as_page(result, [], [])
    done = python("compare", history.base, head, cwd=history.repo)
    assert (done.returncode, done.stderr) == (2, f"error: {head}: without fcn; if that is meant, --allow-missing\n")
    assert python("compare", history.base, head, "--allow-missing", cwd=history.repo).returncode == 0
    assert as_markdown(found(head, history.base)).startswith("### Comparison: the same on validation; new: `fcn`\n")


def test_a_dep_named_by_file_instead_of_by_folder_is_no_changed_file(history: History) -> None:
    dvc_yaml = Path("dvc.yaml").read_text()
    Path("dvc.yaml").write_text(dvc_yaml.replace("- stages/evaluate\n", "- stages/evaluate/__main__.py\n"))
    Path("code_of/report.py").write_text(Path("code_of/report.py").read_text() + "# more\n")
    head = reproduced(history.repo)
    changed = [(one.path, one.kind, one.stages) for one in found(history.base, head).code]
    assert changed == [("code_of/report.py", "changed", ("report",))]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("no remote in /home/me/clone: add one", "no remote in … add one"),
        ("[Errno 2] No such file: '/a store, far/files/md5'", "[Errno 2] No such file: …"),
        (r'cannot read "C:\Users\me\x y" or D:\data', "cannot read … or …"),
        ("Unable to locate credentials for s3://bucket/path/x", "Unable to locate credentials for s3://bucket/path/x"),
        ("401 for https://me:secret@host/a/b", "401 for https://host/a/b"),
        ("read/write:\n denied", "read/write: denied"),
    ],
)
def test_an_error_on_a_page_names_no_path_of_this_machine(error: str, said: str) -> None:
    assert in_public(OSError(error)) == said
