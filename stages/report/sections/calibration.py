"""Whether a network is right as often as it is certain: reliability diagrams (Guo et al. 2017), and summary numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pixelproof.scoring.catalogue import CATALOGUE
from stages.report.charts.chart import HUES, SHAPES, Chart, draw, plot, turn
from stages.report.figures import Figure, over_seeds, ranking
from stages.report.gather import Results, Run
from stages.report.markdown import percent

TITLE = "Calibration"
ORDER = 80
GROUP = "Mistakes"
KEPT = 0.8  # the share of the pixels that is kept when the least certain ones are rejected
SIDE = 156  # pixels of a diagram: four of them side by side on a desk
EVEN = 0.005  # a mean certainty this close to the accuracy is neither over- nor under-confident
ECE, AURC = CATALOGUE["ece"], CATALOGUE["aurc"]
MEASURES = {
    "ece": (ECE.title, f"{ECE.meaning}; 0 is best"),
    "certainty": ("certainty", "the mean over all pixels of the probability of the predicted class"),
    "certainty_right": ("of right pixels", "the same over the right pixels; near 1 is best"),
    "certainty_wrong": (
        "of wrong pixels",
        "the same over the wrong pixels; low is best, because doubt is then a warning",
    ),
    "aurc": (
        AURC.title,
        f"{AURC.meaning}; 0 is best; an uninformative certainty has the share of wrong pixels among all",
    ),
}


@dataclass(frozen=True)
class Bin:
    """Pixels of similar certainty, over the seeds."""

    low: float
    high: float
    pixels: int
    accuracy: float | None
    certainty: float | None


@dataclass(frozen=True)
class Line:
    """One architecture: its numbers, and how far its certainty is above its accuracy."""

    name: str
    figures: list[Figure]
    certainty: float | None
    accuracy: float | None
    kept: float | None  # the share of wrong pixels among the KEPT most certain ones

    @property
    def above(self) -> float | None:
        """Mean certainty minus accuracy: above 0, over-confident."""
        return None if self.certainty is None or self.accuracy is None else self.certainty - self.accuracy

    @property
    def wrong(self) -> float | None:
        """The share of wrong pixels."""
        return None if self.accuracy is None else 1 - self.accuracy

    @property
    def mood(self) -> str | None:
        """Whether the network is over- or under-confident; None without pixels."""
        if self.above is None:
            return None
        if abs(self.above) < EVEN:
            return "well calibrated on average"
        return "over-confident" if self.above > 0 else "under-confident"

    def said(self) -> str:
        """The same in a sentence, with its numbers."""
        if self.above is None or self.mood is None:
            return "no pixels to judge by"
        by = "" if abs(self.above) < EVEN else f" by {abs(self.above) * 100:.1f} points"
        return f"{self.mood}{by}: mean certainty {percent(self.certainty, 1)}, accuracy {percent(self.accuracy, 1)}"


def context(results: Results) -> dict[str, Any]:
    """A diagram and a line for each architecture, the best first."""
    names = ranking(results)
    lines = {name: line(name, results.runs[name]) for name in names}
    bins = {name: pooled(results.runs[name]) for name in names}
    hues = list(results.runs)
    return {
        "lines": lines,
        "charts": [drawn for name in names if (drawn := diagram(lines[name], bins[name], hues.index(name)))],
        "moods": moods(lines.values()),
        "figures_of": MEASURES,
        "bins": len(bins[names[0]]),
        "kept_share": KEPT,
    }


def moods(lines: Iterable[Line]) -> dict[str, list[str]]:
    """Which networks are over-confident, and which are not."""
    found: dict[str, list[str]] = {}
    for line in lines:
        if line.mood is not None:
            found.setdefault(line.mood, []).append(line.name)
    return found


def line(name: str, runs: list[Run]) -> Line:
    """The numbers of one architecture."""
    risks = [
        point["risk"]
        for run in runs
        for point in run.calibration["test"]["risk_coverage"]
        if abs(point["coverage"] - KEPT) < 1e-9 and point["risk"] is not None
    ]
    return Line(
        name,
        [over_seeds(runs, "test", "calibration", key) for key in MEASURES],
        over_seeds(runs, "test", "calibration", "certainty").mean,
        over_seeds(runs, "test", "pixel_accuracy").mean,
        Figure(tuple(risks)).mean,
    )


def pooled(runs: Sequence[Run]) -> list[Bin]:
    """The bins of all seeds together: pixels added up, and shares weighted by them."""
    found = []
    for same in zip(*(run.calibration["test"]["bins"] for run in runs), strict=True):
        pixels = sum(one["pixels"] for one in same)
        means = [
            sum(one["pixels"] * one[key] for one in same if one["pixels"]) / pixels if pixels else None
            for key in ("accuracy", "certainty")
        ]
        found.append(Bin(same[0]["from"], same[0]["to"], pixels, *means))
    return found


def diagram(line: Line, bins: list[Bin], position: int) -> Chart | None:
    """Accuracy against certainty with the diagonal, and below it how many pixels there are; None without any."""
    import altair as alt

    pixels = sum(one.pixels for one in bins)
    if not pixels:
        return None
    filled = [one for one in bins if one.pixels]
    rows = [
        {
            "certainty": one.certainty,
            "accuracy": one.accuracy,
            "low": one.low,
            "high": one.high,
            "share": one.pixels / pixels,
            "tip": f"{line.name}, certainty {one.certainty:.2f}: {percent(one.accuracy, 1)} right, "
            f"{percent(one.pixels / pixels, 1)} of the pixels",
        }
        for one in filled
    ]
    colour = f"var(--hue-{position % HUES})"
    scale = alt.Scale(domain=[0, 1])
    ticks = [0, 0.5, 1]
    across = alt.X("certainty:Q", scale=scale, title=None, axis=alt.Axis(values=ticks, labels=False, grid=False))
    upward = alt.Y("accuracy:Q", scale=scale, title="accuracy", axis=alt.Axis(values=ticks))
    ends = [{"certainty": end, "accuracy": end} for end in (0, 1)]
    diagonal = plot(ends).mark_line(color="var(--muted)", strokeDash=[4, 4], strokeWidth=1).encode(x=across, y=upward)
    base = plot(rows, width=SIDE, height=SIDE).encode(x=across, y=upward, description="tip:N")
    gaps = base.mark_rule(color=colour, opacity=0.35, strokeWidth=5).encode(y2="certainty:Q")
    seen = base.mark_line(color=colour, strokeWidth=2) + base.mark_point(
        color=colour, filled=True, size=42, opacity=1, shape=SHAPES[turn(position)]
    )
    below = (
        plot(rows, width=SIDE, height=46)
        .mark_bar(color=colour, opacity=0.75, orient="vertical")
        .encode(
            x=alt.X("low:Q", scale=scale, title="certainty", axis=alt.Axis(values=ticks, grid=False)),
            x2="high:Q",
            y=alt.Y("share:Q", scale=scale, title="pixels", axis=alt.Axis(values=[0, 1], format="%")),
            y2=alt.datum(0),
            description="tip:N",
        )
    )
    spec = alt.vconcat(gaps + diagonal + seen, below, spacing=8)
    head = ["certainty from", "to", "pixels", "mean certainty", "accuracy"]
    table = [
        [f"{one.low:.3f}", f"{one.high:.3f}", f"{one.pixels:,}", f"{one.certainty:.3f}", f"{one.accuracy:.3f}"]
        for one in filled
    ]
    label = f"Reliability of {line.name}: {line.said()}. Accuracy, and share of all pixels, by certainty"
    return draw(spec, line.name, line.said(), label, head, table)
