"""The sweeps and the page of benchmarks/proposals.py; the benchmark itself runs by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ruamel.yaml import YAML

from benchmarks.common import ROOT
from benchmarks.proposals import DATASETS, kept, page, points, section, shared
from commands._params import checked
from pipelines.edit import set_values
from pipelines.sweeps.spec import read_sweep

PROPOSED = {
    "architectures": ["unet-lite0"],
    "train.pretrained": "imagenet",
    "prepare.split.folds": 3,
    "train.iterations": 700,
    "train.batch": 4,
    "train.optimizer.lr": 0.001,
}


@pytest.mark.parametrize("name", DATASETS)
def test_all_points_learn_as_long_and_are_judged_by_the_same_images(name: str, tmp_path: Path) -> None:
    """As `pixelproof sweep` reads them, with settings that params.yaml may have; the proposal is one of nine."""
    path, dataset = tmp_path / "proposals.yaml", DATASETS[name]
    found = {"about": "Nine", "set": dataset.settings | shared(PROPOSED), "points": points(PROPOSED, dataset.policy)}
    path.write_text(yaml.safe_dump(found))
    sweep = read_sweep(path)
    learnt = []
    for point in found["points"]:
        overrides = sweep.point(point).overrides
        assert [overrides[key] for key in ("prepare.split.folds", "train.iterations", "train.batch")] == [3, 700, 4]
        checked(ROOT, YAML(typ="safe").load(set_values((ROOT / "params.yaml").read_text(), overrides)))
        learnt.append({key: value for key, value in overrides.items() if key not in dataset.settings})
    assert len(learnt) == 9 and learnt[0] == PROPOSED
    assert all(one != other for at, one in enumerate(learnt) for other in learnt[:at])


def test_how_far_the_proposal_is_from_the_best_of_the_others() -> None:
    """By hand; it may be ahead."""
    rows = [
        {"point": point, "val.mIoU": score} for point, score in (("proposed", "0.62"), ("a", "0.5"), ("b", "0.635"))
    ]
    lines = section("scenes", PROPOSED, rows, "python it")
    assert lines[0] == "## scenes: -0.015 from the best of eight (b)"
    assert "| b" in lines[8] and "0.635" in lines[8]
    assert section("scenes", PROPOSED, rows[:2], "python it")[0] == "## scenes: +0.120 from the best of eight (a)"


def test_sections_of_other_datasets_stay_on_the_page(tmp_path: Path) -> None:
    path, rows = (
        tmp_path / "proposals.md",
        [{"point": "proposed", "val.mIoU": "0.6"}, {"point": "a", "val.mIoU": "0.5"}],
    )
    assert kept(path) == {}
    path.write_text(page({name: "\n".join(section(name, PROPOSED, rows, "it")) for name in ("nuclei", "dubai")}))
    before = kept(path)
    assert list(before) == ["dubai", "nuclei"]  # in the order of the datasets
    path.write_text(page(before | {"scenes": "## scenes: anew\n"}))
    after = path.read_text()
    assert before["nuclei"].rstrip() in after and kept(path) == before | {"scenes": "## scenes: anew\n"}
