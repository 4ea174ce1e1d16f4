"""The report: its numbers by another way, its bytes, its escaping, and what it does where something is missing."""

from __future__ import annotations

import csv
import json
import re
import shutil
from functools import reduce
from html.parser import HTMLParser
from operator import getitem
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score

from pipelines.revision import flatten
from stages.dataset import Sample, read_split
from stages.errors import PixelproofError
from stages.evaluate.split import Tally
from stages.files import read_json, write_json
from stages.report.__main__ import write
from stages.report.charts import line_chart, ticks
from stages.report.figures import Figure
from stages.report.gallery import pick
from stages.report.markdown import plain, shown
from stages.report.params import Params, Report, Seeds
from tests.report import fake


def params(seeds: tuple[int, ...] = (0,), gallery: int = 2) -> Params:
    """Params for the fake results."""
    return Params(architectures=fake.ARCHITECTURES, train=Seeds(seeds=list(seeds)), report=Report(gallery=gallery))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of four architectures from two seeds."""
    root = tmp_path_factory.mktemp("made")
    fake.make(root, seeds=(0, 1))
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """A copy of them that a test may spoil."""
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


class Page(HTMLParser):
    """What a browser would see: the elements with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_headline_and_classes_by_another_way(root: Path) -> None:
    write(root, params((0, 1)))
    truth = [s.id for s in read_split(root / "data/prepared", "test")]

    def pixels(folder: Path) -> np.ndarray:
        masks = [cv2.imread(str(folder / f"{i}.png"), cv2.IMREAD_UNCHANGED) for i in truth]
        return np.concatenate([np.asarray(mask).ravel() for mask in masks])

    y = pixels(root / "data/prepared/test/masks")
    kept = y != 255
    guesses = [pixels(root / f"results/unet/{seed}/evaluate/masks/test")[kept] for seed in (0, 1)]
    found = json.loads((root / "metrics/unet.json").read_text())
    labels = range(len(fake.CLASSES) - 1)  # no pixel of the last class anywhere
    assert found["test"]["mIoU"] == round(np.mean([jaccard_score(y[kept], p, average="macro") for p in guesses]), 6)
    assert found["test"]["f1"] == round(np.mean([f1_score(y[kept], p, average="macro") for p in guesses]), 6)
    assert found["test"]["pixel_accuracy"] == round(np.mean([(y[kept] == p).mean() for p in guesses]), 6)
    whole = [read_json(root / f"results/unet/{seed}/evaluate/metrics.json")["val"] for seed in (0, 1)]
    for keys in (("boundary", "3", "f1"), ("sizes", "small", "recall"), ("calibration", "ece")):
        figure, *numbers = (reduce(getitem, keys, of) for of in (found["val"], *whole))
        assert figure == round(np.mean(numbers), 6) and 0 < figure < 1
    assert {split: len(flatten(numbers)) for split, numbers in found.items()} == {"test": 9, "val": 9}

    rows = list(csv.DictReader((root / "metrics/per_class.csv").open()))
    assert len(rows) == 4 * 2 * len(fake.CLASSES)
    of_unet = [row for row in rows if row["architecture"] == "unet" and row["split"] == "test"]
    each = np.mean([jaccard_score(y[kept], p, labels=labels, average=None) for p in guesses], axis=0)
    assert [row["iou"] for row in of_unet] == [*(str(round(float(iou), 6)) for iou in each), ""]


def test_the_page_holds_everything_and_needs_nothing(root: Path) -> None:
    write(root, params((0, 1)))
    html = (root / "reports/index.html").read_text()
    page = Page(html)
    text = " ".join(" ".join(page.text).split())
    summary = (root / "reports/summary.md").read_text()
    for name in fake.ARCHITECTURES:
        runs = [read_json(root / f"results/{name}/{seed}/evaluate/metrics.json")["test"]["mIoU"] for seed in (0, 1)]
        figure = f"{np.mean(runs):.3f} ± {np.std(runs, ddof=1):.3f}"
        assert name in text and figure in text and figure in summary
    assert all(label in text and label in summary for label in fake.CLASSES)
    images = [attributes["src"] for tag, attributes in page.tags if tag == "img"]
    assert len(images) == 2 + 2 * (1 + 2 * 4)  # the strip; truth, four predictions and their mistakes
    assert all(source and source.startswith("data:image/png;base64,") for source in images)
    assert sum(tag == "path" for tag, _ in page.tags) == 2 * 4 * 2  # two charts, a line for each run
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert not re.search(r"https?:|//[a-z]|url\((?!\"data:)|@import", re.sub(r"base64,[\w+/=]+", "", html))


def test_same_bytes_elsewhere_and_only_what_params_name(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "elsewhere")
    shutil.copytree(root / "results/unet", root / "results/stale")
    (root / "metrics").mkdir()
    (root / "metrics/stale.json").write_text("{}")
    write(root, params())
    write(tmp_path / "elsewhere", params())

    def written(where: Path) -> dict[str, bytes]:
        files = [path for folder in ("reports", "metrics") for path in (where / folder).rglob("*") if path.is_file()]
        return {str(path.relative_to(where)): path.read_bytes() for path in files}

    assert written(root) == written(tmp_path / "elsewhere")
    assert sorted(written(root)) == [
        *(f"metrics/{name}.json" for name in sorted(fake.ARCHITECTURES)[:2]),
        "metrics/per_class.csv",
        *(f"metrics/{name}.json" for name in sorted(fake.ARCHITECTURES)[2:]),
        "reports/index.html",
        "reports/plots/train_loss.csv",
        "reports/plots/val_mIoU.csv",
        "reports/summary.md",
    ]


