"""The rendered dataset: the same bytes whoever renders it, complete labels, and not solvable by colour."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import jaccard_score

from pixelproof.core.params import read_yaml
from pixelproof.data import dataset
from pixelproof.sources import synthetic
from pixelproof.sources.request import Request
from pixelproof.sources.synthetic.classes import CLASSES
from stages.download.params import Params

ROOT = Path(__file__).parents[3]
OPTIONS = {"train_flights": 2, "val_flights": 1, "test_flights": 2, "images_per_flight": 2, "side": 64}
THINGS = {info.id for info in CLASSES if info.thing}


def make(target: Path, workers: int = 1, seed: int = 0, **options: int) -> dict[str, str]:
    """Render into `target` and return the digest of every file by its path."""
    synthetic.convert(Request(seed, None, OPTIONS | options, workers), target)
    files = sorted(path for path in target.rglob("*") if path.is_file())
    return {path.relative_to(target).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_workers_change_no_byte_and_the_seed_changes_every_image(tmp_path: Path) -> None:
    alone = make(tmp_path / "alone")
    assert make(tmp_path / "together", workers=2) == alone
    other = make(tmp_path / "other", seed=1)
    images = [name for name in alone if "/images/" in name]
    assert len(images) == 10
    assert all(other[name] != alone[name] for name in images)


def test_more_flights_and_more_images_change_no_older_file(tmp_path: Path) -> None:
    before = make(tmp_path / "before")
    after = make(tmp_path / "after", test_flights=3, images_per_flight=3)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {f"{split}/index.csv" for split in dataset.SPLITS}
    flights = make(tmp_path / "flights", test_flights=3)
    assert {name for name in before if flights[name] != before[name]} == {"test/index.csv"}


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default number of flights, with fewer images of each."""
    target = tmp_path_factory.mktemp("synthetic")
    options = read_yaml(ROOT / "params.yaml")["download"]["synthetic"] | {"images_per_flight": 2}
    make(target, workers=2, **options)
    return target


def test_default_dataset_is_complete(sampled: Path) -> None:
    dataset.verify(sampled)
    values = read_yaml(ROOT / "params.yaml")
    params = Params.model_validate({key: values[key] for key in ("seed", "download")})
    assert params.download.synthetic.test_flights >= 16
    assert len(CLASSES) >= 8
    for split in dataset.SPLITS:
        samples = dataset.read_split(sampled, split)
        assert len({s.group for s in samples}) == getattr(params.download.synthetic, f"{split}_flights")
        assert all(s.metres_per_pixel for s in samples)
        seen = np.zeros(256, int)
        for _, _, mask in dataset.iterate(sampled, split):
            seen += np.bincount(mask.ravel(), minlength=256)
        assert (seen[: len(CLASSES)] > 0).all()
        assert seen[len(CLASSES) :].sum() == 0


def test_each_instance_is_one_thing_and_each_thing_has_an_instance(sampled: Path) -> None:
    for sample, _, mask in dataset.iterate(sampled, "test"):
        instances = dataset.read_instances(sampled, "test", sample)
        assert instances is not None
        assert instances.dtype == np.uint16
        np.testing.assert_array_equal(instances > 0, np.isin(mask, sorted(THINGS)))
        numbers = np.unique(instances[instances > 0])
        np.testing.assert_array_equal(numbers, np.arange(1, len(numbers) + 1))
        assert all(len(np.unique(mask[instances == number])) == 1 for number in numbers)


def test_colour_and_fine_texture_do_not_solve_it(sampled: Path) -> None:
    rng = np.random.default_rng(0)
    inputs, truth = pixels(sampled, "train", 400, rng)
    forest = RandomForestClassifier(40, min_samples_leaf=3, n_jobs=2, random_state=0).fit(inputs, truth)
    inputs, truth = pixels(sampled, "test", 2000, rng)
    score = jaccard_score(truth, forest.predict(inputs), average="macro")
    assert 0.2 < score < 0.5  # not solved by colour, and not noise


def pixels(root: Path, split: str, count: int, rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
    """Colour, 7x7 mean and 7x7 standard deviation of some pixels of every image, and their classes."""
    inputs, truth = [], []
    for _, image, mask in dataset.iterate(root, split):
        colour = image.astype(np.float32)
        mean = cv2.blur(colour, (7, 7))
        deviation = np.sqrt(np.maximum(cv2.blur(colour * colour, (7, 7)) - mean * mean, 0))
        chosen = rng.choice(mask.size, count, replace=False)
        inputs.append(np.concatenate([colour, mean, deviation], axis=2).reshape(-1, 9)[chosen])
        truth.append(mask.ravel()[chosen])
    return np.concatenate(inputs), np.concatenate(truth)
