"""Validation mIoU after the same number of steps, stock training against ours, with several seeds.

Both have stock's optimizer and schedule (SGD, poly), its loss without class weights, and flips. So they differ in what
makes ours faster: bf16, channels_last, the fused optimizer, the loader; and, where no param can match them, in the
learning rate of the first and the last step (stock's ends at 1e-4).
"""

from __future__ import annotations

import csv
import os
import statistics
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.common import print_table
from benchmarks.stock import Task, end_after, stock_config, stock_runner
from benchmarks.workspace import make_task, run_stage

STOCKS_OWN: dict[str, Any] = {
    "train.optimizer.name": "sgd",
    "train.optimizer.lr": 0.01,
    "train.optimizer.weight_decay": 0.0005,
    "train.optimizer.clip": 0.0,
    "train.schedule.name": "poly",
    "train.schedule.warmup": 1e-6,
    "train.loss": [{"name": "cross_entropy", "weight": 1.0}],
    "train.balance.by": "none",
}


def stock_score(task: Task, work: Path, seed: int, iterations: int) -> float:
    """mIoU by MMSegmentation's own metric after stock training; its log goes to stderr."""
    os.dup2(2, 1)
    config = stock_config(task, work, seed)
    end_after(config, iterations)
    runner = stock_runner(config, task.threads)
    runner.train()
    return float(runner.val()["mIoU"]) / 100


def our_score(task: Task, seed: int) -> float:
    """mIoU of the last validation of `python -m stages.train`."""
    run_stage(task.workspace, "train", "--arch", task.arch, "--seed", str(seed))
    with (task.workspace / f"results/{task.arch}/{seed}/train/curves.csv").open() as file:
        return [float(row["value"]) for row in csv.DictReader(file) if row["name"] == "val/mIoU"][-1]


def print_quality(arch: str, scale: str, folder: Path, seeds: int, iterations: int, changes: dict[str, Any]) -> None:
    """Train all, and print the table."""
    task = make_task(arch, scale, folder / "workspace", iterations, STOCKS_OWN | changes)
    stock, ours = [], []
    for seed in range(seeds):
        with ProcessPoolExecutor(1, get_context("spawn")) as apart:
            stock.append(apart.submit(stock_score, task, folder / f"stock-{seed}", seed, iterations).result())
        ours.append(our_score(task, seed))
    lines = [
        [str(seed), f"{one:.4f}", f"{other:.4f}"] for seed, (one, other) in enumerate(zip(stock, ours, strict=True))
    ]
    lines.append(["**mean**", *(f"**{statistics.mean(side):.4f}**" for side in (stock, ours))])
    lines.append(["spread (largest - smallest)", *(f"{max(side) - min(side):.4f}" for side in (stock, ours))])
    title = f"Validation mIoU of {arch}, `train.scale: {scale}`, after {iterations} steps of {task.batch} images"
    print_table(title, ["seed", "stock (fp32)", "ours"], lines)
    apart_by = statistics.mean(ours) - statistics.mean(stock)
    most = max(max(side) - min(side) for side in (stock, ours))
    print(f"\nOurs is {apart_by:+.4f} from stock on average (target: within the spread of the seeds, {most:.4f}).\n")