def test_names_cannot_break_the_page(tmp_path: Path) -> None:
    nasty = "<script>alert('x')</script>|\"]*"
    fake.make(tmp_path, images=2, size=24, known=fake.header({nasty: (1, 2, 3), "b": (4, 5, 6), "c & d": (7, 8, 9)}))
    write(tmp_path, params())
    page = Page((tmp_path / "reports/index.html").read_text())
    assert "script" not in {tag for tag, _ in page.tags}
    assert nasty in page.text and "c & d" in page.text and "synthetic + a<b> · pixelproof" in page.text
    rows = [line for line in (tmp_path / "reports/summary.md").read_text().splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows} == {9, 6}  # no cell more than the heads have
    assert plain("a|b<c>\nd_e") == "a\\|b&lt;c> d\\_e"


def test_an_empty_test_split_is_said(tmp_path: Path) -> None:
    fake.make(tmp_path, images=2, size=24)
    for name in fake.ARCHITECTURES:
        path = tmp_path / "results" / name / "0/evaluate/metrics.json"
        empty = Tally("test", fake.header(), fake.QUALITY).evaluation(seed=0).metrics
        write_json(path, read_json(path) | {"test": empty})
    write(tmp_path, params(gallery=0))
    assert "the test split is empty" in (tmp_path / "reports/index.html").read_text()
    assert "| unet | absent | absent |" in (tmp_path / "reports/summary.md").read_text()
    kept = json.loads((tmp_path / "metrics/unet.json").read_text())["test"]
    assert kept["mIoU"] is kept["boundary"]["3"]["f1"] is kept["calibration"]["ece"] is None


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        ("results/unet/0/evaluate/metrics.json", None, "no such file; run `dvc repro`"),
        ("results/unet/0/evaluate/metrics.json", "{", "not JSON"),
        ("results/unet/0/evaluate/metrics.json", '{"test": {}, "val": {}}', "numbers of other classes"),
        ("results/unet/0/evaluate/matrices.parquet", "no table", "not the table that evaluate writes"),
        ("results/pspnet-r18/0/train/curves.csv", None, "no such file; run `dvc repro`"),
        ("results/pspnet-r18/0/train/curves.csv", "iteration,name,value\n1,a,much\n", "not rows of iteration"),
        ("results/unet/0/evaluate/masks/test/test-00.png", "no image", "expected a whole PNG image"),
        ("results/data/val.json", None, "no such file; run `dvc repro`"),
    ],
)
def test_what_is_missing_is_named_and_nothing_is_touched(root: Path, path: str, content: str | None, said: str) -> None:
    (root / "metrics").mkdir()
    (root / "metrics/unet.json").write_text("before")
    (root / path).unlink()
    if content is not None:
        (root / path).write_text(content)
    with pytest.raises(PixelproofError) as error:
        write(root, params(gallery=6))
    assert path in str(error.value) and said in str(error.value)
    assert (root / "metrics/unet.json").read_text() == "before"
    assert not (root / "reports").exists()
    assert [p.name for p in root.iterdir() if p.name.startswith(".")] == []


def test_figures_over_seeds() -> None:
    three = Figure((1.0, 2.0, 4.0))
    assert three.mean == 7 / 3 and three.deviation == pytest.approx(1.527525)
    assert (Figure((0.5,)).mean, Figure((0.5,)).deviation) == (0.5, None)
    assert [shown(Figure(values)) for values in ((), (0.12345,), (0.1, 0.3))] == ["absent", "0.123", "0.200 ± 0.141"]


def test_the_gallery_takes_one_image_of_each_group_while_it_can() -> None:
    samples = [Sample(f"{group}-{i}", group, 1, 1, "s") for group in "abcdef" for i in range(3)]
    assert [s.id for s in pick(samples, 3)] == ["b-0", "d-0", "f-0"]
    assert len({s.id for s in pick(samples, 10)}) == 10
    assert pick(samples, 100) == samples and pick(samples, 0) == [] and pick([], 4) == []


def test_charts_by_hand() -> None:
    assert ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert ticks(0.31, 0.87) == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert (ticks(3, 3), ticks(0, 0)) == ([3, 4], [0, 0.2])
    chart = line_chart(
        "t", "n", [("a", 0, [(0, 0.0), (50, 0.5), (100, 1.0)]), ("b", 0, []), ("c", 0, [(9, float("nan"))])]
    )
    assert [line.architecture for line in chart.lines] == ["a"]
    frame = chart.frame
    bottom, right = frame.height - frame.bottom, frame.width - frame.right
    middle = (frame.left + right) / 2, (frame.top + bottom) / 2
    assert chart.lines[0].path == f"M{frame.left} {bottom}L{middle[0]:g} {middle[1]:g}L{right} {frame.top}"
    assert line_chart("t", "n", []).lines == []
