"""The tables that DVC draws: a confusion matrix in lines of a percent each."""

from __future__ import annotations

import csv
import io
from collections import Counter

import numpy as np

from stages.report.plots import confusion_csv, whole_percents

LABELS = ["road", "NA", 'a "b", c', "never there"]


def test_whole_percents_add_up_and_are_next_to_the_true_ones() -> None:
    rng = np.random.default_rng(0)
    for classes in (1, 2, 3, 7, 250):
        counts = rng.integers(10 ** rng.integers(1, 12), size=classes) + 1
        found, exact = whole_percents(counts), 100 * counts / counts.sum()
        assert found.sum() == 100 and (np.abs(found - exact) < 1).all()
    assert whole_percents(np.array([1, 1, 1])).tolist() == [34, 33, 33]  # of equals the first
    assert whole_percents(np.array([0, 9, 0])).tolist() == [0, 100, 0]


def test_a_confusion_table_counts_back_to_its_matrix() -> None:
    counts = np.array([[75, 20, 5, 0], [0, 3, 0, 0], [1, 1, 2, 0], [0, 0, 0, 0]])
    head, *lines = csv.reader(io.StringIO(confusion_csv(counts, LABELS)))
    assert head == ["true class", "predicted class"]
    seen = Counter((LABELS.index(truth), LABELS.index(predicted)) for truth, predicted in lines)
    assert seen == {(0, 0): 75, (0, 1): 20, (0, 2): 5, (1, 1): 100, (2, 0): 25, (2, 1): 25, (2, 2): 50}
