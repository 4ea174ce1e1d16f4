"""The catalogue names what there is, the docs list it, and a new metric is an entry and a function."""

from __future__ import annotations

import json
from functools import reduce
from operator import getitem
from pathlib import Path

import numpy as np
import pytest

from pixelproof.core.errors import StateError
from pixelproof.data.dataset import Sample
from pixelproof.scoring.catalogue import BEGIN, CATALOGUE, END, METRICS, headlines, markdown, with_table
from stages.evaluate.instances import said_of
from stages.evaluate.split import Tally
from tests.stages.report import fake
from tests.workspace import ROOT, make_workspace


def test_an_entry_has_one_name_and_one_line_and_leads_to_a_number_of_evaluate() -> None:
    truth, labels = np.zeros((32, 32), np.uint8), np.zeros((32, 32), np.uint8)
    car = fake.header().names().index("car")
    truth[8:14, 8:14], labels[8:14, 8:13] = car, car
    tally = Tally("test", fake.header(), fake.QUALITY)
    things = [info.id for info in fake.header().classes if info.thing]
    said = said_of(labels, np.full((32, 32), 0.9, np.float32), None, things, fake.QUALITY.objects)
    tally.add(Sample("a", "g", 32, 32, "synthetic"), truth, said)
    found = tally.evaluation().metrics
    for metric in METRICS:
        keys = [str(fake.QUALITY.boundary.tolerances[-1]) if key == "*" else key for key in metric.keys]
        number = reduce(getitem, keys, found["classes"]["car"] if metric.per_class else found)
        assert isinstance(number, float) and 0 <= number <= 1, metric.name
        same = CATALOGUE.get(metric.same_as or metric.name)
        assert same and (same.formula, same.classes, same.better) == (metric.formula, metric.classes, metric.better)
        assert metric.title and "\n" not in metric.meaning and "|" not in metric.meaning
    assert len(CATALOGUE) == len(METRICS)


def test_five_headlines_are_kept_by_git() -> None:
    assert [metric.name for metric in headlines()] == ["mIoU", "pixel_accuracy", "mean_f1", "boundary_f1", "ece"]


def test_the_docs_list_the_catalogue() -> None:
    text = (ROOT / "docs/metrics.md").read_text()
    command = "bin/python -m pixelproof.scoring.catalogue docs/metrics.md"
    assert with_table(text, "docs/metrics.md") == text, f"run `{command}`"
    assert command in text and all(f"\n| `{name}` |" in text for name in CATALOGUE)


def test_the_table_has_one_place_in_a_page() -> None:
    assert with_table(f"a\n{BEGIN} old {END}\nb", "p.md") == f"a\n{BEGIN}\n\n{markdown()}\n{END}\nb"
    for page in ("", BEGIN, f"{END}{BEGIN}", f"{BEGIN}{END}{BEGIN}", f"{BEGIN}{END}{END}"):
        with pytest.raises(
            StateError, match=r"^p\.md: not one place for the table of metrics; expected <!-- metrics -->"
        ):
            with_table(page, "p.md")


# --- a new metric ----------------------------------------------------------------------------------------------------

