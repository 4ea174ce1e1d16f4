"""Architectures, classes, curves and the summary: their numbers by another way, and what they do at the extremes."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pixelproof.core.files import read_json
from pixelproof.scoring.resampling import FEWEST
from stages.evaluate.split import Tally
from stages.report.charts.forest import forest
from stages.report.charts.labels import LETTER, LINE, beside
from stages.report.charts.scatter import ticks, verdict
from stages.report.figures import Figure, confusions, front, listed, span
from stages.report.gather import Results, gather
from stages.report.markdown import short, summary
from stages.report.page import render
from stages.report.params import Params, Report, Seeds
from stages.report.sections import architectures, classes, curves, landing
from stages.report.standing import Gap, Standing
from tests.stages.report import fake

NASTY = "<img src=x onerror=alert(1)>"


def read(root: Path, seeds: tuple[int, ...] = (0,), names: list[str] | None = None, gallery: int = 1) -> Results:
    """The fake results of some architectures and seeds."""
    shown = Report(gallery=gallery)
    known = Params(architectures=names or fake.ARCHITECTURES, train=Seeds(seeds=list(seeds)), report=shown)
    return gather(root, known)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of four architectures from two seeds, with a class of a nasty name."""
    root = tmp_path_factory.mktemp("made")
    colours = {**dict(list(fake.CLASSES.items())[:5]), NASTY: (1, 2, 3), "pool": (4, 5, 6)}
    fake.make(root, seeds=(0, 1), images=6, size=40, known=fake.header(colours), in_group=1)
    return root


def metrics(root: Path, name: str, seed: int = 0) -> dict[str, Any]:
    """What evaluate left."""
    found: dict[str, Any] = read_json(root / f"results/{name}/{seed}/evaluate/metrics.json")["test"]
    return found


