"""What each option of a recipe is worth: every one against the same training without it, as a sweep of three seeds.

    python benchmarks/ablations.py [--options ema smoothing] [--iterations 450] [--seeds 3] [--jobs 1] [--set KEY=VALUE]

Runs `pixelproof sweep` in a fresh clone of the last commit and writes benchmarks/results/ablations.md: the exact
settings of each row, its validation mIoU, and how it differs from its control. An effect is shown if the sweep's test,
over groups of images and over seeds, says so after Holm's correction over the rows; else the row says "not shown".
"""

from __future__ import annotations

import argparse
import csv
import json
import shlex
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.common import ROOT, swept
from benchmarks.repro import clone_apart
from pixelproof.core.files import write_text
from pixelproof.core.machine import machine
from pixelproof.core.table import markdown_table

OUT = ROOT / "benchmarks/results/ablations.md"
ALPHA = 0.05
Overrides = dict[str, Any]


@dataclass(frozen=True)
class Option:
    """An option, and the architecture whose training without it is its control."""

    control: str
    overrides: Overrides
    arch: str = ""  # where it is another architecture

    @property
    def architecture(self) -> str:
        """What is trained."""
        return self.arch or self.control


def loss(name: str, **settings: float) -> Overrides:
    """A single loss."""
    return {"train.loss": [{"name": name, "weight": 1.0, **settings}]}


OPTIONS = {
    "ema": Option("unet", {"train.ema": 0.99}),
    "ema-warmup": Option("unet", {"train.ema": 0.99, "train.ema_warmup": True}),
    "smoothing": Option("unet", loss("cross_entropy", smoothing=0.1)),
    "ohem": Option("unet", loss("ohem", threshold=0.7, least=0.1)),
    "focal": Option("unet", loss("focal", gamma=2.0)),
    "binary-focal": Option("unet", loss("binary_focal", gamma=2.0, alpha=0.25)),
    "rotations": Option("unet", {"evaluate.tta.rotations": [-10.0, 0.0, 10.0]}),
    "sum-skips": Option("unet-bn", {"configure.overrides": {"unet-bn": {"decode_head.skips": "sum"}}}),
    "cascade": Option("deeplabv3-r50", {}, "deeplabv3-cascade-r50"),
}


def sweep_of(options: Sequence[str], shared: Overrides) -> dict[str, Any]:
    """The sweep: the controls of some options, and the options themselves."""
    points: dict[str, Overrides] = {}
    for name in options:
        option = OPTIONS[name]
        points.setdefault(option.control, {"architectures": [option.control]})
        points[name] = {"architectures": [option.architecture]} | option.overrides
    return {"about": "What each option is worth", "set": shared, "points": points}


def holm(chances: Sequence[float]) -> list[float]:
    """P-values corrected for their number (Holm 1979)."""
    corrected, least = [0.0] * len(chances), 0.0
    for rank, at in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        least = max(least, min(1.0, (len(chances) - rank) * chances[at]))
        corrected[at] = least
    return corrected


def row_name(point: str, arch: str) -> str:
    """How the sweep's table calls a row."""
    return point if point == arch else f"{point}: {arch}"


def table(options: Sequence[str], rows: list[dict[str, str]], pairs: list[dict[str, str]]) -> list[str]:
    """The lines of the table, from sweep.csv and differences.csv.

    Args:
        options: The options, in the order of the table.
        rows: Of sweep.csv.
        pairs: Of differences.csv.
    """
    by_point = {row["point"]: row for row in rows}
    changes = {name: change(name, pairs) for name in options}
    tested = [name for name in options if changes[name] is not None]
    corrected = dict(zip(tested, holm([found[3] for name in tested if (found := changes[name])]), strict=True))
    lines = []
    for name in options:
        option, found = OPTIONS[name], changes[name]
        settings = json.dumps({"architectures": [option.architecture]} | option.overrides)
        scores = [scored(by_point[point]) for point in (option.control, name)]
        told = ["", "not tested"]
        if found is not None:
            direction = "better" if found[0] > 0 else "worse"
            verdict = direction if corrected[name] <= ALPHA else "not shown"
            told = [f"{found[0]:+.4f} [{found[1]:+.4f}, {found[2]:+.4f}]", f"{verdict}, p {corrected[name]:.3f}"]
        lines.append([name, f"`{settings}`", option.control, *scores, *told, by_point[name]["seeds"]])
    head = ["option", "settings", "against", "its val mIoU", "val mIoU", "change", "effect", "seeds"]
    return markdown_table(head, lines)


def change(name: str, pairs: list[dict[str, str]]) -> tuple[float, float, float, float] | None:
    """From the control to the option: the change, the ends of its interval, and its p-value; None if not tested."""
    option = OPTIONS[name]
    control, other = row_name(option.control, option.control), row_name(name, option.architecture)
    for pair in pairs:
        if {pair["first"], pair["second"]} == {control, other} and pair["p"]:
            value, low, high, chance = (float(pair[key]) for key in ("change", "low", "high", "p"))
            return (value, low, high, chance) if pair["second"] == other else (-value, -high, -low, chance)
    return None


def scored(row: dict[str, str]) -> str:
    """A row's score on validation."""
    value = row.get("val.mIoU", "")
    return f"{float(value):.4f}" if value else row["status"]


def settings_of(arguments: argparse.Namespace) -> Overrides:
    """What all points share."""
    shared: Overrides = {
        "train.seeds": list(range(arguments.seeds)),
        "train.iterations": arguments.iterations,
        "train.val_interval": max(1, arguments.iterations // 5),
    }
    for text in arguments.set:
        key, _, value = text.partition("=")
        shared[key] = yaml.safe_load(value)
    return shared


def typed(arguments: argparse.Namespace) -> str:
    """The command that measures the same again, wherever that is."""
    words = ["python", "benchmarks/ablations.py", "--options", *arguments.options]
    words += ["--iterations", str(arguments.iterations), "--seeds", str(arguments.seeds)]
    return shlex.join([*words, *(word for text in arguments.set for word in ("--set", text))])


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def main() -> None:
    """Run the sweep, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--options", nargs="+", choices=list(OPTIONS), default=list(OPTIONS), help="default: all")
    parser.add_argument("--iterations", type=int, default=450, help="of each training; default 450")
    parser.add_argument("--seeds", type=int, default=3, help="how many; default 3")
    parser.add_argument("--jobs", type=int, default=1, help="points side by side; default 1")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of all points")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="use this clone, and leave it: the sweep goes on there"
    )
    parser.add_argument("--out", type=Path, default=OUT, help=f"default: {OUT.relative_to(ROOT)}")
    arguments = parser.parse_args()
    shared = settings_of(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        clone, environ = clone_apart(folder.absolute())
        sweep = clone / "experiments/ablations.yaml"
        sweep.write_text(yaml.safe_dump(sweep_of(arguments.options, shared), sort_keys=False))
        found = swept(clone, environ, "ablations", arguments.jobs), read(clone / "ablations/differences.csv")
    told = ["# What each option of a recipe is worth", "", f"Measured on: {machine()}", ""]
    told += [f"`{typed(arguments)}`", ""]
    told += [f"All points: `{json.dumps(shared)}`; the rest is params.yaml's.", ""]
    told += table(arguments.options, *found)
    write_text(arguments.out, "\n".join(told) + "\n")
    print(*told, sep="\n")


if __name__ == "__main__":
    main()
