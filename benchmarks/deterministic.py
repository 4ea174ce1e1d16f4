"""`python benchmarks/deterministic.py`: what `train.deterministic` costs, in images per second of training.

Use `--device cpu` without CUDA; `--arch` names architectures. Each is measured in its own process, since torch stays
deterministic once it is, and in turn with the other setting. One that fails is named, and the exit code is 1. That
bytes repeat is what the tests marked `gpu` show.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.common import ROOT, print_table

ARCHITECTURES = ["unet", "pspnet-r18", "segnet", "ocrnet-hr18s"]
CLASSES = 12
FAILED = "**failed**"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--arch", nargs="+", default=ARCHITECTURES)
    parser.add_argument("--scale", choices=["small", "full"], default="small")
    parser.add_argument("--size", type=int, default=128, help="height and width of an image")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=10, help="that are timed, after two others")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", choices=["true", "false"], help="measure one setting, in this process")
    arguments = parser.parse_args()
    import torch

    if arguments.device == "cuda" and not torch.cuda.is_available():
        print("error: this machine has no CUDA device; expected --device cpu", file=sys.stderr)
        return 2
    if arguments.one:
        print(images_per_second(arguments, deterministic=arguments.one == "true"))
        return 0
    rows = [row(arch, arguments.rounds) for arch in arguments.arch]
    where = torch.cuda.get_device_name() if arguments.device == "cuda" else f"CPU, {arguments.threads} threads"
    shape = f"{arguments.scale}, batches of {arguments.batch} at {arguments.size}x{arguments.size}, bf16, channels last"
    header = ["architecture", "images/s, false", "images/s, true", "time of a step"]
    print_table(f"`train.deterministic` on {where}: {shape}, median of {arguments.rounds}", header, rows)
    return 1 if any(FAILED in cells for cells in rows) else 0


def row(arch: str, rounds: int) -> list[str]:
    """The cells of one architecture: both settings in turn, each in a process of its own."""
    found: dict[str, list[float]] = {"false": [], "true": []}
    try:
        for _ in range(rounds):
            for setting, speeds in found.items():
                command = [sys.executable, __file__, *sys.argv[1:], "--arch", arch, "--one", setting]
                speeds.append(float(subprocess.check_output(command, cwd=ROOT, text=True)))
    except subprocess.CalledProcessError:  # it has said why
        return [arch, "", "", FAILED]
    free, bound = (statistics.median(speeds) for speeds in found.values())
    return [arch, f"{free:.1f}", f"{bound:.1f}", f"{(free / bound - 1) * 100:+.0f} %"]


def images_per_second(arguments: Any, deterministic: bool) -> float:
    """Forward, backward and optimizer, without reading images."""
    import torch

    from pixelproof.nn.build import build_model
    from pixelproof.nn.deterministic import DeterministicForms, demand
    from pixelproof.nn.runtime import Compute, autocast, set_up
    from stages.configure.resolve import resolve

    if deterministic:
        demand()
    compute = Compute(device=arguments.device, precision="bf16", channels_last=True, threads=arguments.threads)
    device = set_up(compute)
    torch.manual_seed(0)
    model = build_model(resolve(arguments.arch[0], arguments.scale), CLASSES, compute).to(device).train()
    shape = (arguments.batch, arguments.size, arguments.size)
    pixels = torch.randint(0, 256, (shape[0], 3, *shape[1:]), dtype=torch.uint8)
    batch = {"inputs": pixels, "masks": torch.randint(0, CLASSES, shape, dtype=torch.uint8)}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    started = 0.0
    for step in range(2 + arguments.steps):  # two to warm up
        if step == 2:
            started = now(device)
        with autocast(compute, device), DeterministicForms() if deterministic else nullcontext():
            losses = model(**model.data_preprocessor(batch, True), mode="loss")
        optimizer.zero_grad()
        model.parse_losses(losses)[0].backward()
        optimizer.step()
    return float(arguments.batch * arguments.steps / (now(device) - started))


def now(device: str) -> float:
    """The time once the device has finished."""
    import torch

    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


if __name__ == "__main__":
    sys.exit(main())
