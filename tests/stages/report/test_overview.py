"""The sections around the results: what the best reaches, the graph, the data, augmentation, and what it rests on."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from pipelines.dvc.graph import open_repo
from pixelproof.augmentation.policies import POLICIES
from pixelproof.augmentation.steps import Step as AnyStep
from pixelproof.core.errors import DataError
from pixelproof.core.files import read_json, write_json
from pixelproof.core.params import load, read_yaml
from pixelproof.data.dataset import ClassInfo, Header, Sample, read_split
from pixelproof.data.images import decode
from stages.augment.copies import augment as make_copies
from stages.augment.params import Augment, Rare
from stages.evaluate.split import Tally
from stages.report.charts.graph import draw, edges_of, layers_of, stages_of
from stages.report.figures import ranking
from stages.report.gather import Results, gather
from stages.report.page import render
from stages.report.params import Params
from stages.report.pictures import colours, painted
from stages.report.sections import augmentation, data, graph, overview, provenance
from stages.report.steps import WORDS, Step, in_words, step
from tests.stages.report import fake
from tests.workspace import ROOT

HOSTILE = "<img src=x onerror=alert(1)>\"'</script>" + "مرحبا" + "x" * 60


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fake results of one seed."""
    folder = tmp_path_factory.mktemp("overview")
    fake.make(folder, images=6, size=48, in_group=1)
    return folder


def params(**changes: Any) -> Params:
    """The real params, with some sections changed."""
    values = {key: value for key, value in read_yaml(ROOT / "params.yaml").items() if key != "pipelines"}
    return Params.model_validate(values | {"architectures": fake.ARCHITECTURES} | changes)


def read(root: Path, **changes: Any) -> Results:
    """What the report reads below root."""
    return gather(root, params(**changes))


# --- at a glance ------------------------------------------------------------------------------------------------------


def test_the_large_numbers_are_those_of_the_best(root: Path) -> None:
    results = read(root)
    metrics = {name: read_json(root / f"results/{name}/0/evaluate/metrics.json")["test"] for name in results.runs}
    best = max(metrics.values(), key=lambda test: test["mIoU"])
    numbers = overview.context(results)["numbers"]
    assert [n.figure.mean for n in numbers] == [
        best["mIoU"], best["pixel_accuracy"], best["boundary"]["3"]["f1"],
        best["sizes"]["small"]["recall"], best["calibration"]["ece"],
    ]  # fmt: skip
    assert [n.interval for n in numbers[:3]] == [
        tuple(best["intervals"]["mIoU"]),
        tuple(best["intervals"]["pixel_accuracy"]),
        None,
    ]
    assert numbers[2].beside == f"at 1 px: {best['boundary']['1']['f1']:.3f}"
    html = render(results)
    assert f"{best['mIoU']:.3f}" in html and "95 % interval" in html


def test_the_example_is_in_the_middle_as_photograph_truth_and_prediction(root: Path) -> None:
    results = read(root)
    run = results.runs[ranking(results)[0]][0]
    pixels = {}
    for sample in read_split(results.data, "test"):
        folders = (root / "data/prepared/test/masks", run.folder / "evaluate/masks/test")
        pixels[sample.id] = tuple(decode(folder / f"{sample.id}.png", cv2.IMREAD_UNCHANGED) for folder in folders)
    scores = {
        name: jaccard_score(truth[truth != 255], found[truth != 255], average="macro")
        for name, (truth, found) in pixels.items()
    }
    found = overview.example(results, run)
    assert found is not None and found.id == sorted(scores, key=lambda name: (scores[name], name))[2]
    assert found.score == pytest.approx(scores[found.id])
    palette = colours(results.header)
    assert [found.truth, found.prediction] == [painted(mask, palette) for mask in pixels[found.id]]
    there = np.unique(np.concatenate([mask.ravel() for mask in pixels[found.id]])).tolist()
    assert [info.id for info in found.classes] == [label for label in there if label != 255]


