"""`python benchmarks/shapes.py`: from CVAT's XML to masks; targets: 2 s for 100 ellipses, 5 s for a million points.

Each job is one photograph of 24 megapixels: 100 ellipses of 200x160 pixels, and one polygon of 1,000,000 points, smooth
or jagged. Timed are reading the XML with every check, and drawing the mask with its instances; not the photograph.
COCO's own tools draw the same rings for comparison, from points that are in memory already. Seconds are those of the
processor: all of it runs in one thread and waits for nothing, and what else the machine does then counts less.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from pycocotools import mask as coco

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.common import print_table
from pixelproof.data.dataset import IGNORE, ClassInfo
from pixelproof.data.outlines import Floats
from stages.cvat.archive import open_export
from stages.cvat.formats import read
from stages.cvat.model import Painted
from stages.cvat.raster import Palette, draw

WIDTH, HEIGHT = 6000, 4000
POINTS = 1_000_000
PALETTE = Palette.of((ClassInfo(0, "leaf", (0, 255, 0), thing=True),), IGNORE)


def ellipses() -> str:
    """A hundred of them, turned, all over the photograph."""
    rng = np.random.default_rng(0)
    places = zip(rng.uniform(100, WIDTH - 100, 100), rng.uniform(100, HEIGHT - 100, 100), strict=True)
    return "".join(
        f'<ellipse label="leaf" cx="{x:.2f}" cy="{y:.2f}" rx="100.00" ry="80.00" rotation="{turn:.2f}"/>'
        for (x, y), turn in zip(places, rng.uniform(0, 360, 100), strict=True)
    )


def ring(noise: float) -> Floats:
    """A circle of a million points, each moved in or out by a share of the radius."""
    turn = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
    reach = 1500 * (1 + noise * np.random.default_rng(0).standard_normal(POINTS))
    points: Floats = np.stack([WIDTH / 2 + reach * np.cos(turn), HEIGHT / 2 + reach * np.sin(turn)], axis=1).round(2)
    return points


def polygon(points: Floats) -> str:
    """As CVAT writes it."""
    return f'<polygon label="leaf" points="{";".join(f"{x:.2f},{y:.2f}" for x, y in points)}"/>'


def timed(shapes: str, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds to read the XML, and to draw it."""
    image = f'<image id="0" name="0.jpg" width="{WIDTH}" height="{HEIGHT}">{shapes}</image>'
    reading, drawing = [], []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "annotations.xml").write_text(f"<annotations>{image}</annotations>")
        for _ in range(rounds):
            began = time.process_time()
            with open_export(Path(folder)) as export:
                labels = read(export).images[0].labels
            parsed = time.process_time()
            assert not isinstance(labels, Painted)
            draw(labels, WIDTH, HEIGHT, PALETTE)
            reading.append(parsed - began)
            drawing.append(time.process_time() - parsed)
    return reading, drawing


def by_coco(points: Floats, rounds: int) -> list[float]:
    """Seconds that COCO's tools take to draw a ring."""
    took = []
    for _ in range(rounds):
        began = time.process_time()
        coco.decode(coco.merge(coco.frPyObjects([points.ravel().tolist()], HEIGHT, WIDTH)))
        took.append(time.process_time() - began)
    return took


def main() -> None:
    """Time each job, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    rows = []
    for name, points, asked in (
        ("100 ellipses of 200x160", None, 2),
        ("a polygon of 1,000,000 points", ring(0), 5),
        ("the same, jagged by 0.1 % of its radius", ring(0.001), 5),
        ("the same, jagged by 2 % of its radius", ring(0.02), 5),
    ):
        reading, drawing = timed(ellipses() if points is None else polygon(points), rounds)
        both = [one + other for one, other in zip(reading, drawing, strict=True)]
        theirs = "" if points is None else f"{statistics.median(by_coco(points, rounds)):.2f} s"
        seconds = [f"{statistics.median(each):.2f} s" for each in (reading, drawing, both)]
        rows.append([name, *seconds, f"{min(both):.2f} to {max(both):.2f} s", f"{asked} s", theirs])
    print_table(
        f"From CVAT's XML to the mask of a photograph of {WIDTH}x{HEIGHT}, {rounds} rounds, seconds of the processor",
        ["shapes", "read", "draw", "**both**", "rounds", "target", "COCO's tools, drawing alone"],
        rows,
    )


if __name__ == "__main__":
    main()
