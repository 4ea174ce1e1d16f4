"""How well a network measures: objects found, missed and invented, and how far their measurements are off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pixelproof.core.errors import StateError
from stages.report.charts.areas import HEAD, Areas, area_chart, numbers, quartiles, sampled
from stages.report.charts.chart import Chart
from stages.report.figures import MINUS, Figure, ranking
from stages.report.gather import Results, Run
from stages.report.measured import amount, count, over_runs, percents, read_rows

TITLE = "Measuring objects"
ORDER = 90
GROUP = "Uses"
FOLD = "Errors of area, sides and perimeter of the objects that each network finds"
MEASUREMENTS = {  # by key: what people call it, its key and unit on the ground, its unit in the image
    "area": ("area", "area_m2", "m²", "px"),
    "oriented_height": ("long side", "oriented_height_m", "m", "px"),
    "oriented_width": ("short side", "oriented_width_m", "m", "px"),
    "perimeter": ("perimeter", "perimeter_m", "m", "px"),
}
SURFACE = {  # direction, texture and mean colour, and the unit of their errors
    "orientation": ("direction", "°"),
    **dict.fromkeys(("contrast", "homogeneity", "energy"), ("", "%")),
    **dict.fromkeys(("correlation", "red", "green", "blue"), ("", "")),
}
KINDS = ("true", "found", "missed", "invented")
TRUSTED = 0.1  # the largest median relative error that is marked
COLUMNS = ("id", "class", "kind", "area", "true_area")


@dataclass(frozen=True)
class Error:
    """The error of one measure of the found objects of a class, over the seeds."""

    label: str
    relative: Figure  # median of |predicted - true| / true
    absolute: Figure  # median of |predicted - true|
    bias: Figure  # mean of predicted - true
    unit: str

    @property
    def trusted(self) -> bool:
        """Whether the median error is small enough."""
        return self.relative.mean is not None and self.relative.mean <= TRUSTED


@dataclass(frozen=True)
class Line:
    """One class of an architecture."""

    name: str
    color: tuple[int, int, int]
    counts: dict[str, Figure]  # by kind
    measurements: dict[str, Error]
    surface: list[Error]

    @property
    def nothing(self) -> str:
        """What stands for an error where no object was found: that there were some is not the same as that none was."""
        return "none found" if self.counts["true"].mean else "no objects"


def context(results: Results) -> dict[str, Any]:
    """The objects of each architecture by class; only the split if no class has objects."""
    names = ranking(results)
    split = results.runs[names[0]][0].measured["split"]
    things = [info for info in results.header.classes if info.thing]
    for runs in results.runs.values():
        for run in runs:
            check(run, [info.name for info in things])
    if not things:
        return {"split": split, "lines": {}}
    lines = {name: [line(results.runs[name], info.name, info.color) for info in things] for name in names}
    pairs = {name: areas(results.runs[name]) for name in names}
    pairs = {name: found for name, found in pairs.items() if found}
    return {
        "split": split,
        "smallest": results.params.measure.get("objects", {}).get("smallest"),
        "lines": lines,
        "kinds": KINDS,
        "measurements": {key: label for key, (label, *_) in MEASUREMENTS.items()},
        "surface": [label or key for key, (label, _) in SURFACE.items()],
        "options": {str(number): name for number, name in enumerate(names)},
        "trusted": TRUSTED,
        "percents": percents,
        "count": count,
        "amount": amount,
        "facts": facts(lines, pairs),
        "charts": charts(results, pairs),
        "drawn": {name: len(sampled(found, len(pairs))) for name, found in pairs.items()},
        "found": {name: len(found) for name, found in pairs.items()},
        "head": HEAD,
        "numbers": numbers(pairs),
    }


def check(run: Run, things: list[str]) -> None:
    """Check that the summary has the data's classes."""
    if sorted(run.measured["classes"]) != sorted(things):
        path = str(run.folder / "measure/summary.json")
        raise StateError(path, "objects of classes other than those of data/prepared", "run `dvc repro`")


