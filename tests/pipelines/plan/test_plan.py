"""`plan` against DVC itself: what it says before `dvc repro`, and what a real `dvc repro` then runs and restores."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.dvc.graph import open_repo
from pipelines.plan.plan import Step, plan
from pixelproof.core.errors import StateError
from tests.pipelines.conftest import commit, runs, sh

ORDER = ["download", "cvat", "prepare", "train@unet", "train@fcn", "report"]
MADE = ORDER[:-1]
BELOW = {"prepare", "train@unet", "train@fcn", "report"}  # the sources


def replace(path: str, old: str, new: str) -> None:
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new, 1))


def planned(*targets: str) -> dict[str, Step]:
    with open_repo() as repo, repo.lock:
        return {step.stage: step for step in plan(repo, targets)}


def by_action(steps: dict[str, Step], action: str) -> set[str]:
    return {name for name, step in steps.items() if step.action == action}


def repro(repo: Path, *targets: str) -> tuple[set[str], set[str]]:
    """What a real `dvc repro` runs and what it restores."""
    (repo / "runs.log").unlink(missing_ok=True)
    output = sh("dvc", "repro", *targets, cwd=repo).stdout
    ran = {name.replace("train-", "train@") for name in runs(repo)}  # as their command calls them
    return ran, set(re.findall(r"^Stage '(.+)' is cached - skipping run", output, re.MULTILINE))


def times(repo: Path) -> dict[Path, int]:
    """When each file was last written, but for those that are DVC's own."""
    return {path: path.stat().st_mtime_ns for path in repo.rglob("*") if not {".dvc", "__pycache__"} & {*path.parts}}


def hold(repo: Path, *targets: str) -> dict[str, Step]:
    """Plan, then run: each step must be what came to pass, and the plan itself must write nothing."""
    before = times(repo)
    steps = planned(*targets)
    assert times(repo) == before
    dry = sh("dvc", "repro", "--dry", *targets, cwd=repo, check=False)  # where data is missing it ends early
    ran, restored = repro(repo, *targets)
    sure, may = by_action(steps, "runs"), by_action(steps, "may run")
    assert sure <= ran <= sure | may
    assert by_action(steps, "restored") <= restored <= by_action(steps, "restored") | may
    if dry.returncode == 0 and not restored:  # it does not see what a restored stage brings
        assert sure <= set(re.findall(r"^Running stage '(.+)':$", dry.stdout, re.MULTILINE)) <= sure | may
    assert not by_action(steps, "up to date") & (ran | restored)
    return steps


def nothing() -> None:
    pass


def new_params() -> None:
    replace("params.yaml", "lr: 0.1", "lr: 0.2")


def other_content() -> None:
    replace("params.yaml", "seed: 0", "seed: 1")


@pytest.mark.parametrize(
    ("change", "sure", "may"),
    [
        (nothing, set(), set()),
        (new_params, {"train@unet", "train@fcn"}, {"report"}),
        (other_content, {"download"}, BELOW),
        (lambda: replace("code/stage.py", "hello", "goodbye"), set(MADE), {"report"}),
        (lambda: replace("code/report.py", "", "# new"), {"report"}, set()),
        (lambda: replace("examples/export.xml", "<a", "<b"), {"cvat"}, BELOW),
        (lambda: replace("dvc.yaml", "stage.py cvat", "stage.py  cvat"), {"cvat"}, BELOW),
        (lambda: replace("params.yaml", "unet, fcn", "unet, fcn, new"), {"train@new", "report"}, set()),
        (lambda: Path("metrics/unet.json").write_text("{}"), {"report"}, set()),
    ],
)  # fmt: skip
def test_what_changed_runs_and_what_is_below_it_may(
    repo: Path, change: Callable[[], None], sure: set[str], may: set[str]
) -> None:
    change()
    steps = hold(repo)
    assert by_action(steps, "runs") == sure
    assert by_action(steps, "may run") == may
    assert list(steps) == [name for name in (*ORDER[:5], "train@new", "report") if name in steps]


def test_a_target_brings_only_what_it_needs(repo: Path) -> None:
    new_params()
    steps = hold(repo, "train@unet")
    assert list(steps) == ["download", "cvat", "prepare", "train@unet"]
    assert by_action(steps, "runs") == {"train@unet"}
    assert by_action(planned("train"), "runs") == {"train@fcn"}