def test_several_seeds_show_their_deviation_and_no_interval(tmp_path: Path) -> None:
    fake.make(tmp_path, seeds=(0, 1), images=2, size=32)
    results = read(tmp_path, train={**params().train.model_dump(), "seeds": [0, 1]})
    assert overview.numbers(results.runs["unet"])[0].interval is None
    html = render(results)
    assert "mean ± standard deviation over 2 seeds" in html and '<p class="range">± 0.' in html
    stages = graph.context(results)["stages"]
    assert {stage.name: stage.runs for stage in stages if stage.matrix} == dict.fromkeys(
        ("train", "evaluate", "measure"), 8
    )


def test_what_an_empty_test_split_cannot_tell_is_absent(tmp_path: Path) -> None:
    fake.make(tmp_path, images=2, size=32)
    for name in fake.ARCHITECTURES:
        path = tmp_path / "results" / name / "0/evaluate/metrics.json"
        empty = Tally("test", fake.header(), fake.QUALITY).evaluation().metrics
        write_json(path, read_json(path) | {"test": empty})
    for path in (tmp_path / "data/prepared/test").rglob("*.png"):
        path.unlink()
    index = tmp_path / "data/prepared/test/index.csv"
    index.write_text(index.read_text().splitlines()[0] + "\n")
    card = tmp_path / "results/data/test.json"
    classes = [{**entry, "share": None} for entry in read_json(card)["classes"]]
    write_json(card, read_json(card) | {"images": 0, "groups": 0, "classes": classes})
    html = render(read(tmp_path))
    assert html.count('<p class="big muted">absent</p>') == 5
    assert "The test split has no image to show" in html
    assert "interval: where" not in " ".join(html.split())


# --- the graph --------------------------------------------------------------------------------------------------------


def test_the_graph_is_the_one_that_dvc_has() -> None:
    stages = stages_of(read_yaml(ROOT / "dvc.yaml"), params().model_dump())
    found = {(stages[one].name, stages[other].name) for one, other in edges_of(stages)}
    with open_repo(ROOT) as repo:
        expected = {(to.name.split("@")[0], at.name.split("@")[0]) for at, to in repo.index.graph.edges if to.cmd}
        runs = [stage.name.split("@")[0] for stage in repo.index.stages if stage.cmd]
    assert found == expected
    assert {stage.name: runs.count(stage.name) for stage in stages} == {
        s.name: len(fake.ARCHITECTURES) if s.matrix else 1 for s in stages
    }


def test_code_is_counted_and_data_is_named() -> None:
    deps = ["data/in", "pixelproof/core", "pixelproof/__init__.py", "stages/one", "requirements.lock"]
    (stage,) = stages_of({"stages": {"one": {"deps": deps}}}, {})
    assert (stage.data, stage.code) == (["data/in", "requirements.lock"], 3)
    real = {stage.name: stage for stage in stages_of(read_yaml(ROOT / "dvc.yaml"), {})}
    assert real["augment"].data == ["data/prepared/dataset.json", "data/prepared/train"]


def test_a_graph_by_hand() -> None:
    made: dict[str, Any] = {
        "one": {"outs": ["a", {"b": {"cache": False}}], "deps": []},
        "two": {"matrix": {"x": "${list}", "y": [1, 2, 3]}, "deps": ["a/part"], "outs": ["c/${item.x}/d"]},
        "three": {"matrix": {"x": "${nowhere.at.all}"}, "deps": ["c"], "outs": []},
        "aside": {"outs": ["e"]},
        "four": {"deps": ["b", "e", "ab"]},
    }
    stages = stages_of({"stages": made}, {"list": [1, 2]})
    assert [(stage.matrix, stage.runs) for stage in stages] == [
        (False, None), (True, 6), (True, None), (False, None), (False, None),
    ]  # fmt: skip
    edges = edges_of(stages)
    assert edges == [(0, 1), (0, 4), (1, 2), (3, 4)]
    assert layers_of(5, edges) == [0, 1, 2, 0, 1]
    assert layers_of(4, [(0, 1), (1, 2), (3, 2), (0, 2)]) == [0, 1, 2, 1]
    drawing = draw(stages_of({"stages": made | {"five": {"deps": ["a", "c"]}}}, {}))
    assert len(drawing.lines) == 6
    spots = {(box.x, box.y) for box in drawing.boxes}
    assert len(spots) == 6 and all(0 <= x < drawing.width and 0 <= y < drawing.height for x, y in spots)
    assert draw([]).boxes == []


