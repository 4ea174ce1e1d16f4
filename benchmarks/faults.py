"""SIGKILL at random moments: does everything end in the undisturbed bytes, with no command by hand?

    python benchmarks/faults.py [--only dvc reproduce serve] [--kills 40] [--seed 0] [--keep FOLDER]

In a fresh clone of the last commit, with settings that make all small, a real training and what it needs are
reproduced undisturbed; then from nothing again and again, and each time one process is killed at a random moment: DVC,
`reproduce`, the stage, or all of them at once. The same command is given again at once. For `serve` a run is asked for,
and its process, the worker, the server or `serve` itself is killed while the run is PENDING or RUNNING; only a killed
`serve` is started again, and then the next run is asked for. Compared are dvc.lock and everything that was written.
Writes benchmarks/results/faults.md; a kept folder goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.common import ROOT
from benchmarks.faults_of_commands import Kind, Trial, kill_command
from benchmarks.faults_of_serve import kill_served, serving
from benchmarks.faults_toy import Toy, toy
from pixelproof.core.files import write_text
from pixelproof.core.machine import machine
from pixelproof.core.table import markdown_table

OUT = ROOT / "benchmarks/results/faults.md"
COMMANDS = {
    "dvc": Kind("`dvc repro`", ["bin/python", "-m", "dvc", "repro"], ("dvc", "stage", "all")),
    "reproduce": Kind(
        "`reproduce --jobs 2`", ["bin/pixelproof", "reproduce", "--jobs", "2"], ("reproduce", "dvc", "stage", "all")
    ),
}


def trials(name: str, place: Toy, arguments: argparse.Namespace) -> list[Trial]:
    """As many kills as asked; those of an earlier call on the same folder are read."""
    kept = place.clone.parent / f"{name}.json"
    done = [Trial(**each) for each in json.loads(kept.read_text())] if kept.is_file() else []
    with killer(name, place) as kill:
        for number in range(len(done), arguments.kills):
            done.append(kill(random.Random(f"{arguments.seed} {name} {number}")))
            print(f"[{name} {number + 1}/{arguments.kills}] {done[-1]}", file=sys.stderr, flush=True)
            write_text(kept, json.dumps([asdict(each) for each in done]))
    return done


@contextmanager
def killer(name: str, place: Toy) -> Iterator[Callable[[random.Random], Trial]]:
    """What kills once, in a block in which that can be asked for."""
    if name in COMMANDS:
        yield lambda draw: kill_command(place, COMMANDS[name], draw)
    else:
        with serving(place) as served:
            yield lambda draw: kill_served(place, served, draw)


def row(name: str, found: list[Trial]) -> list[str]:
    """A line of the table."""
    what = COMMANDS[name].title if name in COMMANDS else "`serve`"
    same = sum(trial.same for trial in found)
    orphans = sum(trial.orphans for trial in found)
    slots = sum(trial.slots for trial in found) if name == "serve" else "-"
    nexts = [trial.next_s for trial in found if trial.next_s is not None]
    after = f"{max(nexts):.0f} s" if nexts else "-"
    times = [f"{value:.1f} s" for value in (statistics.median(t.gone_s for t in found), max(t.gone_s for t in found))]
    return [what, str(len(found)), f"{same} of {len(found)}", str(orphans), str(slots), *times, after]


HEADER = [
    "killed",
    "kills",
    "undisturbed bytes",
    "processes left",
    "slots held",
    "all ended after (median)",
    "(longest)",
    "next run began within",
]


def page(found: dict[str, list[Trial]], command: str) -> str:
    """The page."""
    lines = ["# SIGKILL at random moments", "", f"`{command}`, on {machine()}", ""]
    lines += [*markdown_table(HEADER, [row(name, trials) for name, trials in found.items()]), ""]
    details = [
        [name, trial.victim, f"{trial.moment:.1f} s", trial.state, "yes" if trial.same else "NO", trial.said]
        for name, trials in found.items()
        for trial in trials
    ]
    lines += ["## Each kill", "", *markdown_table(["of", "killed", "after", "in", "same bytes", "said"], details), ""]
    return "\n".join(lines)


def main() -> None:
    """Kill, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [*COMMANDS, "serve"]
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="default: all")
    parser.add_argument("--kills", type=int, default=40, help="of each; default 40")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and of what is killed")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="use this clone, and go on where it was")
    parser.add_argument("--out", type=Path, default=OUT, help=f"default: {OUT.relative_to(ROOT)}")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.keep or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        place = toy(folder)
        found = {name: trials(name, place, arguments) for name in arguments.only}
    chosen = "" if arguments.only == names else f" --only {' '.join(arguments.only)}"
    command = f"python benchmarks/faults.py{chosen} --kills {arguments.kills} --seed {arguments.seed}"
    write_text(arguments.out, page(found, command))
    print(page(found, command))


if __name__ == "__main__":
    main()
