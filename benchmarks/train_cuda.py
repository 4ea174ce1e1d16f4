"""`python benchmarks/train_cuda.py`: images per second in training on one NVIDIA GPU, against the GPU's limits.

The same comparison as train.py, with `deeplabv3plus-r50` at the zoo's own size on 512x512 synthetic images: stock in
fp32 and with TF32, stock with all of our changes, a bare loop with its batches already on the GPU, and ours (bf16,
channels_last, and compiled if there is a `train.compile`). GPU utilisation comes from torch's profiler, in a separate
round. The ceilings are a large bf16 matrix product and a copy within the GPU's memory, measured here too.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.bare import Loss, train_bare
from benchmarks.common import ROOT, print_table
from benchmarks.stock import CHANGES, Task, train_stock
from benchmarks.workspace import ENDLESS, make_task
from commands._pace import Round, Training, take_turns, train_in
from pixelproof.nn.build import build_model, read_config
from pixelproof.nn.runtime import Compute

ARCH, SIZE = "deeplabv3plus-r50", 512
WARM_UP, ROUNDS, STEPS = 20, 5, 20
COMPUTE = {"compute.device": "cuda", "compute.precision": "bf16", "compute.channels_last": True}


@dataclass(frozen=True)
class Row:
    """A variant: the rounds that were timed, and one that was profiled."""

    rounds: list[Round]
    profiled: Round


def train_stock_on_gpu(line: Connection, task: Task, work: Path, changes: int, tf32: bool) -> None:
    """Stock, with true fp32 or with TF32 on tensor cores."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    train_stock(line, task, work, changes)


def measure(variants: dict[str, tuple[Any, ...]]) -> dict[str, Row]:
    """All variants in turn, then a profiled round of each."""
    with contextlib.ExitStack() as stack:
        trainings = {}
        for name, work in variants.items():
            print(name, file=sys.stderr, flush=True)
            trainings[name] = stack.enter_context(Training(name, *work))
            trainings[name].run(WARM_UP)
        rounds = take_turns(trainings, ROUNDS, STEPS)
        return {name: Row(rounds[name], training.run(STEPS, profiled=True)) for name, training in trainings.items()}


def rows(found: dict[str, Row], flops: float, ceiling: float) -> list[list[str]]:
    """The table; `flops` is per image, `ceiling` what the GPU can do per second."""
    lines = []
    for name, row in found.items():
        stock = next(iter(found.values())).rounds
        rate = statistics.median(each.rate for each in row.rounds)
        times = statistics.median(one.rate / other.rate for one, other in zip(row.rounds, stock, strict=True))
        waited = sum(each.waited for each in row.rounds) / sum(each.seconds for each in row.rounds)
        busy = row.profiled.busy / row.profiled.seconds
        share = rate * flops / ceiling
        lines.append([name, f"{rate:.1f}", f"{times:.2f}", f"{waited:.1%}", f"{busy:.0%}", f"{share:.1%}"])
    return lines


def image_flops(workspace: Path, batch: int = 2) -> float:
    """Floating-point operations of a forward and a backward pass, for one image."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    compute = Compute(device="cuda", precision="fp32", channels_last=False, threads=1)
    model = build_model(read_config(workspace / f"data/configs/{ARCH}.json"), 8, compute).cuda().train()
    inputs = torch.zeros(batch, 3, SIZE, SIZE, device="cuda")
    with FlopCounterMode(display=False) as counter:
        Loss(model, 8)(inputs, torch.zeros(batch, SIZE, SIZE, dtype=torch.long, device="cuda")).backward()
    return float(counter.get_total_flops()) / batch


def seconds(work: Callable[[], Any], repeats: int = 20) -> float:
    """The median time of something on the GPU."""
    import torch

    times = []
    for number in range(repeats + 3):
        torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        torch.cuda.synchronize()
        if number >= 3:
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def matmul_ceiling(side: int = 8192) -> float:
    """Operations per second of a large bf16 matrix product."""
    import torch

    matrix = torch.randn(side, side, device="cuda", dtype=torch.bfloat16)
    return 2 * side**3 / seconds(lambda: matrix @ matrix)


def memory_ceiling(size: int = 2**31) -> float:
    """Bytes per second read and written by a copy of 2 GiB."""
    import torch

    source = torch.zeros(size, device="cuda", dtype=torch.uint8)
    target = torch.empty_like(source)
    return 2 * size / seconds(lambda: target.copy_(source))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=16, help="images per step; default 16")
    parser.add_argument("--workers", type=int, default=8, help="loader workers; default 8")
    arguments = parser.parse_args()
    import torch

    if not torch.cuda.is_available():
        sys.exit("error: torch sees no CUDA device; benchmarks/train.py measures the CPU")
    os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    os.chdir(ROOT)
    size = {"download.synthetic.side": SIZE, "prepare.shape.width": SIZE, "prepare.shape.height": SIZE}
    run = {"train.batch": arguments.batch, "train.workers": arguments.workers, "download.workers": 8}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        task = make_task(ARCH, "full", folder / "ours", ENDLESS, COMPUTE | size | run)
        variants: dict[str, tuple[Any, ...]] = {
            "stock, fp32": (train_stock_on_gpu, task, folder / "fp32", 0, False),
            "stock, TF32": (train_stock_on_gpu, task, folder / "tf32", 0, True),
            f"stock, + {', '.join(CHANGES)}": (train_stock_on_gpu, task, folder / "changed", len(CHANGES), True),
            "**ours**": (train_in, task.workspace, ARCH, 0),
            "bare loop": (train_bare, task.workspace, ARCH),
        }
        values = yaml.safe_load((task.workspace / "params.yaml").read_text())
        if "compile" in values["train"]:
            compiled = make_task(
                ARCH, "full", folder / "compiled", ENDLESS, COMPUTE | size | run | {"train.compile": True}
            )
            variants["**ours, compiled**"] = (train_in, compiled.workspace, ARCH, 0)
        found = measure(variants)
        products, memory, flops = matmul_ceiling(), memory_ceiling(), image_flops(task.workspace)
    header = ["training", "images/s", "times stock", "waiting for data", "GPU busy", "of the matmul ceiling"]
    title = f"Training {ARCH}, `train.scale: full`, {SIZE}x{SIZE}, batch {arguments.batch}, {arguments.workers} workers"
    print_table(f"{title}, on one {torch.cuda.get_device_name()}", header, rows(found, flops, products))
    print(
        f"\nCeilings: {products / 1e12:.0f} TFLOP/s (bf16 matrix product), {memory / 1e12:.2f} TB/s (copy). "
        f"A step takes {flops / 1e9:.0f} GFLOP per image."
    )


if __name__ == "__main__":
    main()
