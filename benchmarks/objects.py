"""What networks that tell objects apart find, beside one whose objects are cut by a watershed.

    [DATA_MIRROR=...] python benchmarks/objects.py [--sweep objects-scenes] [--jobs 1] [--keep FOLDER]

Runs experiments/SWEEP.yaml in a fresh clone of the last commit, after training the encoder that a point begins with.
For val and test: AP and PQ with intervals over groups of images, the share that is found of the objects that touch
another, the quotient TP / (TP + FP + FN) at an IoU of 0.5 over all images, by which StarDist and Cellpose are
published; and how each differs from the first point, tested as `compare` does. Writes benchmarks/results/SWEEP.md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.common import ROOT, swept
from benchmarks.encoders import encoders, keep_encoder
from benchmarks.repro import clone_apart
from pipelines.compare.objects import ObjectPair, judge_objects
from pipelines.compare.pieces import DETECTIONS, SEGMENTS, ObjectPieces, Wanted, read_pieces
from pipelines.compare.runs import SPLITS, folder
from pipelines.compare.significance import Row
from pipelines.compare.store import Outputs, Store
from pipelines.dvc.graph import open_repo
from pipelines.dvc.revision import open_revision
from pipelines.params import load_pipelines
from pixelproof.core.files import write_text
from pixelproof.core.machine import machine
from pixelproof.core.params import read_yaml
from pixelproof.core.table import markdown_table
from pixelproof.scoring.matrices import read_matrices

SWEEPS = ("objects-scenes", "objects-nuclei")


@dataclass(frozen=True)
class Point:
    """What a point's network found, by split."""

    name: str
    minutes: float
    metrics: dict[str, Any]  # of evaluate
    groups: dict[str, list[str]]
    pieces: dict[str, ObjectPieces]


def read_point(row: dict[str, str], store: Store) -> Point:
    """What is stored of a point of sweep.csv."""
    outputs = Outputs(open_revision(row["experiment"]), store)
    place = folder(row["architecture"], 0)
    found = {name: outputs.read(place, name) for name in ("metrics.json", "matrices.parquet", DETECTIONS, SEGMENTS)}
    lacking = [name for name, content in found.items() if content is None]
    if lacking:
        sys.exit(f"error: {row['point']}: {place} has no {', '.join(lacking)}")
    contents = {name: content for name, content in found.items() if content is not None}
    metrics = json.loads(contents["metrics.json"])
    classes = list(metrics[SPLITS[0]]["classes"])
    matrices = read_matrices(contents["matrices.parquet"], len(classes), row["point"])
    tables = contents[DETECTIONS], contents[SEGMENTS]
    pieces = {
        split: read_pieces(tables, Wanted(split, of.ids, range(len(classes)), len(classes)), row["point"])
        for split, of in matrices.items()
    }
    groups = {split: of.groups for split, of in matrices.items()}
    return Point(row["point"], float(row["seconds"]) / 60, metrics, groups, pieces)


def quotient(found: ObjectPieces) -> float | None:
    """TP / (TP + FP + FN) of things at an IoU of 0.5, over all images."""
    things = found.objects.any(axis=0)
    _, invented, missed, hits = found.counts[:, :4, things].sum(axis=(0, 2)).tolist()
    return hits / (hits + invented + missed) if hits + missed else None


def scores(split: str, points: Sequence[Point]) -> list[str]:
    """The table of a split."""
    lines = []
    for point in points:
        found = point.metrics[split]["instances"]
        mask, panoptic, touching = found["mask"], found["panoptic"], found["touching"]
        cells = [
            with_interval(mask["AP50"], mask["intervals"]["AP50"]),
            with_interval(mask["AP"], mask["intervals"]["AP"]),
            with_interval(panoptic["PQ"], panoptic["interval"]),
            with_interval(touching["found"], touching["interval"]),
            with_interval(quotient(point.pieces[split]), None),
            with_interval(found["challenge"], None),
        ]
        lines.append([point.name, *cells, f"{point.minutes:.0f} min"])
    close = points[0].metrics[split]["instances"]["touching"]["objects"]
    head = ["point", "mask AP50", "mask AP", "PQ", f"found of {close} that touch", "TP / (TP + FP + FN)"]
    return [f"## {split}", "", *markdown_table([*head, "nuclei challenge's score", "all of it"], lines), ""]


def with_interval(value: float | None, ends: Sequence[float] | None) -> str:
    """A score and where it would lie for other groups of images."""
    if value is None:
        return "absent"
    return f"{value:.3f}" + (f" ({ends[0]:.3f} to {ends[1]:.3f})" if ends else "")


def differences(split: str, points: Sequence[Point], params: Any) -> list[str]:
    """How each point differs from the first one, over all classes."""
    first, *others = points
    groups = first.groups[split]
    pairs = [ObjectPair(split, one.name, groups, {0: first.pieces[split]}, {0: one.pieces[split]}) for one in others]
    classes = [f"class {number}" for number in range(first.pieces[split].counts.shape[2])]
    rows = [row for row in judge_objects(pairs, classes, params) if row.label is None]
    lines = [[row.architecture, row.metric, *numbers(row), row.words] for row in rows]
    head = ["point", "score", f"{first.name}", "its own", "change", "p (Holm)", "verdict"]
    return markdown_table(head, lines)


def numbers(row: Row) -> list[str]:
    """Both scores, the change with its interval, and the corrected p-value."""
    change = "" if row.change is None else f"{row.change:+.3f}"
    ends = "" if row.low is None or row.high is None else f" [{row.low:+.3f}, {row.high:+.3f}]"
    chance = "" if row.p_holm is None else f"{row.p_holm:.4f}"
    return [*("" if value is None else f"{value:.3f}" for value in (row.base, row.head)), change + ends, chance]


def main() -> None:
    """Run the sweep, read what was found, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweep", choices=SWEEPS, default=SWEEPS[0])
    parser.add_argument("--jobs", type=int, default=1, help="points side by side; default 1")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="use this clone, and leave it")
    arguments = parser.parse_args()
    name = arguments.sweep
    told = [f"`python benchmarks/objects.py --sweep {name} --jobs {arguments.jobs}`", ""]
    told += [f"# {read_yaml(ROOT / f'experiments/{name}.yaml')['about']}", "", f"Measured on: {machine()}", ""]
    with tempfile.TemporaryDirectory() as temporary:
        place = arguments.keep or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        clone, environ = clone_apart(place.absolute())
        for arch in encoders(clone / f"experiments/{name}.yaml"):
            keep_encoder(clone, environ, arch, {})
        rows = {row["point"]: row for row in swept(clone, environ, name, arguments.jobs)}
        with contextlib.chdir(clone), open_repo() as repo:
            store, params = Store(repo), load_pipelines().compare
            points = [read_point(rows[point], store) for point in read_yaml(Path(f"experiments/{name}.yaml"))["points"]]
            for split in SPLITS:
                told += [*scores(split, points), *differences(split, points, params), ""]
    told += [
        f"The settings are in [{name}.yaml](../../experiments/{name}.yaml). One seed each; nothing is chosen on test."
    ]
    write_text(ROOT / f"benchmarks/results/{name}.md", "\n".join(told) + "\n")
    print(*told, sep="\n")


if __name__ == "__main__":
    main()
