"""What DVC itself finds of a report: metrics, their diff, plots, params and artifacts, in a repository of its own."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo

from pixelproof.core.files import read_json, write_json
from pixelproof.data.dataset import read_header
from tests.browser import UNDECODABLE, chromium
from tests.stages.report import fake
from tests.workspace import ROOT, Workspace, executed, make_workspace, stages_of


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A clone with fake results, whose report DVC ran, committed."""
    made = make_workspace(tmp_path_factory.mktemp("views")).forked()
    fake.make(made.folder, images=2, size=32)  # with the params of this repository
    made.set_params(architectures=fake.ARCHITECTURES, train__seeds=[0])
    assert executed(made.dvc("repro", "--single-item", "report")) == ["report"]
    commit(made)
    return made


CHARTS = ".vega-embed svg.marks"  # what Vega drew; its menus have icons beside them


def commit(made: Workspace) -> None:
    """Commit everything that git does not ignore."""
    git = ("git", "-c", "user.name=test", "-c", "user.email=test@example.org")
    made.run(*git, "add", "-A", ".")
    made.run(*git, "commit", "-q", "-m", "Report")


def shown(made: Workspace, *arguments: str) -> Any:
    """What a DVC command prints as JSON."""
    output = made.dvc(*arguments, "--json")
    return json.loads(output[output.index("{") :])


def test_metrics_show_has_five_numbers_of_each_split(workspace: Workspace) -> None:
    found = shown(workspace, "metrics", "show")[""]["data"]
    assert sorted(found) == [f"metrics/{name}.json" for name in sorted(fake.ARCHITECTURES)]
    for path, content in found.items():
        assert content["data"] == read_json(workspace.folder / path)
        assert {split: len(numbers) for split, numbers in content["data"].items()} == {"test": 5, "val": 5}


def test_git_keeps_metrics_and_the_table_of_classes_and_no_report(workspace: Workspace) -> None:
    kept = workspace.run("git", "ls-files", "metrics", "tables", "reports").split()
    assert kept == sorted([*(f"metrics/{name}.json" for name in fake.ARCHITECTURES), "tables/per_class.csv"])


def test_dvc_notices_an_edit_of_the_table_of_classes(workspace: Workspace) -> None:
    table = workspace.folder / "tables/per_class.csv"
    text = table.read_text()
    table.write_text(text.replace("0.", "0.9", 1))
    found = shown(workspace, "status", "report")
    table.write_text(text)
    assert {"changed outs": {"tables": "modified"}} in found["report"]


def test_plots_show_has_a_curve_of_each_architecture(workspace: Workspace) -> None:
    found = shown(workspace, "plots", "show")
    assert "errors" not in found
    for name, iterations in (("Validation mIoU", 8), ("Training loss", 40)):
        points = found["data"][name][0]["content"]["data"]["values"]
        assert {point["field"] for point in points} == set(fake.ARCHITECTURES)
        assert len(points) == iterations * len(fake.ARCHITECTURES)


def test_plots_show_has_matrices_bars_and_pictures_of_each_architecture(workspace: Workspace) -> None:
    found = shown(workspace, "plots", "show")["data"]
    folder = Path("reports/plots")
    pictures = [path for path in found if found[path][0]["type"] == "image"]
    assert {str(Path(path).parent) for path in pictures} == {f"{folder}/predictions/{n}" for n in fake.ARCHITECTURES}
    assert len(pictures) == 2 * len(fake.ARCHITECTURES)  # as many as there are test images
    tables = {f"{folder}/{kind}/{name}.csv" for kind in ("confusion", "iou") for name in fake.ARCHITECTURES}
    assert set(found) == {"Validation mIoU", "Training loss", *pictures, *tables}
    for name in fake.ARCHITECTURES:
        matrix, bars = (found[f"{folder}/{kind}/{name}.csv"][0]["content"] for kind in ("confusion", "iou"))
        lines = Counter((point["true class"], point["predicted class"]) for point in matrix["data"]["values"])
        assert matrix["spec"]["transform"][0]["aggregate"][0]["op"] == "count"
        metrics = read_json(workspace.folder / f"results/{name}/0/evaluate/metrics.json")["test"]["classes"]
        known = {label: of["iou"] for label, of in metrics.items() if of["iou"] is not None}
        assert {point["class"]: float(point["IoU"]) for point in bars["data"]["values"]} == pytest.approx(
            known, abs=1e-6
        )
        for label, of in metrics.items():  # a line is a percent of the class, so those on the diagonal are its recall
            if of["recall"] is not None:
                assert lines[label, label] == pytest.approx(100 * of["recall"], abs=1)
        assert set(Counter(truth for truth, _ in lines.elements()).values()) == {100}


