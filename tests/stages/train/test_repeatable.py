"""The promise: the weights after iteration k depend on data, params and seed, and on nothing that happened since."""

from __future__ import annotations

import hashlib
import io
import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load

from stages.train.checkpoint import DIGEST_BYTES
from tests.forked import run_forked
from tests.stages.train.conftest import TRAIN, Workspace, train, train_forked, weights

DRIVER = Path(__file__).parent / "driver.py"
# everything that has a state of its own: dropout (in U-Net's heads), averaged weights, accumulated gradients
STATEFUL: dict[str, Any] = {"ema": 0.8, "ema_warmup": True, "accumulate": 3}


def drive(root: Path, change: str) -> subprocess.CompletedProcess[str]:
    """Run the training with a change from outside."""
    return run_forked(driven(change), root)


def driven(change: str) -> list[str]:
    """The command of that."""
    return [str(DRIVER), change, "--arch", "unet", "--seed", "0"]


def last_state(root: Path) -> dict[str, torch.Tensor]:
    """Weights and batch norm statistics after the last iteration."""
    done = drive(root, "keep")
    assert done.returncode == 0, done.stderr
    (path,) = (root / ".pixelproof/checkpoints/unet/0").glob("*/checkpoint.pt")
    state = torch.load(io.BytesIO(path.read_bytes()[DIGEST_BYTES:]), weights_only=True)
    assert state["iteration"] == 12
    return state["model"]  # type: ignore[no-any-return]


def outputs(root: Path, arch: str = "unet") -> dict[str, bytes]:
    """Every file that a training publishes."""
    folders = [f"models/{arch}/0", f"results/{arch}/0/train"]
    return {f"{folder}/{path}": content for folder in folders for path, content in files_in(root / folder).items()}


def files_in(folder: Path) -> dict[str, bytes]:
    """The files of a folder, by their paths in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_workers_and_validations_change_no_weight(workspace: Workspace) -> None:
    """Loader workers, the interval of validations and images kept decoded change no weight; flips and clipping do."""
    plain = last_state(workspace("plain"))
    others = {
        "workers": last_state(workspace("workers", workers=2)),
        "decoding": last_state(workspace("decoding", decoded=0.0)),
        "validations": last_state(workspace("validations", val_interval=12, checkpoint_interval=12)),
    }
    for name, other in others.items():
        assert all(torch.equal(plain[key], other[key]) for key in plain), name
    optimizer = TRAIN["optimizer"] | {"clip": 0.1}
    changes: dict[str, dict[str, Any]] = {"flipless": {"flips": []}, "clipped": {"optimizer": optimizer}}
    for name, change in changes.items():
        other = last_state(workspace(name, **change))
        assert not all(torch.equal(plain[key], other[key]) for key in plain), name


def test_a_killed_training_resumes_to_the_same_bytes(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in an iteration, while a checkpoint is written and in a validation: the same files as undisturbed.

    Only the undisturbed one tells how long such a training takes.
    """
    monkeypatch.setenv("DVC_STAGE", "train@unet-0")
    undisturbed = workspace("undisturbed", **STATEFUL)
    train(undisturbed)
    assert (undisturbed / ".pixelproof/times/train@unet-0.json").exists()
    for change, finished in {"iteration:8": 6, "checkpoint:2": 3, "validation:2": 6}.items():
        root = workspace(change.replace(":", "-"), **STATEFUL)
        assert drive(root, change).returncode == -signal.SIGKILL
        assert not (root / "models").exists()
        again = train_forked(root)
        assert f"resumed after iteration {finished}" in again.stdout, change
        assert outputs(root) == outputs(undisturbed), change
        assert not (root / ".pixelproof/checkpoints/unet/0").exists()
        assert not list((root / ".pixelproof/times").iterdir())


@pytest.mark.parametrize("precision", ["bf16", pytest.param("fp16", marks=pytest.mark.slow)])
def test_other_precisions_are_a_choice_and_repeat(workspace: Workspace, precision: str) -> None:
    """The only trainings of the tests in them, and short ones: processors without hardware emulate them, slowly."""
    short: dict[str, Any] = {"iterations": 2, "val_interval": 2, "checkpoint_interval": 2}
    plain = workspace("fp32", **short)
    twice = [workspace(name, compute={"precision": precision}, **short) for name in ("one", "two")]
    train_forked(plain)
    train_forked(twice[0])
    train(twice[1])
    assert outputs(twice[0]) == outputs(twice[1])
    assert weights(twice[0]) != weights(plain)


