"""Trainings in folds: each network learns from the other folds alone, and what is done is not done again."""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pixelproof.core.errors import DataError, StateError
from pixelproof.core.files import write_json
from pixelproof.data import dataset
from pixelproof.data.dataset import read_split
from stages.train.data import Labelled
from stages.train.folds import Part, mean_rows, parts_of
from stages.train.learnt import check_judged, learnt
from stages.train.params import Balance
from stages.train.run import class_weights
from tests.stages.train.conftest import CLASSES, Workspace, train_forked, write_split
from tests.stages.train.test_repeatable import drive, outputs

# no class weights: they are of the data card, which other labels change
SHORT: dict[str, Any] = {"iterations": 2, "val_interval": 2, "checkpoint_interval": 1, "batch": 2} | {
    "balance": {"by": "none", "power": 0.0}
}


def fold(root: Path, of: int = 2, changed: int | None = None, to: int = 0) -> Path:
    """Put the workspace's val into folds: train and val hold its six images, image i in fold i % 2.

    `changed` is a fold whose masks are all of one class, `to`: ground.
    """
    prepared = root / "data/prepared"
    samples = [replace(sample, fold=int(sample.id[-1]) % of) for sample in read_split(prepared, "val")]
    header, read = dataset.read_header(prepared), {}
    for sample in samples:
        mask = dataset.read_mask(prepared, "val", sample, len(CLASSES))
        if sample.fold == changed:
            mask[2:] = to
        read[sample.id] = dataset.read_image(prepared, "val", sample), mask
    for split in ("train", "val"):
        shutil.rmtree(prepared / split)
        writer = dataset.SplitWriter(prepared, split, header)
        for sample in samples:
            writer.add(sample, *read[sample.id])
        writer.close()
    card = json.loads((root / "results/data/train.json").read_text())
    write_json(
        root / "results/data/train.json", card | {"folds": [{"fold": n, **counts(read, samples, n)} for n in range(of)]}
    )
    return root


def counts(read: dict[str, Any], samples: list[dataset.Sample], of: int) -> dict[str, Any]:
    """What the data card counts in a fold."""
    masks = [read[sample.id][1] for sample in samples if sample.fold == of]
    pixels = [sum(int((mask == info.id).sum()) for mask in masks) for info in CLASSES]
    named = zip(CLASSES, pixels, strict=True)
    return {"classes": [{"name": info.name, "pixels": n, "pixels_where_present": n} for info, n in named]}


def weights_of(root: Path, of: int) -> bytes:
    return (root / f"models/unet/0/fold-{of}/weights.safetensors").read_bytes()


def test_a_network_never_sees_its_own_fold_and_is_not_trained_again(workspace: Workspace) -> None:
    """Other labels in fold 1 change the network of fold 0 and leave that of fold 1 as it is, but for its score.

    Killed in the second iteration of the second network: the first is not trained again, the second resumes.
    """
    plain, other = fold(workspace("plain", **SHORT)), fold(workspace("other", **SHORT), changed=1)
    for root in (plain, other):
        train_forked(root)
    assert weights_of(plain, 0) != weights_of(other, 0)
    assert weights_of(plain, 1) == weights_of(other, 1)
    facts = [json.loads((root / "models/unet/0/fold-1/facts.json").read_text()) for root in (plain, other)]
    assert facts[0]["val_mIoU"] != facts[1]["val_mIoU"]
    assert json.loads((plain / "models/unet/0/facts.json").read_text())["folds"] == [0, 1]
    assert not (plain / "models/unet/0/weights.safetensors").exists()

    root = fold(workspace("killed", **SHORT))
    assert drive(root, "iteration:4").returncode == -signal.SIGKILL
    assert not (root / "models").exists()
    again = train_forked(root)
    assert "fold 1: resumed after iteration 1" in again.stdout and "fold 0: resumed" not in again.stdout
    assert outputs(root) == outputs(plain)
    assert not (root / ".pixelproof/checkpoints/unet/0").exists()