# --- data -------------------------------------------------------------------------------------------------------------


def test_the_classes_of_each_split_are_those_of_the_cards(root: Path) -> None:
    results = read(root)
    lines = data.context(results)["lines"]
    for line in lines:
        for split, share in line.shares.items():
            counts = np.zeros(256)
            for path in (root / f"data/prepared/{split}/masks").glob("*.png"):
                counts += np.bincount(decode(path, cv2.IMREAD_UNCHANGED).ravel(), minlength=256)
            assert share == pytest.approx(counts[line.info.id] / counts[:255].sum())
    rows = data.context(results)["chart"].rows
    assert [row[0] for row in rows] == list(fake.CLASSES)
    assert rows[-1] == ["pool", "0.00\u00a0%", "0.00\u00a0%", "0.00\u00a0%"]


# --- augmentation -----------------------------------------------------------------------------------------------------


def test_shifts_are_counted_from_the_copies_and_their_originals(root: Path) -> None:
    context = augmentation.context(read(root))
    for counted, folder in ((context["before"], "prepared"), (context["after"], "augmented")):
        pixels = np.concatenate(
            [decode(p, cv2.IMREAD_UNCHANGED).ravel() for p in (root / f"data/{folder}/train/masks").iterdir()]
        )
        assert counted.classes == [int((pixels == i).sum()) for i in range(len(fake.CLASSES))]
        assert counted.unlabelled == pytest.approx((pixels == 255).mean())
    with (root / "data/augmented/train/index.csv").open() as file:
        parents = {row["id"]: row["parent"] for row in csv.DictReader(file)}
    assert len(context["families"]) == 4
    assert all(parents[copy.id] == first.id for first, *others in context["families"] for copy in others)
    assert all(len(family) == 2 for family in context["families"])


def test_no_more_images_are_read_than_said(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augmentation, "READ", 4)
    context = augmentation.context(read(root))
    assert (context["copies"], context["counted"]) == (6, 2)
    assert sum(context["after"].classes) + context["after"].ignored == 2 * 48 * 48
    assert "Counted on 2 copies" in render(read(root))
    samples = [Sample(str(i), "g", 1, 1, "s") for i in range(10)]
    assert [s.id for s in augmentation.evenly(samples, 3)] == ["1", "5", "8"]
    assert augmentation.evenly(samples, 99) == samples


def test_the_policies_in_words(root: Path) -> None:
    """Every step that the library has, in words that its settings fill; unknown ones by their settings."""
    known = {get_args(kind.model_fields["name"].annotation)[0] for kind in get_args(get_args(AnyStep)[0])}
    assert set(WORDS) == known
    policy = [entry for name in POLICIES for entry in POLICIES[name]]
    told = in_words(policy)
    assert [one.share for one in told] == [entry["p"] for entry in policy]
    assert not [one.text for entry, one in zip(policy, told, strict=True) if one.text.startswith(entry["name"] + ", ")]
    assert in_words("flip") == [Step("flip: left to right", 0.5)] and in_words("no name") == [Step("no name", None)]
    assert step({"name": "warp", "by": [1, 2]}) == Step("warp, by [1, 2]", None)
    assert step({"name": "crop", "p": 0.3, "area": 0.7}).text.replace("\u00a0", " ") == (
        "crop to at least 70 % of the area, and enlarge"
    )
    html = render(read(root, train={"seeds": [0], "augment": [{"name": "hue", "p": 0.25, "degrees": 10.0}]}))
    assert "While training" in html and "turn hues by up to 10° either way" in html


