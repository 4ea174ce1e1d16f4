"""The confusion matrix against scikit-learn's, number by number."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from pixelproof.scoring.confusion import confusion


@pytest.mark.parametrize("classes", [1, 2, 11, 19, 150, 255])
@pytest.mark.parametrize("ignored", [0.0, 0.3, 1.0])
def test_equals_scikit_learn(classes: int, ignored: float) -> None:
    """Up to 255 classes; with some, no and only ignored pixels."""
    draw = np.random.default_rng([classes, int(10 * ignored)])
    truth, prediction = draw.integers(0, classes, (2, 61, 47)).astype(np.uint8)
    truth[0, :2] = prediction[0, :2] = classes - 1  # the highest possible id
    truth[draw.random(truth.shape) < ignored] = 255
    found = confusion(truth, prediction, classes)
    kept = truth != 255
    expected = np.zeros((classes, classes), np.int64)
    if kept.any():
        expected = confusion_matrix(truth[kept], prediction[kept], labels=range(classes))
    assert found.dtype == np.int64 and found.shape == (classes, classes)
    assert (found == expected).all() and found.sum() == kept.sum()


def test_views_and_empty_images_count_too() -> None:
    """Every other pixel of a reversed image, and no pixels at all."""
    truth, prediction = np.random.default_rng(1).integers(0, 3, (2, 20, 30)).astype(np.uint8)
    seen = truth[::-2, ::3].T, prediction[::-2, ::3].T
    assert (confusion(*seen, 3) == confusion_matrix(seen[0].ravel(), seen[1].ravel(), labels=range(3))).all()
    assert confusion(truth[:0], prediction[:0], 3).tolist() == [[0] * 3] * 3
