"""The numbers of a segmentation against scikit-learn, and against cases worked by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    jaccard_score,
    precision_score,
    recall_score,
)

from stages.confusion import confusion
from stages.errors import DataError
from stages.evaluate.metrics import compute, update, validate

NAMES = ["a", "b", "c", "d"]


def labels(seed: int, classes: int = 4, ignored: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """A noisy truth with ignored pixels, and a prediction that is right half of the time."""
    draw = np.random.default_rng(seed)
    truth = draw.integers(0, classes, (17, 23)).astype(np.uint8)
    prediction = np.where(draw.random(truth.shape) < 0.5, truth, draw.integers(0, classes, truth.shape))
    truth[draw.random(truth.shape) < ignored] = 255
    return truth, prediction.astype(np.uint8)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_equals_scikit_learn(seed: int) -> None:
    pairs = [labels(seed), labels(seed + 1)]
    total = np.zeros((4, 4), np.int64)
    for truth, prediction in pairs:
        validate("an image", truth, prediction, 4)
        total = update(total, confusion(truth, prediction, 4))
    found = compute(total, NAMES)

    y = np.concatenate([t.ravel() for t, _ in pairs])
    p = np.concatenate([p.ravel() for _, p in pairs])[y != 255]
    y = y[y != 255]
    assert (total == confusion_matrix(y, p, labels=range(4))).all()
    for key, score in (("iou", jaccard_score), ("precision", precision_score), ("recall", recall_score)):
        each = [found["classes"][name][key] for name in NAMES]
        assert each == pytest.approx(score(y, p, labels=range(4), average=None))
    assert [found["classes"][n]["f1"] for n in NAMES] == pytest.approx(f1_score(y, p, average=None))
    assert found["mIoU"] == pytest.approx(jaccard_score(y, p, average="macro"))
    assert found["precision"] == pytest.approx(precision_score(y, p, average="macro"))
    assert found["recall"] == pytest.approx(recall_score(y, p, average="macro"))
    assert found["f1"] == pytest.approx(f1_score(y, p, average="macro"))
    assert found["pixel_accuracy"] == pytest.approx(accuracy_score(y, p))
    assert found["mean_accuracy"] == pytest.approx(balanced_accuracy_score(y, p))


def test_worked_by_hand() -> None:
    # truth: three a, one b, one to ignore, c and d nowhere; c is predicted once, d never.
    truth = np.array([[0, 0, 0, 1, 255]], np.uint8)
    prediction = np.array([[0, 0, 2, 0, 1]], np.uint8)
    found = compute(confusion(truth, prediction, 4), NAMES)
    a, b, c, d = (found["classes"][name] for name in NAMES)
    assert a == {
        "iou": 2 / 4,
        "precision": 2 / 3,
        "recall": 2 / 3,
        "accuracy": 2 / 3,
        "f1": pytest.approx(2 / 3),
        "pixels": 3,
    }
    # There but never predicted: 0, precision too. Predicted but not there: wrong wherever the truth can tell.
    assert b == {"iou": 0.0, "precision": 0.0, "recall": 0.0, "accuracy": 0.0, "f1": 0.0, "pixels": 1}
    assert c == {"iou": 0.0, "precision": 0.0, "recall": None, "accuracy": None, "f1": 0.0, "pixels": 0}
    assert d == {"iou": None, "precision": None, "recall": None, "accuracy": None, "f1": None, "pixels": 0}
    assert found["mIoU"] == pytest.approx((0.5 + 0 + 0) / 3)
    assert found["recall"] == found["mean_accuracy"] == pytest.approx((2 / 3 + 0) / 2)
    assert found["precision"] == found["f1"] == pytest.approx((2 / 3 + 0 + 0) / 3)
    assert found["pixel_accuracy"] == 2 / 4


def test_one_matrix_over_the_split_is_not_the_mean_of_images() -> None:
    # A single right pixel of b in one image, ninety-nine wrong ones in the other: 1 of 100, not the mean of 1 and 0.
    one = confusion(np.array([[1]], np.uint8), np.array([[1]], np.uint8), 4)
    other = confusion(np.full((1, 99), 1, np.uint8), np.zeros((1, 99), np.uint8), 4)
    assert compute(update(one, other), NAMES)["classes"]["b"]["iou"] == 1 / 100


def test_an_empty_split_has_null_numbers() -> None:
    found = compute(np.zeros((4, 4), np.int64), NAMES)
    assert {value for key, value in found.items() if key != "classes"} == {None}
    assert '"mIoU": null' in json.dumps(found)


@pytest.mark.parametrize(
    ("truth", "prediction", "said"),
    [
        ([[0, 4]], [[0, 0]], "true class ids below 4, found id 4"),
        ([[0, 255]], [[0, 255]], "predicted class ids below 4, found id 255"),
        ([[0, 1]], [[0]], "a prediction of (1, 2), found (1, 1)"),
    ],
)
def test_wrong_labels_are_named(truth: list[list[int]], prediction: list[list[int]], said: str) -> None:
    with pytest.raises(DataError) as error:
        validate("test/img-7", np.array(truth, np.uint8), np.array(prediction, np.uint8), 4)
    assert str(error.value).startswith("test/img-7: ")
    assert said in str(error.value)
