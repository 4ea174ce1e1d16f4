"""Images larger than a network sees: cut into tiles for training, scored, measured and shown whole."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pandas
import pytest
import yaml
from PIL import Image

from commands.__main__ import main as command
from pixelproof.core.params import load
from pixelproof.data.dataset import IGNORE, ClassInfo, Header, Sample, SplitWriter, read_mask, read_split, write_header
from stages.augment.copies import augment
from stages.augment.params import Params as AugmentParams
from stages.configure.__main__ import main as configure
from stages.evaluate.__main__ import evaluate
from stages.evaluate.params import Params as EvaluateParams
from stages.measure.__main__ import measure
from stages.measure.params import Params as MeasureParams
from stages.prepare.merge import prepare
from stages.prepare.params import Params as PrepareParams
from stages.report.__main__ import main as report
from stages.train.params import Params as TrainParams
from stages.train.run import train
from tests.workspace import ROOT

COLOURS = np.array([[60, 120, 60], [200, 60, 60], [60, 60, 200]], np.uint8)
CLASSES = tuple(
    ClassInfo(i, name, (int(r), int(g), int(b)), name == "hut")
    for i, (name, (r, g, b)) in enumerate(zip(["grass", "hut", "lake"], COLOURS, strict=True))
)
SIZES = ((100, 70), (64, 90), (40, 24))  # the last is smaller than a tile in one direction
TILE = 32
LINKED = ("commands", "dvc.yaml", "pipelines", "pixelproof", "pretrained", "requirements.lock", "stages")


def source(root: Path) -> None:
    """A hut of 44x20 pixels that no tile holds, a lake, and a row to ignore; every class has a colour of its own."""
    head = Header("download", CLASSES, ({"name": "download"},))
    write_header(root, head)
    for split in ("train", "val", "test"):
        writer = SplitWriter(root, split, head)
        for number, (width, height) in enumerate(SIZES):
            mask = np.zeros((height, width), np.uint8)
            mask[2:22, 6 : min(50, width)] = 1
            mask[24:40, 10:30] = 2
            image = COLOURS[mask]
            image[0, len(split)] = 7  # otherwise each picture would stand in three splits; this row does not count
            mask[0] = IGNORE
            instances = (mask == 1).astype(np.uint16) * 7
            writer.add(
                Sample(f"{split}{number}", f"{split}{number}", width, height, "download"), image, mask, instances
            )
        writer.close()


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the project's code, and params for two small networks on tiles."""
    root = tmp_path / "clone"
    source(root / "data/download")
    for name in LINKED:
        (root / name).symlink_to(ROOT / name)
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["architectures"] = ["kmeans", "unet"]
    values["prepare"] |= {"sources": ["download"], "map": {}}
    values["prepare"]["shape"] = {"mode": "tile", "width": TILE, "height": TILE, "overlap": 8}
    values["augment"] |= {"copies": 1, "workers": 1}
    values["compute"] |= {"device": "cpu", "threads": 1}
    values["train"] |= {"iterations": 4, "val_interval": 2, "checkpoint_interval": 2, "batch": 2, "val_batch": 3}
    rules = {"safe": ["grass"], "forbidden": ["lake"], "keep_distance": {"hut": {"pixels": 2}}}
    values["measure"]["landing"] |= {**rules, "radius": {"pixels": 4}}
    (root / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    monkeypatch.chdir(root)
    return root


def run_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every stage after download, in this process."""
    monkeypatch.setattr("sys.argv", ["stage"])
    prepare(Path("data"), Path("results/data"), load("prepare", PrepareParams).prepare)
    params = load("augment", AugmentParams)
    augment(Path("data/prepared"), Path("data/augmented"), params.augment, params.seed)
    configure()
    for arch in ("kmeans", "unet"):
        train(arch, 0, load("train", TrainParams))
        evaluate(arch, 0, load("evaluate", EvaluateParams))
        measure(arch, 0, load("measure", MeasureParams).measure)
    report()


def test_tiles_are_learnt_and_whole_images_are_scored(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_stages(monkeypatch)
    tiles = read_split(clone / "data/prepared", "train")
    assert {(tile.width, tile.height) for tile in tiles} == {(TILE, TILE)} and len(tiles) > 20
    assert {tile.parent for tile in tiles} == {"train0", "train1", "train2"}
    test = read_split(clone / "data/prepared", "test")
    assert [(sample.width, sample.height) for sample in test] == list(SIZES)
    for arch in ("kmeans", "unet"):
        found = clone / f"results/{arch}/0/evaluate"
        table = pandas.read_parquet(found / "matrices.parquet")
        for sample in test:
            truth = read_mask(clone / "data/prepared", "test", sample, 3)
            guess = np.asarray(cv2.imread(str(found / f"masks/test/{sample.id}.png"), cv2.IMREAD_UNCHANGED))
            assert guess.shape == truth.shape
            assert table[table.id == sample.id]["count"].sum() == (truth != IGNORE).sum()  # each pixel once
            if arch == "kmeans":  # each class has its colour: nothing is wrong anywhere, at no tile's edge either
                assert (guess[1:] == truth[1:]).all()
        cost = json.loads((found / "cost.json").read_text())
        assert (cost["height"], cost["width"]) == (TILE, TILE)
        assert json.loads((clone / f"models/{arch}/0/facts.json").read_text())["val_mIoU"] > 0
    assert json.loads((clone / "models/kmeans/0/facts.json").read_text())["val_mIoU"] == 1
    objects = pandas.read_csv(clone / "results/kmeans/0/measure/objects.csv")
    assert (objects["kind"] == "found").all() and objects["area"].tolist() == [
        44 * 20,
        44 * 20,
        34 * 20,
    ]  # not in parts
    page = (clone / "reports/index.html").read_text()
    widths = [shape[1] for shape in pictures(page)]
    assert len(widths) > 5 and max(widths) <= 500
    predicted_like_evaluated(clone)


def pictures(page: str) -> list[tuple[int, ...]]:
    """The shapes of the pictures that a page holds."""
    contents = re.findall(r"data:image/(?:png|jpeg);base64,([A-Za-z0-9+/=]+)", page)
    decoded = (
        cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_COLOR) for content in contents
    )
    return [image.shape for image in decoded if image is not None]


def predicted_like_evaluated(clone: Path) -> None:
    """`predict` sees a photograph in the same windows: the masks are those of evaluate."""
    photo = clone / "data/prepared/test/images/test0.png"
    command(["predict", str(photo), "--arch", "unet", "--out", "out"])
    found = clone / "results/unet/0/evaluate/masks/test/test0.png"
    expected, got = (np.asarray(Image.open(path)) for path in (found, clone / "out/masks/test0.png"))
    assert (got == expected).all() and len(np.unique(expected)) > 1
