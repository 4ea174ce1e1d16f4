"""Which objects are found, by area: what pixel accuracy hides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pixelproof.scoring.catalogue import CATALOGUE
from stages.report.charts.chart import Chart
from stages.report.charts.dots import dots
from stages.report.figures import Figure, over_seeds, ranking
from stages.report.gather import Results
from stages.report.markdown import percent

TITLE = "Small and large objects"
ORDER = 60
GROUP = "Mistakes"
SIZES = ("small", "medium", "large", "all")
KINDS = ("found", "missed", "invented")
MEASURES = {
    metric.keys[-1]: (metric.heading, f"{metric.meaning}; 1 is best")
    for metric in CATALOGUE.values()
    if metric.keys[:2] == ("sizes", "all")
}


@dataclass(frozen=True)
class Tally:
    """How many objects were found, missed and invented: the mean over the seeds."""

    found: float
    missed: float
    invented: float

    @property
    def true(self) -> float:
        """How many there are."""
        return self.found + self.missed

    @property
    def recall(self) -> float | None:
        """The share that is found; None if there are none."""
        return self.found / self.true if self.true else None


def context(results: Results) -> dict[str, Any]:
    """Charts of each measure by size, and how many objects were found, missed and invented."""
    names = ranking(results)
    things = [info for info in results.header.classes if info.thing]
    charts = {key: drawn for key in MEASURES if (drawn := chart(results, names, key))} if things else {}
    tallies = {name: {size: tally(results, name, "sizes", size) for size in SIZES} for name in names}
    return {
        "things": things,
        "charts": charts,
        "choices": {key: MEASURES[key][0] for key in charts},
        "sizes": SIZES,
        "kinds": KINDS,
        "areas": areas(results),
        "tallies": tallies,
        "classes": {info.name: by_class(results, names, info.name) for info in things},
        "first": names[0],
        "of_small": of_small(
            tallies[names[0]]["small"], over_seeds(results.runs[names[0]], "test", "pixel_accuracy").mean
        ),
        "found_more": found_more({name: tallies[name]["small"] for name in names}),
        "count": count,
        "objects": objects,
    }


def chart(results: Results, names: list[str], key: str) -> Chart | None:
    """One measure by size and architecture."""
    words = areas(results)
    groups: dict[str, dict[str, Figure]] = {
        f"{size}: {words[size]}" if size in words else size: {
            name: over_seeds(results.runs[name], "test", "sizes", size, key) for name in names
        }
        for size in SIZES
    }
    return dots(groups, names, list(results.runs), *MEASURES[key])


def areas(results: Results) -> dict[str, str]:
    """What small, medium and large mean, if params say so."""
    if not results.params.evaluate:
        return {}
    borders = results.params.evaluate["objects"]["sizes"]
    medium, large = borders["medium"], borders["large"]
    return {
        "small": f"below {medium:,} pixels",
        "medium": f"{medium:,} to {large - 1:,} pixels",
        "large": f"{large:,} pixels or more",
    }


def of_small(small: Tally, accuracy: float | None) -> str:
    """What becomes of the small objects, next to the share of right pixels."""
    right = f"is right in {percent(accuracy, 1)} of the pixels and"
    if not small.true:
        return f"{right} has no small object to find in the test split" + (
            f", but invents {count(small.invented)}." if small.invented else "."
        )
    if not small.missed:
        what = "finds the one small object" if small.true == 1 else f"finds all {objects(small.true, 'small object')}"
    elif small.missed == small.true:
        what = "misses the one small object" if small.true == 1 else f"misses all {objects(small.true, 'small object')}"
    else:
        share = percent(small.missed / small.true)
        what = f"misses {count(small.missed)} of {objects(small.true, 'small object')} ({share})"
    return f"{right} {what}" + (f", and invents {count(small.invented)}." if small.invented else ".")


def found_more(small: dict[str, Tally]) -> tuple[str, str] | None:
    """Who finds the most small objects, and how many, if that is not the first."""
    most = max(small, key=lambda name: small[name].found)
    first = next(iter(small.values()))
    return (most, count(small[most].found)) if small[most].found > first.found else None


def count(value: float) -> str:
    """A number of objects, which over several seeds is a mean."""
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"


def objects(value: float, what: str) -> str:
    """A number of them in words."""
    return f"{count(value)} {what}{'' if value == 1 else 's'}"


def by_class(results: Results, names: list[str], label: str) -> dict[str, list[Tally]]:
    """One class: a tally for each architecture, by size."""
    found = {
        size: [tally(results, name, "sizes", size, "classes", label) for name in names]
        for size in SIZES
        if size != "all"
    }
    return found | {"all": [tally(results, name, "objects", label) for name in names]}


def tally(results: Results, name: str, *keys: str) -> Tally:
    """The counts of one architecture."""
    return Tally(*(over_seeds(results.runs[name], "test", *keys, kind).mean or 0.0 for kind in KINDS))
