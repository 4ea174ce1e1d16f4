"""comparison.html in a real browser: with everything in it that it can hold, and names that nobody should choose."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipelines.compare.causes import CodeChange, ParamChange, VersionChange
from pipelines.compare.crossing import Crossed
from pipelines.compare.facts import Alarm, Facts, SeedsOf
from pipelines.compare.labels import Classes, DataChange, Move, SplitChange, Turn
from pipelines.compare.metrics import MetricRow
from pipelines.compare.page import as_page
from pipelines.compare.pictures import Extreme, Tile
from pipelines.compare.result import Comparison, Note, SideName
from pipelines.compare.runs import SharedImages
from pipelines.compare.significance import Row
from pipelines.compare.words import signed
from tests import browser
from tests.browser import HOSTILE, Chromium, each_look

PLAIN = ("unet", "fcn", "car", "tree", "roof", "paved", "water")
SCRIPT = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'><p style='color: red'>painted</p>"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    """A browser for all tests here."""
    with browser.chromium() as running:
        yield running


def page(names: Sequence[str], path: Path, judged: bool = True) -> Path:
    """A page that says everything that a comparison can say, all of these names."""
    given = cycle(names)

    def name() -> str:
        return next(given)

    def some() -> tuple[str, ...]:
        return tuple(name() for _ in names)

    networks = some()[:2]
    worse, better = (Extreme(net, "val", name(), 0.5, 0.4, 10, 20, 256, 0) for net in networks)
    found = Comparison(
        SideName(name(), "a" * 40),
        SideName(name(), None),
        rows=tuple(row(net, split, label) for net in networks for split in ("val", "test") for label in (None, *some()))
        if judged
        else (),
        unjudged=some(),
        pulls=some(),
        metrics=tuple(MetricRow(net, name(), "0.5000", "missing", "not comparable", name()) for net in networks),
        shared=(SharedImages("val", 8, 2, name()),),
        crossed=tuple(Crossed(net, "test", 0.5, 0.25, None, 0.75) for net in networks) if judged else (),
        data=DataChange(
            (SplitChange("val", (9, 10), some(), some(), some(), some(), (Turn(name(), name(), 12345),), 2),),
            (Move(name(), "val", "test"),),
            (("added", name()), ("removed", name())),
            ("train",),
        ),
        params=(ParamChange(name(), name(), "not set", some()), ParamChange(name(), "1", "2", ())),
        code=(CodeChange(f"{name()}.py", "changed", some()), CodeChange(name(), "new", ())),
        versions=(VersionChange(name(), "1.0", "2.0", True),),
        worse=(worse,),
        better=(better,),
        stale=some(),
        notes=(Note("so it is", some()), Note("and so it is as well")),
        facts=Facts(
            (Alarm("outputs", "so it is", "and so it is as well", some()),),
            gone=some(),
            new=some(),
            seeds=(SeedsOf(name(), (0,), (0, 1, 2), ((0, 0),)), SeedsOf(name(), (1,), (2,), ((1, 2),))),
            code=name(),
        ),
        classes=Classes(some(), tuple((30 * i, 200, 30) for i in range(len(names)))),
    )
    picture = base64.b64encode(cv2.imencode(".png", np.full((16, 16, 3), 99, np.uint8))[1].tobytes()).decode()
    tiles = [Tile(title, f"data:image/png;base64,{picture}") for title in ("image", "truth", "base")]
    path.write_text(as_page(found, [(worse, [*tiles, Tile("head", None)])], [(better, tiles)]))
    return path


def row(network: str, split: str, label: str | None) -> Row:
    """A row of the table: a regression of the whole, an improvement of each class."""
    verdict, change = ("improved", 0.1) if label else ("regressed", -0.1)
    return Row(
        split=split, architecture=network, metric="iou" if label else "mIoU", label=label, base=0.5, head=0.5 + change,
        change=change, low=change - 0.05, high=change + 0.05, p=0.0001, p_holm=0.004, groups=9, differing=9,
        seeds=(1, 1), retraining=None, verdict=verdict, words=verdict,  # type: ignore[arg-type]
    )  # fmt: skip


@each_look
def test_it_fits_asks_for_nothing_and_keeps_nobody_out(
    chromium: Chromium, tmp_path: Path, width: int, scheme: str
) -> None:
    with chromium.open(page(PLAIN, tmp_path / "comparison.html"), width, scheme) as window:
        browser.keep_picture(window, f"comparison-{width}-{scheme}")
        assert browser.troubles(window) == []
        assert browser.barriers(window) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_table_that_goes_on_has_a_shadow_there(chromium: Chromium, tmp_path: Path, scheme: str) -> None:
    with chromium.open(page(PLAIN, tmp_path / "page.html"), 390, scheme) as window:
        before, at_the_end = browser.shadows(window)
    assert before > 25 and at_the_end <= 2


@pytest.mark.parametrize("judged", [True, False])
def test_names_stay_text(chromium: Chromium, tmp_path: Path, judged: bool) -> None:
    with chromium.open(page(PLAIN, tmp_path / "plain.html", judged), bypass_csp=True) as window:
        expected = browser.elements(window)
    hostile = page(HOSTILE, tmp_path / "hostile.html", judged)
    with chromium.open(hostile, 390, bypass_csp=True) as window:  # so that escaping alone has to do it
        browser.keep_picture(window, f"comparison-hostile-{'judged' if judged else 'unjudged'}-390")
        assert browser.elements(window) == expected
        assert browser.unseen(window, HOSTILE) == []
        assert browser.troubles(window) == []
        assert not browser.hacked(window)


def test_the_policy_lets_nothing_run(chromium: Chromium, tmp_path: Path) -> None:
    path = page(PLAIN, tmp_path / "comparison.html")
    path.write_text(path.read_text().replace("</main>", SCRIPT + "</main>"))
    with chromium.open(path) as window:
        assert not browser.hacked(window)
        refused = {tuple(found.split()[1:3]) for found in window.violations()}
    assert refused >= {(f"{rule}", "inline") for rule in ("script-src-elem", "script-src-attr", "style-src-attr")}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (0.0125, "+0.0125"),
        (-7.5e-05, "-0.0001"),
        (5.3e-05, "+0.0001"),
        (1.1e-05, "0.0000"),
        (-1e-12, "0.0000"),
        (0.0, "0"),
        (None, "not comparable"),
    ],
)
def test_a_change_is_said_with_four_decimals(change: float | None, said: str) -> None:
    assert signed(change) == said
