"""The real `dvc repro` from nothing, twice, and then what each kind of change makes it run again."""

from __future__ import annotations

import pytest

from tests.workspace import Run, Workspace, executed, stages_of

pytestmark = [pytest.mark.slow, pytest.mark.promise]


def test_both_runs_execute_every_stage(first_run: Run, audited_run: Run) -> None:
    for run in (first_run, audited_run):
        assert sorted(executed(run.output)) == sorted(stages_of(run.workspace.folder))


def test_two_runs_from_nothing_write_the_same_bytes(first_run: Run, audited_run: Run) -> None:
    written = first_run.written
    for arch in ("unet", "panoptic-deeplab-r18"):
        assert f"metrics/{arch}.json" in written
        assert f"models/{arch}/0/weights.safetensors" in written
        assert any(path.startswith(f"results/{arch}/0/evaluate/masks/test/") for path in written)
    assert {path for path in written if audited_run.written.get(path) != written[path]} == set()
    assert written.keys() == audited_run.written.keys()


def test_with_nothing_to_do_nothing_runs(after_first_run: Workspace) -> None:
    assert executed(after_first_run.dvc("repro")) == []


def test_a_changed_architecture_reruns_what_is_its_own(after_first_run: Workspace) -> None:
    head = "decode_head=dict(in_index=3, in_channels=32, channels=32"
    after_first_run.edit("pixelproof/networks/architectures/unet.py", head, f"{head}, dropout_ratio=0.05")
    ran = executed(after_first_run.dvc("repro"))
    assert sorted(ran) == ["configure", "evaluate@unet-0", "measure@unet-0", "report", "train@unet-0"]


def test_a_new_test_image_retrains_nothing(after_first_run: Workspace) -> None:
    after_first_run.set_params(download__synthetic__test_flights=3)
    ran = executed(after_first_run.dvc("repro"))
    evaluated, measured = (
        [f"{stage}@{run}" for run in ("panoptic-deeplab-r18-0", "unet-0")] for stage in ("evaluate", "measure")
    )
    assert sorted(ran) == ["download", *evaluated, *measured, "prepare", "report"]


def test_new_code_of_the_report_reruns_the_report_alone(after_first_run: Workspace) -> None:
    path = after_first_run.folder / "stages/report/__main__.py"
    path.write_text(f"{path.read_text()}\n# a comment\n")
    assert executed(after_first_run.dvc("repro")) == ["report"]
