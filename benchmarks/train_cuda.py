"""`python benchmarks/train_cuda.py`: images per second in training on one NVIDIA GPU, against the GPU's limits.

Targets, for `unet` and `deeplabv3plus-r50` at 512x512 in bf16: at least 1.5 times stock, never below 0.95 of the bare
loop, and the GPU busy for at least 90 % of the time. The same comparison as train.py, at the zoo's own sizes on
synthetic images: stock as it comes (torch then computes convolutions in TF32), in true fp32, and with all of our
changes; ours, the stage `train` as it runs, and the same compiled; and a bare loop with its batches already on the GPU.
How busy the GPU is comes from torch's profiler, in a separate round. The ceilings are a large bf16 matrix product and a
copy within the GPU's memory, measured here too.

What fails is named, the rest goes on, and the exit code is 1. `--device cpu` runs every line with tiny sizes on a
machine without a GPU: that its numbers mean nothing stands in its title.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.bare import Loss, train_bare
from benchmarks.common import ROOT, print_table
from benchmarks.stock import CHANGES, Task, train_stock
from benchmarks.workspace import ENDLESS, make_task
from commands._pace import Round, Training, train_in
from pixelproof.core.errors import PixelproofError
from pixelproof.data import dataset
from pixelproof.nn.build import build_model, read_config
from pixelproof.nn.runtime import Compute

ARCHITECTURES = ("unet", "deeplabv3plus-r50")
OF_STOCK, OF_BARE, BUSY = 1.5, 0.95, 0.9  # what is asked
STOCK, OURS, BARE = "stock, as it comes", "**ours**", "bare loop"
NO_RESULT = "DRY RUN ON THE CPU, NO RESULT: "


@dataclass(frozen=True)
class Extent:
    """How large the images are, how long is measured, and how large the ceilings' operands are."""

    scale: str
    side: int
    flights: int
    warm_up: int
    rounds: int
    steps: int
    matrix: int  # its side
    copied: int  # bytes


EXTENTS = {
    "cuda": Extent("full", 512, 32, 20, 5, 20, 8192, 2**31),
    "cpu": Extent("small", 64, 2, 1, 2, 1, 256, 2**20),
}


@dataclass(frozen=True)
class Row:
    """A variant: the rounds that were timed, and one that was profiled, if that went well."""

    rounds: list[Round]
    profiled: Round | None

    @property
    def rate(self) -> float:
        """Images per second."""
        return statistics.median(each.rate for each in self.rounds)

    @property
    def busy(self) -> float:
        """The share of the time in which the GPU was at work; NaN if the profiler saw nothing."""
        return self.profiled.busy / self.profiled.seconds if self.profiled else math.nan

    def times(self, other: Row) -> float:
        """How many times as fast as another, as the median of the rounds."""
        return statistics.median(one.rate / two.rate for one, two in zip(self.rounds, other.rounds, strict=True))


@dataclass(frozen=True)
class Found:
    """What was measured, and what failed: `variant -> why`."""

    rows: dict[str, Row]
    failed: dict[str, str]


def train_stock_on_gpu(line: Connection, task: Task, work: Path, changes: Sequence[str], tf32: bool) -> None:
    """Stock, as torch comes or in true fp32."""
    import torch

    if not tf32:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    train_stock(line, task, work, changes)


def variants_of(arch: str, folder: Path, extent: Extent, changes: dict[str, Any]) -> tuple[Task, dict[str, Any]]:
    """What stock trains, and all variants: `name -> (function, its arguments)`."""
    task = make_task(arch, extent.scale, folder / "ours", ENDLESS, changes)
    compiled = make_task(arch, extent.scale, folder / "compiled", ENDLESS, changes | {"train.compile": True})
    variants: dict[str, Any] = {
        STOCK: (train_stock_on_gpu, task, folder / "tf32", (), True),
        "stock, in fp32": (train_stock_on_gpu, task, folder / "fp32", (), False),
        f"stock, + {', '.join(CHANGES)}": (train_stock_on_gpu, task, folder / "changed", CHANGES, True),
        OURS: (train_in, task.workspace, arch, 0),
        "**ours, compiled**": (train_in, compiled.workspace, arch, 0),
        BARE: (train_bare, task.workspace, arch),
    }
    return task, variants


