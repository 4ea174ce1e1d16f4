"""What the comparison page shows first: verdicts, changes by class, what got better and worse; each by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipelines.compare.labels import Classes
from pipelines.compare.metrics import compare_metrics
from pipelines.compare.page import ACROSS, EDGE, as_page, first_and_rest, forest
from pipelines.compare.pictures import BEHIND, BETTER, RIGHT, WORSE, WRONG, _changed, change_map
from pipelines.compare.result import Comparison, SideName
from tests import browser
from tests.browser import WIDTHS
from tests.pipelines.compare.test_comparison_page import PLAIN, page, row

SIDES = (SideName("main", None), SideName("topic", None))


def test_the_forest_by_hand() -> None:
    car = replace(row("unet", "val", "car"), change=-0.2, low=-0.4, high=0.1)
    road = replace(row("unet", "val", "road"), change=0.1, low=None, high=None)
    others = (row("unet", "test", "car"), row("unet", "val", None), replace(road, label="tree", change=None))
    found = forest(Comparison(*SIDES, rows=(road, car, *others)))
    assert [(bar.row.label, bar.at, bar.ends) for bar in found["unet"]] == [
        ("car", ACROSS / 4 + EDGE / 2, (EDGE, ACROSS / 2 + (ACROSS / 2 - EDGE) / 4)),
        ("road", ACROSS / 2 + (ACROSS / 2 - EDGE) / 4, None),
    ]
    many = tuple(replace(car, label=str(i), change=i / 100) for i in range(30))
    assert [bar.row.label for bar in forest(Comparison(*SIDES, rows=many))["unet"]] == [str(i) for i in range(6, 30)]
    assert forest(Comparison(*SIDES)) == {}


def test_without_matrices_miou_is_first_and_a_removed_network_is_one_line() -> None:
    base = {name: {"test.mIoU": 0.5, "test.ece": 0.1, "val.mIoU": 0.4} for name in ("unet", "gone")}
    head = {"unet": {"test.mIoU": 0.6, "test.ece": 0.2, "val.mIoU": 0.4}, "fresh": {"val.mIoU": 0.3}}
    rows = tuple(compare_metrics(base, head))
    first, rest, alone = first_and_rest(rows)
    assert [(one.arch, one.key) for one in first] == [("unet", "test.mIoU"), ("unet", "val.mIoU")]
    assert [(one.arch, one.key) for one in rest] == [("unet", "test.ece")]
    assert alone == {"fresh": "is new", "gone": "is gone"}
    html = as_page(Comparison(*SIDES, metrics=rows), [], [])
    assert "<code>gone</code> is gone in head" in html and html.count("gone") == 2
    assert html.index("val.mIoU") < html.index("<details>") < html.index("test.ece")


def test_the_map_by_hand() -> None:
    truth = np.array([[0, 0, 0, 0, 255]], np.uint8)
    old = np.array([[0, 1, 0, 1, 0]], np.uint8)
    new = np.array([[0, 0, 1, 2, 1]], np.uint8)
    assert change_map(truth, old, new).tolist() == [[list(colour) for colour in (RIGHT, BETTER, WORSE, WRONG, BEHIND)]]
    same, other = Classes(("a", "b", "c"), ()), Classes(("a", "c", "b"), ())
    assert _changed(truth, old, new, (same, same)) is not None
    assert _changed(truth, old, new, (same, other)) is None, "the same number is another class"
    assert _changed(truth, old[:, :3], new, (same, same)) is None and _changed(None, old, new, (same, same)) is None


@pytest.mark.parametrize("width", WIDTHS)
def test_verdicts_and_large_pictures_are_in_the_window(tmp_path: Path, width: int) -> None:
    with browser.chromium() as running, running.open(page(PLAIN, tmp_path / "page.html"), width) as window:
        tiles = [tile.bounding_box() for tile in window.page.locator(".tiles img").all()]
        assert tiles and all(box and box["width"] >= 300 for box in tiles)
        table = window.page.locator("table").first
        heads = table.locator("thead th").all_inner_texts()
        assert heads[2:4] == ["verdict", "change"]
        if width == 1280:
            for cell in table.locator("tbody tr").first.locator("td").all()[:4]:
                box = cell.bounding_box()
                assert box and box["x"] + box["width"] <= width