def line(runs: list[Run], name: str, color: tuple[int, int, int]) -> Line:
    """A class over the seeds."""
    counts = {kind: over_runs(runs, lambda run, kind=kind: run.measured["classes"][name][kind]) for kind in KINDS}  # type: ignore[misc]
    measurements = {}
    for key, (label, ground, metres, pixels) in MEASUREMENTS.items():
        scaled = all(errors(run, name)[ground]["objects"] for run in runs)
        measurements[key] = error(runs, name, label, key, *((ground, metres) if scaled else (key, pixels)))
    surface = [error(runs, name, label or key, key, key, unit) for key, (label, unit) in SURFACE.items()]
    return Line(name, color, counts, measurements, surface)


def errors(run: Run, name: str) -> dict[str, Any]:
    """The errors of a class, by measure."""
    found: dict[str, Any] = run.measured["classes"][name]["errors"]
    return found


def error(runs: list[Run], name: str, label: str, key: str, shown: str, unit: str) -> Error:
    """One error: relative for all objects, absolute on the ground (`shown`) if there is a scale."""
    return Error(
        label,
        over_runs(runs, lambda run: errors(run, name)[key]["median_relative"]),
        over_runs(runs, lambda run: errors(run, name)[shown]["median_absolute"]),
        over_runs(runs, lambda run: errors(run, name)[shown]["bias"]),
        unit,
    )


def areas(runs: list[Run]) -> Areas:
    """True and predicted area of all found objects of an architecture, from the smallest true one to the largest."""
    rows = [row for run in runs for row in read_rows(run, "objects", COLUMNS) if row["kind"] == "found"]
    return sorted((row["true_area"], row["area"], row["class"], row["id"]) for row in rows)


def facts(lines: dict[str, list[Line]], pairs: dict[str, Areas]) -> list[tuple[str, str]]:
    """The findings, each as its first words and the rest of the sentence; for the best network that has the number."""
    said = []
    shares = {name: found_share(group) for name, group in lines.items()}
    known = {name: share for name, share in shares.items() if share is not None}
    if known:
        best = max(known, key=lambda name: known[name])
        true, found, _, invented = (sum(row.counts[kind].mean or 0 for row in lines[best]) for kind in KINDS)
        most = f", the most of {len(known)} networks" if len(known) > 1 else ""
        rest = f"of the {true:,.0f} objects are found by {best}{most}: {found:,.0f}. It invents {invented:,.0f} more."
        said.append((f"{known[best]:.0%}".replace("%", "\u00a0%"), rest))
    first = next(iter(lines))
    measurements = [
        (row.name, one) for row in lines[first] for one in row.measurements.values() if one.relative.mean is not None
    ]
    if measurements:
        good = sum(one.trusted for _, one in measurements)
        worst, largest = max(measurements, key=lambda item: item[1].relative.mean or 0)
        rest = f"of the measurements of {first} are within {TRUSTED:.0%} at the median. ".replace("%", "\u00a0%")
        rest += f"The least accurate is the {largest.label} of {worst}: {largest.relative.mean:.1%}".replace(
            "%", "\u00a0%"
        )
        said.append((f"{good} of {len(measurements)}", rest + " off."))
    if first in pairs:
        ends = (f"{value - 1:+.0%}" for value in quartiles(pairs[first]))
        low, _, high = (end.replace("-", MINUS).replace("%", "\u00a0%") for end in ends)
        said.append((f"{low} to {high}", f"is the range of the middle half of the area errors of {first}."))
    return said


def found_share(group: list[Line]) -> float | None:
    """The share of the true objects that are found; None if there are none."""
    true, found = (sum(row.counts[kind].mean or 0 for row in group) for kind in ("true", "found"))
    return found / true if true else None


def charts(results: Results, pairs: dict[str, Areas]) -> dict[str, Chart]:
    """Predicted against true area, a chart for each architecture, all on the same axes."""
    order = list(results.runs)
    return {name: area_chart(name, order.index(name), pairs) for name in pairs}
