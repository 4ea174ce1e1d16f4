"""What the report says of sizes and of landing: by another way, of hostile names, and of what is not there."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from pixelproof.core.errors import PixelproofError
from pixelproof.data.dataset import ClassInfo, Header
from stages.report import page
from stages.report.charts.areas import Areas, sampled
from stages.report.figures import Figure, ranking
from stages.report.gather import Results, Run, gather
from stages.report.measured import amount, count, percents, read_rows
from stages.report.page import render
from stages.report.params import Params, Report, Seeds
from stages.report.sections import landing, measurement
from tests.stages.report import fake

SEEDS = [0, 1]
SPANS = ((0.4, 0.6), (0.5, 0.8), (0.1, 0.3))
PARAMS = Params(architectures=fake.ARCHITECTURES, train=Seeds(seeds=SEEDS), report=Report(gallery=2))
BAD = ['<img src=x onerror=alert(1)>"', "</script>" + "x" * 60, "car' &amp;", "عربة"]
HOSTILE = Header("bad", tuple(ClassInfo(i, n, (9, 90, 9 * i), i > 1) for i, n in enumerate([*BAD, "roof", "tree"])))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of four architectures from two seeds, of ordinary names."""
    root = tmp_path_factory.mktemp("made")
    fake.make(root, seeds=(0, 1))
    return root


@pytest.fixture(autouse=True)
def _only_these(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "sections", lambda: (measurement, landing))


def changed(results: Results, **parts: Any) -> Results:
    """The same results, with these parts in every run."""
    runs = {name: [replace(run, **parts) for run in group] for name, group in results.runs.items()}
    return replace(results, runs=runs)


def table(root: Path, name: str, seed: int, what: str) -> pandas.DataFrame:
    return pandas.read_csv(root / f"results/{name}/{seed}/measure/{what}.csv")


def test_sizes_by_another_way(made: Path) -> None:
    results = gather(made, PARAMS)
    shown = measurement.context(results)
    for name in fake.ARCHITECTURES:
        for line in shown["lines"][name]:
            tables = [table(made, name, seed, "objects") for seed in SEEDS]
            own = [rows[rows["class"] == line.name] for rows in tables]
            found = [rows[rows["kind"] == "found"] for rows in own]
            assert line.counts["true"].mean == np.mean([(rows["kind"] != "invented").sum() for rows in own])
            assert line.counts["invented"].mean == np.mean([(rows["kind"] == "invented").sum() for rows in own])
            for key, error in line.measurements.items():
                medians = [(f[f"error_{key}"].abs() / f[f"true_{key}"]).median() for f in found if len(f)]
                assert error.relative.values == pytest.approx(medians, abs=2e-6) and error.unit == "px"
                assert error.trusted == (bool(medians) and np.mean(medians) <= 0.1)
                assert error.bias.values == pytest.approx([f[f"error_{key}"].mean() for f in found if len(f)], abs=2e-6)
    first = ranking(results)[0]
    both = pandas.concat([table(made, first, seed, "objects") for seed in SEEDS]).query("kind == 'found'")
    low, high = (both["area"] / both["true_area"]).quantile([0.25, 0.75]) - 1
    assert [f"{low:+.0%}", f"{high:+.0%}"] == shown["facts"][-1][0].replace("\u00a0", "").replace("\u2212", "-").split(
        " to "
    )


def test_metres_count_where_all_seeds_have_some(made: Path) -> None:
    results = gather(made, PARAMS)
    errors = {name: dict.fromkeys(("median_absolute", "median_relative", "bias"), 0.5) | {"objects": 3} for name in (
        *measurement.MEASUREMENTS, *measurement.SURFACE, *(row[1] for row in measurement.MEASUREMENTS.values())
    )}  # fmt: skip
    errors["area_m2"]["bias"] = 2.25
    car = {"true": 4, "found": 3, "missed": 1, "invented": 0, "errors": errors}
    line = measurement.line([replace(results.runs["unet"][0], measured={"classes": {"car": car}})], "car", (0, 0, 0))
    assert (
        line.measurements["area"].unit,
        line.measurements["area"].bias.mean,
        line.measurements["perimeter"].unit,
    ) == ("m²", 2.25, "m")


