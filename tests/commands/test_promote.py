"""`promote`, with real DVC: what it copies, what it refuses, and that configure pins the copy."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest
import yaml

from commands._promote import promote
from pixelproof.core.errors import DataError, ParamsError, StateError
from pixelproof.core.files import read_json, write_json
from stages.configure.pretrained import pinned

MODEL = Path("models/unet/0")
COPY = "pretrained/unet.safetensors"


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository in which dvc.lock records a training of unet, and nothing else is."""
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "--quiet"], check=True)
    Path(".dvc").mkdir()
    Path(".dvc/config").write_text("[core]\n    analytics = false\n")
    Path("params.yaml").write_text("architectures: [unet]\ntrain: {seeds: [0], pretrained: none}\n")
    retrain(b"first")
    return tmp_path


def retrain(weights: bytes, facts: bytes | None = None) -> None:
    """Other weights, with a dvc.lock that says so: DVC's hash of a folder is the MD5 of the list of its files."""
    MODEL.mkdir(parents=True, exist_ok=True)
    (MODEL / "weights.safetensors").write_bytes(weights)
    write_json(MODEL / "facts.json", {"architecture": "unet", "seed": 0, "val_mIoU": 0.75, "best_iteration": 8})
    if facts is not None:
        (MODEL / "facts.json").write_bytes(facts)
    listed = [{"md5": md5(path.read_bytes()), "relpath": path.name} for path in sorted(MODEL.iterdir())]
    out = {"path": str(MODEL), "hash": "md5", "md5": md5(json.dumps(listed).encode()) + ".dir"}
    stages = {"train@unet-0": {"cmd": "train", "outs": [out]}}
    Path("dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def test_weights_are_copied_kept_by_dvc_and_pinned(trained: Path) -> None:
    """A retraining changes the copy only when it is promoted too: nothing depends on its own output."""
    first = promote(trained, "unet", 0)
    assert "new weights, of unet with seed 0, val mIoU 0.750 at iteration 8" in first[0]
    assert first[-1].startswith(f"train.pretrained is none: set it to {COPY}, or to pretrained/{{arch}}.safetensors")
    out = yaml.safe_load(Path(f"{COPY}.dvc").read_text())["outs"][0]
    assert (out["md5"], out["path"]) == (md5(b"first"), "unet.safetensors")
    ignored = subprocess.run(["git", "check-ignore", COPY], check=False, capture_output=True)
    assert ignored.returncode == 0, "git must not track the weights"
    pin = {"path": COPY, "sha256": hashlib.sha256(b"first").hexdigest()}
    assert pinned(COPY, "unet") == pinned("pretrained/{arch}.safetensors", "unet") == pin
    facts = read_json(Path("pretrained/unet.json"))
    lock = yaml.safe_load(Path("dvc.lock").read_text())["stages"]["train@unet-0"]["outs"][0]
    assert (facts["val_mIoU"], facts["sha256"], facts["dvc"]) == (0.75, pin["sha256"], {str(MODEL): lock["md5"]})
    retrain(b"second")
    assert pinned(COPY, "unet") == pin
    Path("params.yaml").write_text("train: {seeds: [0], pretrained: 'pretrained/{arch}.safetensors'}\n")
    second = promote(trained, "unet", 0)
    assert "new weights" in second[0] and second[-1].endswith("the next training begins with them")
    assert pinned(COPY, "unet") == {"path": COPY, "sha256": hashlib.sha256(b"second").hexdigest()}
    assert md5(b"second") in Path(f"{COPY}.dvc").read_text()


def test_weights_of_others_are_not_replaced(trained: Path) -> None:
    Path("pretrained").mkdir()
    Path(COPY).write_bytes(b"mine")
    with pytest.raises(StateError, match=r"^pretrained/unet.safetensors: weights that DVC does not keep would be lost"):
        promote(trained, "unet", 0)
    assert Path(COPY).read_bytes() == b"mine"


@pytest.mark.parametrize("text", ["outs: []", "", "- one", "outs: [one]", "outs: [{path: a}]", "outs: {}", "a: b: c"])
def test_a_damaged_dvc_file_is_one_line(trained: Path, text: str) -> None:
    """With its folder and what to do; the weights that it is about stay."""
    promote(trained, "unet", 0)
    retrain(b"second")
    Path(f"{COPY}.dvc").write_text(text)
    said = rf"^{COPY}\.dvc: damaged: [^\n]*; restore it from git, or remove it and run `bin/python -m dvc add {COPY}`$"
    with pytest.raises(StateError, match=said):
        promote(trained, "unet", 0)
    assert Path(COPY).read_bytes() == b"first"


@pytest.mark.parametrize("text", ["", '{"val_mIoU": 0.7', "[1, 2]", "null", '{"seed": 0}', "\udcff"])
def test_damaged_facts_are_one_line(trained: Path, text: str) -> None:
    """Such as dvc.lock records, too: nothing is written."""
    retrain(b"first", text.encode("utf-8", "surrogateescape"))
    said = (
        r"^models/unet/0/facts\.json: expected what train wrote, found [^\n]*; `bin/python -m dvc checkout models/unet"
    )
    with pytest.raises(DataError, match=said):
        promote(trained, "unet", 0)
    assert not Path("pretrained").exists()


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("step", ["write_bytes", "added", "write_json"])
def test_killed_at_any_step_it_is_told_and_promoting_again_mends(
    trained: Path, monkeypatch: pytest.MonkeyPatch, step: str, first: bool
) -> None:
    """Weights are never taken for those of other facts, nor for a stranger's; and it ends as if it was not killed."""
    if not first:
        promote(trained, "unet", 0)
    old = pinned(COPY, "unet") if not first else None
    learnt = {"architecture": "unet", "val_mIoU": 0.5, "best_iteration": 4, "learnt": ["a"]}
    retrain(b"second", json.dumps(learnt).encode())

    def killed(path: Path, content: object, *_: object) -> None:
        if step != "write_json" or content != {"unfinished": "bin/pixelproof promote unet --seed 0"}:
            raise KeyboardInterrupt
        write_json(path, content)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(f"commands._promote.{step}", killed)
        promote(trained, "unet", 0)
    if step != "write_bytes":
        with pytest.raises(DataError, match=r"unet\.json: .*promote the network again"):
            pinned(COPY, "unet")
    elif old is None:
        with pytest.raises(ParamsError, match="no such file"):
            pinned(COPY, "unet")
    else:
        assert pinned(COPY, "unet") == old
    promote(trained, "unet", 0)
    assert (pinned(COPY, "unet") or {})["learnt"] == ["a"]
    assert yaml.safe_load(Path(f"{COPY}.dvc").read_text())["outs"][0]["md5"] == md5(b"second")


def test_what_dvc_lock_does_not_record_is_refused(trained: Path) -> None:
    """One line, and nothing is written."""
    (MODEL / "weights.safetensors").write_bytes(b"edited")
    with pytest.raises(StateError, match=r"^models/unet/0: not the weights that dvc.lock records; `.*dvc checkout"):
        promote(trained, "unet", 0)
    Path("dvc.lock").unlink()
    with pytest.raises(StateError, match=r"^dvc.lock: no training of unet with seed 0; run `bin/pixelproof reproduce "):
        promote(trained, "unet", 0)
    with pytest.raises(StateError, match=r"no such file; trained: unet \(seed 0\); add 1 to `train.seeds`"):
        promote(trained, "unet", 1)
    with pytest.raises(StateError, match=r"^seed -1: no such seed; 0 to \d+ are possible; trained: unet \(seed 0\)$"):
        promote(trained, "unet", -1)
    assert not Path("pretrained").exists()