FUNCTIONS = '''
def pixel_error(of: Counts) -> Floats:
    """The share of all pixels that are wrong."""
    return 1 - pixel_accuracy(of)


def miss_rate(of: Counts) -> Floats:
    """Of each class: the share of its true pixels that are missed."""
    return 1 - recall(of)


'''
ENTRIES = """
    Metric("pixel_error", "pixel error", "what is wrong", "pooled", "lower", True, formulas.pixel_error),
    Metric("miss_rate", "miss rate", "what is missed", "each", "lower", formula=formulas.miss_rate),
"""
USE = """
import json, sys
from pathlib import Path
from commands._card import metrics_table
from pipelines.compare.metrics import compare_metrics
from pipelines.compare.significance import Pair, judge
from pipelines.params import Compare, Gate, Judgement
from pixelproof.core.files import read_json
from stages.report.__main__ import write
from stages.report.gather import gather
from tests.stages.report import fake
from tests.stages.report.test_report import params

root = Path(sys.argv[1])
fake.make(root, images=6, size=32, in_group=1)
write(root, params())
results = gather(root, params())
matrices = {0: results.runs["unet"][0].matrices["test"]}
tested = {name: Judgement(better="lower", tolerance=0.01) for name in ("pixel_error", "miss_rate")}
rows = judge(
    [Pair("test", "unet", matrices, matrices)],
    results.header.names(),
    Compare(alpha=0.05, metrics=tested, objects=0.01, gate=Gate(metric="pixel_error", alarm=0.05)),
)
kept = [{"unet": {"test.pixel_error": value}} for value in (0.1, 0.2)]
evaluated = read_json(root / "results/unet/0/evaluate/metrics.json")
found = {
    "judged": [[row.metric, row.label, row.base] for row in rows],
    "untested": [row.verdict for row in compare_metrics(*kept)],
    "card": metrics_table(evaluated)[0],
}
(root / "found.json").write_text(json.dumps(found))
"""


def test_a_new_metric_is_an_entry_and_a_function(tmp_path: Path) -> None:
    """It is then in metrics.json, in the report and metrics/, in what compare knows, in model cards and in the docs."""
    workspace, root = make_workspace(tmp_path).forked(), tmp_path / "made"
    mark = "# --- helpers"
    workspace.edit("pixelproof/scoring/formulas.py", mark, FUNCTIONS.lstrip() + mark)
    workspace.edit("pixelproof/scoring/catalogue.py", "\n)\nCATALOGUE =", f"{ENTRIES})\nCATALOGUE =")
    assert workspace.run("git", "status", "--porcelain").splitlines() == [
        " M pixelproof/scoring/catalogue.py",
        " M pixelproof/scoring/formulas.py",
    ]
    workspace.run("bin/python", "-c", USE, str(root))
    test = json.loads((root / "results/unet/0/evaluate/metrics.json").read_text())["test"]
    assert test["pixel_error"] == pytest.approx(1 - test["pixel_accuracy"])
    low, high = test["intervals"]["pixel_accuracy"]
    assert test["intervals"]["pixel_error"] == pytest.approx([1 - high, 1 - low])
    assert test["classes"]["car"]["miss_rate"] == pytest.approx(1 - test["classes"]["car"]["recall"])
    assert test["classes"]["pool"]["miss_rate"] is None and "miss_rate" in test["intervals"]["classes"]["car"]

    page = " ".join((root / "reports/index.html").read_text().split())
    assert '<th scope="col">pixel error</th>' in page and "Pixel error: what is wrong." in page
    assert "<b>Miss rate</b> what is missed; lower is better</p>" in page
    assert "| pixel error |" in (root / "reports/summary.md").read_text()
    kept = json.loads((root / "metrics/unet.json").read_text())
    assert len(kept["val"]) == 6 and kept["test"]["pixel_error"] == round(test["pixel_error"], 6)
    assert "miss_rate" in (root / "tables/per_class.csv").read_text().splitlines()[0].split(",")

    found = json.loads((root / "found.json").read_text())
    assert found["judged"][0] == ["pixel_error", None, test["pixel_error"]]
    assert ["miss_rate", "car", test["classes"]["car"]["miss_rate"]] in found["judged"]
    assert found["untested"] == ["worse"]
    assert found["card"].endswith("| pixel error |")

    before = (workspace.folder / "docs/metrics.md").read_text()
    workspace.run("bin/python", "-m", "pixelproof.scoring.catalogue", "docs/metrics.md")
    lines = (workspace.folder / "docs/metrics.md").read_text().splitlines()
    assert [line for line in lines if line not in before.splitlines()] == [
        "| `pixel_error` | pixel error | what is wrong | lower | all together | yes | yes | `pixel_error` |",
        "| `miss_rate` | miss rate | what is missed | lower | each class |  | yes | `classes.<class>.miss_rate` |",
    ]