def test_roofs_of_which_none_was_found_are_not_absent(made: Path) -> None:
    results = gather(made, PARAMS)
    for run in results.runs["unet"]:
        for label, true in (("roof", 7), ("car", 0)):
            own = run.measured["classes"][label]
            own |= {"true": true, "found": 0, "missed": true}
            own["errors"] = {key: dict.fromkeys(of, None) | {"objects": 0} for key, of in own["errors"].items()}
    roof, car = sorted(measurement.context(results)["lines"]["unet"], key=lambda line: -(line.counts["true"].mean or 0))
    assert (roof.name, roof.nothing, car.nothing) == ("roof", "none found", "no objects")
    found = Tags(render(results)).text
    per_network = len(measurement.MEASUREMENTS) * 2 + len(measurement.SURFACE)
    assert found.count("none found") == per_network and found.count("no objects") == per_network


def test_landing_by_another_way(made: Path) -> None:
    results = gather(made, PARAMS)
    shown = landing.context(results)
    for name in fake.ARCHITECTURES:
        tables = [table(made, name, seed, "landing") for seed in SEEDS]
        firsts = [rows[rows["rank"] == 1] for rows in tables]
        judged = [rows[rows["verdict"] != "unknown"] for rows in firsts]
        shares = [(rows["verdict"] == "safe").mean() for rows in judged]
        line = shown["lines"][name]
        assert line.safe["first_disks"].figure.values == pytest.approx(shares, abs=2e-6)
        assert line.lost.values == pytest.approx([rows["lost"].median() for rows in firsts], abs=2e-6)
        assert line.unit == "px" and line.safe["disks"].interval is None  # two seeds: their deviation is shown
        false = [rows[rows["verdict"] == "false"] for rows in tables]
        every = [len(rows[rows["verdict"] != "unknown"]) for rows in tables]
        hits = [f["touched"].astype(str).str.split("|").apply(lambda names: "tree" in names).sum() for f in false]
        expected = np.mean([hit / of for hit, of in zip(hits, every, strict=True)])
        assert landing.causes(results.runs[name]).get("on tree", 0) == pytest.approx(expected)
    for first, second in ((0, 1), (1, 0)):
        ends = [landing.Line({"first_disks": landing.Share(Figure((0.5,)), [*span])}, *[None] * 5) for span in SPANS]  # type: ignore[arg-type]
        assert [landing.overlap(ends[first], ends[second]), landing.overlap(ends[2], ends[first])] == [True, False]
    assert list(shown["pictures"]) == results.runs["unet"][0].landing["pictures"]
    one = [run for run in results.runs["unet"] if run.seed == 0]
    one[0].landing["first_disks"]["safe_interval"] = [0.25, 0.75]
    assert landing.span(landing.share(one, "first_disks", "safe")) == "25\u00a0% to 75\u00a0%"


def test_rules_in_words() -> None:
    away = {"roof": {"metres": 1.0, "pixels": 13.0}, "tree": {"metres": None, "pixels": 2.5}}
    asked = {"safe": [BAD[0]], "forbidden": [BAD[1]], "keep_distance": away, "radius": away["roof"], "disks": 3}
    said = landing.rules(asked, HOSTILE.classes)
    assert [text for _, text in said["distances"]] == ["1\u00a0m (13\u00a0px without a scale)", "2.5\u00a0px"]
    assert [info.name for info in said["unnamed"]] == BAD[2:]  # named nowhere: forbidden


