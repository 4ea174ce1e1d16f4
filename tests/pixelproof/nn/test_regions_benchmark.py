"""benchmarks/regions.py: what is compared gives the same result, and the rows have a cell for each column."""

from __future__ import annotations

import pytest

from benchmarks import regions


def test_its_rows_are_of_equal_results(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ROUNDS": 1, "CHANNELS": 3, "PHOTOGRAPH": 64}.items():
        monkeypatch.setattr(regions, name, value)
    assert regions.aligned(side=8, count=5, bins=7, threads=1)[:3] == ["3x8x8", "5", "7x7"]
    count, _, kept, *_ = regions.suppressed(count=40, above=0.5, threads=1)
    assert int(count) > int(kept) > 0
    assert float(regions.predicted("panoptic-deeplab-r18", "small")[-1].removesuffix(" s")) > 0
