"""The report: its numbers by another way, its bytes, its escaping, and what it does where something is missing."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from base64 import b64decode
from collections import Counter
from functools import reduce
from hashlib import sha256
from html import escape
from html.parser import HTMLParser
from operator import getitem
from pathlib import Path

import cv2
import numpy as np
import pytest
from dvc.repo import Repo
from sklearn.metrics import f1_score, jaccard_score

from pixelproof.core.errors import PixelproofError
from pixelproof.core.files import read_json
from pixelproof.core.params import check
from pixelproof.data.dataset import read_split
from stages.report.__main__ import refuse_leftovers, write
from stages.report.charts.chart import draw, hue, plot, trimmed
from stages.report.figures import Figure
from stages.report.markdown import plain, shown
from stages.report.params import Params, Report, Seeds
from tests.browser import HOSTILE
from tests.stages.report import fake
from tests.workspace import ROOT

FONTS = ("/usr/share/fonts", "/usr/local/share/fonts", "/usr/share/texmf/fonts")


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
        self.inside: dict[str, str] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        tag, attributes = self.tags[-1] if self.tags else ("", {})
        if tag in ("script", "style") and "type" not in attributes:
            self.inside.setdefault(tag, data)

    def count(self) -> Counter[str]:
        """How many elements of each kind there are."""
        return Counter(tag for tag, _ in self.tags)


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
    assert found["test"]["mean_f1"] == round(np.mean([f1_score(y[kept], p, average="macro") for p in guesses]), 6)
    assert found["test"]["pixel_accuracy"] == round(np.mean([(y[kept] == p).mean() for p in guesses]), 6)
    whole = [read_json(root / f"results/unet/{seed}/evaluate/metrics.json")["val"] for seed in (0, 1)]
    for name, keys in (("boundary_f1", ("boundary", "3", "f1")), ("ece", ("calibration", "ece"))):
        figure, numbers = found["val"][name], [reduce(getitem, keys, of) for of in whole]
        assert figure == round(np.mean(numbers), 6) and 0 < figure < 1
    assert {split: len(numbers) for split, numbers in found.items()} == {"test": 5, "val": 5}

    rows = list(csv.DictReader((root / "tables/per_class.csv").open()))
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
    count = page.count()
    assert [count[f"h{level}"] for level in (1, 2)] == [1, count["section"]]
    assert not count.keys() & {"link", "base", "iframe", "object", "embed", "form", "video", "audio"}
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], attributes
        loaded = [attributes.get(name) or "" for name in ("src", "srcset", "poster", "data", "xlink:href", "action")]
        assert all(source.startswith("data:image/") for source in loaded if source)
        assert (attributes.get("href") or "#").startswith(("#", "data:image/"))
    assert not re.search(r"@import|url\((?!['\"]?data:)", page.inside["style"])


def test_the_policy_names_the_one_style_and_the_one_script_by_their_hashes(root: Path) -> None:
    write(root, params())
    page = Page((root / "reports/index.html").read_text())
    (policy,) = (found["content"] for _, found in page.tags if found.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.split(" ", 1) for rule in (policy or "").split("; "))
    for tag in ("style", "script"):
        (digest,) = re.fullmatch(r"'sha256-(.{44})'", rules.pop(f"{tag}-src")).groups()  # type: ignore[union-attr]
        assert b64decode(digest) == sha256(page.inside[tag].encode()).digest()
    allowed = {"default-src": "'none'", "img-src": "data:", "base-uri": "'none'", "form-action": "'none'"}
    assert rules == allowed
    scripts = [found.get("type") for tag, found in page.tags if tag == "script"]
    assert [kind for kind in scripts if kind != "application/json"] == [None]


def test_same_bytes_elsewhere_and_only_what_params_name(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "elsewhere")
    shutil.copytree(root / "results/unet", root / "results/stale")
    (root / "metrics").mkdir()
    (root / "metrics/stale.json").write_text("{}")
    write(root, params())
    write(tmp_path / "elsewhere", params())

    def written(where: Path) -> dict[str, bytes]:
        files = [
            path
            for folder in ("reports", "metrics", "tables")
            for path in (where / folder).rglob("*")
            if path.is_file()
        ]
        return {str(path.relative_to(where)): path.read_bytes() for path in files}

    assert written(root) == written(tmp_path / "elsewhere")
    of_each = ("metrics/{}.json", "reports/plots/confusion/{}.csv", "reports/plots/iou/{}.csv")
    pictures = [path for path in written(root) if path.startswith("reports/plots/predictions/")]
    assert {str(Path(path).parent) for path in pictures} == {
        f"reports/plots/predictions/{name}" for name in fake.ARCHITECTURES
    }
    assert sorted(written(root).keys() - set(pictures)) == sorted(
        [
            *(path.format(name) for path in of_each for name in fake.ARCHITECTURES),
            "tables/per_class.csv",
            "reports/index.html",
            "reports/plots/train_loss.csv",
            "reports/plots/val_mIoU.csv",
            "reports/summary.md",
            "reports/vega.js",
        ]
    )


ELSEWHERE = """
import sys
from pathlib import Path
from stages.report.__main__ import refuse_leftovers, write
from stages.report.params import Params
write(Path(sys.argv[1]), Params.model_validate_json(sys.argv[2]))
"""


def test_same_bytes_in_a_process_of_other_settings_that_sees_no_fonts(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "elsewhere")
    write(root, params())
    hide = "".join(f"[ ! -d {folder} ] || mount -t tmpfs none {folder}; " for folder in FONTS)
    hidden = ["unshare", "--mount", "--map-root-user", "sh", "-ec", f'{hide} exec "$@"', "sh"]
    if not shutil.which("unshare") or subprocess.run([*hidden, "true"], capture_output=True, check=False).returncode:
        hidden = []  # nobody may hide the fonts of this system: all else is tested
    run = [sys.executable, "-c", ELSEWHERE, str(tmp_path / "elsewhere"), params().model_dump_json()]
    settings = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    subprocess.run([*hidden, *run], cwd=ROOT, env=settings, check=True)
    for path in ("reports/index.html", "reports/summary.md", "tables/per_class.csv"):
        assert (root / path).read_bytes() == (tmp_path / "elsewhere" / path).read_bytes()


def test_names_cannot_break_the_page(tmp_path: Path) -> None:
    pages = []
    for name, classes in (("plain", "abcdefg"), ("hostile", HOSTILE)):
        known = fake.header({label: (20 * i, 100, 30) for i, label in enumerate(classes)})
        fake.make(tmp_path / name, images=2, size=24, known=known)
        write(tmp_path / name, params())
        pages.append(Page((tmp_path / name / "reports/index.html").read_text()))
    plain_page, page = pages
    text = " ".join(" ".join(page.text).split())
    assert [name for name in (*HOSTILE, "synthetic + a<b> · pixelproof") if " ".join(name.split()) not in text] == []
    assert page.count() == plain_page.count()
    for line in (tmp_path / "hostile/reports/summary.md").read_text().splitlines():
        assert "<img" not in line and "<script" not in line
    assert plain("a|b<c>\nd_e") == "a|b&lt;c> d\\_e"


def test_no_name_makes_another_column(tmp_path: Path) -> None:
    names = ("a|b", "|", "c\nd|e")
    known = fake.header({label: (20 * i, 100, 30) for i, label in enumerate(names)})
    fake.make(tmp_path, images=2, size=24, known=known)
    write(tmp_path, params())
    tables = (tmp_path / "reports/summary.md").read_text().split("\n\n")
    widths = [
        {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()} for table in tables if table[0] == "|"
    ]
    assert len(widths) >= 2 and all(len(found) == 1 for found in widths)


def test_an_empty_test_split_is_said(tmp_path: Path) -> None:
    fake.make(tmp_path, images=2, size=24, without="test")
    write(tmp_path, params())
    page = Page((tmp_path / "reports/index.html").read_text())
    assert "the test split is empty" in " ".join(page.text)
    assert re.search(r"^\| unet \|(.* )?absent \|", (tmp_path / "reports/summary.md").read_text(), re.MULTILINE)
    kept = json.loads((tmp_path / "metrics/unet.json").read_text())
    assert kept["test"]["mIoU"] is kept["test"]["boundary_f1"] is kept["test"]["ece"] is None
    assert kept["val"]["mIoU"] > 0
    plots = tmp_path / "reports/plots"
    assert {path.stem for path in plots.glob("*/*-val*")} == {f"{name}-val" for name in fake.ARCHITECTURES}
    with contextlib.chdir(tmp_path):
        found = Repo.init(no_scm=True).plots.show()["workspace"]  # DVC's own view of them
    assert "'error'" not in str(found)
    pictures = {path for path in plots.rglob("*") if path.is_file()}
    assert len([path for path in pictures if path.relative_to(tmp_path).as_posix() in str(found)]) == len(pictures) > 8
    assert not re.search(r"\b(None|nan|inf|undefined)\b", " ".join(page.text[: page.text.index(page.inside["script"])]))


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        ("results/unet/0/evaluate/metrics.json", None, "no such file; run `dvc repro`"),
        ("results/unet/0/evaluate/metrics.json", "{", "not JSON"),
        (
            "results/unet/0/evaluate/metrics.json",
            '{"test": {}, "val": {}}',
            "classes other than those of data/prepared",
        ),
        ("results/unet/0/evaluate/matrices.parquet", "no table", "not the table that evaluate writes"),
        ("results/pspnet-r18/0/train/curves.csv", None, "no such file; run `dvc repro`"),
        ("results/pspnet-r18/0/train/curves.csv", "iteration,name,value\n1,a,much\n", "not rows of iteration"),
        ("results/pspnet-r18/0/train/curves.csv", "iteration,name,value\n1,a\n", "not rows of iteration"),
        ("results/data/val.json", None, "no such file; run `dvc repro`"),
        ("results/data/test.json", "[]", "not an object with images"),
        ("results/unet/0/evaluate/calibration.json", None, "no such file; run `dvc repro`"),
        ("results/unet/0/evaluate/calibration.json", "[1]", "not an object with test, val"),
        ("results/unet/0/measure/summary.json", None, "no such file; run `dvc repro`"),
        ("results/unet/0/measure/summary.json", "{", "not JSON"),
        ("results/unet/0/measure/landing.json", None, "no such file; run `dvc repro`"),
        ("results/unet/0/measure/landing.json", "{}", "not an object with asked"),
        ("data/prepared/dataset.json", None, "no such file"),
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


SVG = """<svg xmlns="http://www.w3.org/2000/svg" class="marks" width="80" height="40" viewBox="0 0 80 40">
<g role="graphics-object" aria-roledescription="symbol mark container"><path role="graphics-symbol" aria-label="{tip}"
 aria-roledescription="point" class="a" d="M0,0"/><path role="graphics-symbol" aria-label="its first point"
 aria-roledescription="line mark" d="M0,0L1,1"/></g>
