"""One run on many machines: the same dvc.lock, what it costs, and what comes of it when machines or networks fail.

    python benchmarks/workers.py [--only overhead scaling pulled killed cut] [--kills 20] [--seed 0] [--keep FOLDER]

On this machine, with an S3 and Prefect's server on loopback, each clone behind a network of its own that can be cut:
overhead: chains of stages that do nothing, on one worker; the time that each stage more takes.
scaling: 16 stages that sleep 20 s, on four workers, beside the time that they would take at best.
pulled: each stage of a small graph with a real training, on a worker that has nothing: the objects it pulled.
killed: that graph on two workers, one of which is killed at a random moment; the dvc.lock, beside that of `dvc repro`.
cut: the same, where the network of the worker, or of who asks, is cut for 40 s.
Writes benchmarks/results/workers.md; a kept folder goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.common import ROOT
from benchmarks.workers_parts import cut, killed, overhead, pulled, scaling
from pixelproof.core.files import write_text
from pixelproof.core.machine import machine

OUT = ROOT / "benchmarks/results/workers.md"
PARTS: dict[str, Callable[[Path, argparse.Namespace], list[str]]] = {
    "overhead": overhead,
    "scaling": scaling,
    "pulled": pulled,
    "killed": killed,
    "cut": cut,
}


def measured(folder: Path, arguments: argparse.Namespace) -> dict[str, list[str]]:
    """The lines about each part; those of an earlier call on the same folder are read."""
    kept = folder / "measured.json"
    found: dict[str, Any] = json.loads(kept.read_text()) if kept.is_file() else {}
    for name in arguments.only:
        if name not in found:
            print(f"{name} ...", file=sys.stderr, flush=True)
            found[name] = PARTS[name](folder / name, arguments)
            print(*found[name], sep="\n", file=sys.stderr, flush=True)
            write_text(kept, json.dumps(found))
    return {name: found[name] for name in PARTS if name in found}


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="default: all")
    parser.add_argument("--kills", type=int, default=20, help="default 20")
    parser.add_argument("--seed", type=int, default=0, help="of the moments, and of what is killed")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="use this folder, and go on where it was")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.keep or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        found = measured(folder, arguments)
    only = "" if len(found) == len(PARTS) else f" --only {' '.join(found)}"
    command = f"python benchmarks/workers.py{only} --kills {arguments.kills} --seed {arguments.seed}"
    lines = ["# One run on many machines", "", f"`{command}`, on {machine()}"]
    for name, told in found.items():
        lines += ["", f"## {name.capitalize()}", "", *told]
    write_text(OUT, "\n".join(lines) + "\n")
    print(*lines, sep="\n")


if __name__ == "__main__":
    main()
