"""Which network is best: the paired test by hand and by SciPy, how often it is wrong, and the words that follow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from pixelproof.core.errors import PixelproofError
from stages.report import standing
from stages.report.gather import gather
from stages.report.markdown import summary
from stages.report.page import render
from stages.report.params import Params, Report, Seeds
from stages.report.standing import Gap, Standing, because, gaps_of, half_width, score_of, signed, verdict
from tests.stages.report import fake

CLEAR = Gap("b", 0.0466, (0.0312, 0.0618), 0.002)
UNSURE = Gap("b", 0.009, (-0.004, 0.022), 0.2)


def stands(*gaps: Gap, groups: int = 33, seeds: int = 1) -> Standing:
    """A standing of `a` over others."""
    return Standing("a", 0.783, gaps, groups, seeds, 0.95)


def units(*right: list[int]) -> standing.Units:
    """Groups of 100 pixels of a class and 100 of another, of which each network and seed has so many right."""
    hits = np.array(right)[..., None, None]  # [groups, networks, 1, 1]
    both = np.broadcast_to(hits, (*hits.shape[:3], 2))
    return np.stack([both, np.full_like(both, 100), both + (100 - both)[..., ::-1]], axis=-2)


def test_p_by_hand() -> None:
    found = gaps_of(units(*[[90, 80, 90]] * 8), ["a", "b", "same"], 0.95, np.random.default_rng(0))
    assert [gap.name for gap in found] == ["same", "b"], "the nearest first"
    same, other = found
    assert (same.by, same.span, same.p) == (0, (0, 0), 1) and not same.shown(0.05)
    assert other.p == 2 / 2**7, "one of 128 swaps is as large as what was found; times two comparisons"
    assert other.by == pytest.approx(90 / 110 - 80 / 120) and other.shown(0.05)


def test_an_interval_is_that_of_a_paired_t_test() -> None:
    draw = np.random.default_rng(2)
    for count in (6, 12, 40):
        values = draw.normal(0.02, 0.05, count)
        resamples = values[draw.integers(count, size=(20_000, count))].mean(axis=1)
        expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        half = half_width(resamples, np.array([[0.1], [0.2]]), count, 0.95)
        assert half == pytest.approx((expected.high - expected.low) / 2, rel=0.03)
    assert half_width(resamples, np.array([[0.1], [0.2]]), 5, 0.95) is None


def test_the_spread_of_seeds_widens_it() -> None:
    """Without a spread over the groups, it is the t-test of two independent samples with their pooled variance."""
    seeds = np.array([[0.71, 0.74, 0.70], [0.65, 0.66, 0.69]])
    expected = stats.ttest_ind(*seeds).confidence_interval(0.95)
    half = half_width(np.full(100, 0.05), seeds, 30, 0.95)
    assert half == pytest.approx((expected.high - expected.low) / 2)
    both = half_width(np.random.default_rng(0).normal(0.05, 0.03, 5000), seeds, 30, 0.95)
    assert both is not None and half is not None and both > half


def test_equal_networks_are_seldom_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RESAMPLES", "PERMUTATIONS"):
        monkeypatch.setattr(standing, name, 300)
    draw, claims = np.random.default_rng(4), 0
    for _ in range(150):
        skill = draw.normal(80, 6, (12, 1)) + draw.normal(0, 4, (12, 2))
        made = units(*np.clip(skill, 1, 99).round().astype(int).tolist())
        best = int(np.argmax(score_of(made.sum(axis=0))))
        found = gaps_of(made[:, [best, 1 - best]], ["best", "other"], 0.95, draw)
        claims += stands(*found, groups=12).clear
    assert claims <= 15, "5 % of 150 are 7.5; 15 are more than chance in 1 of 100 worlds"


def test_the_headline_by_hand() -> None:
    far = replace(CLEAR, name="c", by=0.2)
    assert verdict(stands(CLEAR, far)) == (
        *("", "a", "is best: +0.047 mIoU over the next, 95\u00a0% interval 0.031 to 0.062"),
    )
    assert verdict(stands(UNSURE, far)) == ("No clear winner ", "", "between a and b")
    assert verdict(stands(UNSURE, replace(UNSURE, name="c"))) == ("No clear winner ", "", "among a, b and c")
    assert verdict(stands()) == ("", "a", "reaches 0.783 mIoU")
    assert verdict(None)[0] == "Nothing to rank: the test split is empty"
    corrected = replace(CLEAR, p=0.06)
    assert verdict(stands(corrected))[0] == "No clear winner " and "do not bear out" in because(stands(corrected))
    assert "a has +0.009 mIoU over b, 95\u00a0% interval \u22120.004 to 0.022. One training" in because(stands(UNSURE))
    assert because(stands(replace(CLEAR, span=None), groups=3)) == (
        "3 groups of images cannot tell networks apart; it takes 6 or more."
    )
    assert "Means of 3 seeds, whose spread" in because(stands(CLEAR, seeds=3)) and because(stands()) == ""
    assert [signed(value) for value in (0.0466, -0.002, -0.0001)] == ["+0.047", "\u22120.002", "0.000"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of twelve groups of test images."""
    folder = tmp_path_factory.mktemp("standing")
    fake.make(folder, images=24, size=32)
    return folder


def params(*names: str) -> Params:
    """Params for some networks."""
    return Params(architectures=[*names], train=Seeds(seeds=[0]), report=Report(gallery=0))


def test_no_word_contradicts_the_headline(root: Path) -> None:
    clear, unsure = (
        gather(root, params(*names)) for names in (("deeplabv3plus-r18", "unet"), ("fcn-r18-d8", "pspnet-r18"))
    )
    assert standing.standing(clear).clear and not standing.standing(unsure).clear  # type: ignore[union-attr]
    assert ">deeplabv3plus-r18</b> is best: +0." in render(clear) and "**deeplabv3plus-r18 is best: +0." in summary(
        clear
    )
    page = render(unsure)
    assert "No clear winner between " in page and "**No clear winner between " in summary(unsure)
    text = page[page.index("<header>") : page.index("</main>")]
    assert "is best" not in text.replace("1 is best", "").replace("0 is best", "").replace("low is best", "")
    assert "any budget" not in text and "the best by" not in text


def test_other_images_are_named(root: Path) -> None:
    results = gather(root, params("unet", "fcn-r18-d8"))
    run = results.runs["fcn-r18-d8"][0]
    run.matrices["test"] = run.matrices["test"].select(run.matrices["test"].ids[1:])
    with pytest.raises(PixelproofError, match=r"fcn-r18-d8/0/evaluate/matrices.parquet: test images other .*dvc repro"):
        standing.standing(results)