def measure(variants: dict[str, tuple[Any, ...]], extent: Extent) -> Found:
    """All variants in turn, A B C, A B C, then a profiled round of each; one that fails is left out from there on."""
    failed: dict[str, str] = {}
    rounds: dict[str, list[Round]] = {}
    with contextlib.ExitStack() as stack:
        trainings: dict[str, Training] = {}

        def run(name: str, steps: int, profiled: bool = False) -> Round | None:
            try:
                return trainings[name].run(steps, profiled)
            except PixelproofError as error:
                failed[name] = str(error)
                trainings.pop(name).close()
                return None

        for name, work in variants.items():
            print(name, file=sys.stderr, flush=True)
            trainings[name] = stack.enter_context(Training(name, *work))
            run(name, extent.warm_up)
        for _ in range(extent.rounds):
            for name in [*trainings]:
                if one := run(name, extent.steps):
                    rounds.setdefault(name, []).append(one)
        rows = {name: Row(rounds[name], run(name, extent.steps, True)) for name in [*trainings]}
    return Found(rows, failed)


def table(found: dict[str, Row], flops: float, ceiling: float) -> list[list[str]]:
    """The table; `flops` is per image, `ceiling` what the GPU can do per second."""
    lines = []
    for name, row in found.items():
        times = f"{row.times(found[STOCK]):.2f}" if STOCK in found else ""
        waited = sum(each.waited for each in row.rounds) / sum(each.seconds for each in row.rounds)
        spread = f"{min(each.rate for each in row.rounds):.1f} to {max(each.rate for each in row.rounds):.1f}"
        share = f"{row.rate * flops / ceiling:.1%}"
        lines.append([name, f"{row.rate:.1f}", spread, times, f"{waited:.1%}", busy_told(row.busy), share])
    return lines


def busy_told(share: float) -> str:
    """A share of the time, or that nothing is known."""
    return "not seen" if math.isnan(share) else f"{share:.0%}"


def verdicts(found: dict[str, Row]) -> list[str]:
    """Each target, what was found, and whether it was met."""
    lines = []
    ours = found.get(OURS)
    for name, asked, other in (("stock", OF_STOCK, found.get(STOCK)), ("the bare loop", OF_BARE, found.get(BARE))):
        if ours and other:
            times = ours.times(other)
            lines.append(f"- {times:.2f} times {name}; asked: {asked} at least: {met(times >= asked)}")
        else:
            lines.append(f"- times {name}: **not measured**")
    if ours and not math.isnan(ours.busy):
        lines.append(f"- GPU busy {ours.busy:.1%} of the time; asked: {BUSY:.0%} at least: {met(ours.busy >= BUSY)}")
    else:
        lines.append("- GPU busy: **not measured**")
    return lines


def met(well: bool) -> str:
    """Whether a target was met."""
    return "met" if well else "**missed**"


