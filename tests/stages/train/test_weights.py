"""Class weights from pixel counts, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pixelproof.core.errors import DataError
from stages.train.params import Kind
from stages.train.weights import frequency_weights


def test_inverse_frequency_by_hand() -> None:
    """Shares 1/2, 1/4 and 1/4: 2, 4 and 4, which over the pixels are 3 on average."""
    assert frequency_weights([8, 4, 4], "inverse") == [0.666667, 1.333333, 1.333333]
    assert frequency_weights([8, 4, 4], "power", 1.0) == [0.666667, 1.333333, 1.333333]


def test_a_power_by_hand() -> None:
    """Shares 4/5 and 1/5 to the power of -1/2 have the ratio 1 to 2: w and 2 w with 4/5 w + 2/5 w = 1."""
    assert frequency_weights([400, 100], "power", 0.5) == [0.833333, 1.666667]


def test_median_frequency_is_eigen_and_ferguss_but_for_one_factor() -> None:
    """100 images of 100 pixels. The third class is in 10 images and fills them: its frequency is 1, not 1/10."""
    pixels, where_present = [7000, 2000, 1000], [9000, 8000, 1000]
    frequency = np.array(pixels) / where_present
    papers = np.median(frequency) / frequency
    found = frequency_weights(pixels, "median", where_present=where_present)
    assert found is not None
    np.testing.assert_allclose(np.array(found) / found[0], papers / papers[0], rtol=1e-5)
    assert found[2] < found[0] < found[1]
    assert frequency_weights(pixels, "median") == frequency_weights(pixels, "inverse")


@pytest.mark.parametrize("kind", ["inverse", "median", "power"])
def test_a_pixel_weighs_1_on_average_and_an_absent_class_as_the_heaviest(kind: Kind) -> None:
    pixels, where_present = [900, 0, 90, 10], [1000, 0, 500, 400]
    found = frequency_weights(pixels, kind, 0.25, where_present)
    assert found is not None and np.isfinite(found).all()
    assert np.average(found, weights=pixels) == pytest.approx(1, abs=1e-5)
    assert found[0] < found[2] < found[3] == found[1]


def test_no_weights_are_none() -> None:
    assert frequency_weights([3, 1], "none") is None
    assert frequency_weights([3, 1], "power", 0.0) is None


def test_no_pixels_are_an_error() -> None:
    with pytest.raises(DataError, match="labelled pixels"):
        frequency_weights([0, 0], "inverse")