<g role="graphics-symbol" aria-roledescription="axis" aria-label="X-axis"><text font-family="Arial">1</text></g>
</svg>"""


@pytest.mark.parametrize("name", HOSTILE)
def test_a_chart_keeps_what_the_page_needs(name: str) -> None:
    root = ElementTree.fromstring(trimmed(SVG.replace("{tip}", escape(name)), name))
    size = {"width": "80", "height": "40", "viewBox": "0 0 80 40"}
    assert root.attrib == {"role": "img", "aria-label": name, **size}
    assert [e.get("data-tip") for e in root.iter() if e.get("data-tip")] == [name], "no tip of lines and axes"
    assert {key for e in root.iter() if e is not root for key in e.attrib} == {"d", "data-tip"}


def test_a_drawn_chart_breaks_no_policy() -> None:
    import altair as alt

    rows = [{"name": name, "value": i} for i, name in enumerate(HOSTILE)]
    bars = plot(rows).encode(x="value:Q", y="name:N", color=hue(HOSTILE, field="name", type="nominal"))
    marks = bars.mark_bar() + bars.mark_point(filled=True, opacity=1) + bars.mark_text().encode(text="name:N")
    chart = draw(marks.encode(tooltip=alt.value(None)), "t", "n", "a chart", ["name"], [[name] for name in HOSTILE])
    root = ElementTree.fromstring(chart.svg)
    used = {key for element in root.iter() for key in element.attrib}
    assert not used & {"style", "id", "class", "font-family"} and not {key for key in used if key.startswith("on")}
    assert {element.tag.partition("}")[2] for element in root.iter()} <= {"svg", "g", "path", "line", "text", "rect"}
    words = "".join(root.itertext())
    assert all(name[:12] in words for name in HOSTILE)
    colours = {element.get(key) for element in root.iter() for key in ("fill", "stroke")} - {
        None,
        "none",
        "transparent",
    }
    assert all(colour and colour.startswith("var(--") for colour in colours)


def test_a_chart_that_clips_is_the_same_whatever_was_drawn_before() -> None:
    import altair as alt

    def clipped(width: int) -> str:
        encoded = plot([{"a": 1, "b": 2}], width=width).mark_point(clip=True).encode(x="a:Q", y="b:Q")
        return draw(encoded.encode(color=alt.value("var(--ink)")), "t", "n", "a chart", [], []).svg

    first, other, again = clipped(50), clipped(60), clipped(50)
    assert first == again
    ids, others = (set(re.findall(r' id="([^"]+)"', svg)) for svg in (first, other))
    assert ids and ids == set(re.findall(r"url\(#([^)]+)\)", first)) and not ids & others, "one page holds both"


def test_results_of_networks_that_params_do_not_name_are_refused(root: Path) -> None:
    """They lie in folders that the stage depends on, and would enter dvc.lock."""
    (root / "results/data/0").mkdir(parents=True)
    (root / "results/data/0/kept.json").touch()
    refuse_leftovers(root, params((0, 1)))
    with pytest.raises(PixelproofError, match=r"left over from networks or seeds.*`bin/pixelproof gc`") as refused:
        refuse_leftovers(root, params((0,)))
    left = [f"{folder}/{name}/1" for folder in ("models", "results") for name in sorted(fake.ARCHITECTURES)]
    assert str(refused.value).startswith(f"{', '.join(left)}: ")


@pytest.mark.parametrize(("seeds", "found"), [([-1], "seeds.0: found -1"), ([0, 0], "seeds: found .* once")])
def test_each_seed_is_given_once_and_none_is_negative(seeds: list[int], found: str) -> None:
    with pytest.raises(PixelproofError, match=f"^params.yaml: train.{found}"):
        check(Seeds, {"seeds": seeds}, "train.")


@pytest.mark.parametrize("name", ["data/prepared/notes.txt", "models/best.pth", "results/unet/old.csv"])
def test_files_that_no_stage_has_written_are_refused(root: Path, name: str) -> None:
    """They lie in folders that the stage depends on, and would enter dvc.lock."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    refuse_leftovers(root, params((0, 1)))
    (root / name).with_name(".DS_Store").touch()  # DVC does not hash it
    refuse_leftovers(root, params((0, 1)))
    (root / name).touch()
    with pytest.raises(PixelproofError, match=rf"^{name}: "):
        refuse_leftovers(root, params((0, 1)))
