"""`python benchmarks/train.py`: images per second in training: MMSegmentation's stock, a bare PyTorch loop, and ours.

Targets, on the CPU: at least 1.8 times stock for `unet` and 1.6 times for `deeplabv3plus-r18`, never below 0.98 of the
bare loop, and less than 2 % of the time waiting for data, also where one loader worker augments every image as `street`
does, which stock does not: the last row. See stock.py and bare.py for the other two; ours is the stage
`train`, paused step by step. All train the same network on the same synthetic images with the same batch size, threads
and loader workers, those of params.yaml. Each is a process that is paused while the others take their turn, in rounds
A B C A B C; ratios are within a round, and the table has their medians. Together they take 11 GiB of memory.

`--quality` instead trains stock and ours with several seeds, with stock's optimizer and schedule on both sides, and
compares the validation mIoU after the same number of steps.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.bare import train_bare
from benchmarks.common import ROOT, print_table
from benchmarks.quality import print_quality
from benchmarks.stock import BF16, CHANGES, Task, train_stock
from benchmarks.workspace import ENDLESS, make_task
from commands._pace import Round, Training, take_turns, train_in

ASKED = {"unet": 1.8, "deeplabv3plus-r18": 1.6}  # times stock
OF_BARE, WAITING = 0.98, 0.02
PACE = {"full": (2, 4, 2), "small": (3, 5, 10)}  # scale -> warm-up steps, rounds, steps per round
STOCK, OURS, BARE = "stock", "**ours** (+ loader, loss, optimizer and loop of our own)", "bare loop"
AUGMENTED, ONLINE = "ours, augmenting as `street` with 1 loader worker", {"train.augment": "street", "train.workers": 1}


def measure(task: Task, augmented: Task, folder: Path, pace: tuple[int, int, int]) -> dict[str, list[Round]]:
    """All variants in turn; ours, the bare loop, and ours that augments come last."""
    variants: dict[str, tuple[Any, ...]] = {STOCK: (train_stock, task, folder / "0", ())}
    changes = [change for change in CHANGES if change != BF16 or task.precision == "bf16"]
    for number, change in enumerate(changes, 1):
        variants[f"+ {change}"] = (train_stock, task, folder / str(number), changes[:number])
    variants[OURS] = (train_in, task.workspace, task.arch, 0)
    variants[BARE] = (train_bare, task.workspace, task.arch)
    variants[AUGMENTED] = (train_in, augmented.workspace, task.arch, 0)
    warm_up, rounds, steps = pace
    with contextlib.ExitStack() as stack:
        trainings = {}
        for name, work in variants.items():
            print(f"{task.arch}, {task.scale}: {name}", file=sys.stderr, flush=True)
            trainings[name] = stack.enter_context(Training(name, *work))
            trainings[name].run(warm_up)
        return take_turns(trainings, rounds, steps)


def ratio(some: Sequence[Round], others: Sequence[Round]) -> float:
    """How many times as fast, as the median of the rounds."""
    return statistics.median(one.rate / other.rate for one, other in zip(some, others, strict=True))


def waiting(rounds: Sequence[Round]) -> float:
    """The share of the time spent waiting for a batch."""
    return sum(each.waited for each in rounds) / sum(each.seconds for each in rounds)


def rows(found: dict[str, list[Round]]) -> list[list[str]]:
    """The table: each row but the bare loop's adds something to the one above it."""
    lines, above = [], found[STOCK]
    for name, rounds in found.items():
        gain = "" if name in (STOCK, BARE, AUGMENTED) else f"{ratio(rounds, above):.2f}"
        rate = statistics.median(each.rate for each in rounds)
        spread = f"{min(each.rate for each in rounds):.1f} to {max(each.rate for each in rounds):.1f}"
        wait = "" if name == BARE else f"{waiting(rounds):.1%}"
        lines.append([name, f"{rate:.1f}", spread, f"{ratio(rounds, found[STOCK]):.2f}", gain, wait])
        above = rounds
    return lines


def verdict(arch: str, found: dict[str, list[Round]]) -> str:
    """The targets and results, in one line."""
    stock, bare = ratio(found[OURS], found[STOCK]), ratio(found[OURS], found[BARE])
    waits = [f"{waiting(found[name]):.1%}" for name in (OURS, AUGMENTED)]
    return (
        f"Ours is {stock:.2f} times stock (target: at least {ASKED[arch]}), {bare:.2f} times the bare loop (target: at "
        f"least {OF_BARE}), and waits for data {waits[0]} of the time, {waits[1]} when it augments (target: less than "
        f"{WAITING:.0%})."
    )


def print_speed(arch: str, scale: str, folder: Path, pace: tuple[int, int, int], changes: dict[str, Any]) -> None:
    """Measure one architecture at one scale, and print the table."""
    task = make_task(arch, scale, folder / "workspace", ENDLESS, changes)
    augmented = make_task(arch, scale, folder / "augmented", ENDLESS, changes | ONLINE)
    found = measure(task, augmented, folder / "stock", pace)
    with (task.workspace / "params.yaml").open() as file:
        size = yaml.safe_load(file)["prepare"]["shape"]
    title = (
        f"Training {arch}, `train.scale: {scale}`, {size['width']}x{size['height']}, batch {task.batch}, "
        f"{task.threads} threads, {task.workers} loader workers; {pace[1]} rounds of {pace[2]} steps"
    )
    header = ["training", "images/s", "rounds", "times stock", "times the row above", "waiting for data"]
    print_table(title, header, rows(found))
    print(f"\n{verdict(arch, found)}\n", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=sorted(ASKED), action="append", help="default: both")
    parser.add_argument("--scale", choices=sorted(PACE), action="append", help="default: both; full is the zoo's own")
    parser.add_argument("--rounds", type=int, help="measured rounds of each; default 4 at full, 5 at small")
    parser.add_argument("--threads", type=int, help="threads of each; default compute.threads of params.yaml")
    parser.add_argument("--workers", type=int, help="loader workers of each; default train.workers of params.yaml")
    parser.add_argument("--quality", action="store_true", help="compare validation mIoU instead of speed")
    parser.add_argument("--seeds", type=int, default=3, help="with --quality: seeds of each side; default 3")
    parser.add_argument("--iterations", type=int, default=300, help="with --quality: steps of each; default 300")
    arguments = parser.parse_args()
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # stock would use a GPU; see train_cuda.py
    os.chdir(ROOT)
    asked = {"compute.threads": arguments.threads, "train.workers": arguments.workers}
    changes = {name: value for name, value in asked.items() if value is not None}
    scales = arguments.scale or (["small"] if arguments.quality else ["full", "small"])
    with tempfile.TemporaryDirectory() as folder:
        for scale in scales:
            for arch in arguments.arch or sorted(ASKED, reverse=True):
                place = Path(folder) / scale / arch
                if arguments.quality:
                    print_quality(arch, scale, place, arguments.seeds, arguments.iterations, changes)
                else:
                    warm_up, rounds, steps = PACE[scale]
                    print_speed(arch, scale, place, (warm_up, arguments.rounds or rounds, steps), changes)


if __name__ == "__main__":
    main()