def test_the_page_of_dvc_is_drawn_without_a_network(workspace: Workspace) -> None:
    page = Path(workspace.dvc("plots", "show").strip().splitlines()[-1].removeprefix("file://").replace("%20", " "))
    with chromium() as browser, browser.open(page) as window:
        window.page.wait_for_function(
            f"document.querySelectorAll('{CHARTS}').length == {2 + 2 * len(fake.ARCHITECTURES)}"
        )
        marks = "svgs => svgs.map(one => one.querySelectorAll('[role=graphics-symbol]').length)"
        assert min(window.page.locator(CHARTS).evaluate_all(marks)) > 4  # two axes, and what is drawn
        assert window.page.locator("img").count() == 2 * len(fake.ARCHITECTURES)
        assert (window.errors, window.page.evaluate(UNDECODABLE)) == ([], [])
        assert [url for url in window.requests if not url.startswith(("file:", "data:"))] == []
        assert not window.page.locator("#lacking").is_visible()
    (workspace.folder / "reports/vega.js").rename(workspace.folder / "vega.js")
    with chromium() as browser, browser.open(page) as window:
        window.page.wait_for_selector("#lacking:visible")
    (workspace.folder / "vega.js").rename(workspace.folder / "reports/vega.js")


def test_artifacts_are_the_weights_that_train_writes(workspace: Workspace) -> None:
    with Repo(str(workspace.folder)) as repo:
        found = repo.artifacts.read()["dvc.yaml"]
    stages = stages_of(workspace.folder)
    assert sorted(found) == sorted(fake.ARCHITECTURES)
    for name, artifact in found.items():
        assert artifact.type == "model"
        outs = [Path(out.def_path) for out in stages[f"train@{name}-0"].outs]
        assert Path(artifact.path).parent in outs


def test_a_change_is_a_short_diff_and_reruns_only_the_report(workspace: Workspace) -> None:
    path = workspace.folder / "results/unet/0/evaluate/metrics.json"
    found = read_json(path)
    found["test"]["mIoU"] = 0.5
    found["test"]["classes"]["tree"]["iou"] = 0.25
    write_json(path, found)
    assert executed(workspace.dvc("repro", "--single-item", "report")) == ["report"]
    changes = shown(workspace, "metrics", "diff")
    assert list(changes) == ["metrics/unet.json"] and list(changes["metrics/unet.json"]) == ["test.mIoU"]
    assert changes["metrics/unet.json"]["test.mIoU"]["new"] == 0.5
    numbers = workspace.run("git", "diff", "--numstat", "metrics", "tables").split()
    assert numbers == ["1", "1", "metrics/unet.json", "1", "1", "tables/per_class.csv"]
    assert executed(workspace.dvc("repro", "--single-item", "report")) == []
    workspace.edit("params.yaml", "gallery: 48", "gallery: 1")
    assert shown(workspace, "params", "diff")["params.yaml"]["report.gallery"] == {"old": 48, "new": 1, "diff": -47}
    assert executed(workspace.dvc("repro", "--single-item", "report")) == ["report"]


def test_the_table_of_experiments_fits_a_terminal(workspace: Workspace) -> None:
    """By the own command of docs/report.md, which has a column for what differs and for what one asks for."""
    text = (ROOT / "docs/report.md").read_text()
    arguments = shlex.split(next(line for line in text.splitlines() if " exp show" in line))[3:]
    workspace.edit("params.yaml", "lr: 0.003", "lr: 0.002")
    table = workspace.dvc(*arguments, "--no-pager", env={"COLUMNS": "120"}).splitlines()
    head = next(line.split() for line in table if "Experiment" in line)
    assert head[0] == "Experiment" and "train.optimizer.lr" in head and max(map(len, table)) < 120
    assert any("0.002" in line for line in table) and "…" not in "".join(table)
    workspace.edit("params.yaml", "lr: 0.002", "lr: 0.003")


def test_no_other_stage_depends_on_code_of_the_report(workspace: Workspace) -> None:
    users = {
        name
        for name, stage in stages_of(workspace.folder).items()
        for dep in stage.deps
        if dep.def_path.startswith("stages/report")
    }
    assert users <= {"report"}  # which depends on all of stages, for it digests them


def test_a_missing_result_is_one_line(workspace: Workspace) -> None:
    assert read_header(workspace.folder / "data/prepared").names() == list(fake.CLASSES)
    workspace.edit("params.yaml", "- unet\n", "- unet\n- hrnet\n")
    with pytest.raises(AssertionError) as error:
        workspace.run("bin/python", "-m", "stages.report")
    said = str(error.value).splitlines()
    assert said[0].endswith("ended with 2:")
    assert said[1] == "error: results/hrnet/0/evaluate/metrics.json: no such file; run `dvc repro`"
    assert len(said) == 2 or said[2] == ""
