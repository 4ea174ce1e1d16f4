"""Where the best network fails and what to do next: each finding by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.report import advice
from stages.report.figures import confusions
from stages.report.gather import Results, gather
from stages.report.params import Params, Report, Seeds
from tests.stages.report import fake

SIZES = {"objects": {"sizes": {"medium": 64, "large": 576}}}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fake results of one seed."""
    folder = tmp_path_factory.mktemp("advice")
    fake.make(folder, images=4, size=48)
    return folder


@pytest.fixture
def results(root: Path) -> Results:
    """Those of one network, which a test may change."""
    params = Params(architectures=["unet"], train=Seeds(seeds=[0]), report=Report(gallery=4), evaluate=SIZES)
    return gather(root, params)


def scored(results: Results, **classes: tuple[float | None, float | None, float | None]) -> None:
    """Give classes another IoU, recall and precision; all others are perfect."""
    for label, of in results.runs["unet"][0].metrics["test"]["classes"].items():
        iou, recall, precision = classes.get(label, (1.0, 1.0, 1.0))
        of.update(iou=iou, recall=recall, precision=precision)


def shares(results: Results, **classes: float) -> None:
    """Give classes another share of the training pixels."""
    for entry in results.cards["train"]["classes"]:
        entry["share"] = classes.get(entry["name"], 0.1)


def test_the_weakest_classes_and_their_remedies(results: Results) -> None:
    shares(results, person=0.004, roof=0.0)
    scored(results, car=(0.5, 0.4, 0.9), person=(0.3, 0.5, 0.5), roof=(0.6, 0.8, 0.7), pool=(None, None, None))
    person, car = advice.weakest(results, "unet")
    labels = results.header.names()
    assert (person.title, person.images) == ("person: IoU 0.300", {"label": labels.index("person")})
    assert person.fact == "50\u00a0% of its pixels are found; 50\u00a0% of what is called so is right."
    assert person.action == "Only 0.4\u00a0% of the training pixels: label more of it, or raise train.balance.power."
    assert car.title == "car: IoU 0.500" and car.action.startswith("It is missed more than invented")
    assert advice.remedy(results, "unet", "roof").startswith("No training image has it")
    scored(results, car=(0.5, 0.9, 0.4), person=(0.5, 0.6, 0.6))
    assert advice.remedy(results, "unet", "car").startswith("It is invented more than missed")
    shares(results)
    assert advice.remedy(results, "unet", "person").startswith("Check that its outlines")


def test_every_class_at_zero_is_named_once(results: Results) -> None:
    scored(results, car=(0.0, 0.0, 0.0), tree=(0.0004, 0.01, 0.01), person=(0.2, 0.2, 0.2))
    (found,) = advice.weakest(results, "unet")
    assert found.title == "tree and car: nothing is right" and found.images == {}
    scored(results, car=(0.0, 0.0, 0.0))
    (found,) = advice.weakest(results, "unet")
    assert found.title == "car: nothing is right" and found.images == {"label": results.header.names().index("car")}


def test_objects_that_touch_are_spoken_of_where_most_are_missed(results: Results) -> None:
    of = results.runs["unet"][0].metrics["test"]["instances"]

    def merged(found: float | None, objects: int = 40, source: str = "components") -> list[advice.Finding]:
        of["touching"].update(found=found, objects=objects)
        of["from"] = source
        return advice.merged(results, "unet")

    (told,) = merged(0.25)
    assert told.title == "30 of 40 touching objects missed" and "25\u00a0% are found" in told.fact
    assert "watershed" in told.action and "mask-rcnn-r18-fpn" in told.action
    assert "neck" in merged(0.25, source="watershed")[0].action
    assert merged(0.25, source="network")[0].action == "Label more images in which they touch."
    assert merged(0.5) == merged(None, 0) == []
    del results.runs["unet"][0].metrics["test"]["instances"]
    assert advice.merged(results, "unet") == []


def test_the_top_confusion_and_the_small_objects(results: Results) -> None:
    every = confusions(results, "unet")
    (found,) = advice.confused(results, "unet")
    assert found.title == f"{every[0].truth} mistaken for {every[0].prediction}"
    labels = results.header.names()
    assert found.images == {"truth": labels.index(every[0].truth), "called": labels.index(every[0].prediction)}
    share = 100 * every[0].pixels / sum(one.pixels for one in every)
    assert f"and {share:.0f}\u00a0% of all wrong pixels" in found.fact

    def small(**counts: int) -> list[advice.Finding]:
        results.runs["unet"][0].metrics["test"]["sizes"]["small"].update(counts)
        return advice.small(results, "unet")

    (missed,) = small(found=38, missed=125)
    assert (missed.title, missed.images) == ("125 of 163 small objects missed", {"small": 1})
    assert missed.fact == "77\u00a0% of those below 64 pixels."
    assert small(found=3, missed=0) == []
    small(missed=1)
    unknown = replace(results, params=results.params.model_copy(update={"evaluate": dict[str, Any]()}))
    assert advice.small(unknown, "unet")[0].images == {}


def test_a_perfect_network_has_no_confusion(results: Results) -> None:
    counts = results.runs["unet"][0].matrices["test"].counts
    counts *= np.eye(counts.shape[-1], dtype=counts.dtype)
    assert advice.confused(results, "unet") == []
