"""`python benchmarks/lecture.py FIGURE`: a figure of docs/lecture.md, and the numbers that the page quotes from it.

    checkerboard   what a transposed convolution makes of a flat input
    upsampling     bilinear interpolation against transposed convolutions
    regions        RoIPool against RoIAlign
    boundaries     U-Net against DeconvNet, both trained
    cut-out        what K-means cuts out, on another background

The first three are computed in seconds and come out the same every time. The last two train in a folder of their own,
on 128 drawn scenes; `--tree DIR` keeps it for the next time, or names a clone that has the results.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import upsampling as up
from benchmarks.common import ROOT
from benchmarks.lecture_trained import PAIR, boundaries, cut_out, save, trained
from pixelproof.core.table import markdown_table


def checkerboard(out: Path) -> None:
    """Overlaps of transposed convolutions, and what drawn weights make of a flat input."""
    from matplotlib import pyplot

    ways = {
        "transposed, 3x3, stride 2": (up.overlaps(3), up.of_flat(3, resized=False)),
        "transposed, 4x4, stride 2": (up.overlaps(4), up.of_flat(4, resized=False)),
        "resized, then 3x3": (np.full((16, 16), 9.0), up.of_flat(3, resized=True)),
    }
    figure, axes = pyplot.subplots(2, len(ways), figsize=(8.4, 5.6), layout="constrained")
    for column, (name, maps) in enumerate(ways.items()):
        above, below = (each[up.EDGE : -up.EDGE, up.EDGE : -up.EDGE] for each in maps)
        axes[0, column].imshow(above, cmap="viridis", vmin=0, vmax=14)
        for row, line in enumerate(above):
            for place, value in enumerate(line):
                axes[0, column].text(place, row, f"{value:.0f}", ha="center", va="center", color="white", size=8)
        axes[0, column].set_title(name, size=10)
        axes[1, column].imshow(below, cmap="gray", vmin=0.3, vmax=1.7)
        axes[1, column].set_xlabel(f"uneven by {up.unevenness(maps[1]):.0%}")
    axes[0, 0].set_ylabel("inputs that reach a pixel")
    axes[1, 0].set_ylabel("a flat input, drawn weights")
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    save(figure, out)
    rows = [[name, f"{up.unevenness(maps[0]):.1%}", f"{up.unevenness(maps[1]):.1%}"] for name, maps in ways.items()]
    print(*markdown_table(["up-sampling", "uneven, equal weights", "uneven, drawn weights"], rows), sep="\n")


def upsampling(out: Path) -> None:
    """An edge, the frequencies that pass, and what is lost of labels that were made small and large again."""
    from matplotlib import pyplot

    fit, held = range(8), range(100, 116)
    kernels = {
        "transposed 2x2, equal": torch.ones(2, 2, dtype=torch.float64),
        "bilinear": up.BILINEAR,
        "transposed 4x4, fitted": up.fitted(4, fit),
        "transposed 6x6, fitted": up.fitted(6, fit),
    }
    found = {name: up.misses(kernel, held) for name, kernel in kernels.items()}
    figure, (edge, passed, missed) = pyplot.subplots(1, 3, figsize=(10.5, 3.4), layout="constrained")
    waves = np.linspace(0, 0.5, 101)
    for kernel in kernels.values():
        edge.plot(np.arange(32) - 15.5, up.edge_of(kernel), drawstyle="steps-mid", linewidth=1.2)
        passed.plot(waves, up.response(kernel, waves), linewidth=1.2)
    edge.set(title="an edge after three doublings", xlabel="pixels from the edge")
    passed.axvspan(0.25, 0.5, color="0.92")
    passed.set(title="what passes of a wave", xlabel="cycles per pixel (grey: not in the input)")
    missed.barh(list(found), [100 * share for share, _ in found.values()], color=[f"C{at}" for at in range(len(found))])
    missed.invert_yaxis()
    missed.set(title="pixels of another class, %")
    save(figure, out)
    rows = [[name, f"{share:.2%}", f"{error:.5f}"] for name, (share, error) in found.items()]
    print(*markdown_table(["up-sampling by two", "pixels of another class", "squared error"], rows), sep="\n")


def regions(out: Path) -> None:
    """What both read off while a box moves by less than a cell."""
    from matplotlib import pyplot

    shifts, few = np.arange(0, 33, dtype=np.float64), np.array([0.0, 6.0, 12.0, 18.0])
    figure = pyplot.figure(figsize=(10.5, 3.6), layout="constrained")
    parts: Any = figure.subfigures(1, 2, width_ratios=(1, 1.25))
    left, right = parts
    line = left.subplots()
    line.plot(shifts, shifts, color="0.75", linewidth=5, label="the box")
    rows = []
    for name, of in up.REGIONS.items():
        places = up.regions(of, up.places(), shifts)[:, 3, 3]
        line.plot(shifts, places - places[0], drawstyle="steps-post" if name == "RoIPool" else "default", label=name)
        error = np.abs(places - places[0] - shifts)
        rows.append([name, f"{up.jumps(places):.1f}", f"{error.mean():.1f}", f"{error.max():.1f}"])
    line.set(xlabel="the box is shifted by (pixels)", ylabel="its middle bin moved by (pixels)")
    line.legend()
    axes = right.subplots(2, len(few))
    for row, (name, of) in zip(axes, up.REGIONS.items(), strict=True):
        for axis, shift, values in zip(row, few, up.regions(of, up.bumps(), few), strict=True):
            axis.imshow(values, cmap="magma", vmin=0.1, vmax=0.9)
            axis.set(xticks=[], yticks=[], title=f"{shift:.0f} pixels" if name == "RoIPool" else "")
        row[0].set_ylabel(name)
    save(figure, out)
    head = ["", "largest jump when the box moves by 1 pixel", "mean error", "largest error"]
    print(*markdown_table(head, rows), sep="\n")


COMPUTED: dict[str, Callable[[Path], None]] = {
    "checkerboard": checkerboard,
    "upsampling": upsampling,
    "regions": regions,
}
TRAINED: dict[str, tuple[Callable[[Path, Path], None], tuple[str, ...]]] = {
    "boundaries": (boundaries, PAIR),
    "cut-out": (cut_out, ("kmeans",)),
}


def main() -> None:
    """Draw one figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figure", choices=[*COMPUTED, *TRAINED])
    parser.add_argument("--out", type=Path, help="default: docs/lecture-FIGURE.png")
    parser.add_argument("--tree", type=Path, help="where networks are trained, or were")
    parser.add_argument("--iterations", type=int, default=300, help="of a training; default 300")
    given = parser.parse_args()
    out = given.out or ROOT / f"docs/lecture-{given.figure}.png"
    if given.figure in COMPUTED:
        COMPUTED[given.figure](out)
        return
    with tempfile.TemporaryDirectory(prefix="pixelproof-") as scratch:
        tree = (given.tree or Path(scratch) / "tree").resolve()
        figure, names = TRAINED[given.figure]
        trained(tree, names, given.iterations)
        figure(out, tree)


if __name__ == "__main__":
    main()