def test_another_data_set_or_param_starts_over(workspace: Workspace) -> None:
    """A checkpoint is used only where data, params and code are those it was made with."""
    root = workspace("changed")
    assert drive(root, "iteration:8").returncode == -signal.SIGKILL
    text = (root / "params.yaml").read_text()
    (root / "params.yaml").write_text(text.replace("lr: 0.003", "lr: 0.002"))
    assert "resumed" not in train_forked(root).stdout
    fresh = workspace("fresh", optimizer=TRAIN["optimizer"] | {"lr": 0.002})
    train(fresh)
    assert weights(root) == weights(fresh)


def test_patience_ends_a_training(workspace: Workspace) -> None:
    """Validations come at 4, 8 and 12; all score the same, so the first stays the best, and one more is waited for."""
    root = workspace("patient", patience=1)
    assert drive(root, "same").returncode == 0
    facts = json.loads((root / "models/unet/0/facts.json").read_text())
    assert (facts["best_iteration"], facts["iterations"]) == (4, 8)
    endless = workspace("endless")
    assert drive(endless, "same").returncode == 0
    assert json.loads((endless / "models/unet/0/facts.json").read_text())["iterations"] == 12


def test_what_needs_no_gradient_is_trained_and_published_the_same_way(workspace: Workspace) -> None:
    """k-means learns in one go; the flat colours of the shapes are told apart, and twice in the same bytes."""
    roots = [workspace(name, arch="kmeans") for name in ("one", "two")]
    for done in (train(roots[0], "kmeans"), train_forked(roots[1], "kmeans")):
        assert "clusters" in done.stdout
    assert weights(roots[0], "kmeans") == weights(roots[1], "kmeans")
    facts = json.loads((roots[0] / "models/kmeans/0/facts.json").read_text())
    assert facts["iterations"] == 1 and facts["val_mIoU"] > 0.8
    assert "val/mIoU" in (roots[0] / "results/kmeans/0/train/curves.csv").read_text()


class Malicious:
    """Unpickling it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_a_crafted_checkpoint_runs_no_code_and_a_damaged_one_is_not_resumed(workspace: Workspace) -> None:
    """Both are refused in one line; a network of which some bits are flipped would train on to other weights."""
    root = workspace("crafted")
    assert drive(root, "keep").returncode == 0
    (path,) = (root / ".pixelproof/checkpoints/unet/0").glob("*/checkpoint.pt")
    damaged = bytearray(path.read_bytes())
    for place in range(len(damaged) // 4, len(damaged) // 4 + 1024):  # among the weights
        damaged[place] ^= 1
    crafted = io.BytesIO()
    torch.save({"iteration": 1, "model": Malicious(root / "was-run")}, crafted)
    signed = hashlib.sha256(crafted.getvalue()).digest() + crafted.getvalue()
    for content, found in ((bytes(damaged), "a damaged checkpoint"), (signed, "not one of our checkpoints")):
        path.write_bytes(content)
        refused = train_forked(root, check=False)
        assert refused.returncode == 2
        assert found in refused.stderr and "Traceback" not in refused.stderr
    assert not (root / "was-run").exists()


@pytest.mark.parametrize("arch", ["unet"])
def test_two_processes_share_each_batch(workspace: Workspace, arch: str) -> None:
    """torchrun on two CPU processes trains to the end, validates every image once and publishes one model."""
    root = workspace("two", workers=0)
    done = train_forked(root, arch, "--processes", "2")
    assert "best validation mIoU" in done.stdout
    assert (root / f"models/{arch}/0/weights.safetensors").exists()


@pytest.mark.slow  # compiling takes a minute
def test_a_compiled_training_repeats_too(workspace: Workspace) -> None:
    """Compiled, with dropout and averaged weights, killed and resumed: the same bytes, the same names of weights."""
    roots = [workspace(name, compile=True, ema=0.8) for name in ("one", "two")]
    train(roots[0])
    assert drive(roots[1], "iteration:8").returncode == -signal.SIGKILL
    assert "resumed after iteration 6" in train(roots[1]).stdout
    assert outputs(roots[0]) == outputs(roots[1])
    plain = workspace("plain", ema=0.8)
    train(plain)
    assert weights(plain) != weights(roots[0])  # else nothing was compiled
    assert load(weights(plain)).keys() == load(weights(roots[0])).keys()
