"""The evaluate stage with a real network: what it writes is consistent, complete, and the same every time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas
import pytest
from sklearn.metrics import confusion_matrix, jaccard_score

from pixelproof.core.errors import DataError, ParamsError, StateError
from pixelproof.core.files import write_json
from pixelproof.core.params import check
from pixelproof.data.dataset import ClassInfo, Header, Sample, SplitWriter, write_header
from pixelproof.data.shape import Shape
from pixelproof.nn.build import build_model, save_weights
from pixelproof.nn.runtime import Compute
from pixelproof.scoring.matrices import read_matrices
from pixelproof.scoring.objects import components
from stages.configure.resolve import resolve
from stages.evaluate import boundary, objects
from stages.evaluate.__main__ import evaluate
from stages.evaluate.metrics import compute
from stages.evaluate.params import (
    Augmentation,
    Boundary,
    Calibration,
    Evaluate,
    Intervals,
    Objects,
    Params,
    Prepared,
    Sizes,
    Trained,
)
from stages.evaluate.split import Evaluation

NAMES = ["ground", "tree", "car"]
HEADER = Header("tiny", tuple(ClassInfo(i, name, (i, i, i), name == "car") for i, name in enumerate(NAMES)))
COMPUTE = Compute(device="cpu", precision="fp32", channels_last=False, threads=1)
PARAMS = Params(
    compute=COMPUTE,
    evaluate=Evaluate(
        batch=2,
        overrides={},
        window=0,
        stride=64,
        tta=Augmentation(flips=[], scales=[1.0]),
        boundary=Boundary(tolerances=[1, 2]),
        objects=Objects(match=0.5, sizes=Sizes(medium=2, large=9)),
        calibration=Calibration(bins=5),
        intervals=Intervals(confidence=0.9),
    ),
    prepare=Prepared(shape=Shape(mode="stretch", width=48, height=32, overlap=0)),
    train=Trained(deterministic=False),
)
RESULTS = Path("results/unet/0/evaluate")
FIELDS, KINDS = objects.Object._fields, ("found", "missed", "invented")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as train leaves it: three images in val, none in test, a network with random weights.

    Nothing is labelled in the last image; the first has instance ids.
    """
    import torch

    root = tmp_path_factory.mktemp("trained")
    draw = np.random.default_rng(7)
    data = root / "data/prepared"
    write_header(data, HEADER)
    for split, count in (("val", 3), ("test", 0)):
        writer = SplitWriter(data, split, HEADER)
        for i in range(count):
            mask = draw.integers(0, 3, (32, 48)).astype(np.uint8)
            mask[: 4 if i < 2 else 32] = 255
            image = draw.integers(0, 256, (32, 48, 3)).astype(np.uint8)
            instances = draw.integers(0, 40, (32, 48)) if i == 0 else None
            writer.add(Sample(f"{split}-{i}", f"flight-{i}", 48, 32, "tiny"), image, mask, instances)
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
    assert (table["count"] > 0).tolist() == (table.id != "val-2").tolist()
    assert table[table.id == "val-2"].values.tolist() == [["val", "val-2", "flight-2", 0, 0, 0]]
    for i in ids[:2]:
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


