"""Networks in folds, and several together: who judges an image, and what is averaged."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from commands import _attention
from commands.__main__ import main
from commands._ranking.judging import InFolds
from commands._trained import Trained, find, find_all
from pixelproof.core.errors import StateError
from pixelproof.core.files import read_json, write_json
from pixelproof.data.dataset import Sample, SplitWriter, write_header
from tests.commands.colours import COLOURS, HEADER, k_means, make_clone, publish, write
from tests.commands.test_review import FIELD, GRASS, LAKE, TOMATO, rows, tomato

RIGHT = torch.eye(3)
WRONG = torch.tensor([[0.0, 0, 1], [0, 1, 0], [0, 0, 1]])  # tomatoes are lakes


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two images with tomatoes in two folds, and two networks; that of fold 1 takes tomatoes for lakes."""
    root = make_clone(tmp_path, monkeypatch)
    write_header(root / "data/prepared", FIELD)
    for split, folds in (("train", (0, 1)), ("val", (0, 1)), ("test", (None,))):
        writer = SplitWriter(root / "data/prepared", split, FIELD)
        for number, fold in enumerate(folds):
            name = f"{'test' if fold is None else 'of'}-{number}"
            sample = Sample(name, name, 48, 32, "cvat", fold=fold)
            writer.add(sample, COLOURS[tomato(4, 6)], tomato(4, 6))
        writer.close()
    in_folds(root, "kmeans", RIGHT, WRONG)
    monkeypatch.delenv("CVAT_HOST", raising=False)
    return root


def in_folds(root: Path, arch: str, *votes: torch.Tensor) -> None:
    """The networks of a run in folds, as train writes them."""
    run = root / f"models/{arch}/0"
    for fold, of in enumerate(votes):
        publish(root, arch, k_means(of))
        (run / f"fold-{fold}").mkdir()
        for name in ("weights.safetensors", "facts.json"):
            (run / name).rename(run / f"fold-{fold}" / name)
    write_json(run / "facts.json", {"classes": HEADER.names(), "folds": list(range(len(votes)))})


def test_review_asks_who_did_not_learn_from_the_image(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only the image of fold 1 is suspect, once; that of test is judged by both, which are not sure."""
    main(["review", "--arch", "kmeans"])
    found = {row["image"]: row for row in rows()}
    assert found["of-1"]["split"] == "val" and found["of-1"]["learnt"] == "no"
    assert (found["of-1"]["label"], found["of-1"]["predicted"]) == ("tomato", "lake")
    assert "of-0" not in found and "regions of 3 images" in capsys.readouterr().out
    main(["review", "--arch", "kmeans", "--split", "train", "--out", "again.csv"])
    assert [row["image"] for row in rows("again.csv")] == ["of-1"], "as if val had been asked for"


def test_a_judge_is_of_one_fold_or_of_all(clone: Path) -> None:
    judges = InFolds("kmeans", [0])
    sample = Sample("x", "x", 48, 32, "cvat")
    image = COLOURS[tomato(4, 6)]
    for fold, expected in ((0, [1, 0, 0]), (1, [0, 0, 1]), (None, [0.5, 0, 0.5])):
        judge = judges.of("val", replace(sample, fold=fold))
        np.testing.assert_allclose(judge(image, "x")[:, 5, 7], expected, atol=1e-3)
        assert not judge.learnt
    with pytest.raises(StateError, match="x is in fold 2, which no network of kmeans was kept from; run `dvc repro`"):
        judges.of("val", replace(sample, fold=2))


def predicted(*arguments: str) -> tuple[np.ndarray, float]:
    """The mask of one image, and the mean certainty of it."""
    main(["predict", "x.png", "--out", "out", *arguments])
    (row,) = csv.DictReader(Path("out/scores.csv").read_text().splitlines())
    return np.asarray(Image.open("out/masks/x.png")), float(row["certainty"])


def test_predict_averages_folds_seeds_and_architectures(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All tomatoes: of three networks that say tomato, lake and 0.9 lake, lake is at 1.9 / 3."""
    write(clone / "x.png", COLOURS[np.full((32, 48), TOMATO)])
    publish(clone, "other", k_means(RIGHT))
    publish(clone, "other", k_means(torch.tensor([[0.1, 0, 0.9], [0, 1, 0], [0, 0, 1]])), seed=1)
    write_json(clone / "data/configs/other.json", read_json(clone / "data/configs/kmeans.json"))
    labels, sure = predicted("--arch", "kmeans")
    assert sure == pytest.approx(0.5, abs=1e-3)
    assert "; 2 networks, averaged" in capsys.readouterr().out
    labels, sure = predicted("--arch", "other", "--seed", "0,1", "--average")
    assert (labels == TOMATO).all() and sure == pytest.approx(1.1 / 2, abs=1e-3)
    in_folds(clone, "third", RIGHT, WRONG)
    write_json(clone / "data/configs/third.json", read_json(clone / "data/configs/kmeans.json"))
    (clone / "models/other/0/weights.safetensors").write_bytes(
        (clone / "models/other/1/weights.safetensors").read_bytes()
    )
    labels, sure = predicted("--arch", "other,third", "--average")
    assert (labels == LAKE).all() and sure == pytest.approx(1.9 / 3, abs=1e-3)
    with pytest.raises(StateError, match="2 architectures and 1 seeds; name one of each, or add --average"):
        predicted("--arch", "other,third")
    for wrong in (["--arch", "other,"], ["--arch", "other", "--seed", "0,zero"], ["--arch", "other,other"]):
        with pytest.raises(StateError, match="each once and separated by commas, found"):
            main(["predict", "x.png", "--out", "out", *wrong])
    assert GRASS not in labels


def test_a_command_that_takes_one_network_says_so(clone: Path) -> None:
    assert [(one.fold, one.weights.parts[-2]) for one in find_all("kmeans", 0)] == [(0, "fold-0"), (1, "fold-1")]
    with pytest.raises(StateError, match="models/kmeans/0: the networks of 2 folds; this command takes one: train it"):
        find("kmeans", 0)
    with pytest.raises(StateError, match=r"kmeans/1/weights.safetensors: no such file; trained: kmeans \(seed 0\);"):
        find("kmeans", 1)


def test_attention_is_of_the_named_fold(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And goes to a folder of its own; where there is nothing to choose, or not that, one line says so."""
    drawn: list[tuple[Path, Path]] = []

    def draw(trained: Trained, ids: list[str], out: Path) -> int:
        drawn.append((trained.weights, out))
        return len(ids)

    monkeypatch.setattr(_attention, "draw", draw)
    main(["attention", "--arch", "kmeans", "--fold", "1"])
    assert drawn == [(Path("models/kmeans/0/fold-1/weights.safetensors"), Path("exports/attention/kmeans-0/fold-1"))]
    for wrong in ([], ["--fold", "2"], ["--fold", "-1"]):
        with pytest.raises(StateError, match=r"^models/kmeans/0: the networks of folds 0, 1; name one with --fold;"):
            main(["attention", "--arch", "kmeans", *wrong])
    publish(clone, "kmeans", k_means(RIGHT), seed=1)
    with pytest.raises(StateError, match=r"^models/kmeans/1/weights.safetensors: one network and no fold 0; leave"):
        main(["attention", "--arch", "kmeans", "--seed", "1", "--fold", "0"])
    with pytest.raises(StateError, match=r"kmeans/2/weights.safetensors: no such file; trained: kmeans \(seed 0\)"):
        main(["attention", "--arch", "kmeans", "--seed", "2", "--fold", "0"])
    assert len(drawn) == 1
