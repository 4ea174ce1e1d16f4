"""The sections on what goes wrong: confusions, calibration, object sizes and boundaries, each by another way."""

from __future__ import annotations

import dataclasses
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import confusion_matrix

from pixelproof.data.dataset import ClassInfo, Header, read_split
from pixelproof.scoring.matrices import Matrices
from stages.evaluate.split import Tally
from stages.report import page
from stages.report.charts.dots import dots
from stages.report.figures import Figure, listed, ranking
from stages.report.gather import Results, Run, gather
from stages.report.params import Params, Report, Seeds
from stages.report.sections import boundaries, calibration, confusions, sizes
from tests.browser import chromium
from tests.stages.report import fake

SEEDS = (0, 1)
HOSTILE = '<img src=x onerror="alert(1)">\'</script>' + "long " * 12


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Four architectures, two seeds."""
    root = tmp_path_factory.mktemp("made")
    fake.make(root, seeds=SEEDS, images=4)
    return gathered(root, SEEDS)


def gathered(root: Path, seeds: tuple[int, ...]) -> Results:
    """The fake results below root."""
    params = Params(architectures=fake.ARCHITECTURES, train=Seeds(seeds=list(seeds)), report=Report(gallery=0))
    return gather(root, params)


def shown(results: Results, monkeypatch: pytest.MonkeyPatch, *chosen: Any) -> str:
    """The page of these sections alone."""
    monkeypatch.setattr(page, "sections", lambda: chosen)
    return page.render(results)


def words(html: str) -> str:
    """What is read, without the tags."""
    main = html[html.index("<main>") : html.index("</main>")]
    blocks = re.sub(r"</?(?:b|bdi|i|code)\b[^>]*>", "", main)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", blocks)).split()).replace("\xa0", " ")


def masks(folder: Path, ids: list[str]) -> np.ndarray:
    """The labels of these images, one after another."""
    return np.concatenate([np.asarray(cv2.imread(str(folder / f"{i}.png"), cv2.IMREAD_UNCHANGED)).ravel() for i in ids])


def changed(results: Results, **tests: Any) -> Results:
    """The results with another test split: a part of its metrics, or its `calibration_bins`, or its `matrix`."""

    def of(run: Run) -> Run:
        metrics = run.metrics | {"test": run.metrics["test"] | tests.get("metrics", {})}
        return dataclasses.replace(
            run,
            metrics=metrics,
            calibration={"test": tests["diagram"]} if "diagram" in tests else run.calibration,
            matrices={} if tests.get("empty") else run.matrices,
        )

    return dataclasses.replace(results, runs={name: [of(run) for run in runs] for name, runs in results.runs.items()})


def test_confusions_are_those_of_the_masks(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [sample.id for sample in read_split(results.data, "test")]
    truth = masks(results.data / "test/masks", ids)
    labels = results.header.names()
    expected = np.zeros((len(labels), len(labels)), int)
    for seed in SEEDS:
        guess = masks(results.root / f"results/fcn-r18-d8/{seed}/evaluate/masks/test", ids)
        expected += confusion_matrix(truth[truth != 255], guess[truth != 255], labels=range(len(labels)))
    found = next(m for m in confusions.context(results)["matrices"] if m.name == "fcn-r18-d8")
    assert [[cell.count for cell in row] for row in found.cells] == expected.tolist()
    assert (found.pixels, found.wrong) == (expected.sum(), expected.sum() - np.trace(expected))

    def percent(share: float) -> str:
        return "\u2013" if np.isnan(share) else "0" if share == 0 else "<0.1" if share < 0.001 else f"{100 * share:.1f}"

    with np.errstate(invalid="ignore"):
        of_truth, of_called = expected / expected.sum(axis=1)[:, None], expected / expected.sum(axis=0)
    assert np.isnan(of_truth).any()  # the last class is in no truth
    for i, j in np.ndindex(*expected.shape):
        assert found.cells[i][j].texts[:2] == (percent(of_truth[i, j]), percent(of_called[i, j]))

    wrong = [(expected[i, j], labels[i], labels[j]) for i, j in np.ndindex(*expected.shape) if i != j]
    largest = sorted(wrong, key=lambda one: -one[0])[:5]
    assert [(m.pixels, m.truth, m.called) for m in found.mistakes] == largest
    row = expected[labels.index(largest[0][1])]
    assert found.mistakes[0].of_truth == largest[0][0] / row.sum()
    assert found.mistakes[0].of_wrong == largest[0][0] / found.wrong
    html = shown(results, monkeypatch, confusions)
    said = f"{largest[0][1]} mistaken for {largest[0][2]} {100 * largest[0][0] / row.sum():.1f} % of {largest[0][1]}"
    assert said in words(html) and "summed over 2 seeds" in words(html)
    assert html.count('class="unseen"') == len(fake.ARCHITECTURES)


def test_the_mistake_that_most_share() -> None:
    one = np.array([[5, 3, 0], [1, 9, 0], [0, 0, 0]])
    other = np.array([[5, 0, 0], [4, 9, 0], [0, 0, 0]])
    right = np.diag([1, 2, 3])
    made = [
        confusions.matrix(name, counts, ["a", "b", "c"]) for name, counts in zip("xyz", (one, one, other), strict=True)
    ]
    assert confusions.common(made) == ("a", "b", 2)
    assert confusions.common(made[1:]) is None
    assert [(m.truth, m.called, m.pixels) for m in made[0].mistakes] == [("a", "b", 3), ("b", "a", 1)]
    assert confusions.matrix("x", right, ["a", "b", "c"]).mistakes == []
    assert [confusions.compact(n) for n in (0, 999, 1000, 12_345, 99_949, 99_950, 2_129_920)] == [
        *("0", "999", "1.0k", "12.3k", "99.9k", "100k", "2.1M")
    ]
    assert confusions.levels(np.array([np.nan, 0, 1e-9, 0.25, 1])).tolist() == [0, 0, 1, 10, 20]


def test_calibration_by_hand(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake networks are certain by 0.9 where they are right, and by 0.6 where they are wrong."""
    context = calibration.context(results)
    total = confusions.pooled(results.runs["unet"], len(results.header.classes))
    right, pixels = int(np.trace(total)), int(total.sum())
    bins = [one for one in calibration.pooled(results.runs["unet"]) if one.pixels]
    assert [(one.pixels, one.accuracy) for one in bins] == [(pixels - right, 0), (right, 1)]
    assert [one.certainty for one in bins] == pytest.approx([0.6, 0.9], abs=1e-3)
    mean = (0.9 * right + 0.6 * (pixels - right)) / pixels
    assert context["lines"]["unet"].above == pytest.approx(mean - right / pixels, abs=1e-3)
    assert context["lines"]["unet"].kept == max(0, 1 - right / pixels / 0.8)  # the wrong ones are rejected first
    text = words(shown(results, monkeypatch, calibration))
    assert f"accuracy {100 * right / pixels:.1f} %" in text
    first = next(iter(context["lines"].values()))
    assert f"{100 * first.kept:.1f} % of the pixels are wrong, instead of {100 * first.wrong:.1f} %" in text

    def line(certainty: float | None, accuracy: float | None) -> calibration.Line:
        return calibration.Line("n", [], certainty, accuracy, None)

    assert line(0.9, 0.8).said() == "over-confident by 10.0 points: mean certainty 90.0\xa0%, accuracy 80.0\xa0%"
    assert line(0.75, 0.8).mood == "under-confident" and line(0.8, 0.803).mood == "well calibrated on average"
    assert line(None, None).said() == "no pixels to judge by"


