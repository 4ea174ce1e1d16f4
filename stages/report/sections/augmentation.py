"""What augmentation did: the policies in words, images with their copies, and how the class shares changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import IGNORE, Header, Sample, read_image, read_mask, read_split
from stages.report.charts.chart import CLASS, Chart, draw, plot
from stages.report.figures import MINUS
from stages.report.gather import Results
from stages.report.markdown import percent
from stages.report.pictures import colours, painted, photo, spread
from stages.report.steps import in_words

TITLE = "Augmentation"
ORDER = 130
GROUP = "Origins"
FOLD = "The policies, some images with their copies, and how the copies change the class shares"
FAMILIES = 4  # images that are shown with their copies
COPIES = 3  # of each of them, at most
READ = 400  # images whose labels are counted, originals and copies together, at most
ROWS = (33, 21)  # chart pixels for each class: of few, of many
FEW = 12
WIDE = 184  # pixels, beside the names


@dataclass(frozen=True)
class Picture:
    """A photo, and its labels as an overlay."""

    id: str
    photo: str
    mask: str
    size: tuple[int, int]


@dataclass(frozen=True)
class Counts:
    """Labelled pixels by class, and the pixels without a label."""

    classes: list[int]
    ignored: int

    def shares(self) -> list[float | None]:
        """Each class's share of the labelled pixels."""
        labelled = sum(self.classes)
        return [count / labelled if labelled else None for count in self.classes]

    @property
    def unlabelled(self) -> float | None:
        """The share of all pixels that have no label."""
        every = sum(self.classes) + self.ignored
        return self.ignored / every if every else None


def context(results: Results) -> dict[str, Any]:
    """The policies, families of pictures, and pixel counts; without copies, only that there are none."""
    policy = in_words(results.params.augment.get("policy", []))
    training = in_words((results.params.train.model_extra or {}).get("augment", []))
    originals = {sample.id: sample for sample in read_split(results.data, "train")}
    copies = read_split(results.root / "data/augmented", "train")
    if not copies:
        return {"copies": 0, "training": training}
    parents = {sample.id: parent(results, sample, originals) for sample in copies}
    counted = evenly(copies, READ // 2)
    before = count(results, list({parents[c.id].id: parents[c.id] for c in counted}.values()), copied=False)
    after = count(results, counted, copied=True)
    return {
        "copies": len(copies),
        "originals": len({sample.id for sample in parents.values()}),
        "policy": policy,
        "training": training,
        "families": families(results, copies, parents),
        "counted": len(counted),
        "before": before,
        "after": after,
        "chart": shift(results.header, before, after),
    }


def parent(results: Results, copy: Sample, originals: dict[str, Sample]) -> Sample:
    """The original of a copy."""
    if copy.parent not in originals:
        path = results.root / "data/augmented/train/index.csv"
        raise DataError(path, "copies of images of data/prepared/train", str(copy.parent), "run `dvc repro`")
    return originals[copy.parent]


def families(results: Results, copies: list[Sample], parents: dict[str, Sample]) -> list[list[Picture]]:
    """Images, each with its first copies."""
    unique = {sample.id: sample for sample in parents.values()}
    chosen = spread([unique[name] for name in sorted(unique)], FAMILIES)
    return [
        [
            picture(results, sample, copied=False),
            *(picture(results, c, copied=True) for c in [c for c in copies if parents[c.id] is sample][:COPIES]),
        ]
        for sample in chosen
    ]


def picture(results: Results, sample: Sample, copied: bool) -> Picture:
    """An image or a copy, with its labels."""
    root = results.root / "data/augmented" if copied else results.data
    mask = read_mask(root, "train", sample, len(results.header.classes))
    image = photo(read_image(root, "train", sample))
    return Picture(sample.id, image, painted(mask, colours(results.header)), (sample.width, sample.height))


def evenly(samples: list[Sample], most: int) -> list[Sample]:
    """At most `most` of them, evenly spaced."""
    some = min(most, len(samples))
    return [samples[(2 * i + 1) * len(samples) // (2 * some)] for i in range(some)]


def count(results: Results, samples: list[Sample], copied: bool) -> Counts:
    """The pixels of all these images by class."""
    root = results.root / "data/augmented" if copied else results.data
    classes = len(results.header.classes)
    total = np.zeros(256, np.int64)
    for sample in samples:
        total += np.bincount(read_mask(root, "train", sample, classes).ravel(), minlength=256)
    return Counts([int(n) for n in total[:classes]], int(total[IGNORE]))


def shift(header: Header, before: Counts, after: Counts) -> Chart | None:
    """How much of the labelled pixels each class gained or lost, in percentage points."""
    import altair as alt

    pairs = list(zip(header.classes, before.shares(), after.shares(), strict=True))
    rows: list[dict[str, Any]] = [
        {
            "row": i,
            "points": (to - at) * 100,
            "text": f"{(to - at) * 100:+.2f}".replace("-", MINUS),
            "name": info.name,
            "side": to >= at,
        }
        for i, (info, at, to) in enumerate(pairs)
        if at is not None and to is not None
    ]
    if not rows:
        return None
    most = max(max(abs(row["points"]) for row in rows) * 2, 0.01)  # with room for the number beside a bar
    for row in rows:
        row["tip"] = f"{row['name']}: {row['text']} percentage points"
    base = plot(rows, width=WIDE, height=len(rows) * ROWS[len(rows) > FEW]).encode(
        x=alt.X(
            "points:Q",
            title="percentage points",
            scale=alt.Scale(domain=[-most, most], nice=False),
            axis=alt.Axis(tickCount=4),
        ),
        y=alt.Y("row:O", axis=None),
    )
    bars = base.mark_bar(height=9, color="var(--warm)").encode(description="tip:N")
    right = base.transform_filter("datum.side").mark_text(align="left", dx=5).encode(text="text:N")
    left = base.transform_filter("!datum.side").mark_text(align="right", dx=-5).encode(text="text:N")
    names = base.mark_text(align="right", dx=-8, limit=CLASS).encode(x=alt.value(0), text="name:N")
    numbers = [
        [info.name, percent(at, 2), percent(to, 2), row["text"]]
        for (info, at, to), row in zip(pairs, rows, strict=True)
    ]
    return draw(
        bars + right + left + names,
        "Change of the class shares",
        "share of each class in the copies, minus its share in their originals",
        "Change of each class's share of the labelled pixels, from the originals to their copies",
        ["class", "originals", "copies", "change, points"],
        numbers,
    )
