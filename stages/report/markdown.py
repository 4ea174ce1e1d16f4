"""reports/summary.md: the report on one screen of Markdown, for a terminal or a comment."""

from __future__ import annotations

import math
import textwrap

from pixelproof.core.table import markdown_table
from pixelproof.scoring.catalogue import headlines
from pixelproof.scoring.resampling import FEWEST
from stages.report.figures import (
    TOO_FEW,
    Figure,
    Span,
    confusions,
    figure_of,
    keys_of,
    over_seeds,
    ranking,
    span,
    too_few,
)
from stages.report.gather import Results, Run
from stages.report.standing import Standing, because, out_of_fold, standing, verdict

DASH = "\u2013"  # in a range
MOST = 24  # classes, the hardest ones: a screen has no room for more
CONFUSED = 3  # confusions that are listed
Table = tuple[list[str], list[list[str]]]  # head, rows


def summary(results: Results) -> str:
    """The report on one screen."""
    names = ranking(results)
    cards = {split: card for split, card in results.cards.items() if not results.folds or split != "train"}
    folded = {"val": f"in {results.folds} folds"} if results.folds else {}
    data = ", ".join(f"{card['images']} {folded.get(split, split)}" for split, card in cards.items())
    return (
        "\n\n".join(
            [
                f"# {plain(results.title)}",
                wrapped(f"{headed(standing(results))} {len(results.header.classes)} classes; images: {data}."),
                "## Architectures",
                "\n".join(markdown_table(*architectures(results, names), numbers=True)),
                wrapped(sureness(results, names[0])),
                *([wrapped(plain(out_of_fold(results)))] if results.folds else []),
                "## Classes (IoU, test)" + (f", the {MOST} hardest" if len(results.header.classes) > MOST else ""),
                "\n".join(markdown_table(*classes(results, names), numbers=True)),
                f"## What {plain(names[0])} gets wrong",
                "\n".join(wrapped(f"- {line}") for line in mistakes(results, names[0])),
            ]
        )
        + "\n"
    )


def headed(found: Standing | None) -> str:
    """The headline, and what it rests on."""
    before, best, after = verdict(found)
    said = " ".join(plain(part) for part in (before, best, after) if part.strip())
    return " ".join(part for part in (f"**{said}.**", plain(because(found))) if part)


def architectures(results: Results, names: list[str]) -> Table:
    """The head and a row for each architecture: scores on test, the interval of the first, and costs."""
    one = len(results.seeds) == 1
    first, *others = headlines()
    head = ["architecture", first.title, *(["interval"] if one else []), *(metric.title for metric in others)]
    rows = []
    for name in names:
        runs, cost = results.runs[name], results.runs[name][0].cost
        scores = [shown(figure_of(first, runs, "test"))]
        scores += [ranged(runs, "test", *keys_of(first, runs)) or "absent"] if one else []
        scores += [shown(figure_of(metric, runs, "test")) for metric in others]
        scores += [shown(figure_of(first, runs, "val")), short(cost["parameters"]), short(cost["flops"])]
        rows.append([plain(name), *scores])
    beside = f"out-of-fold {first.title}" if results.folds else f"val {first.title}"
    return [*head, beside, "param.", "FLOPs"], rows


def sureness(results: Results, name: str) -> str:
    """What the scores and the costs refer to."""
    run, seeds = results.runs[name][0], len(results.seeds)
    drawn, cost = run.metrics["test"]["intervals"], run.cost
    if not drawn["groups"]:
        text = "No image of test was scored."
    elif seeds > 1:
        text = f"Scores: mean ± standard deviation of {seeds} seeds."
    else:
        few = f"; it takes {FEWEST}" if drawn["groups"] < FEWEST else ""
        text = f"Interval: {percent(drawn['confidence'])} (groups of images: {drawn['groups']}{few})."
    return text + (f" FLOPs: for one image of {cost['width']}x{cost['height']}." if cost["height"] else "")


