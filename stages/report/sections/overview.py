"""At a glance: all networks ranked, an image, where the best fails and what to do next, and its large numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pixelproof.data.dataset import ClassInfo, read_image, read_mask, read_split
from pixelproof.scoring.catalogue import CATALOGUE
from pixelproof.scoring.counts import counts
from pixelproof.scoring.scores import scores
from stages.report.advice import findings
from stages.report.charts.forest import forest
from stages.report.figures import TOO_FEW, Figure, Span, keys_of, over_seeds, ranking, span, tolerances, too_few
from stages.report.gather import Results, Run
from stages.report.pictures import colours, painted, photo
from stages.report.sections.gallery import prediction

TITLE = "At a glance"
ORDER = 10
GROUP = "Summary"


@dataclass(frozen=True)
class Number:
    """A headline number: its label, its meaning in a line and, for a single run, its interval or a remark."""

    label: str
    figure: Figure
    meaning: str
    interval: Span | None = None
    beside: str = ""


@dataclass(frozen=True)
class Example:
    """An image as a photograph, its ground truth and a prediction, as data URIs, and the classes in them."""

    id: str
    score: float | None
    photo: str
    truth: str
    prediction: str
    classes: list[ClassInfo]
    size: tuple[int, int]


def context(results: Results) -> dict[str, Any]:
    """All networks ranked, an image, where the first network fails, and its numbers."""
    names = ranking(results)
    runs = results.runs[names[0]]
    return {
        "forest": forest(results, names),
        "example": example(results, runs[0]),
        "findings": findings(results),
        "linked": results.params.report.gallery > 0,
        "numbers": numbers(runs),
        "several": len(runs) > 1,
        "intervals": runs[0].metrics["test"]["intervals"],
    }


def numbers(runs: list[Run]) -> list[Number]:
    """Five complementary numbers, each on the test split."""
    test = runs[0].metrics["test"]
    small, certainty = test["sizes"]["small"], test["calibration"]["certainty"]
    narrow, wide = tolerances(runs)[0], tolerances(runs)[-1]
    strict = test["boundary"][narrow]["f1"]

    def number(name: str, detail: str = "", beside: str = "") -> Number:
        metric = CATALOGUE[name]
        keys = keys_of(metric, runs)
        meaning = f"{metric.meaning[:1].upper()}{metric.meaning[1:]}{'; lower is better' * (metric.better == 'lower')}."
        ends = span(runs, "test", *keys) if len(runs) == 1 else None  # several seeds show their deviation instead
        said = TOO_FEW if too_few(runs, "test", *keys) else beside
        return Number(metric.title + detail, over_seeds(runs, "test", *keys), meaning, ends, said)

    return [
        number("mIoU"),
        number("pixel_accuracy"),
        number(
            "boundary_f1",
            f", {wide} px",
            "" if narrow == wide or strict is None else f"at {narrow} px: {strict:.3f}",
        ),
        number("small_object_recall", beside=f"{small['found']} of {small['found'] + small['missed']}"),
        number("ece", beside="" if certainty is None else f"mean certainty {certainty:.3f}"),
    ]


def example(results: Results, run: Run) -> Example | None:
    """The test image of the middle mIoU: photograph, ground truth and prediction; None without images."""
    samples = read_split(results.data, "test")
    if not samples or "test" not in run.matrices:
        return None
    found = scores(counts(run.matrices["test"].counts), ["mIoU"])["mIoU"]
    order = [int(at) for at in np.argsort(found, kind="stable") if found[at] == found[at]]  # without those of no score
    sample = samples[order[(len(order) - 1) // 2] if order else 0]
    truth = read_mask(results.data, "test", sample, len(results.header.classes))
    labels = prediction(run, sample, len(results.header.classes))
    palette, score = colours(results.header), found[samples.index(sample)]
    there = {*np.unique(truth).tolist(), *np.unique(labels).tolist()}
    return Example(
        sample.id,
        None if np.isnan(score) else float(score),
        photo(read_image(results.data, "test", sample)),
        painted(truth, palette),
        painted(labels, palette),
        [info for info in results.header.classes if info.id in there],
        (sample.width, sample.height),
    )