def image_flops(workspace: Path, arch: str, side: int, device: str, batch: int = 2) -> float:
    """Floating-point operations of a forward and a backward pass, for one image."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    compute = Compute(device="auto", precision="fp32", channels_last=False, threads=1)
    classes = len(dataset.read_header(workspace / "data/prepared").classes)
    model = build_model(read_config(workspace / f"data/configs/{arch}.json"), classes, compute).to(device).train()
    inputs = torch.zeros(batch, 3, side, side, device=device)
    with FlopCounterMode(display=False) as counter:
        Loss(model, classes)(inputs, torch.zeros(batch, side, side, dtype=torch.long, device=device)).backward()
    return float(counter.get_total_flops()) / batch


def seconds(work: Callable[[], Any], device: str, repeats: int = 20) -> float:
    """The median time of something on the device."""
    import torch

    wait: Callable[[], Any] = torch.cuda.synchronize if device == "cuda" else lambda: None
    times = []
    for number in range(repeats + 3):
        wait()
        start = time.perf_counter()
        work()
        wait()
        if number >= 3:
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def matmul_ceiling(side: int, device: str) -> float:
    """Operations per second of a large bf16 matrix product."""
    import torch

    matrix = torch.randn(side, side, device=device, dtype=torch.bfloat16)
    return 2 * side**3 / seconds(lambda: matrix @ matrix, device)


def memory_ceiling(size: int, device: str) -> float:
    """Bytes per second that a copy reads and writes."""
    import torch

    source = torch.zeros(size, device=device, dtype=torch.uint8)
    target = torch.empty_like(source)
    return 2 * size / seconds(lambda: target.copy_(source), device)


def print_speed(arch: str, device: str, batch: int, workers: int) -> bool:
    """Measure one architecture and print what was found; whether nothing failed."""
    import torch

    extent = EXTENTS[device]
    changes: dict[str, Any] = {
        "compute.device": device,
        "compute.precision": "bf16",
        "compute.channels_last": True,
        "download.workers": max(workers, 1),
        "download.synthetic.train_flights": extent.flights,
        "download.synthetic.val_flights": 1,
        "download.synthetic.test_flights": 1,
        "download.synthetic.side": extent.side,
        "prepare.shape.width": extent.side,
        "prepare.shape.height": extent.side,
        "train.batch": batch,
        "train.workers": workers,
    }
    with tempfile.TemporaryDirectory() as temporary:
        task, variants = variants_of(arch, Path(temporary), extent, changes)
        found = measure(variants, extent)
        products, memory = matmul_ceiling(extent.matrix, device), memory_ceiling(extent.copied, device)
        flops = image_flops(task.workspace, arch, extent.side, device)
    where = f"one {torch.cuda.get_device_name()}" if device == "cuda" else "the CPU"
    title = (
        f"{NO_RESULT if device == 'cpu' else ''}Training {arch}, `train.scale: {extent.scale}`, "
        f"{extent.side}x{extent.side}, batch {batch}, {workers} loader workers, on {where}; "
        f"{extent.rounds} rounds of {extent.steps} steps"
    )
    header = ["training", "images/s", "rounds", "times stock", "waiting for data", "GPU busy", "of the matmul ceiling"]
    print_table(title, header, table(found.rows, flops, products))
    print(
        f"\nCeilings: {products / 1e12:.3g} TFLOP/s (bf16 matrix product), {memory / 1e12:.3g} TB/s (copy). "
        f"A step takes {flops / 1e9:.3g} GFLOP per image.\n"
    )
    print(*verdicts(found.rows), *(f"- **failed**: {why}" for why in found.failed.values()), "", sep="\n")
    sys.stdout.flush()
    return not found.failed


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=ARCHITECTURES, action="append", help="default: both")
    parser.add_argument("--device", choices=sorted(EXTENTS), default="cuda", help="cpu: a dry run with tiny sizes")
    parser.add_argument("--batch", type=int, help="images per step; default 16, and 2 in a dry run")
    parser.add_argument("--workers", type=int, help="loader workers; default 8, and 1 in a dry run")
    arguments = parser.parse_args()
    dry = arguments.device == "cpu"
    os.environ["CUDA_VISIBLE_DEVICES"] = "" if dry else os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    import torch

    if not dry and not torch.cuda.is_available():
        print("error: torch sees no CUDA device; benchmarks/train.py measures the CPU", file=sys.stderr)
        return 2
    os.chdir(ROOT)
    batch, workers = (2, 1) if dry else (16, 8)
    batch = batch if arguments.batch is None else arguments.batch
    workers = workers if arguments.workers is None else arguments.workers
    well = [print_speed(arch, arguments.device, batch, workers) for arch in arguments.arch or ARCHITECTURES]
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main())
