"""Landing sites: how safe those are that each network chooses, and what the unsafe ones hit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2

from pixelproof.data.dataset import ClassInfo
from pixelproof.data.images import decode
from pixelproof.scoring.resampling import FEWEST
from stages.report.charts.chart import CLASS, EDGE, ROOM, Chart, draw, fitted, hue, plot, shape
from stages.report.figures import TOO_FEW, Figure, listed, ranking
from stages.report.gather import Results, Run
from stages.report.markdown import percent
from stages.report.measured import amount, count, over_runs, percents, read_rows
from stages.report.pictures import photo

TITLE = "Where to land"
ORDER = 100
GROUP = "Uses"
FOLD = "Which disks each network chooses to land on, and whether the ground truth calls them safe"
NONE = "\u2013"
WIDE = 146  # pixels of a chart from 0 to 100 %
IDS, PICTURES = 4, 24  # images that are shown at most, and pictures of all networks together
CHOICES = {"first_disks": "first choice", "disks": "all disks"}


@dataclass(frozen=True)
class Share:
    """A share of disks over the seeds; its interval if there is one seed."""

    figure: Figure
    interval: list[float] | None

    @property
    def too_few(self) -> bool:
        """Whether a share of one seed has no interval because too few groups have a disk."""
        return self.interval is None and self.figure.mean is not None and self.figure.deviation is None

    @property
    def ends(self) -> list[float] | None:
        """The ends of the bar: the interval, or the mean ± the deviation over the seeds."""
        mean, deviation = self.figure.mean, self.figure.deviation
        if mean is None or deviation is None:
            return self.interval
        return [max(mean - deviation, 0.0), min(mean + deviation, 1.0)]


@dataclass(frozen=True)
class Line:
    """One architecture."""

    safe: dict[str, Share]  # by choice
    landable: Share
    missed: Figure  # images with a landing site in which none was chosen
    lost: Figure
    unit: str
    judged: Figure  # disks


def context(results: Results) -> dict[str, Any]:
    """The rules, and the results of each architecture; only that there are none if params ask for none."""
    names = ranking(results)
    one = results.runs[names[0]][0].landing
    if not all(run.landing["asked"] for runs in results.runs.values() for run in runs):
        return {"asked": False}
    lines = {name: line(results.runs[name]) for name in names}
    return {
        "asked": True,
        "score": one,
        "rules": rules(one["rules"], results.header.classes),
        "lines": lines,
        "choices": CHOICES,
        "facts": facts(results, lines),
        "charts": [chart for chart in (safe_chart(results, lines), cause_chart(results, names)) if chart],
        "pictures": pictures(results, names),
        "percents": percents,
        "count": count,
        "span": span,
        "fewest": FEWEST,
        "amount": amount,
        "percent": percent,
    }


def line(runs: list[Run]) -> Line:
    """An architecture over its seeds; in metres if every seed has some."""
    unit, long = (
        ("m", "metres") if all(r.landing["clearance_lost"]["metres"]["disks"] for r in runs) else ("px", "pixels")
    )
    return Line(
        {choice: share(runs, choice, "safe") for choice in CHOICES},
        share(runs, "first_disks", "landable"),
        over_runs(runs, lambda run: run.landing["missed_places"]),
        over_runs(runs, lambda run: run.landing["clearance_lost"][long]["median"]),
        unit,
        over_runs(runs, judged),
    )


def share(runs: list[Run], choice: str, kind: str) -> Share:
    """A share of disks over the seeds."""
    figure = over_runs(runs, lambda run: run.landing[choice][f"{kind}_share"])
    return Share(figure, runs[0].landing[choice].get(f"{kind}_interval") if len(runs) == 1 else None)


def judged(run: Run) -> float:
    """How many disks the truth can judge."""
    return float(run.landing["disks"]["safe"] + run.landing["disks"]["false"])


def rules(asked: dict[str, Any], classes: tuple[ClassInfo, ...]) -> dict[str, Any]:
    """The rules of params in words; classes that they do not name are forbidden too."""
    known = {info.name: info for info in classes}
    named = {*asked["safe"], *asked["forbidden"], *asked["keep_distance"]}
    return {
        "safe": [known[name] for name in asked["safe"] if name in known],
        "forbidden": [known[name] for name in asked["forbidden"] if name in known],
        "unnamed": [info for info in classes if info.name not in named],
        "distances": [(known[n], length(asked["keep_distance"][n])) for n in asked["keep_distance"] if n in known],
        "radius": length(asked["radius"]),
        "disks": asked["disks"],
    }


def length(value: dict[str, float | None]) -> str:
    """A length of params: metres, and the pixels for images without a scale."""
    metres, pixels = value["metres"], value["pixels"]
    if metres is None:
        return f"{pixels:g}\u00a0px"
    return f"{metres:g}\u00a0m" + (f" ({pixels:g}\u00a0px without a scale)" if pixels is not None else "")


def facts(results: Results, lines: dict[str, Line]) -> list[tuple[str, str]]:
    """The findings, each as its first words and the rest of the sentence."""
    said = []
    means = {name: mean for name, row in lines.items() if (mean := row.safe["first_disks"].figure.mean) is not None}
    if not means:
        return []
    best = max(means, key=lambda name: means[name])
    most = f", the highest share of {len(means)} networks" if len(means) > 1 else ""
    if near := [name for name in means if name != best and overlap(lines[name], lines[best])]:
        most += f", within the range of {listed(near)}"
    rest = f"of the first choices of {best} lie wholly on safe ground{most}."
    small = lines[best].landable.figure.mean
    if small is not None:
        rest += f" The smallest disk allowed would be safe in {percent(small)} of them."
    said.append((percent(means[best]), rest))
    runs = results.runs[best]
    if (with_place := runs[0].landing["images_with_place"]) and lines[best].missed.mean is not None:
        rest = f"images with a landing site are missed by {best}."
        said.append((f"{count(lines[best].missed)} of {with_place}", rest))
    if worst := sorted(causes(runs).items(), key=lambda item: (-item[1], item[0])):
        cause, value = worst[0]
        said.append((percent(value), f"of its disks are {cause}: the most common reason for an unsafe disk."))
    return said


def overlap(one: Line, other: Line) -> bool:
    """Whether the intervals of two networks' first choices overlap."""
    ends = one.safe["first_disks"].ends, other.safe["first_disks"].ends
    return ends[0] is not None and ends[1] is not None and ends[0][1] >= ends[1][0] and ends[1][1] >= ends[0][0]