def test_reasons_name_keys_values_and_files(repo: Path) -> None:
    new_params()
    replace("params.yaml", "seed: 0", "seed: 7")
    replace("code/stage.py", "hello", "goodbye")
    (repo / "examples/b.xml").write_text("<b/>")
    (repo / "examples/export.xml").unlink()
    replace("dvc.yaml", "stage.py cvat", "stage.py  cvat")
    steps = planned()
    assert steps["download"].reasons == ("params changed: seed 0 -> 7", "code changed: code/stage.py")
    assert steps["cvat"].reasons == (
        "its command was changed in dvc.yaml",
        "code changed: code/stage.py",
        "input changed: examples/b.xml (new), examples/export.xml (deleted)",
    )
    assert steps["train@unet"].reasons == ("params changed: train.lr 0.1 -> 0.2", "code changed: code/stage.py")
    assert steps["report"].reasons == ("if train@unet or train@fcn changes its inputs",)


def test_a_folder_of_code_is_named_by_its_files_even_commits_later(repo: Path) -> None:
    replace("dvc.yaml", "[code/stage.py, data/download, data/cvat]", "[code, data/download, data/cvat]")
    sh("dvc", "repro", cwd=repo)
    commit(repo)
    replace("code/report.py", "", "# committed since the run")
    commit(repo)
    (repo / "code/new.py").touch()
    assert planned()["prepare"].reasons == ("input changed: code/new.py (new), code/report.py",)


def test_what_nobody_has_recorded_is_named_by_its_folder(repo: Path) -> None:
    replace("dvc.yaml", "deps: [code/stage.py, examples]", "deps: [code, examples]")
    sh("dvc", "repro", cwd=repo)  # and neither this dvc.lock nor this code is committed
    replace("code/report.py", "", "# once")
    sh("dvc", "repro", cwd=repo)
    replace("code/report.py", "# once", "# twice")
    assert planned()["cvat"].reasons == ("input changed: code",)


@pytest.mark.parametrize("change", ["deleted", "by hand"])
def test_lost_outputs_are_restored_from_the_cache(repo: Path, change: str) -> None:
    for path in ("data/cvat", "models/unet"):
        if change == "deleted":
            shutil.rmtree(path)
        else:
            Path(path, "out.txt").unlink()
            Path(path, "mine.txt").write_text("mine")
    steps = hold(repo)
    assert by_action(steps, "restored") == {"cvat", "train@unet"}
    assert by_action(steps, "up to date") == {"download", "prepare", "train@fcn", "report"}
    expected = {
        "deleted": ("output missing: models/unet", "from DVC's cache"),
        "by hand": (
            "output changed by hand: models/unet/mine.txt (new), models/unet/out.txt (deleted)",
            "from DVC's cache",
        ),
    }
    assert steps["train@unet"].reasons == expected[change]


def test_an_undone_change_is_restored_from_the_run_cache(repo: Path) -> None:
    new_params()
    sh("dvc", "repro", cwd=repo)
    replace("params.yaml", "lr: 0.2", "lr: 0.1")
    steps = hold(repo)
    assert by_action(steps, "restored") == {"train@unet", "train@fcn"}
    assert steps["train@unet"].reasons == (
        "params changed: train.lr 0.2 -> 0.1",
        "from DVC's run cache, which has a run with exactly these inputs",
    )
    assert steps["report"].action == "up to date"  # the models come out the same


@pytest.mark.parametrize("reads", ["data/prepared/train", "data/prepared/train/out.txt", "data/prepared"])
def test_what_is_restored_is_known_to_those_who_read_all_or_a_part_of_it(repo: Path, reads: str) -> None:
    """So nothing is `may run`: each stage below is told by the very bytes that it will find."""
    replace("dvc.yaml", 'data/prepared/train]\n    outs: ["models', f'{reads}]\n    outs: ["models')
    sh("dvc", "repro", cwd=repo)
    other_content()
    sh("dvc", "repro", cwd=repo)
    replace("params.yaml", "seed: 1", "seed: 0")
    steps = hold(repo)
    assert by_action(steps, "restored") == {"download", "prepare", "train@unet", "train@fcn"}
    assert by_action(steps, "runs") == {"report"}  # it has an output that DVC does not cache
    assert steps["report"].reasons == ("input changed: models",)


def test_in_a_fresh_clone_everything_runs(clone: Path) -> None:
    steps = hold(clone)
    assert by_action(steps, "runs") == set(MADE)
    assert steps["prepare"].reasons == (
        "output missing, and not in DVC's cache: data/prepared/train, data/prepared/test",
    )
    assert steps["report"].action == "may run"


