"""The evaluate stage with a real network: what it writes is consistent, complete, and the same every time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas
import pytest
from sklearn.metrics import confusion_matrix, jaccard_score

from stages.configure.resolve import resolve
from stages.dataset import ClassInfo, Header, Sample, SplitWriter, write_header
from stages.errors import DataError, StateError
from stages.evaluate.__main__ import evaluate
from stages.evaluate.params import Evaluate, Params
from stages.files import write_json
from stages.models.build import build_model, save_weights
from stages.models.runtime import Compute

HEADER = Header("tiny", tuple(ClassInfo(i, name, (i, i, i)) for i, name in enumerate(["ground", "tree", "car"])))
COMPUTE = Compute(device="cpu", precision="fp32", channels_last=False, threads=1)
PARAMS = Params(compute=COMPUTE, evaluate=Evaluate(batch=2, overrides={}))
RESULTS = Path("results/unet/0/evaluate")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as train leaves it: three images in val, none in test, a network with random weights."""
    import torch

    root = tmp_path_factory.mktemp("trained")
    draw = np.random.default_rng(7)
    data = root / "data/prepared"
    write_header(data, HEADER)
    for split, count in (("val", 3), ("test", 0)):
        writer = SplitWriter(data, split, HEADER)
        for i in range(count):
            mask = draw.integers(0, 3, (32, 48)).astype(np.uint8)
            mask[:4] = 255
            image = draw.integers(0, 256, (32, 48, 3)).astype(np.uint8)
            writer.add(Sample(f"{split}-{i}", f"flight-{i}", 48, 32, "tiny"), image, mask)
        writer.close()
    config = resolve("unet", "small")
    write_json(root / "data/configs/unet.json", config)
    torch.manual_seed(3)
    save_weights(root / "models/unet/0/weights.safetensors", build_model(config, 3, COMPUTE).state_dict())
    return root


@pytest.fixture
def there(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Copies the trained folder to a new name and steps into it."""

    def enter(name: str) -> Path:
        shutil.copytree(trained, tmp_path / name)
        monkeypatch.chdir(tmp_path / name)
        return tmp_path / name

    return enter


def test_numbers_matrices_and_masks_agree(there: Callable[[str], Path]) -> None:
    root = there("one")
    evaluate("unet", 0, PARAMS)
    found = json.loads((root / RESULTS / "metrics.json").read_text())

    ids = ["val-0", "val-1", "val-2"]
    truth, guess = (
        {i: np.asarray(cv2.imread(str(root / folder / f"{i}.png"), cv2.IMREAD_UNCHANGED)) for i in ids}
        for folder in ("data/prepared/val/masks", RESULTS / "masks/val")
    )
    table = pandas.read_parquet(root / RESULTS / "matrices.parquet")
    assert list(table.columns) == ["split", "id", "group", "truth", "prediction", "count"]
    assert (table["count"] > 0).all()
    for i in ids:
        assert guess[i].shape == (32, 48)
        kept = truth[i] != 255
        rows = table[(table.split == "val") & (table.id == i) & (table.group == f"flight-{i[-1]}")]
        counts = rows.pivot_table(values="count", index="truth", columns="prediction", fill_value=0)
        counts = counts.reindex(index=range(3), columns=range(3), fill_value=0)
        assert (counts.to_numpy() == confusion_matrix(truth[i][kept], guess[i][kept], labels=range(3))).all()
    y, p = (np.concatenate([m[i].ravel() for i in ids]) for m in (truth, guess))
    assert len(np.unique(p)) > 1  # else this test would say little
    assert found["val"]["mIoU"] == pytest.approx(jaccard_score(y[y != 255], p[y != 255], average="macro"))
    assert found["test"]["mIoU"] is None and found["test"]["classes"]["car"]["iou"] is None


def test_same_bytes_every_time(there: Callable[[str], Path]) -> None:
    written = []
    for name in ("one", "two"):
        root = there(name)
        evaluate("unet", 0, PARAMS)
        files = sorted(path for path in (root / RESULTS).rglob("*") if path.is_file())
        written.append({path.relative_to(root): path.read_bytes() for path in files})
    assert written[0] == written[1]
    assert len(written[0]) == 5
    parquet = written[0][RESULTS / "matrices.parquet"]
    assert b"pandas" not in parquet and b"ARROW:schema" not in parquet


def test_bad_input_is_named_and_nothing_is_half_written(there: Callable[[str], Path]) -> None:
    root = there("one")
    with pytest.raises(StateError, match=r"models/unet/1/weights.safetensors: no such file; run `dvc repro eval"):
        evaluate("unet", 1, PARAMS)
    (root / "data/prepared/val/masks/val-2.png").write_bytes(b"not a PNG")
    with pytest.raises(DataError, match=r"val-2.png"):
        evaluate("unet", 0, PARAMS)
    assert not (root / "results/unet/0").exists() or not list((root / "results/unet/0").iterdir())
