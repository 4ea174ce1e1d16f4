"""The catalogue of metrics: what each is called, what it means, which way is better, and what computes it.

A new metric of confusion matrices is an entry here and its function in formulas.py, whose numbers lie between 0 and 1:
intervals are cut there. evaluate then computes it with its intervals, the report shows it, compare can test it, and
docs/metrics.md lists it after

    bin/python -m pixelproof.scoring.catalogue docs/metrics.md

A metric without a formula comes from elsewhere than the matrices (stages/evaluate has boundaries, objects and
calibration); its entry says what it is, and where metrics.json holds it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pixelproof.core.errors import StateError, run_main
from pixelproof.core.files import write_text
from pixelproof.core.table import markdown_table
from pixelproof.scoring import formulas
from pixelproof.scoring.counts import Counts
from pixelproof.scoring.formulas import Floats

BEGIN, END = "<!-- metrics -->", "<!-- end of metrics -->"  # the table in the docs is between them


@dataclass(frozen=True)
class Metric:
    """An entry. The name never changes once it is published; title and meaning are for people."""

    name: str
    title: str
    meaning: str  # in one line, a continuation of "<title>: "
    classes: Literal["each", "mean", "pooled"]  # one number per class, the mean of these, or one for all
    better: Literal["higher", "lower"] = "higher"
    headline: bool = False  # whether metrics/<architecture>.json, which git keeps, has it
    formula: Callable[[Counts], Floats] | None = None  # of a mean, the per-class one
    same_as: str | None = None  # another name for the same number: tables show one of the two
    at: str | None = None  # its key in a split of metrics.json, if not its name; `*` is a boundary tolerance

    @property
    def per_class(self) -> bool:
        """Whether each class has a number of its own."""
        return self.classes == "each"

    @property
    def heading(self) -> str:
        """The title as a line begins with it: `Boundary F1`, but `mIoU`."""
        first, rest = self.title[:1], self.title[1:]
        return self.title if self.title.split()[0] != self.title.split()[0].lower() else first.upper() + rest

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that lead to it in a split of metrics.json, or in one of its classes."""
        return tuple((self.at or self.name).split("."))


METRICS = (
    Metric(
        "mIoU",
        "mIoU",
        "the mean over the classes of their IoU",
        "mean",
        headline=True,
        formula=formulas.iou,
    ),
    Metric(
        "pixel_accuracy",
        "pixel accuracy",
        "the share of all pixels that are classified correctly; large classes weigh most",
        "pooled",
        headline=True,
        formula=formulas.pixel_accuracy,
    ),
    Metric(
        "mean_accuracy",
        "mean accuracy",
        "the mean over the classes of the share of their pixels that is found",
        "mean",
        formula=formulas.recall,
    ),
    Metric(
        "mean_f1",
        "mean F1",
        "the mean over the classes of their F1",
        "mean",
        headline=True,
        formula=formulas.f1,
        at="f1",
    ),
    Metric(
        "fwIoU",
        "fwIoU",
        "the mean of the classes' IoU, each weighted by its share of the true pixels",
        "pooled",
        formula=formulas.weighted_iou,
    ),
    Metric(
        "mean_precision",
        "mean precision",
        "the mean over the classes of their precision",
        "mean",
        formula=formulas.precision,
        at="precision",
    ),
    Metric(
        "mean_recall",
        "mean recall",
        "the mean over the classes of their recall",
        "mean",
        formula=formulas.recall,
        same_as="mean_accuracy",
        at="recall",
    ),
    Metric("iou", "IoU", "the overlap of truth and prediction, over their union", "each", formula=formulas.iou),
    Metric(
        "precision",
        "precision",
        "the share of the pixels predicted as the class that belong to it",
        "each",
        formula=formulas.precision,
    ),
    Metric("recall", "recall", "the share of the pixels of the class that are found", "each", formula=formulas.recall),
    Metric("f1", "F1", "the harmonic mean of precision and recall (Dice)", "each", formula=formulas.f1),
    Metric(
        "accuracy",
        "accuracy",
        "recall, by the name that MMSegmentation gives it",
        "each",
        formula=formulas.recall,
        same_as="recall",
    ),
    Metric(
        "boundary_f1",
        "boundary F1",
        "how well outlines agree: a boundary pixel is correct if it is off by no more than the tolerance",
        "mean",
        headline=True,
        at="boundary.*.f1",
    ),
    Metric(
        "boundary_iou",
        "boundary IoU",
        "the IoU of the bands inside the outlines that are as wide as the tolerance (Cheng et al. 2021)",
        "mean",
        at="boundary.*.iou",
    ),
    Metric(
        "object_recall",
        "objects found",
        "the share of the true objects that a predicted one matches",
        "pooled",
        at="sizes.all.recall",
    ),
    Metric(
        "small_object_recall",
        "small objects found",
        "the share of the small true objects that a predicted one matches",
        "pooled",
        at="sizes.small.recall",
    ),
    Metric(
        "object_precision",
        "object precision",
        "the share of the predicted objects that match a true one",
        "pooled",
        at="sizes.all.precision",
    ),
    Metric(
        "object_f1",
        "object F1",
        "the harmonic mean of the share of objects found and of object precision",
        "pooled",
        at="sizes.all.f1",
    ),
    Metric(
        "ece",
        "calibration error",
        "the gap between certainty and the share of correct pixels, weighted by pixels (ECE)",
        "pooled",
        "lower",
        headline=True,
        at="calibration.ece",
    ),
    Metric(
        "aurc",
        "AURC",
        "the error rate among the most certain pixels, averaged over how many are kept (area under the "
        "risk-coverage curve)",
        "pooled",
        "lower",
        at="calibration.aurc",
    ),
)
CATALOGUE = {metric.name: metric for metric in METRICS}