def test_a_cache_without_a_working_tree_is_restored(clone: Path, reproduced: Path) -> None:
    shutil.copytree(reproduced / ".dvc/cache", clone / ".dvc/cache")
    steps = hold(clone)
    assert by_action(steps, "restored") == set(MADE)
    assert steps["report"].action == "up to date"


def test_a_stage_that_may_run_is_restored_where_its_input_comes_out_the_same(repo: Path) -> None:
    new_params()
    replace("code/stage.py", "hello", "hello,")
    sh("dvc", "repro", cwd=repo)
    replace("examples/export.xml", "<a", "<b")
    shutil.rmtree("models/unet")
    steps = hold(repo)  # cvat writes what it did
    assert steps["train@unet"].reasons == (
        "if prepare changes data/prepared/train", "output missing: models/unet", "else restored from DVC's cache",
    )  # fmt: skip
    assert (repo / "models/unet").exists()


def test_an_output_that_the_cache_lost_runs_though_it_is_here(repo: Path) -> None:
    sh("dvc", "gc", "--workspace", "--force", cwd=repo)
    shutil.rmtree(".dvc/cache/files")
    steps = hold(repo)
    assert steps["train@unet"].reasons == ("output present, but not in DVC's cache: models/unet",)
    assert by_action(steps, "runs") == set(MADE)


def test_a_frozen_stage_never_runs(repo: Path) -> None:
    replace("dvc.yaml", "  cvat:\n", "  cvat:\n    frozen: true\n")
    assert by_action(hold(repo), "up to date") == set(ORDER)
    replace("examples/export.xml", "<a", "<b")
    steps = hold(repo)
    assert steps["cvat"] == Step(
        "cvat", "frozen", ("frozen in dvc.yaml; otherwise it would run", "input changed: examples/export.xml")
    )
    assert by_action(steps, "up to date") == {*ORDER} - {"cvat"}


def test_what_a_frozen_stage_needs_does_not_run_for_it(repo: Path) -> None:
    replace("dvc.yaml", "  prepare:\n", "  prepare:\n    frozen: true\n")
    other_content()
    assert list(hold(repo, "train@unet")) == ["prepare", "train@unet"]
    assert by_action(hold(repo), "runs") == {"download"}


@pytest.mark.parametrize(
    ("lost", "where", "reason"),
    [
        ("examples", "cvat", "missing, and no stage makes it: examples"),
        ("data/cvat", "cvat", "frozen, and missing: data/cvat; unfreeze it or fetch them"),
    ],
)
def test_where_dvc_would_stop_the_plan_says_so(repo: Path, lost: str, where: str, reason: str) -> None:
    if lost == "data/cvat":
        replace("dvc.yaml", "  cvat:\n", "  cvat:\n    frozen: true\n")
    shutil.rmtree(lost)
    step = planned()[where]
    assert (step.action, step.reasons) == ("stops", (reason,))
    failed = sh("dvc", "repro", cwd=repo, check=False)
    assert failed.returncode != 0
    assert runs(repo) == []


def test_what_needs_a_stage_that_stops_waits_for_it(repo: Path) -> None:
    """As `dvc repro --keep-going` shows, which runs all that it can: the others are skipped for what failed."""
    replace("code/stage.py", "hello", "goodbye")
    shutil.rmtree("examples")
    steps = planned()
    assert by_action(steps, "stops") == {"cvat"} and by_action(steps, "runs") == {"download"}
    assert by_action(steps, "waits") == {"prepare", "train@unet", "train@fcn", "report"}
    assert {steps[name].reasons for name in by_action(steps, "waits")} == {("for cvat, which stops",)}
    assert sh("dvc", "repro", "--keep-going", cwd=repo, check=False).returncode != 0
    assert runs(repo) == ["download"]
    replace("params.yaml", "seed: 0\n", "")
    assert planned()["report"].reasons == ("for download and cvat, which stop",)


def test_a_frozen_stage_waits_for_nothing_and_what_needs_its_lost_output_waits(repo: Path) -> None:
    replace("dvc.yaml", "  prepare:\n", "  prepare:\n    frozen: true\n")
    replace("code/stage.py", "hello", "goodbye")
    shutil.rmtree("examples")
    steps = planned()
    assert (steps["cvat"].action, steps["prepare"].action) == ("stops", "frozen")
    assert by_action(steps, "waits") == set()
    shutil.rmtree("data/prepared/train")
    steps = planned()
    assert steps["prepare"].reasons == ("frozen, and missing: data/prepared/train; unfreeze it or fetch them",)
    for name in ("train@unet", "train@fcn", "report"):
        assert steps[name] == Step(name, "waits", ("for prepare, which stops",))