def causes(runs: list[Run]) -> dict[str, float]:
    """Why disks are false: for each reason, its share of the disks that can be judged, over the seeds."""
    found: dict[str, float] = {}
    known = [run for run in runs if judged(run)]
    for run in known:
        for key, words in (("false_by_class", "on"), ("too_near_by_class", "too near")):
            for label, number in run.landing[key].items():
                reason = f"{words} {label}"
                found[reason] = found.get(reason, 0.0) + number / judged(run) / len(known)
    return found


def safe_chart(results: Results, lines: dict[str, Line]) -> Chart | None:
    """The share of safe disks with its interval, the first of each image and all of them."""
    import altair as alt

    names = list(results.runs)
    rows = [
        {"architecture": name, "choice": label, "share": one.figure.mean, "text": percents(one.figure, 0)}
        | {"tip": f"{name}, {label}: {percents(one.figure)} safe{within(one)}", "hollow": choice == "disks"}
        | dict(zip(("low", "high"), one.ends or [one.figure.mean] * 2, strict=True))
        for name, row in lines.items()
        for choice, label in CHOICES.items()
        if (one := row.safe[choice]).figure.mean is not None
    ]
    if not rows:
        return None
    base = plot(rows, width=WIDE, height=alt.Step(20)).encode(
        x=alt.X("share:Q", title="safe, of the judged disks", axis=alt.Axis(format="%", values=[0, 0.5, 1])).scale(
            domain=[0, 1], padding=EDGE
        ),
        y=alt.Y("architecture:N", title=None, sort=list(lines), axis=alt.Axis(ticks=False)),
        yOffset=alt.YOffset("choice:N", sort=list(CHOICES.values())),
        color=hue(names, field="architecture", type="nominal"),
        description="tip:N",
    )
    looks = shape(names, field="architecture", type="nominal")
    spans = base.mark_rule(strokeWidth=2, opacity=0.55).encode(x=alt.X("low:Q"), x2="high:Q")
    filled = base.transform_filter("!datum.hollow").mark_point(size=70, filled=True, opacity=1).encode(shape=looks)
    hollow = base.transform_filter("datum.hollow").mark_point(size=70, fill="var(--card)", opacity=1, strokeWidth=2)
    hollow = hollow.encode(shape=looks)
    numbers = base.mark_text(align="left", dx=6).encode(x="high:Q", text="text:N", color=alt.value("var(--ink)"))
    head = ["architecture", *(f"{label}{part}" for label in CHOICES.values() for part in ("", ", 95 %"))]
    table = [
        [name, *(part for choice in CHOICES for part in (percents(row.safe[choice].figure), span(row.safe[choice])))]
        for name, row in lines.items()
    ]
    many = len(results.seeds) > 1
    note = "Filled: the first disk of each image. Hollow: all disks. " + (
        "Lines: one standard deviation over the seeds."
        if many
        else "Lines: 95\u00a0% intervals over groups, if there are any."
    )
    label = "Share of safe disks by architecture: " + ", ".join(f"{r[0]} {r[1]}" for r in table)
    return draw(spans + filled + hollow + numbers, "Disks wholly on safe ground", note, label, head, table)


