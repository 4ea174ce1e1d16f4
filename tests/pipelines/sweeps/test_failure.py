"""What is said of points that fail: real sweeps, and logs written by hand."""

from __future__ import annotations

from pathlib import Path

from pipelines.sweeps.failure import BEGINS, cause
from tests.pipelines.conftest import commit, python, sh
from tests.pipelines.sweeps.conftest import ends

FAILED = "ERROR: failed to reproduce 'train': failed to run: python train, exited with 2\n"


def ends_with(error: str) -> str:
    """Code with which a stage fails as those of the project do."""
    return f"print('error: {error}', file=sys.stderr)\nsys.exit(2)"


def test_the_error_of_the_stage_is_shown_with_where_its_log_is(sweeping: Path) -> None:
    (sweeping / "experiments/rate.yaml").write_text("grid: {train.lr: [0.2]}\n")
    commit(sweeping)
    (sweeping / "control/train-fcn").write_text(ends_with("masks/a.png: expected 8 bits, found 16; save it again"))
    failed = python("sweep", "rate", "--out", "page", cwd=sweeping)
    why = "train@fcn: masks/a.png: expected 8 bits, found 16; save it again"
    log = ".pixelproof/sweeps/rate/points/lr=0.2/log"
    assert failed.returncode == 2, failed.stderr
    assert f"lr=0.2: failed: {why} (all of it: {log})\n" in failed.stderr
    assert f"- `lr=0.2`: `{why}` (all of it: `{log}`)\n" in (sweeping / "page/sweep.md").read_text()
    assert f"<code>lr=0.2</code>: {why} (all of it: <code>{log}</code>)" in (sweeping / "page/index.html").read_text()

    (sweeping / log).with_name("tree").joinpath("dvc.yaml").unlink()  # so that no stage begins
    failed = python("sweep", "rate", cwd=sweeping)
    assert "lr=0.2: failed: ERROR: " in failed.stderr and "masks/a.png" not in failed.stderr, failed.stderr
    assert (sweeping / log).read_text().count("found 16") == 1, "of which the log is kept"


def test_the_error_of_a_stage_that_all_points_share_is_shown(sweeping: Path) -> None:
    (sweeping / "control/prepare").write_text(ends_with("no images; add some"))
    failed = python("sweep", "rate", cwd=sweeping)
    assert failed.returncode == 2
    last = failed.stderr.splitlines()[-1]
    assert last == "error: sweep rate: prepare: no images; add some; all of it: .pixelproof/sweeps/rate/common/log"


def test_an_experiment_that_somebody_makes_meanwhile_fails_its_point_alone(sweeping: Path) -> None:
    head = commit(sweeping)
    ref = f"refs/exps/{head[:2]}/{head[2:]}/rate-lr=0.3"
    make = f"import subprocess\nsubprocess.run(['git', 'update-ref', '{ref}', '{head}'], check=True)"
    (sweeping / "control/train-unet").write_text(f"if '0.3' in open('params.yaml').read(): exec({make!r})")
    failed = python("sweep", "rate", cwd=sweeping)
    assert failed.returncode == 2
    told = {line.split("] ")[1].split(": ")[0]: line for line in failed.stderr.splitlines() if line.startswith("[")}
    assert list(told) == ["lr=0.2", "lr=0.3", "lr=0.4"] and len(failed.stderr.splitlines()) == 4, failed.stderr
    assert "lr=0.3: failed: experiment rate-lr=0.3: git did not make it" in told["lr=0.3"]
    assert "done" in told["lr=0.2"] and "done" in told["lr=0.4"] and "2 of 3 points; 1 failed" in failed.stdout
    assert sh("git", "rev-parse", ref, cwd=sweeping).stdout.strip() == head, "theirs is as they made it"

    sh("dvc", "exp", "remove", "rate-lr=0.3", cwd=sweeping)
    done = python("sweep", "rate", cwd=sweeping)
    assert done.returncode == 0 and "lr=0.3: done" in done.stderr, done.stderr
    assert ends(sweeping)["train-unet"] == 3, "what had run does not run again"


def test_the_cause_is_found_in_the_last_stage_of_the_last_attempt(tmp_path: Path) -> None:
    log = tmp_path / "log"

    def told(*lines: str) -> str:
        log.write_text("\n".join(lines))
        return cause(log)

    assert cause(log) == told(BEGINS) == "no output"
    train = "Running stage 'train@unet-0':\n> python train"
    assert told(BEGINS + train, "step 1\rerror: a: b; c", FAILED) == "train@unet-0: a: b; c"
    trace = "Traceback (most recent call last):\n  File x\ntorch.OutOfMemoryError: none left"
    assert told(BEGINS + train, trace, FAILED) == "train@unet-0: torch.OutOfMemoryError: none left"
    early = "Running stage 'prepare':\n> python prepare\nerror: only a warning"
    assert told(BEGINS + early, train, "step 1", FAILED) == FAILED.strip(), "killed: nothing is known of why"
    assert told(BEGINS + train, "error: a", FAILED, BEGINS + train, FAILED) == FAILED.strip()
    missing = ("ERROR: Checkout failed for following targets:", "extra", "Is your cache up to date?", "<https://x>")
    assert told(BEGINS + train, "error: a", FAILED, BEGINS + missing[0], *missing[1:]) == " ".join(missing)
    assert told(BEGINS + "half a li") == "half a li"