def test_it_is_deterministic_where_training_is(there: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but the operations that torch allows, and our own forms, for the whole of the predictions."""
    import torch

    from pixelproof.nn import deterministic
    from stages.evaluate import __main__ as stage

    there("one")
    seen: list[bool] = []

    def predicted(*_: object) -> Evaluation:
        monkeypatch.setitem(deterministic.FORMS, torch.nn.functional.interpolate, lambda *_, **__: seen.append(True))
        torch.nn.functional.interpolate(torch.ones(1, 1, 2, 2), 4)
        seen.append(torch.are_deterministic_algorithms_enabled())
        return Evaluation({}, [])

    monkeypatch.setattr(stage, "evaluate_split", predicted)
    monkeypatch.setattr(stage, "write_results", lambda _, results: list(results.values()))
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    try:
        evaluate("unet", 0, PARAMS.model_copy(update={"train": Trained(deterministic=True)}))
    finally:
        torch.use_deterministic_algorithms(False)
    assert seen == [True, True, True, True]
    seen.clear()
    evaluate("unet", 0, PARAMS)
    assert seen == [False, False]


def test_means_of_images_and_intervals_are_of_the_stored_matrices(there: Callable[[str], Path]) -> None:
    root = there("one")
    evaluate("unet", 0, PARAMS)
    metrics = json.loads((root / RESULTS / "metrics.json").read_text())
    found, stored = metrics["val"], read_matrices(root / RESULTS / "matrices.parquet", 3)["val"]
    each = [compute(matrix, NAMES)["mIoU"] for matrix in stored.counts]
    assert each[2] is None  # every pixel of val-2 is ignored
    assert found["image_means"]["image_mIoU"] == pytest.approx((each[0] + each[1]) / 2)
    spans = found["intervals"]
    assert (spans["groups"], spans["confidence"]) == (3, 0.9)
    assert spans["mIoU"] is None and metrics["test"]["intervals"]["mIoU"] is None, "too few groups"


def test_boundaries_objects_and_calibration_agree_with_what_is_written(there: Callable[[str], Path]) -> None:
    root = there("one")
    evaluate("unet", 0, PARAMS)
    metrics, diagrams = (
        json.loads((root / RESULTS / f"{name}.json").read_text()) for name in ("metrics", "calibration")
    )
    found = metrics["val"]

    def image(path: Path) -> np.ndarray:
        return np.asarray(cv2.imread(str(root / path), cv2.IMREAD_UNCHANGED))

    edges, table = boundary.empty(3, [1, 2]), []
    right = certain = pixels = 0
    for i in (0, 1, 2):
        truth = image(Path(f"data/prepared/val/masks/val-{i}.png"))
        guess, sure = (image(RESULTS / kind / f"val/val-{i}.png") for kind in ("masks", "certainty"))
        instances = image(Path("data/prepared/val/instances/val-0.png")) if i == 0 else None
        assert sure.dtype == np.uint8 and sure.min() >= 255 // 3  # of three classes the likeliest has a third or more
        edges = boundary.update(edges, boundary.count(truth, guess, 3, [1, 2]))
        said = objects.Prediction(guess, components(guess, [2]))
        table += [("val", f"val-{i}", f"flight-{i}", *one) for one in objects.find(truth, said, instances, [2], 0.5)]
        kept = truth != 255
        pixels, right = pixels + kept.sum(), right + (truth == guess)[kept].sum()
        certain += sure[kept].sum() / 255
    assert found["boundary"] == boundary.compute(edges, [1, 2], NAMES)
    written = pandas.read_parquet(root / RESULTS / "objects.parquet")
    assert list(written.columns) == ["split", "id", "group", *("class" if f == "category" else f for f in FIELDS)]
    assert written.astype(object).where(written.notna(), None).values.tolist() == [list(row) for row in table]
    counts = written.kind.value_counts()
    assert {kind: found["objects"]["car"][kind] for kind in KINDS} == {kind: counts.get(kind, 0) for kind in KINDS}
    assert min(counts.missed, counts.invented) > 9 and list(found["objects"]) == ["car"]
    strata = pandas.cut(written.area, [0, 1, 8, np.inf], labels=["small", "medium", "large"]).value_counts()
    sizes = {name: sum(found["sizes"][name][kind] for kind in KINDS) for name in ("small", "medium", "large", "all")}
    assert sizes == strata.to_dict() | {"all": len(written)}

    assert found["calibration"]["certainty"] == pytest.approx(certain / pixels, abs=0.003)
    bins = diagrams["val"]["bins"]
    assert len(bins) == 5 and sum(b["pixels"] for b in bins) == pixels
    assert sum(b["pixels"] * b["accuracy"] for b in bins if b["pixels"]) == pytest.approx(right)
    assert diagrams["val"]["risk_coverage"][-1] == {"coverage": 1, "risk": pytest.approx(1 - right / pixels)}

    empty = metrics["test"]
    assert empty["boundary"]["2"]["f1"] is empty["calibration"]["ece"] is empty["sizes"]["small"]["recall"] is None
    assert empty["objects"]["car"]["found"] == 0


def test_same_bytes_every_time(there: Callable[[str], Path]) -> None:
    written = []
    for name in ("one", "two"):
        root = there(name)
        evaluate("unet", 0, PARAMS)
        files = sorted(path for path in (root / RESULTS).rglob("*") if path.is_file())
        written.append({path.relative_to(root): path.read_bytes() for path in files})
    assert written[0] == written[1]
    assert len(written[0]) == 7 + 3 * 3
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


@pytest.mark.parametrize(
    ("section", "values", "said"),
    [
        ("boundary", {"tolerances": [3, 1]}, "evaluate.boundary.tolerances: found [3, 1] (list); expected each once"),
        ("boundary", {"tolerances": []}, "evaluate.boundary.tolerances: found [] (list); list should have at least 1"),
        (
            "objects",
            {"match": 0.5, "sizes": {"medium": 9, "large": 9}},
            "sizes.large: found 9 (int); expected more",
        ),
        ("calibration", {"bins": 0}, "evaluate.calibration.bins: found 0 (int); input should be greater"),
    ],
)
def test_params_that_cannot_be_are_named(section: str, values: dict[str, Any], said: str) -> None:
    params = PARAMS.model_dump()
    params["evaluate"][section] = values
    with pytest.raises(ParamsError) as error:
        check(Params, params)
    assert said in str(error.value) and "\n" not in str(error.value)