def span(one: Share) -> str:
    """The interval in words."""
    if one.interval is None:
        return TOO_FEW if one.too_few else NONE
    return f"{one.interval[0]:.0%} to {one.interval[1]:.0%}".replace("%", "\u00a0%")


def within(one: Share) -> str:
    """The interval as the end of a sentence."""
    return f", 95\u00a0% interval {span(one)}" if one.interval else ""


def cause_chart(results: Results, names: list[str]) -> Chart | None:
    """What false disks hit, or come too near to: a row for each reason, a point for each architecture."""
    import altair as alt

    found = {name: causes(results.runs[name]) for name in names}
    most = {reason: max(row.get(reason, 0.0) for row in found.values()) for row in found.values() for reason in row}
    order = sorted(most, key=lambda reason: (-most[reason], reason))
    if not order:
        return None
    rows = [
        {
            "reason": reason,
            "share": value,
            "architecture": name,
            "tip": f"{name}: {percent(value, 1)} of the disks {reason}",
        }
        for name, row in found.items()
        if any(judged(run) for run in results.runs[name])
        for reason in order
        if (value := row.get(reason, 0.0)) is not None
    ]
    every = list(results.runs)
    spec = (
        plot(rows, width=ROOM, height=alt.Step(26))
        .mark_point(size=65, strokeWidth=1.8, opacity=0.9)
        .encode(
            x=alt.X("share:Q", title="of the judged disks", axis=alt.Axis(format="%", tickCount=4)).scale(padding=EDGE),
            y=alt.Y(
                "reason:N",
                title=None,
                sort=order,
                axis=alt.Axis(grid=True, ticks=False, labelLimit=CLASS),
            ),
            color=hue(every, field="architecture", type="nominal"),
            shape=shape(every, field="architecture", type="nominal"),
            description="tip:N",
        )
    )
    table = [[reason, *(percent(found[name].get(reason, 0.0), 1) for name in names)] for reason in order]
    note = "False disks by the class that they lie on or are too near to. One disk may have several reasons."
    label = "Share of disks that are false, by reason and architecture; the most common reason is " + order[0]
    return draw(fitted(spec), "What went wrong", note, label, ["reason", *names], table)


def pictures(results: Results, names: list[str]) -> dict[str, dict[str, Any]]:
    """The same images for every architecture, of its first seed: the first ones that all of them have drawn."""
    first = {name: results.runs[name][0] for name in names}
    shared = set.intersection(*(set(run.landing["pictures"]) for run in first.values()))
    ids = [key for key in first[names[0]].landing["pictures"] if key in shared][
        : max(1, min(IDS, PICTURES // len(names)))
    ]
    rows = {name: read_rows(run, "landing", ["id", "rank", "verdict"]) if ids else [] for name, run in first.items()}
    return {
        key: {
            name: {
                "uri": drawing(run, key),
                "said": [(row["rank"], row["verdict"]) for row in rows[name] if row["id"] == key],
            }
            for name, run in first.items()
        }
        for key in ids
    }


def drawing(run: Run, key: str) -> str:
    """The picture that measure drew."""
    image = decode(run.folder / "measure/landing" / f"{key}.png", cv2.IMREAD_COLOR)
    return photo(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
