"""Drawings: small images are enlarged by a whole factor, large ones reduced, and disks stay where they are."""

from __future__ import annotations

import numpy as np
import pytest

from stages.measure.draw import BEST, LARGEST, WIDTH, picture
from stages.measure.landing import Disk
from stages.measure.places import Spots


@pytest.mark.parametrize(
    ("width", "drawn"), [(120, 480), (WIDTH, WIDTH), (900, 900), (LARGEST, LARGEST), (4000, LARGEST)]
)
def test_no_drawing_is_larger_than_a_page_needs(width: int, drawn: int) -> None:
    height = width // 2
    disk = Disk(x=width // 4, y=height // 2, radius=width / 10, clearance=width / 10)
    spots = Spots("a", [], disk, disk.radius)
    found = picture(np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8), [0], spots)
    assert found.shape == (round(height * drawn / width), drawn, 3)
    rows, columns = np.nonzero((found > np.array(BEST) // 2).all(axis=2))  # the outline of the best disk
    assert np.abs([columns.min(), columns.max()] - drawn * np.array([0.15, 0.35])).max() <= 0.006 * drawn
    assert abs(rows.mean() - found.shape[0] / 2) <= 0.006 * drawn
