"""At a glance: the scores of the best architecture, its predictions, and how the page was made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2

from pixelproof.core.params import read_yaml
from pixelproof.data.dataset import Sample, check_mask, read_image, read_split
from pixelproof.data.images import decode
from pixelproof.scoring.catalogue import CATALOGUE
from stages.report.charts.graph import Stage, draw, stages_of
from stages.report.figures import Figure, keys_of, over_seeds, ranking, tolerances
from stages.report.gather import Results, Run
from stages.report.pictures import colours, painted, photo, spread

TITLE = "At a glance"
ORDER = 10
STRIP = 6  # test images


@dataclass(frozen=True)
class Number:
    """A headline number: its label, its meaning in a line and, for a single run, its interval or a remark."""

    label: str
    figure: Figure
    meaning: str
    interval: tuple[float, float] | None = None
    beside: str = ""


def context(results: Results) -> dict[str, Any]:
    """The numbers and pictures of the best architecture, and the graph."""
    runs = results.runs[ranking(results)[0]]
    stages = stages_of(read_yaml(results.root / "dvc.yaml"), results.params.model_dump())
    return {
        "numbers": numbers(runs),
        "several": len(runs) > 1,
        "intervals": runs[0].metrics["test"]["intervals"],
        "tiles": strip(results, runs[0]),
        "aspect": aspect(results),
        "graph": draw(stages),
        "stages": stages,
        "said": said(stages),
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
        return Number(metric.title + detail, over_seeds(runs, "test", *keys), meaning, interval(runs, *keys), beside)

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


def interval(runs: list[Run], *keys: str) -> tuple[float, float] | None:
    """The interval of a number of a single run, if it has one; several seeds show their deviation instead."""
    found = runs[0].metrics["test"]["intervals"].get(".".join(keys))
    return (float(found[0]), float(found[1])) if found and len(runs) == 1 else None


def strip(results: Results, run: Run) -> list[dict[str, str]]:
    """Test images, each as a photo and as the run labels it."""
    return [tile(results, run, sample) for sample in spread(read_split(results.data, "test"), STRIP)]


def tile(results: Results, run: Run, sample: Sample) -> dict[str, str]:
    """One of them."""
    path = run.folder / "evaluate/masks/test" / f"{sample.id}.png"
    mask = decode(path, cv2.IMREAD_UNCHANGED)
    check_mask(path, mask, (sample.height, sample.width), len(results.header.classes))
    image = photo(read_image(results.data, "test", sample))
    return {"id": sample.id, "photo": image, "mask": painted(mask, colours(results.header))}


def aspect(results: Results) -> tuple[int, int]:
    """The shape of the strip's pictures: that of the first image; others are cropped to it."""
    return next(((s.width, s.height) for s in read_split(results.data, "test")), (1, 1))


def said(stages: list[Stage]) -> str:
    """The graph in a sentence, for screen readers."""
    return f"Graph of {len(stages)} stages: {', '.join(stage.name for stage in stages)}. The list below says the same."
