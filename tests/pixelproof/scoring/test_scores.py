"""Scores of stacked confusion matrices are scikit-learn's to the last digit, matrix by matrix."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    jaccard_score,
    precision_score,
    recall_score,
)

from pixelproof.scoring.catalogue import of_matrices
from pixelproof.scoring.confusion import confusion
from pixelproof.scoring.counts import counts, unstacked
from pixelproof.scoring.scores import columns, scores, side_by_side

Labels = NDArray[np.uint8]


def labels(draw: np.random.Generator, classes: int) -> tuple[Labels, Labels]:
    """A truth and a prediction that each hold only some of the classes, with ignored pixels; sometimes only these."""
    here = draw.permutation(classes)[: draw.integers(1, classes + 1)]
    there = draw.permutation(classes)[: draw.integers(1, classes + 1)]
    truth = draw.choice(here, 200).astype(np.uint8)
    prediction = np.where(draw.random(200) < draw.choice([0, 0.5]), truth, draw.choice(there, 200)).astype(np.uint8)
    truth[draw.random(200) < draw.choice([0.0, 0.3, 1.0], p=[0.45, 0.45, 0.1])] = 255
    return truth, prediction


def by_scikit_learn(truth: Labels, prediction: Labels, classes: int) -> dict[str, NDArray[np.float64]]:
    """The same scores; what scikit-learn leaves to its caller (a class without pixels) as scores.py says."""
    valid = truth != 255
    y, p = truth[valid], prediction[valid]
    if not len(y):
        return {metric.name: np.full(classes if metric.per_class else (), np.nan) for metric in of_matrices()}
    every = {"labels": range(classes), "average": None}
    neither = np.isin(range(classes), [y, p], invert=True)
    found = {
        "iou": np.where(neither, np.nan, jaccard_score(y, p, zero_division=0, **every)),
        "precision": np.where(neither, np.nan, precision_score(y, p, zero_division=0, **every)),
        "recall": recall_score(y, p, zero_division=np.nan, **every),
        "f1": f1_score(y, p, zero_division=np.nan, **every),
    }
    found["accuracy"] = found["recall"]
    means = {f"mean_{name}": np.nanmean(found[name]) for name in ("precision", "recall", "f1", "accuracy")}
    weighted = jaccard_score(y, p, average="weighted", labels=range(classes), zero_division=0)
    means["mIoU"] = np.nanmean(found["iou"])
    return {**found, **means, "fwIoU": weighted, "pixel_accuracy": accuracy_score(y, p)}


@given(seed=st.integers(0, 2**32 - 1), classes=st.integers(1, 12))
@settings(max_examples=30)
def test_a_stack_has_scikit_learns_scores_to_the_last_digit(seed: int, classes: int) -> None:
    draw = np.random.default_rng(seed)
    pairs = [labels(draw, classes) for _ in range(6)]
    stack = np.stack([confusion(*pair, classes) for pair in pairs]).reshape(2, 3, classes, classes)
    found = scores(counts(stack))
    for i, (truth, prediction) in enumerate(pairs):
        expected = by_scikit_learn(truth, prediction, classes)
        assert set(found) == set(expected)
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name][divmod(i, 3)], value, err_msg=name)


def test_means_are_scikit_learns_macro_averages() -> None:
    draw = np.random.default_rng(3)
    truth = np.concatenate([np.arange(9), draw.integers(0, 9, 500)])
    prediction = np.concatenate([np.arange(9), np.where(draw.random(500) < 0.7, truth[9:], draw.integers(0, 9, 500))])
    found = scores(counts(confusion_matrix(truth, prediction)))
    assert found["mIoU"] == jaccard_score(truth, prediction, average="macro")
    assert found["mean_precision"] == precision_score(truth, prediction, average="macro")
    assert found["mean_recall"] == recall_score(truth, prediction, average="macro")
    assert found["mean_f1"] == f1_score(truth, prediction, average="macro")
    assert found["mean_accuracy"] == balanced_accuracy_score(truth, prediction)


def test_floats_and_stacked_counts_give_the_same() -> None:
    matrices = np.random.default_rng(4).integers(0, 9, (5, 4, 4))
    whole = counts(matrices)
    again = unstacked(whole.stacked().astype(np.float64))
    for name, value in scores(whole).items():
        np.testing.assert_array_equal(scores(again)[name], value)


def test_side_by_side_are_the_columns_that_are_named() -> None:
    matrices = np.random.default_rng(5).integers(0, 9, (7, 3, 3))
    metrics = ["mIoU", "iou", "pixel_accuracy"]
    found, of = side_by_side(counts(matrices), metrics), scores(counts(matrices))
    names = [("mIoU", None), ("iou", "a"), ("iou", "b"), ("iou", "c"), ("pixel_accuracy", None)]
    assert columns(metrics, ["a", "b", "c"]) == names
    assert found.shape == (7, 5)
    np.testing.assert_array_equal(found[:, 0], of["mIoU"])
    np.testing.assert_array_equal(found[:, 1:4], of["iou"])
    np.testing.assert_array_equal(found[:, 4], of["pixel_accuracy"])
