"""Evaluation in folds: each image is judged by the network that did not learn from it, test by all together."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pixelproof.core.errors import DataError, StateError
from pixelproof.core.files import write_json
from pixelproof.data.dataset import Sample, SplitWriter, read_image, read_split, write_header
from pixelproof.data.images import Array
from pixelproof.nn.build import build_model, save_weights
from pixelproof.scoring.matrices import read_matrices
from stages.configure.resolve import resolve
from stages.evaluate.__main__ import evaluate
from stages.evaluate.predict import load_logits
from stages.evaluate.slide import Network
from stages.evaluate.together import together
from tests.stages.evaluate.test_stage import COMPUTE, HEADER, PARAMS, RESULTS


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Network]:
    """A folder as train leaves it: four images in two folds, one in test, two networks with random weights."""
    monkeypatch.chdir(tmp_path)
    draw, data = np.random.default_rng(7), Path("data/prepared")
    write_header(data, HEADER)
    for split, folds in (("val", (0, 1, 1, 0)), ("test", (None,))):
        writer = SplitWriter(data, split, HEADER)
        for i, fold in enumerate(folds):
            image, mask = draw.integers(0, 256, (32, 48, 3)), draw.integers(0, 3, (32, 48))
            sample = Sample(f"{split}-{i}", f"flight-{i}", 48, 32, "tiny", fold=fold)
            writer.add(sample, image.astype(np.uint8), mask.astype(np.uint8))
        writer.close()
    config = resolve("unet", "small")
    write_json(Path("data/configs/unet.json"), config)
    paths = [Path(f"models/unet/0/fold-{fold}/weights.safetensors") for fold in (0, 1)]
    for seed, path in enumerate(paths):
        torch.manual_seed(seed)
        save_weights(path, build_model(config, 3, COMPUTE).state_dict())
    return [load_logits(Path("data/configs/unet.json"), path, 3, COMPUTE) for path in paths]


def predicted(split: str, name: str) -> Array:
    return np.asarray(cv2.imread(str(RESULTS / "masks" / split / f"{name}.png"), cv2.IMREAD_UNCHANGED))


def test_each_network_judges_its_own_fold(trained: list[Network]) -> None:
    """Images of two folds in one batch, too; the matrices of all are in val, and so are its numbers."""
    evaluate("unet", 0, PARAMS)
    data = Path("data/prepared")
    for sample in read_split(data, "val"):
        logits = [network([read_image(data, "val", sample)]) for network in trained]
        labels = [of.argmax(dim=1)[0].numpy() for of in logits]
        assert (labels[0] != labels[1]).any(), "else this test would say little"
        assert (predicted("val", sample.id) == labels[sample.fold or 0]).all()
    (sample,) = read_split(data, "test")
    logits = [network([read_image(data, "test", sample)]) for network in trained]
    mean = sum(of.double().softmax(dim=1) for of in logits) / 2
    assert isinstance(mean, torch.Tensor)
    assert (predicted("test", sample.id) == mean.argmax(dim=1)[0].numpy()).all()
    sure = np.asarray(cv2.imread(str(RESULTS / "certainty/test" / f"{sample.id}.png"), cv2.IMREAD_UNCHANGED))
    assert np.abs(sure - 255 * mean.max(dim=1)[0][0].numpy()).max() <= 0.51
    stored = read_matrices(RESULTS / "matrices.parquet", 3)["val"]
    assert stored.ids == [f"val-{n}" for n in range(4)]
    assert json.loads((RESULTS / "metrics.json").read_text())["val"]["intervals"]["groups"] == 4


def test_initial_weights_that_have_learnt_from_test_are_refused(trained: list[Network]) -> None:
    """Promoted under another split, say; what the network itself has learnt from may be in test, if so published."""
    facts = Path("models/unet/0/fold-1/facts.json")
    write_json(facts, {"learnt": ["tiny/flight-0"], "learnt_before": ["tiny/flight-7", "other/flight-0"]})
    evaluate("unet", 0, PARAMS)
    write_json(facts, {"learnt": [], "learnt_before": ["tiny/flight-0", "tiny/flight-7"]})
    with pytest.raises(StateError, match=r"fold-1/weights.*which have learnt from groups of test: tiny/flight-0; set"):
        evaluate("unet", 0, PARAMS)


def test_one_network_is_not_averaged(trained: list[Network]) -> None:
    assert together(trained[:1]) is trained[0]


def test_an_image_without_a_fold_is_refused(trained: list[Network]) -> None:
    data = Path("data/prepared")
    samples = read_split(data, "val")
    writer = SplitWriter(data, "val", HEADER)
    for number, sample in enumerate(samples):
        image = read_image(data, "val", sample)
        writer.add(replace(sample, fold=None if number == 2 else sample.fold), image, np.zeros((32, 48), np.uint8))
    writer.close()
    with pytest.raises(DataError, match="data/prepared/val: expected a fold for each image"):
        evaluate("unet", 0, PARAMS)
