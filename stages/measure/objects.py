"""Every object of a split as a row, predicted next to true; and the errors of the predicted measurements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pixelproof.data.dataset import Header
from pixelproof.scoring.objects import Objects, match
from stages.measure.geometry import CO_OCCURRENCE, COLOUR, GEOMETRY, IN_METRES, MEASURES, measure_objects, turned
from stages.measure.measurable import predicted_ones, true_ones
from stages.measure.params import Objects as Settings
from stages.measure.read import Example
from stages.measure.write import Column, Row

COMPARED = (*GEOMETRY, *IN_METRES, *CO_OCCURRENCE, *COLOUR)  # not patterns, which are shares of ten kinds
COLUMNS: tuple[Column, ...] = (
    *((name, "string") for name in ("split", "id", "group", "class", "kind")),
    ("object", "int64"),
    ("true_object", "int64"),
    ("iou", "float64"),
    ("metres_per_pixel", "float64"),
    ("border", "bool"),
    ("left", "int64"),
    ("top", "int64"),
    *((name, "float64") for name in MEASURES),
    *((f"true_{name}", "float64") for name in MEASURES),
    *((f"error_{name}", "float64") for name in COMPARED),
)


@dataclass
class Tally:
    """What is collected from a split's images: the rows, and by class the objects left out of them."""

    rows: list[Row] = field(default_factory=list)
    specks: Counter[tuple[str, int]] = field(default_factory=Counter)  # by "predicted" or "true", and class
    ignored: Counter[int] = field(default_factory=Counter)


def add_image(tally: Tally, example: Example, split: str, header: Header, params: Settings) -> None:
    """Find, match and measure the objects of one image."""
    things = [info.id for info in header.classes if info.thing]
    true = true_ones(example.truth, example.instances, things, params.smallest)
    predicted = predicted_ones(example.labels, example.objects, example.truth, things, params.smallest)
    tally.specks.update(("true", number) for number in true.specks)
    tally.specks.update(("predicted", number) for number in predicted.specks)
    tally.ignored.update(predicted.ignored)
    sample = example.sample
    fixed: Row = {"split": split, "id": sample.id, "group": sample.group, "metres_per_pixel": example.metres_per_pixel}
    tally.rows += [fixed | row for row in image_rows(example, predicted.objects, true.objects, header.names(), params)]


def image_rows(
    example: Example, predicted: Objects, true: Objects, names: Sequence[str], params: Settings
) -> list[Row]:
    """A row for each predicted object (found or invented) in their order, then one for each missed one."""
    scale, levels = example.metres_per_pixel, params.grey_levels
    guesses = measure_objects(predicted.as_map(), example.image, scale, levels)
    truths = measure_objects(true.as_map(), example.image, scale, levels)
    pair_of = {pair.predicted: pair for pair in match(true, predicted, params.iou)}
    taken = {pair.true for pair in pair_of.values()}
    rows: list[Row] = []
    for number, (kind, guess) in enumerate(zip(predicted.classes, guesses, strict=True), start=1):
        pair = pair_of.get(number)
        row: Row = {"class": names[kind], "kind": "found" if pair else "invented", "object": number}
        if pair:
            truth = truths[pair.true - 1]
            row |= {"true_object": pair.true, "iou": pair.iou, **errors(guess, truth), **as_true(truth)}
            row["border"] = guess["border"] or truth["border"]
        rows.append(guess | row)
    for number, (kind, truth) in enumerate(zip(true.classes, truths, strict=True), start=1):
        if number not in taken:
            place = {key: truth[key] for key in ("left", "top", "border")}
            rows.append({"class": names[kind], "kind": "missed", "true_object": number, **place, **as_true(truth)})
    return rows


def as_true(truth: Row) -> Row:
    """A true object's measurements, with `true_` before their names."""
    return {f"true_{name}": truth[name] for name in MEASURES}


def errors(guess: Row, truth: Row) -> Row:
    """Predicted minus true; for a direction, the smaller angle. None if either is undefined."""
    found: Row = {}
    for name in COMPARED:
        error = None if guess[name] is None or truth[name] is None else guess[name] - truth[name]
        found[f"error_{name}"] = turned(error) if error is not None and name == "orientation" else error
    return found


def summary(tally: Tally, header: Header) -> dict[str, Any]:
    """For each class of things: how many were found, and the errors of those."""
    return {
        info.name: {
            **counts(tally.rows, info.name),
            "specks": {kind: tally.specks[kind, info.id] for kind in ("predicted", "true")},
            "ignored": tally.ignored[info.id],
            "errors": error_summary(tally.rows, info.name),
        }
        for info in header.classes
        if info.thing
    }


def counts(rows: Collection[Row], name: str) -> dict[str, int]:
    """The number of objects of a class, by kind."""
    kinds = Counter(row["kind"] for row in rows if row["class"] == name)
    found, missed, invented = kinds["found"], kinds["missed"], kinds["invented"]
    return {
        "true": found + missed,
        "predicted": found + invented,
        "found": found,
        "missed": missed,
        "invented": invented,
    }


def error_summary(rows: Collection[Row], name: str) -> dict[str, dict[str, float | int | None]]:
    """For each measurement of the found objects of a class: median absolute and relative error, and mean error.

    The mean error, with its sign, is the bias: above 0, the network makes objects too large.
    """
    found = [row for row in rows if row["class"] == name and row["kind"] == "found"]
    result: dict[str, dict[str, float | int | None]] = {}
    for measure in COMPARED:
        pairs = [(row[f"error_{measure}"], row[f"true_{measure}"]) for row in found]
        pairs = [(error, true) for error, true in pairs if error is not None]
        relative = [abs(error) / true for error, true in pairs if true > 0]
        result[measure] = {
            "objects": len(pairs),
            "median_absolute": _median([abs(error) for error, _ in pairs]),
            "median_relative": None if measure in ("orientation", "correlation") else _median(relative),
            "bias": float(np.mean([error for error, _ in pairs])) if pairs else None,
        }
    return result


def _median(values: list[float]) -> float | None:
    return float(np.median(values)) if values else None