def test_no_copies_and_stale_copies_are_said(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "none")
    none = Augment(copies=0, rare=Rare(copies=0, below=0.01), workers=1, policy=[])
    make_copies(tmp_path / "none/data/prepared", tmp_path / "none/data/augmented", none, 0)
    html = render(read(tmp_path / "none"))
    assert "Nothing to show" in html and 'class="families"' not in html
    shutil.copytree(root, tmp_path / "stale")
    index = tmp_path / "stale/data/augmented/train/index.csv"
    index.write_text(index.read_text().replace(",train-00,", ",gone,"))
    with pytest.raises(DataError, match="gone"):
        augmentation.context(read(tmp_path / "stale"))


# --- provenance -------------------------------------------------------------------------------------------------------


def test_a_shell_finds_every_digest_again(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "clone")
    for name in ("pixelproof", "stages", "bin"):
        shutil.copytree(ROOT / name, tmp_path / "clone" / name)
    (tmp_path / "clone/.venv").symlink_to(ROOT / ".venv")
    results = gather(tmp_path / "clone", load("report", Params, tmp_path / "clone"))
    context = provenance.context(results)
    proofs = [*context["proofs"], *(proof for _, _, proof in context["weights"])]
    assert len(proofs) == 8 + 4 and len({proof.digest for proof in proofs}) == 12
    for proof in proofs:
        output = subprocess.run(
            ["bash", "-c", proof.command], cwd=tmp_path / "clone", capture_output=True, text=True, check=True
        )
        assert output.stdout.split()[0] == proof.digest, proof.command
    html = render(results)
    assert all(f'<code class="whole">{proof.digest}</code>' in html for proof in proofs)


def test_every_setting_is_shown_as_it_is_in_params() -> None:
    shown = dict(provenance.context(read_all())["settings"])
    values = {key: value for key, value in read_yaml(ROOT / "params.yaml").items() if key != "pipelines"}
    assert (
        load("report", Params, ROOT).model_dump() == values
    )  # a setting that dvc.yaml does not declare would be missing
    for key, text in shown.items():
        here: Any = values
        for part in key.split("."):
            here = here[part]
        assert json.loads(text) == here


def read_all() -> Results:
    """Results without a run: enough for what asks params alone."""
    return Results(ROOT, load("report", Params, ROOT), Header("none", ()), {}, {})


def test_what_is_not_there_is_absent(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "less")
    shutil.rmtree(tmp_path / "less/models/unet")
    (tmp_path / "less/requirements.lock").unlink()
    assert render(read(tmp_path / "less")).count("absent: no such file here") == 2


# --- all of them ------------------------------------------------------------------------------------------------------


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    names = {HOSTILE: (1, 2, 3), "b": (4, 5, 6), **{f"c{i}": (i, i, i) for i in range(38)}}
    known = Header("h", tuple(ClassInfo(i, *entry) for i, entry in enumerate(names.items())), ({"name": HOSTILE},))
    fake.make(tmp_path, images=2, size=48, known=known)
    policy = [{"name": HOSTILE, "p": 0.5, HOSTILE: HOSTILE}]
    declared = read_yaml(tmp_path / "dvc.yaml")
    declared["stages"][HOSTILE] = {"cmd": "true", "deps": [HOSTILE], "outs": [HOSTILE]}
    (tmp_path / "dvc.yaml").write_text(json.dumps(declared))
    html = render(read(tmp_path, augment={"copies": 1, "policy": policy}, cvat={HOSTILE: {"a": HOSTILE}}))
    assert "<img src=x" not in html
    assert html.count("</script>") == html.count("<script") == 2  # what the page runs, and the data of the gallery
    assert unescape(html).count(HOSTILE) >= 12
    assert "style=" not in re.sub(r"<(style|script)>.*?</\1>", "", html, flags=re.DOTALL)