class Page(HTMLParser):
    """The cells of every table by the panel or the section it is in, and all tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.where, self.cell = "", False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        self.where = found.get("data-panel") or ("figure" if tag == "figure" else self.where)
        if tag == "tr":
            self.tables.setdefault(self.where, []).append([])
        if tag in ("td", "th"):
            self.tables[self.where][-1].append("")
        self.cell = tag in ("td", "th") or (self.cell and tag not in ("tr", "section"))

    def handle_endtag(self, tag: str) -> None:
        self.cell = self.cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.cell:
            self.tables[self.where][-1][-1] += data


@pytest.fixture(scope="module")
def page(made: Path) -> Page:
    """The page of one seed."""
    return Page(render(read(made)))


def test_tables_hold_the_numbers_of_evaluate(made: Path, page: Page) -> None:
    order = sorted(fake.ARCHITECTURES, key=lambda name: -metrics(made, name)["mIoU"])
    for row, name in zip(page.tables["table/quality"][1:], order, strict=True):
        of = metrics(made, name)
        shown = [f"{of[key]:.3f}" for key in ("mIoU", "pixel_accuracy", "mean_accuracy", "f1", "fwIoU")]
        spans = [of["intervals"][key] for key in ("mIoU", "pixel_accuracy", "mean_accuracy", "f1", "fwIoU")]
        assert row[0] == name
        expected = [f"{s}{low:.3f}\u2013{high:.3f}" for s, (low, high) in zip(shown, spans, strict=True)]
        assert ["".join(cell.split()) for cell in row[1:6]] == expected
    head, *details = page.tables["table/details"]
    assert [row[head.index("boundary F1, 3 px")] for row in details] == [
        f"{metrics(made, name)['boundary']['3']['f1']:.3f}" for name in order
    ]
    assert [row[2:4] for row in page.tables["table/cost"][1:]] == [
        [short(n) for n in fake.PRICE[name]] for name in order
    ]
    rows = {row[0]: row for row in page.tables["class/recall"][1:]}
    assert set(rows) == {*list(fake.CLASSES)[:5], NASTY, "pool"}
    for label in ("grass", "pool"):
        values = [metrics(made, name)["classes"][label]["recall"] for name in order]
        shown = ["absent" if value is None else f"{value:.3f}" for value in values]
        assert all(cell.strip().startswith(text) for cell, text in zip(rows[label][2:], shown, strict=True))


def test_the_best_of_a_column_is_marked_and_less_is_better_for_errors(made: Path) -> None:
    views = architectures.context(read(made))["views"]
    columns, rows = views["details"]
    for column, cells in zip(columns, zip(*rows, strict=True), strict=True):
        means = [cell.figure.mean for cell in cells]
        wanted = min(means) if column.metric.name == "ece" else max(means)
        assert [cell.best for cell in cells] == [f"{mean:.3f}" == f"{wanted:.3f}" for mean in means]


def test_ties_are_ties_and_the_hardest_are_all_named() -> None:
    def line(name: str, *means: float) -> classes.ClassLine:
        best = max(means)
        cells = [classes.Cell(Figure((mean,)), "", bool(best) and mean == best, False) for mean in means]
        return classes.ClassLine(name, (0, 0, 0), 0.1, cells)

    table = [line("road", 0.9, 0.8), line("car", 0, 0), line("roof", 0.0004, 0.3), line("tree", 0.5, 0.5)]
    found = {what: (answer, number) for what, answer, number in classes.facts(table, ["a", "b"])}
    assert found["Hardest classes"] == ("car and roof", "0.000 by a"), "what is shown as 0 is one of the zeros"
    assert found["Easiest class"] == ("road", "0.900 by a")
    text = "another does in roof (b); a tie in tree; no network finds car"
    assert found["a scores highest in"] == ("1 of 4 classes", text)
    assert [what for what, *_ in classes.facts([line("road", 0.5), line("car", 0.5)], ["a"])] == ["Hardest classes"]


def test_spans_by_hand(made: Path) -> None:
    one, two = read(made).runs["unet"], read(made, (0, 1)).runs["unet"]
    assert span(one, "test", "mIoU") == tuple(metrics(made, "unet")["intervals"]["mIoU"])
    assert span(one, "test", "boundary", "3", "f1") is None  # evaluate has none of it
    a, b = (metrics(made, "unet", seed)["classes"]["grass"]["iou"] for seed in (0, 1))
    deviation = abs(a - b) / 2**0.5
    found = span(two, "test", "classes", "grass", "iou")
    assert found == pytest.approx(((a + b) / 2 - deviation, (a + b) / 2 + deviation))


def test_too_few_groups_for_an_interval_are_said_wherever_one_is_shown(tmp_path: Path) -> None:
    fake.make(tmp_path, images=4, size=32)  # two groups
    results = read(tmp_path)
    html = render(results)
    page, said = Page(html), "too few groups for an interval"
    assert html.count(f'<p class="range">{said}</p>') == 2, "mIoU and pixel accuracy of the first network"
    for row in page.tables["table/quality"][1:]:
        assert len(row) == 8 and all(re.fullmatch(r"\s*0\.\d{3}\s*" + said + r"\s*", cell) for cell in row[1:])
    assert [said in cell for cell in page.tables["table/details"][1]] == [False, True, *[False] * 5]
    for row in page.tables["class/iou"][1:]:
        assert all(cell == "absent" or cell.endswith(said) for cell in row[2:])
    assert f"It has 2 groups of images: too few for an interval, which takes {FEWEST}." in " ".join(html.split())
    chart = forest(results, ["unet"])
    assert chart is not None and chart.rows[0][2] == said and f"mark: test; {said};" in chart.note
    text = summary(results)
    assert text.count(said) == 4 and "(groups of images: 2; it takes 6)" in text
    share = results.runs["unet"][0].landing["first_disks"]
    assert share["safe_share"] is not None and share["safe_interval"] is None
    shown = landing.share(results.runs["unet"], "first_disks", "safe")
    assert landing.span(shown) == said and f"<small>{said}</small>" in html


def test_the_front_is_what_its_definition_says() -> None:
    draw = np.random.default_rng(3)
    for _ in range(200):
        found = {str(i): (float(c), float(s)) for i, (c, s) in enumerate(draw.integers(0, 5, (6, 2)))}
        kept = front(found)
        for name, (cost, score) in found.items():
            others = [found[other] for other in found if found[other] != (cost, score)]
            assert (name in kept) == all(c > cost or s < score for c, s in others)
        assert [found[name][0] for name in kept] == sorted(found[name][0] for name in kept)


def test_the_verdict_by_hand() -> None:
    found = {"big": (200.0, 0.8), "mid": (100.0, 0.75), "bad": (150.0, 0.7), "small": (50.0, 0.5)}

    def stands(*shown: bool) -> Standing:
        gaps = [
            Gap(name, 0.05, (0.01 if is_shown else -0.01, 0.1), 0.01)
            for name, is_shown in zip(found, shown, strict=True)
        ]
        return Standing("big", 0.8, tuple(gaps[1:]), 9, 1, 0.95)

    assert verdict(found, "flops", stands(True, True, True, True)) == (
        "big is best. mid needs 50\u00a0% of its FLOPs and scores 0.050 less. "
        "small needs 25\u00a0% of its FLOPs and scores 0.300 less. "
        "Another scores at least as much with no more FLOPs: bad."
    )
    tied = verdict(found, "flops", stands(True, False, True, True))
    assert tied.startswith("big scores highest, though not shown to be best. mid needs 50\u00a0% of its FLOPs")
    assert "scores 0.050 less, which may be chance. small" in tied and "0.300 less." in tied
    alone = {"big": (1.0, 0.9), "b": (2.0, 0.8)}
    assert verdict(alone, "parameters", stands(True, True, True, True)) == (
        "big is best, and no other has fewer parameters: it is the one to take at any budget."
    )
    for unsure in (stands(True, True, True, False), None):
        assert "any budget" not in verdict(alone, "parameters", unsure) and "is best" not in verdict(
            alone, "flops", unsure
        )


def test_confusions_are_those_of_the_masks(made: Path) -> None:
    names = read(made).header.names()
    total = np.zeros((len(names), len(names)), int)
    for path in sorted((made / "data/prepared/test/masks").iterdir()):
        truth = np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
        for seed in (0, 1):
            guess = made / f"results/pspnet-r18/{seed}/evaluate/masks/test/{path.name}"
            prediction = np.asarray(cv2.imread(str(guess), cv2.IMREAD_UNCHANGED))
            np.add.at(total, (truth[truth != 255], prediction[truth != 255]), 1)
    off = total - np.diag(total.diagonal())
    found = confusions(read(made, (0, 1)), "pspnet-r18")
    assert len(found) == np.count_nonzero(off) and sum(one.pixels for one in found) == off.sum()
    t, p = np.unravel_index(off.argmax(), off.shape)
    assert found[0] == (names[t], names[p], off[t, p], off[t, p] / total[t].sum())


def test_names_beside_points_cover_nothing() -> None:
    draw = np.random.default_rng(7)
    for _ in range(50):
        points = [(float(x), float(y)) for x, y in draw.uniform(20, 380, (8, 2))]
        texts = ["x" * int(n) for n in draw.integers(2, 30, 8)]
        spots = beside(points, texts, (400, 400))
        boxes = []
        for spot, text in zip(spots, texts, strict=True):
            if spot:
                left = spot[1] - (LETTER * len(text) if spot[0] == "right" else 0)
                boxes.append((left, spot[2] - LINE / 2, left + LETTER * len(text), spot[2] + LINE / 2))
        assert all(box[0] >= 0 and box[2] <= 400 for box in boxes) and len(boxes) > 2
        assert not any(a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3] for a, b in combinations(boxes, 2))
        assert not any(b[0] < x < b[2] and b[1] < y < b[3] for x, y in points for b in boxes)
    assert beside([(100, 100), (100, 111)], ["a", "b"], (200, 200)) == [("left", 110, 88), ("left", 110, 111)]


def test_ticks_and_counts_by_hand() -> None:
    assert [listed(list(names), 3) for names in ("", "a", "ab", "abc", "abcd")] == [
        *("", "a", "a and b", "a, b and c", "a, b, c and 1 more")
    ]
    assert ticks((3e8, 2e9)) == [5e8, 1e9, 2e9] and ticks((1e5, 3e8)) == [1e5, 1e6, 1e7, 1e8]
    assert [short(n) for n in (0, 999, 1000, 99_960, 999_600, 1_807_753)] == [
        *("0", "999", "1.00\u00a0k", "100\u00a0k", "1.00\u00a0M", "1.81\u00a0M")
    ]


def test_what_has_no_cost_is_said_and_not_drawn(made: Path) -> None:
    results = read(made)
    results.runs["unet"][0].cost["parameters"] = 0
    results.runs["fcn-r18-d8"][0].cost["flops"] = None
    found = architectures.context(results)
    assert found["undrawn"] == {"flops": ["fcn-r18-d8"], "parameters": ["unet"]}
    assert "fcn-r18-d8" not in found["scatters"]["flops"].svg and "fcn-r18-d8" in found["scatters"]["parameters"].svg


def test_several_seeds_one_network_and_an_empty_test_split(made: Path) -> None:
    two = render(read(made, (0, 1)))
    means = [metrics(made, "unet", seed)["mIoU"] for seed in (0, 1)]
    figure = f"{np.mean(means):.3f} ± {np.std(means, ddof=1):.3f}"
    assert figure in two and figure in summary(read(made, (0, 1)))
    one = read(made, names=["unet"], gallery=0)
    assert architectures.context(one)["scatters"] == {} and "**unet reaches 0." in summary(one)

    for run in one.runs["unet"]:
        run.metrics["test"] = Tally("test", one.header, fake.QUALITY).evaluation().metrics
        run.matrices.pop("test")
    assert forest(one, ["unet"]) is None and classes.context(one)["chart"] is None
    assert "the test split is empty" in summary(one) and "The test split is empty" in render(one)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (12.3456, "12.346"),
        (0.5, "0.500"),
        (-7.5e-05, "-0.000075"),
        (1.234e-08, "0.0000000123"),
        (0.01, "0.01"),
        (0, "0"),
    ],
)
def test_values_of_curves_have_no_exponent(value: float, said: str) -> None:
    assert curves.digits(value) == said


def test_curves_are_those_of_the_runs(made: Path) -> None:
    found = curves.context(read(made, (0, 1)))["charts"]["val/mIoU"]
    values: dict[int, list[float]] = {}
    for seed in (0, 1):
        for line in (made / f"results/unet/{seed}/train/curves.csv").read_text().splitlines():
            if ",val/mIoU," in line:
                values.setdefault(int(line.split(",")[0]), []).append(float(line.split(",")[2]))
    means = [["unet", x, f"{np.mean(ys):.3f}"] for x, ys in sorted(values.items())]
    assert [row for row in found.rows if row[0] == "unet"] == means
    assert found.svg.count('stroke-width="1"') >= 8  # two seeds of four architectures


def test_one_learning_rate_for_all_is_one_line(made: Path) -> None:
    results = read(made)
    for runs in results.runs.values():
        runs[0].curves["train/lr"] = [(10, 0.001), (20, 0.0005)]
    assert {row[0] for row in curves.context(results)["charts"]["train/lr"].rows} == {"all architectures"}
    results.runs["unet"][0].curves["train/lr"] = [(10, 0.002)]
    assert {row[0] for row in curves.context(results)["charts"]["train/lr"].rows} == set(fake.ARCHITECTURES)
    for runs in results.runs.values():
        runs[0].curves.clear()
    assert curves.context(results)["charts"] == {}


def test_the_summary_fits_a_screen_and_no_name_breaks_it(made: Path, page: Page) -> None:
    results = read(made)
    text = summary(results)
    assert len(text.splitlines()) < 60
    assert NASTY not in text and "&lt;img src=x onerror=alert(1)>" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows} == {11, 6}
    landing = read_json(made / "results" / next(iter(results.runs)) / "0/measure/landing.json")
    assert "Landing: " in text and landing["asked"]
    tags = [attributes for tag, attributes in page.tags if tag == "img"]
    assert not [one for one in tags if "onerror" in one]
    assert summary(read(made)) == text