def of_matrices() -> list[Metric]:
    """The metrics that confusion matrices give, in the order in which they are shown."""
    return [metric for metric in CATALOGUE.values() if metric.formula]


def in_tables(per_class: bool) -> list[Metric]:
    """Those of each class, or those of a whole split, that tables show: each number under one name."""
    return [metric for metric in of_matrices() if metric.per_class == per_class and not metric.same_as]


def headlines() -> list[Metric]:
    """The few that git keeps."""
    return [metric for metric in CATALOGUE.values() if metric.headline]


# --- the table in the docs -------------------------------------------------------------------------------------------

OF = {"each": "each class", "mean": "mean over classes", "pooled": "all together"}


def markdown() -> str:
    """The catalogue as a Markdown table."""
    head = ["metric", "title", "what it is", "better", "of", "headline", "compare tests it", "key in metrics.json"]
    rows = [
        [
            f"`{metric.name}`",
            metric.title,
            metric.meaning,
            metric.better,
            OF[metric.classes],
            "yes" if metric.headline else "",
            "yes" if metric.formula else "",
            f"`{'.'.join(['classes', '<class>', *metric.keys] if metric.per_class else metric.keys)}`",
        ]
        for metric in CATALOGUE.values()
    ]
    return "\n".join(markdown_table(head, rows)) + "\n"


def with_table(text: str, where: str) -> str:
    """A page with the table between its two markers.

    Raises:
        StateError: the page does not have each marker once, the first one first.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in before + after:
        raise StateError(where, "not one place for the table of metrics", f"expected {BEGIN} and {END}, each once")
    return f"{before}{BEGIN}\n\n{markdown()}\n{END}{after}"


def main() -> None:
    """Print the table, or bring a page up to date."""
    parser = argparse.ArgumentParser(prog="python -m pixelproof.scoring.catalogue", description=main.__doc__)
    parser.add_argument("page", nargs="?", type=Path, help="a page to write the table into, as docs/metrics.md")
    page = parser.parse_args().page
    if page is None:
        print(markdown(), end="")
        return
    try:
        text = page.read_text(encoding="utf-8")
    except OSError as error:
        raise StateError(str(page), error.strerror or str(error), "name the page that has the table") from None
    write_text(page, with_table(text, str(page)))


if __name__ == "__main__":
    run_main(main)
