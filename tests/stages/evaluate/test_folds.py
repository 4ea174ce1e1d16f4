"""Evaluation in folds: each image is judged by the network that did not learn from it, test by all together."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas
import pytest
import torch

from pixelproof.core.errors import DataError, StateError
from pixelproof.core.files import write_json
from pixelproof.data.dataset import Sample, SplitWriter, read_image, read_split, write_header
from pixelproof.data.images import Array
from pixelproof.nn.build import build_model, save_weights
from pixelproof.scoring.instances import merged
from pixelproof.scoring.matrices import read_matrices
from stages.configure.resolve import resolve
from stages.evaluate.__main__ import evaluate
from stages.evaluate.detect import detect
from stages.evaluate.predict import load_logits, load_model
from stages.evaluate.slide import Network
from stages.evaluate.together import together
from tests.stages.evaluate.test_stage import COMPUTE, HEADER, PARAMS, RESULTS


@pytest.fixture
def in_folds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[Path]]:
    """Makes a folder as train leaves it: four images in two folds, one in test, two networks with random weights.

    Gives the weights of the two.
    """

    def make(arch: str) -> list[Path]:
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
        config = resolve(arch, "small")
        write_json(Path(f"data/configs/{arch}.json"), config)
        paths = [Path(f"models/{arch}/0/fold-{fold}/weights.safetensors") for fold in (0, 1)]
        for seed, path in enumerate(paths):
            torch.manual_seed(seed)
            model = build_model(config, 3, COMPUTE)
            find_cars(model)
            save_weights(path, model.state_dict())
        return paths

    return make


def find_cars(model: Any) -> None:
    """Let a network that learns objects, with random weights, find many of the only thing."""
    with torch.no_grad():
        if hasattr(model, "mask_head"):
            model.box_head.scores.bias[2] += 1.0
            model.mask_head.masks.bias += 0.5
        elif hasattr(model, "objects"):
            model.decode_head.centre[1].bias.fill_(0.9)
            model.decode_head.conv_seg.bias[2] += 1.0


@pytest.fixture
def trained(in_folds: Callable[[str], list[Path]]) -> list[Network]:
    """Two such networks that know classes alone."""
    return [load_logits(Path("data/configs/unet.json"), path, 3, COMPUTE) for path in in_folds("unet")]


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


@pytest.mark.parametrize("arch", [pytest.param("mask-rcnn-r18-fpn", marks=pytest.mark.slow), "panoptic-deeplab-r18"])
def test_each_network_finds_the_objects_of_its_own_fold(in_folds: Callable[[str], list[Path]], arch: str) -> None:
    """In test, all networks together; of objects that overlap, the best alone."""
    paths = in_folds(arch)
    models = [load_model(Path(f"data/configs/{arch}.json"), path, 3, COMPUTE)[0] for path in paths]
    evaluate(arch, 0, PARAMS)
    data, results = Path("data/prepared"), Path(f"results/{arch}/0/evaluate")
    rows = pandas.read_parquet(results / "detections.parquet")
    rows = rows[(rows.kind == "mask") & (rows["class"] == 2)]
    for sample in (*read_split(data, "val"), *read_split(data, "test")):
        split = sample.id.split("-")[0]
        image = read_image(data, split, sample)
        found = [detect(model, [2], COMPUTE, "cpu", [image])[0] for model in models]
        own = merged(found) if sample.fold is None else found[sample.fold]
        wanted = [one.score for one in own if one.label == 2][: PARAMS.evaluate.objects.most]
        assert wanted, "else this test would say little"
        assert rows[rows.id == sample.id].score.tolist() == pytest.approx(wanted, rel=1e-5), sample.id


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