def test_without_labels_to_validate_with_the_last_weights_count(workspace: Workspace) -> None:
    """With no image in val, and where nothing in the image of a fold is labelled: no score, and no crash at the end."""
    short: dict[str, Any] = SHORT | {"iterations": 4, "patience": 1}
    bare, longer = workspace("bare", **short), workspace("longer", **short | {"val_interval": 4})
    for root in (bare, longer):
        empty(root / "data/prepared", "val")
        assert "no labelled image to validate with: the last weights are published, at iteration 4" in (
            train_forked(root).stdout
        )
        facts = json.loads((root / "models/unet/0/facts.json").read_text())
        assert (facts["val_mIoU"], facts["best_iteration"], facts["iterations"]) == (None, 4, 4)
        assert facts["learnt"] == sorted(f"shapes/g{n}" for n in range(16)) and facts["learnt_before"] == []
    assert (bare / "models/unet/0/weights.safetensors").read_bytes() == (
        longer / "models/unet/0/weights.safetensors"
    ).read_bytes()
    assert "val/" not in (bare / "results/unet/0/train/curves.csv").read_text()

    folded = fold(workspace("folded", **short), changed=0, to=dataset.IGNORE)
    train_forked(folded)
    scores = [json.loads((folded / f"models/unet/0/fold-{n}/facts.json").read_text())["val_mIoU"] for n in range(2)]
    assert scores[0] is None and scores[1] > 0


def empty(prepared: Path, split: str) -> None:
    """Leave no image in a split."""
    shutil.rmtree(prepared / split)
    dataset.SplitWriter(prepared, split, dataset.read_header(prepared)).close()


def test_weights_that_have_learnt_what_they_would_be_judged_by_are_refused(workspace: Workspace) -> None:
    """Promoted weights know their groups. What the network learns from itself, as its source publishes it, may be."""
    root = fold(workspace("leak"))
    judged = Labelled.open([(root / "data/prepared", "val")])
    before = {"pretrained": {"path": "pretrained/unet.safetensors", "learnt": ["shapes/g1", "shapes/g3", "other/g0"]}}
    with pytest.raises(StateError, match=r"learnt from groups of the validation images fold 1: shapes/g1 and 1 more"):
        check_judged(parts_of(judged, judged), before)
    check_judged([Part(None, judged, judged)], before)  # in train and val alike
    check_judged(parts_of(judged, judged), {"pretrained": {"url": "https://host/a.pth"}})
    assert learnt(Part(None, judged, judged), before)["learnt_before"] == ["other/g0"]


def test_class_weights_are_those_of_the_other_folds(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(fold(workspace("weights")))
    card = json.loads(Path("results/data/train.json").read_text())
    write_json(Path("results/data/train.json"), card | {"classes": added(*(one["classes"] for one in card["folds"]))})
    names, balance = [info.name for info in CLASSES], Balance(by="inverse", power=0.0)
    pixels = [entry["pixels"] for entry in card["folds"][1]["classes"]]  # what the network of fold 0 learns from
    found = class_weights(names, balance, 0)
    assert found is not None
    assert [weight * count for weight, count in zip(found, pixels, strict=True)] == pytest.approx(
        [sum(pixels) / 3] * 3, rel=1e-4
    )
    assert class_weights(names, balance, None) != found


def added(first: list[Any], second: list[Any]) -> list[Any]:
    """The counts of two folds together."""
    pairs = zip(first, second, strict=True)
    return [a | {key: a[key] + b[key] for key in ("pixels", "pixels_where_present")} for a, b in pairs]


def test_a_copy_without_a_fold_is_refused(workspace: Workspace) -> None:
    """Copies of an earlier run, say: nothing would keep the networks from them."""
    root = fold(workspace("copies"))
    write_split(root / "data/augmented", "train", 2)
    data = Labelled.open([(root / "data/prepared", "train"), (root / "data/augmented", "train")])
    judged = Labelled.open([(root / "data/prepared", "val")])
    with pytest.raises(DataError, match="expected a fold for each image, found images without one"):
        parts_of(data, judged)
    parts = parts_of(judged, judged)
    assert [[part.data.id(n) for n in range(3)] for part in parts] == [
        ["val-01", "val-03", "val-05"],
        ["val-00", "val-02", "val-04"],
    ]
    assert [part.judged.id(0) for part in parts] == ["val-00", "val-01"]
    assert [part.places for part in parts] == [(1, 3, 5), (0, 2, 4)]


def test_curves_are_means_where_all_have_a_value() -> None:
    rows = [[(1, "a", 1.0), (2, "a", 5.0), (2, "b", 1.0)], [(1, "a", 3.0), (2, "b", 2.0)]]
    assert mean_rows(rows) == [(1, "a", 2.0), (2, "b", 1.5)]