class Tags(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_hostile_names_stay_text_and_bytes_repeat(tmp_path: Path) -> None:
    fake.make(tmp_path, known=HOSTILE)
    params = PARAMS.model_copy(update={"train": Seeds(seeds=[0])})
    html = render(gather(tmp_path, params))
    assert html == render(gather(tmp_path, params))
    found = Tags(html)
    assert all(name in found.text for name in BAD)
    assert not [tag for tag, attributes in found.tags if {"onerror", "style"} & set(attributes)]
    images = [attributes for tag, attributes in found.tags if tag == "img"]
    assert len(images) == 8 and all((a["src"] or "").startswith("data:image/jpeg") and a["alt"] for a in images)
    assert [tag for tag, _ in found.tags].count("script") == 1


def test_nothing_to_measure_and_nowhere_asked_to_land(made: Path) -> None:
    results = gather(made, PARAMS)
    plain = Header("plain", tuple(replace(info, thing=False) for info in results.header.classes))
    none = changed(results, measured={"split": "test", "classes": {}}, landing={"asked": False, "split": "test"})
    text = Tags(render(replace(none, header=plain))).text
    assert "No class of this data is countable" in text and "measure.landing.safe" in text
    with pytest.raises(PixelproofError, match=r"summary.json: objects of classes other than .*; run `dvc repro`"):
        measurement.context(none)


def test_an_empty_split_has_no_numbers(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = gather(made, PARAMS)
    empty = {key: blank(value) for key, value in results.runs["unet"][0].measured.items()}
    asked = results.runs["unet"][0].landing
    landed = blank(asked) | {"rules": asked["rules"], "asked": True, "split": "test"}
    for module in (measurement, landing):
        monkeypatch.setattr(module, "read_rows", lambda *_: [])
    text = Tags(render(changed(results, measured=empty, landing=landed))).text
    assert "No network found an object" in text and "No network chose a disk" in text and "No image was drawn" in text
    assert not re.search(r"\bnan\b|None", text)


def blank(value: Any) -> Any:
    """The same as a stage writes it of nothing: no counts, no shares, no names."""
    if isinstance(value, dict):
        return {} if set(value) <= set(fake.CLASSES) and "car" not in value else {k: blank(v) for k, v in value.items()}
    return (
        [] if isinstance(value, list) else 0 if isinstance(value, int) else None if isinstance(value, float) else value
    )


def test_a_lacking_table_is_one_line(made: Path) -> None:
    run: Run = gather(made, PARAMS).runs["unet"][0]
    with pytest.raises(PixelproofError, match=r"objects.parquet: no column 'wings'; run `dvc repro`"):
        read_rows(run, "objects", ["id", "wings"])
    with pytest.raises(PixelproofError, match=r"birds.parquet: no such file; run `dvc repro`"):
        read_rows(run, "birds", ["id"])


def test_points_are_drawn_evenly() -> None:
    areas: Areas = [(float(i + 1), float(i + 1), f"class {i % 12:02}", "a") for i in range(1000)]
    drawn = sampled(areas, 4)
    assert len(drawn) == 400 and (drawn[0], drawn[-1]) == (areas[0], areas[-1])
    assert set(np.diff([row[0] for row in drawn])) == {2.0, 3.0}
    assert len(sampled(areas, 12)) == 200 and sampled(areas[:9], 1) == areas[:9]


def test_how_numbers_are_written() -> None:
    one, two, none = Figure((0.0984,)), Figure((24.0, 25.1)), Figure(())
    assert [percents(one), percents(none), count(two), count(Figure((1234.0,)))] == [
        "9.8\u00a0%", "absent", "24.6 ± 0.8", "1,234",
    ]  # fmt: skip
    assert amount(Figure((-0.0004,)), "m", True) == "0.000\u00a0m" and amount(none, "m") == "absent"
    assert amount(Figure((-24.55,)), "px", True) == "\u221224.6\u00a0px" and amount(two, "°", True) == "+24.6 ± 0.8°"
