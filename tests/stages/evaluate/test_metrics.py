"""The numbers of a segmentation against scikit-learn, and against cases worked by hand."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student
from scipy.stats import ttest_1samp
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    jaccard_score,
    precision_score,
    recall_score,
)

from pixelproof.core.errors import DataError
from pixelproof.scoring.confusion import confusion
from pixelproof.scoring.counts import counts
from stages.evaluate.metrics import compute, image_means, intervals, update, validate
from tests.workspace import ROOT

NAMES = ["a", "b", "c", "d"]


def labels(seed: int, classes: int = 4, ignored: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """A noisy truth with ignored pixels, and a prediction that is right half of the time."""
    draw = np.random.default_rng(seed)
    truth = draw.integers(0, classes, (17, 23)).astype(np.uint8)
    prediction = np.where(draw.random(truth.shape) < 0.5, truth, draw.integers(0, classes, truth.shape))
    truth[draw.random(truth.shape) < ignored] = 255
    return truth, prediction.astype(np.uint8)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25)
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
    assert found["fwIoU"] == pytest.approx(jaccard_score(y, p, average="weighted"))
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


def test_means_of_images_are_called_so() -> None:
    # a is right in 1 of 2 pixels of one image, and in 4 of 4 of another; the third has nothing to score.
    one = confusion(np.array([[0, 0]], np.uint8), np.array([[0, 1]], np.uint8), 4)
    other = confusion(np.array([[0, 0, 0, 0]], np.uint8), np.zeros((1, 4), np.uint8), 4)
    found = image_means(counts(np.stack([one, other, np.zeros_like(one)])), NAMES)
    assert found["classes"]["a"] == {
        "image_iou": (0.5 + 1) / 2,
        "image_f1": pytest.approx((2 / 3 + 1) / 2),
        "images": 2,
    }
    assert found["classes"]["b"] == {"image_iou": 0.0, "image_f1": 0.0, "images": 0}  # invented in one image
    assert found["classes"]["d"] == {"image_iou": None, "image_f1": None, "images": 0}
    assert found["image_mIoU"] == ((0.5 + 0) / 2 + 1) / 2
    assert found["image_pixel_accuracy"] == (0.5 + 1) / 2
    pooled = compute(one + other, NAMES)
    assert pooled["classes"]["a"]["iou"] == 5 / 6
    assert not (set(found) | set(found["classes"]["a"])) & (set(pooled) | set(pooled["classes"]["a"])) - {"classes"}


def test_intervals_have_the_names_of_what_they_are_of() -> None:
    matrices = np.stack([confusion(*labels(seed, 3), 4) for seed in range(30)])
    groups = [f"flight-{seed % 10}" for seed in range(30)]
    found = intervals(counts(matrices), groups, NAMES, 0.9)
    scores = compute(matrices.sum(axis=0), NAMES)
    assert (found["groups"], found["confidence"]) == (10, 0.9)
    assert set(found) == set(scores) | {"groups", "confidence"}
    pairs = [(found[key], scores[key]) for key in scores if key != "classes"]
    pairs += [(span, scores["classes"][name][key]) for name in "abc" for key, span in found["classes"][name].items()]
    assert all(low < value < high for (low, high), value in pairs)
    assert len(pairs) == 7 + 3 * 5
    assert set(found["classes"]["d"].values()) == {None}


def test_an_interval_rests_on_the_groups_that_have_the_class() -> None:
    """Of eight groups of 100 pixels, all have `a` and only six `b`: its t has 5 degrees of freedom, that of `a` 7."""
    right = [90, 80, 70, 85, 95, 60, 75, 88]
    matrices = np.zeros((8, 4, 4), np.int64)
    matrices[:, 0, 0], matrices[:, 0, 2] = right, 100 - np.array(right)
    matrices[:6, 1, 1], matrices[:6, 1, 3] = right[:6], 100 - np.array(right[:6])
    groups = [f"flight-{i}" for i in range(8)]
    found = intervals(counts(matrices), groups, NAMES, 0.95)["classes"]
    of_a = ttest_1samp(np.array(right) / 100, 0).confidence_interval(0.95)
    assert found["a"]["recall"] == pytest.approx([*of_a])
    recall, n = np.array(right[:6]) / 100, 8
    without = [np.delete(recall, i).mean() for i in range(6)]  # and without one of the other two nothing changes
    error = ((n - 1) / n * sum((recall.mean() - one) ** 2 for one in without)) ** 0.5
    half = student.ppf(0.975, 5) * error
    assert found["b"]["recall"] == pytest.approx([recall.mean() - half, recall.mean() + half])
    matrices[5, 1] = 0  # five are too few
    found = intervals(counts(matrices), groups, NAMES, 0.95)
    assert set(found["classes"]["b"].values()) == {None} and found["mIoU"] is not None
    few = intervals(counts(matrices[:5]), groups[:5], NAMES, 0.95)
    assert few["mIoU"] is few["pixel_accuracy"] is few["classes"]["a"]["iou"] is None


@given(seed=st.integers(0, 2**32 - 1), groups=st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_an_interval_holds_its_score_and_lies_within_0_and_1(seed: int, groups: int) -> None:
    """Groups of any size, classes that are rare or nowhere: an interval is there if 6 groups hold the score."""
    draw = np.random.default_rng(seed)
    matrices = np.rint(draw.lognormal(1, 2, (20, 1, 1)) * draw.random((20, 4, 4))).astype(np.int64)
    matrices[draw.random((20, 4)) < draw.choice([0.0, 0.5, 0.9])] = 0
    named = [str(group) for group in draw.integers(groups, size=20)]
    found, scores = intervals(counts(matrices), named, NAMES, 0.95), compute(matrices.sum(axis=0), NAMES)
    spans = [(found[key], value, matrices.sum(axis=(1, 2))) for key, value in scores.items() if key != "classes"]
    for i, name in enumerate(NAMES):
        of = found["classes"][name]
        spans += [(of[key], scores["classes"][name][key], matrices[:, i].sum(axis=1)) for key in of]
    for span, score, pixels in spans:
        holding = {group for group, count in zip(named, pixels, strict=True) if count}
        assert (span is not None) == (len(holding) >= 6)
        assert span is None or 0 <= span[0] <= score <= span[1] <= 1


def test_the_example_of_the_documentation_is_right() -> None:
    page = (ROOT / "docs/metrics.md").read_text()
    picture = page.split("```text\n")[1].split("```")[0].splitlines()[1:]
    cells = np.array([line.split() for line in picture])
    assert cells.shape == (5, 15)
    truth, prediction = ((cells[:, at : at + 5] == "#").astype(np.uint8) for at in (0, 5))
    assert (cells[:, 10:] == np.array([[".", "i"], ["m", "H"]])[truth, prediction]).all()
    matrix = confusion(truth, prediction, 2)
    assert matrix.tolist() == [[12, 0], [5, 8]]
    found = compute(matrix, ["background", "object"])
    thing, ground = found["classes"]["object"], found["classes"]["background"]
    expected = {"precision": 1.0, "recall": 0.615, "F1 (Dice)": 0.762, "IoU": 0.615, "pixel accuracy": 0.8}
    shown = dict(re.findall(r"^\| ([^|]+) \| [^|]+ \| ([\d.]+) \|$", page, flags=re.MULTILINE))
    assert {key: float(shown[key]) for key in expected} == expected
    computed = {
        "precision": thing["precision"],
        "recall": thing["recall"],
        "F1 (Dice)": thing["f1"],
        "IoU": thing["iou"],
        "pixel accuracy": found["pixel_accuracy"],
        "IoU, background": ground["iou"],
        "mIoU": found["mIoU"],
        "fwIoU": found["fwIoU"],
        "mean accuracy": found["mean_accuracy"],
    }
    assert {key: float(value) for key, value in shown.items()} == {k: round(v, 3) for k, v in computed.items()}


def test_an_empty_split_has_null_numbers() -> None:
    found = compute(np.zeros((4, 4), np.int64), NAMES)
    assert {value for key, value in found.items() if key != "classes"} == {None}
    assert '"mIoU": null' in json.dumps(found)
    none = counts(np.zeros((0, 4, 4), np.int64))
    assert image_means(none, NAMES)["image_mIoU"] is None
    assert intervals(none, [], NAMES, 0.9)["mIoU"] is None


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
