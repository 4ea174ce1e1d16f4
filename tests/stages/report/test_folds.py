"""A report of results in folds says what is out of fold, and ranks the networks on all of those images."""

from __future__ import annotations

import json

import pytest

from pixelproof.core.files import read_json, write_json
from stages.report.figures import over_seeds, ranking
from stages.report.gather import Results, gather
from stages.report.markdown import summary
from stages.report.page import render
from stages.report.params import Params, Report, Seeds
from stages.report.sections import provenance
from stages.report.standing import out_of_fold, standing
from tests.stages.report import fake


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Fake results of seven groups in val, as if these were two folds, and of three in test."""
    root = tmp_path_factory.mktemp("folds")
    fake.make(root, images=7, size=32, in_group=1)
    card = read_json(root / "results/data/val.json")
    write_json(root / "results/data/val.json", card | {"folds": [{"fold": 0}, {"fold": 1}]})
    for weights in sorted(root.glob("models/*/*/weights.safetensors")):
        for fold in (0, 1):
            place = weights.parent / f"fold-{fold}" / weights.name
            place.parent.mkdir()
            place.write_bytes(weights.read_bytes() + bytes(fold))
        weights.unlink()
    return gather(root, Params(architectures=fake.ARCHITECTURES[:2], train=Seeds(seeds=[0]), report=Report(gallery=0)))


def test_it_ranks_the_networks_out_of_fold(results: Results) -> None:
    found = standing(results, "val")
    assert found is not None and found.groups == 7
    best = max(results.runs, key=lambda name: over_seeds(results.runs[name], "val", "mIoU").mean or 0)
    assert found.best == ranking(results, "val")[0] == best
    assert found.score == over_seeds(results.runs[best], "val", "mIoU").mean
    said = out_of_fold(results)
    assert best in said and "of 2, that did not learn from its fold; those of test by all 2 together" in said


def test_the_page_and_the_summary_say_so(results: Results) -> None:
    page, text = render(results), " ".join(summary(results).split())
    assert "mIoU, out of fold" in page and "Train and val are divided into 2 folds together" in page
    assert "out-of-fold mIoU" in text and "7 in 2 folds, 7 test" in text
    assert "Out of fold:" in text and "that did not learn from its fold" in text
    assert "validation mIoU" not in page and " train" not in text.split("images:")[1].split(".")[0]


def test_the_weights_of_all_folds_are_proved(results: Results) -> None:
    proved = [proof for _, _, proof in provenance.weights(results)]
    assert len({proof.digest for proof in proved}) == len(proved) == 2 * len(results.runs)
    assert all(proof.command.split("/")[-2] in ("fold-0", "fold-1") for proof in proved)
    assert json.dumps([proof.digest for proof in proved]).count("null") == 0