def classes(results: Results, names: list[str]) -> Table:
    """The head and a row for each class, or for the hardest ones: IoU of each architecture."""
    found = {
        label: [over_seeds(results.runs[name], "test", "classes", label, "iou") for name in names]
        for label in results.header.names()
    }
    kept = found
    if len(found) > MOST:
        kept = dict(sorted(found.items(), key=lambda item: math.inf if (m := item[1][0].mean) is None else m)[:MOST])
    rows = [[plain(label), *map(shown, figures)] for label, figures in kept.items()]
    return ["class", *map(plain, names)], rows


def mistakes(results: Results, name: str) -> list[str]:
    """One architecture's confusions, small objects, certainty and landing, a line each."""
    runs = results.runs[name]
    worst = ", ".join(
        f"{plain(one.truth)} mistaken for {plain(one.prediction)} ({percent(one.share)} of it)"
        for one in confusions(results, name)[:CONFUSED]
    )
    small, every = (shown(over_seeds(runs, "test", "sizes", size, "recall")) for size in ("small", "all"))
    error, sure = (shown(over_seeds(runs, "test", "calibration", key)) for key in ("ece", "certainty_wrong"))
    return [
        f"Most frequent confusions, by pixels: {worst or 'nothing'}.",
        f"Object recall: {every} overall, {small} for small ones.",
        f"Calibration error {error}; mean certainty of wrong pixels: {sure}.",
        f"Landing: {landing(runs)}.",
    ]


def landing(runs: list[Run]) -> str:
    """How many of the chosen disks are safe to land on, over all seeds."""
    asked = [run.landing for run in runs if run.landing["asked"]]
    if not asked:
        return "not configured (`measure.landing.safe`)"
    safe, false = (sum(one["disks"][key] for one in asked) for key in ("safe", "false"))
    missed = sum(one["missed_places"] for one in asked)
    if not safe + false:
        return f"no disk can be judged; no disk in {missed} images with a landing site"
    share = percent(safe / (safe + false))
    return f"{safe} of {safe + false} judged disks are safe ({share}); no disk in {missed} images with a landing site"


def wrapped(text: str) -> str:
    """A paragraph or a list item, wrapped to the width of a screen."""
    return textwrap.fill(text, 118, subsequent_indent="  " * text.startswith("- "), break_long_words=False)


def shown(figure: Figure) -> str:
    """A figure with three decimals; `absent` if it is undefined."""
    if figure.mean is None:
        return "absent"
    return f"{figure.mean:.3f}" + (f" ± {figure.deviation:.3f}" if figure.deviation is not None else "")


def ranged(runs: list[Run], split: str, *keys: str) -> str:
    """The range of a score, or that it has none because of too few groups; nothing if no range belongs to it."""
    return between(span(runs, split, *keys)) or (TOO_FEW if too_few(runs, split, *keys) else "")


def between(span: Span | None, digits: int = 3) -> str:
    """A range."""
    return "" if span is None else f"{span[0]:.{digits}f}{DASH}{span[1]:.{digits}f}"


def short(number: float | None) -> str:
    """A count in three digits: 1,807,753 is 1.81 M."""
    if number is None:
        return "absent"
    for letter, power in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= 0.9995 * power:
            value = number / power
            digits = sum(value < most for most in (9.995, 99.95))
            return f"{value:.{digits}f}\u00a0{letter}"
    return f"{number:.0f}"


def plain(name: str) -> str:
    """A name that Markdown and HTML leave as it is; a bar matters in tables alone, where markdown_table escapes it."""
    text = " ".join(name.split()).replace("&", "&amp;").replace("<", "&lt;")
    return "".join("\\" + letter if letter in "\\`*_[]#~!" else letter for letter in text)


def percent(share: float | None, digits: int = 0) -> str:
    """A share in per cent; a small one is not shown as 0."""
    if share is None:
        return "absent"
    least = 10.0**-digits
    value = share * 100
    text = f"< {least:g}" if 0 < value < least else f"{value:.{digits}f}"
    return text + "\u00a0%"  # a space that no line breaks at