def test_bins_of_seeds_are_weighted_by_pixels(results: Results) -> None:
    def run(pixels: int, accuracy: float | None) -> Run:
        one = {"from": 0.0, "to": 1.0, "pixels": pixels, "accuracy": accuracy, "certainty": accuracy}
        return dataclasses.replace(results.runs["unet"][0], calibration={"test": {"bins": [one]}})

    (found,) = calibration.pooled([run(1, 1.0), run(3, 0.0), run(0, None)])
    assert found == calibration.Bin(0.0, 1.0, 4, 0.25, 0.25)
    assert calibration.pooled([run(0, None)])[0].accuracy is None


def test_sizes_are_those_of_the_objects(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    found = sizes.context(results)
    limits = {"small": (0, 64), "medium": (64, 576), "large": (576, 10**9), "all": (0, 10**9)}
    objects = [
        row
        for seed in SEEDS
        for row in pq.read_table(results.root / f"results/unet/{seed}/evaluate/objects.parquet").to_pylist()
        if row["split"] == "test"
    ]
    ids = {label: i for i, label in enumerate(results.header.names())}
    for size, (low, high) in limits.items():
        for kind in sizes.KINDS:
            those = [o for o in objects if o["kind"] == kind and low <= o["area"] < high]
            assert getattr(found["tallies"]["unet"][size], kind) == len(those) / len(SEEDS)
            for label in ("car", "roof"):
                tally = found["classes"][label][size][found_at(results, "unet")]
                assert getattr(tally, kind) == sum(o["class"] == ids[label] for o in those) / len(SEEDS)
    small = found["tallies"][ranking(results)[0]]["small"]
    assert small.missed and small.found
    text = words(shown(results, monkeypatch, sizes))
    assert not re.search(r"\.[A-Z]", text)
    assert f"misses {small.missed:g} of {small.true:g} small objects ({100 * small.missed / small.true:.0f} %)" in text
    assert "Objects of roof and car." in text and "means over 2 seeds" in text


def test_areas_are_those_of_params(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sizes.areas(results) == {}
    knobs = {"objects": {"sizes": {"medium": 64, "large": 2576}}}
    told = dataclasses.replace(results, params=results.params.model_copy(update={"evaluate": knobs}))
    text = words(shown(told, monkeypatch, sizes))
    assert "below 64 pixels" in text and "64 to 2,575 pixels" in text and "2,576 pixels or more" in text


def found_at(results: Results, name: str) -> int:
    """Where an architecture stands among the ranked ones."""
    return next(i for i, other in enumerate(ranking(results)) if other == name)


def test_a_sentence_for_any_number_of_objects() -> None:
    def said(*counts: float) -> str:
        return sizes.of_small(sizes.Tally(*counts), 0.9).removeprefix("is right in 90.0\xa0% of the pixels and ")

    assert said(0, 1, 0) == "misses the one small object."
    assert said(1, 0, 0) == "finds the one small object."
    assert said(0, 3, 1) == "misses all 3 small objects, and invents 1."
    assert said(1000, 0, 0) == "finds all 1,000 small objects."
    assert said(1.5, 0.5, 0) == "misses 0.5 of 2 small objects (25\xa0%)."
    assert said(0, 0, 1) == "has no small object to find in the test split, but invents 1."
    assert said(0, 0, 0) == "has no small object to find in the test split."
    few, many = sizes.Tally(1, 9, 0), sizes.Tally(2.5, 7.5, 0)
    assert sizes.found_more({"a": few, "b": many}) == ("b", "2.5")
    assert sizes.found_more({"a": few, "b": few}) is None and sizes.found_more({"a": many}) is None


def test_boundaries_by_hand(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    def scores(value: float) -> dict[str, Any]:
        parts = dict.fromkeys(("f1", "iou", "precision", "recall"), value)
        each: dict[str, dict[str, float | None]] = {label: {**parts} for label in results.header.names()}
        each["water"]["f1"] = value / 2
        each["pool"]["f1"] = None
        return parts | {"classes": each}

    given = changed(results, metrics={"boundary": {"10": scores(0.8), "2": scores(0.4)}})
    context = boundaries.context(given)
    assert context["tolerances"] == ["2", "10"] and list(context["tables"]) == ["f1-10", "f1-2", "iou-10", "iou-2"]
    assert context["size"] == (64, 64)
    table = context["tables"]["f1-10"]
    assert {line.name: line.cells[0][0].mean for line in table.lines} == {
        label: {"water": 0.4, "pool": None}.get(label, 0.8) for label in results.header.names()
    }
    assert [best for _, best in table.lines[0].cells] == [True] * 4  # equals are all marked
    text = words(shown(given, monkeypatch, boundaries))
    assert "finds 80 % of the boundaries within 10 pixels (F1 0.800), and 40 % within 2 (F1 0.400)" in text
    assert f"has the highest boundary F1, and so has {listed(ranking(given)[1:])}; it" in text
    assert "hardest class is water, F1 0.400" in text and "64 \u00d7 64 pixels" in text and "absent" in text
    real = boundaries.context(results)["tables"]["iou-3"].whole[0][0].values
    best = ranking(results)[0]
    assert real == tuple(run.metrics["test"]["boundary"]["3"]["iou"] for run in results.runs[best])


def test_dots_say_their_numbers() -> None:
    groups = {"g": {"a": Figure((0.2, 0.4)), "b": Figure(())}}
    chart = dots(groups, ["a", "b"], ["b", "a"], "Recall", "of all")
    assert chart is not None and chart.rows == [["a", "0.300 ± 0.141"], ["b", "absent"]]
    assert "Recall. a: 0.300 ± 0.141; b: absent" in chart.label
    assert chart.svg.count('data-tip="a, g: Recall 0.300 ± 0.141"') >= 1 and "var(--hue-1)" in chart.svg
    assert "nan" not in chart.svg.lower()
    assert dots({"g": {"a": Figure(())}}, ["a"], ["a"], "t", "n") is None


def test_an_empty_split_and_no_things_are_said(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = Tally("test", results.header, fake.QUALITY).evaluation()
    empty = changed(results, metrics=nothing.metrics, diagram=nothing.calibration, empty=True)
    text = words(shown(empty, monkeypatch, confusions, calibration, sizes, boundaries))
    for said in ("there are no confusions", "no certainty to compare", "has no object of", "has no boundary"):
        assert said in text
    flat = dataclasses.replace(
        results.header, classes=tuple(dataclasses.replace(info, thing=False) for info in results.header.classes)
    )
    assert "No class is marked thing" in words(shown(dataclasses.replace(results, header=flat), monkeypatch, sizes))


class Tags(HTMLParser):
    """The names of the elements, and what the table heads of the confusions say."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.names: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.names |= {str(value) for key, value in attrs if key == "data-name"}


def test_many_classes_and_architectures_stay_small_and_names_stay_text(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = [HOSTILE, "ساختمان", *(f"class {i}" for i in range(38))]
    header = Header("many", tuple(ClassInfo(i, label, (i, 2, 3), i < 3) for i, label in enumerate(labels)), ())
    draw = np.random.default_rng(3)

    def run(seed: int) -> Run:
        counts = draw.integers(0, 99_999, (2, 40, 40))
        matrices = {"test": Matrices(["a", "b"], ["g", "g"], counts)}
        return dataclasses.replace(results.runs["unet"][0], seed=seed, matrices=matrices)

    runs = {f"net<b>{i}": [run(seed) for seed in range(5)] for i in range(12)}
    many = dataclasses.replace(results, header=header, runs=runs)
    html = shown(many, monkeypatch, confusions)
    part = html[html.index('<section id="confusions"') : html.index("</section>")]
    assert len(part.encode()) < 1_500_000
    found = Tags(part)
    assert "img" not in found.tags and found.names == set(labels)
    assert "40 classes leave no room for numbers" in words(html)
    cells = re.findall(r"<td[^>]*>(\d+)</td>", part)
    first = ranking(many)[0]
    assert sum(map(int, cells[:1600])) == sum(int(r.matrices["test"].counts.sum()) for r in runs[first])
    assert shown(many, monkeypatch, confusions) == html


def test_a_cell_says_itself_and_changes_its_unit(
    results: Results, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "page.html").write_text(shown(results, monkeypatch, confusions), encoding="utf-8")
    first, second = (confusions.context(results)["matrices"][i] for i in (0, 1))
    count, total = first.cells[1][0].count, first.true[1]
    with chromium() as browser, browser.open(tmp_path / "page.html") as window:
        opened = window.page
        table = opened.locator(".confusion:visible table")
        cell = table.locator("tbody tr").nth(1).locator("td").first
        opacities = []
        for position, unit in enumerate(confusions.UNITS):
            opened.locator(f'[name="confusions-in"][value="{unit}"]').check(force=True)
            assert cell.inner_text() == first.cells[1][0].texts[position]
            colour = cell.evaluate("one => getComputedStyle(one).backgroundColor")
            opacities.append(float(re.findall(r"[\d.]+", colour)[-1]))
        steps = first.cells[1][0].levels
        assert len(set(steps)) > 1 and opacities == pytest.approx([1.1 * step / confusions.LEVELS for step in steps])
        hatched = "one => getComputedStyle(one).backgroundImage.startsWith('repeating')"
        unseen = table.locator("tr.unseen td").first
        opened.locator('[name="confusions-in"][value="truth"]').check(force=True)
        assert unseen.evaluate(hatched) and not cell.evaluate(hatched)
        cell.hover()
        tip = re.sub("[\u2068\u2069]", "", opened.locator("#tip").inner_text())
        assert tip.startswith(f"grass mistaken for paved: {count:,} pixels, {100 * count / total:.1f} % of grass, ")
        opened.locator('[name="confusions"][value="1"]').check(force=True)
        assert table.count() == 1 and table.locator("caption").inner_text().startswith(second.name)