def test_what_the_report_would_refuse_stops_it(repo: Path) -> None:
    replace("params.yaml", "lr: 0.1", "lr: 0.2")
    for folder in ("models/old/0", "results/old/0", "models/fcn/3"):
        Path(folder).mkdir(parents=True)
        Path(folder, "out.txt").touch()
    (step,) = [step for step in planned().values() if step.action == "stops"]
    left = "models/old/0, results/old/0"  # an output of the tiny pipeline is all of models/fcn
    reason = f"it refuses what removed networks or seeds left: {left}; `bin/pixelproof gc` removes them"
    assert step.stage == "report" and step.reasons[0].startswith(reason)
    Path("models/notes.txt").touch()
    (step,) = [step for step in planned().values() if step.action == "stops"]
    refused = "it refuses files that no stage has written: models/notes.txt; move or delete them"
    assert (step.stage, step.reasons) == ("report", (refused,))
    for folder in ("models/old", "results/old"):
        shutil.rmtree(folder)
    Path("models/notes.txt").unlink()
    assert by_action(planned(), "stops") == set()


def test_a_param_that_is_gone_stops_it(repo: Path) -> None:
    replace("params.yaml", "seed: 0\n", "")
    step = planned()["download"]
    assert (step.action, step.reasons) == ("stops", ("missing, and no stage makes it: params.yaml: seed",))
    assert sh("dvc", "repro", cwd=repo, check=False).returncode != 0


def test_data_of_dvc_add_is_taken_in_where_it_changed_and_stops_where_it_is_missing(repo: Path) -> None:
    (repo / "labels").mkdir()
    (repo / "labels/a.txt").write_text("a")
    sh("dvc", "add", "labels", cwd=repo)
    replace("dvc.yaml", "deps: [code/stage.py, examples]", "deps: [code/stage.py, labels]")
    sh("dvc", "repro", cwd=repo)
    (repo / "labels/b.txt").write_text("b")
    assert planned()["cvat"].reasons == ("input changed: labels/b.txt (new)",)
    assert "labels.dvc" not in hold(repo)
    shutil.rmtree("labels")
    steps = planned()
    assert steps["labels.dvc"].reasons == ("missing: labels; run `dvc checkout labels.dvc`",)
    assert by_action(steps, "up to date") == set(ORDER)
    assert sh("dvc", "repro", cwd=repo, check=False).returncode != 0
    sh("dvc", "checkout", "labels.dvc", cwd=repo)
    assert by_action(hold(repo), "up to date") == set(ORDER)


def test_a_stage_that_runs_each_time_is_told(repo: Path) -> None:
    replace("dvc.yaml", "  cvat:\n", "  cvat:\n    always_changed: true\n")
    assert hold(repo)["cvat"].reasons == ("dvc.yaml lets it run every time",)


def test_a_list_is_told_by_what_came_and_went(repo: Path) -> None:
    replace("params.yaml", "steps: [1, 2]", "steps: [2, 5]")
    assert planned()["train@fcn"].reasons == ("params changed: train.steps + 5, - 1",)
    replace("params.yaml", "steps: [2, 5]", "steps: [2, 1]")
    assert planned()["train@fcn"].reasons == ("params changed: train.steps in another order",)


def test_long_lists_and_values_are_cut(repo: Path) -> None:
    for number in range(5):
        (repo / f"examples/{number}.xml").touch()
    replace("params.yaml", "steps: [1, 2]", f"steps: {list(range(40))}")
    steps = planned()
    named = "examples/0.xml (new), examples/1.xml (new), examples/2.xml (new) and 2 more"
    assert steps["cvat"].reasons == (f"input changed: {named}",)
    assert steps["train@fcn"].reasons == ("params changed: train.steps + 0, + 3, + 4 and 35 more",)


def test_while_another_process_writes_nothing_can_be_told(repo: Path) -> None:
    writer = {"pid": os.getpid(), "cmd": "dvc repro"}
    (repo / ".dvc/tmp/rwlock").write_text(json.dumps({"write": {str(repo / "models/unet"): writer}}))
    with pytest.raises(StateError, match=r"^models/unet: another process writes it .* then plan again"):
        planned()
    writer["pid"] = 2**22 + 1  # none: one that was killed
    (repo / ".dvc/tmp/rwlock").write_text(json.dumps({"write": {str(repo / "models/unet"): writer}}))
    assert by_action(planned(), "up to date") == set(ORDER)
