"""Where the first network fails, and what to do next: weak classes, the top confusion, objects that it misses.

Each finding has a fact, an action that a person can take, and which images of the gallery to look at. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from stages.report.figures import as_shown, confusions, listed, over_seeds, ranking
from stages.report.gather import Results
from stages.report.markdown import percent

CLASSES = 2  # weak ones that are named, each on its own
MERGED = 0.5  # of the objects that touch another: where more are missed, it is said
RARE = 0.02  # of the training pixels: a class with less is rare
UNEVEN = 0.05  # between recall and precision: more says in which way a class fails


@dataclass(frozen=True)
class Finding:
    """What fails, what to do about it, and which images show it: data for gallery.js."""

    title: str
    fact: str
    action: str
    images: dict[str, int] = field(default_factory=dict)


def findings(results: Results) -> list[Finding]:
    """The weakest classes, the top confusion, and the small and the touching objects of the first network."""
    name = ranking(results)[0]
    return [*weakest(results, name), *confused(results, name), *small(results, name), *merged(results, name)]


def weakest(results: Results, name: str) -> list[Finding]:
    """The classes with the lowest IoU; all that are not found at all are one finding."""
    runs, labels = results.runs[name], results.header.names()
    scores = {label: as_shown(over_seeds(runs, "test", "classes", label, "iou")) for label in labels}
    known = sorted((label for label in labels if scores[label] is not None), key=lambda label: scores[label] or 0.0)
    lost = [label for label in known if not scores[label]]
    if lost:
        images = {"label": labels.index(lost[0])} if len(lost) == 1 else {}
        title = f"{listed(lost)}: nothing is right"
        return [Finding(title, "The IoU is 0.000 on the test split.", remedy(results, name, lost[0]), images)]
    return [
        Finding(
            f"{label}: IoU {scores[label]:.3f}",
            reached(results, name, label),
            remedy(results, name, label),
            {"label": labels.index(label)},
        )
        for label in known[: min(CLASSES, len(known) - 1)]
    ]


def sides(results: Results, name: str, label: str) -> tuple[float | None, float | None]:
    """A class's recall and precision."""
    keys = ("test", "classes", label)
    recall, precision = (over_seeds(results.runs[name], *keys, part).mean for part in ("recall", "precision"))
    return recall, precision


def reached(results: Results, name: str, label: str) -> str:
    """What of a class is found, and what of what is called so is right."""
    recall, precision = sides(results, name, label)
    found = f"{percent(recall)} of its pixels are found" if recall is not None else "It is in no true pixel"
    return f"{found}; {percent(precision)} of what is called so is right." if precision is not None else f"{found}."


def remedy(results: Results, name: str, label: str) -> str:
    """What to do about a weak class: by how rare it is, and by whether it is missed or invented."""
    share = next((c["share"] for c in results.cards["train"]["classes"] if c["name"] == label), None)
    recall, precision = sides(results, name, label)
    if not share:
        return "No training image has it: label some that do."
    if share < RARE:
        return f"Only {percent(share, 1)} of the training pixels: label more of it, or raise train.balance.power."
    if recall is None or precision is None or abs(recall - precision) < UNEVEN:
        return "Check that its outlines are labelled alike everywhere, then label more of it."
    if recall < precision:
        return "It is missed more than invented: label more kinds of it, or raise train.balance.power."
    return "It is invented more than missed: label more of what it is mistaken for."


def confused(results: Results, name: str) -> list[Finding]:
    """The confusion of the most pixels."""
    found = confusions(results, name)
    if not found:
        return []
    top, wrong = found[0], sum(one.pixels for one in found)
    labels = results.header.names()
    return [
        Finding(
            f"{top.truth} mistaken for {top.prediction}",
            f"{percent(top.share, 1)} of {top.truth}, and {percent(top.pixels / wrong)} of all wrong pixels.",
            "Do the labels agree on where one ends? If so, label more places where both meet.",
            {"truth": labels.index(top.truth), "called": labels.index(top.prediction)},
        )
    ]


def small(results: Results, name: str) -> list[Finding]:
    """The small objects that are missed."""
    found, missed = (
        over_seeds(results.runs[name], "test", "sizes", "small", kind).mean for kind in ("found", "missed")
    )
    if not missed:
        return []
    every = missed + (found or 0.0)
    border = border_of(results)
    return [
        Finding(
            f"{missed:,.0f} of {every:,.0f} small objects missed",
            f"{percent(missed / every)} of those"
            + (f" below {border:,} pixels." if border else " of the smallest size."),
            "Give each more pixels: raise prepare.shape.width and height (or cut tiles), or evaluate.tta.scales.",
            {"small": 1} if border else {},
        )
    ]


def merged(results: Results, name: str) -> list[Finding]:
    """The objects that touch another of their class, if most are missed."""
    runs = [run for run in results.runs[name] if "instances" in run.metrics["test"]]
    keys = ("test", "instances", "touching")
    every, found = (over_seeds(runs, *keys, part).mean if runs else None for part in ("objects", "found"))
    if not every or found is None or found >= MERGED:
        return []
    apart = "train one that tells objects apart (mask-rcnn-r18-fpn, panoptic-deeplab-r18)"
    actions = {
        "components": f"Cut them at their necks (evaluate.objects.split: watershed), or {apart}.",
        "watershed": f"Try another evaluate.objects.neck, or {apart}.",
        "network": "Label more images in which they touch.",
    }
    return [
        Finding(
            f"{(1 - found) * every:,.0f} of {every:,.0f} touching objects missed",
            f"Of the objects that touch another of their class, {percent(found)} are found one by one.",
            actions[runs[0].metrics["test"]["instances"]["from"]],
        )
    ]


def border_of(results: Results) -> int | None:
    """The area from which an object is no longer small; None if params do not say."""
    border = results.params.evaluate.get("objects", {}).get("sizes", {}).get("medium")
    return None if border is None else int(border)
