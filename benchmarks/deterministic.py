"""`python benchmarks/deterministic.py`: what `train.deterministic` costs, in images per second of training.

Use `--device cpu` without CUDA; `--arch` names architectures. Each is measured in its own process, since torch stays
deterministic once it is, and in turn with the other setting.
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
STEPS, ROUNDS, CLASSES = 10, 3, 12


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--arch", nargs="+", default=ARCHITECTURES)
    parser.add_argument("--scale", choices=["small", "full"], default="small")
    parser.add_argument("--size", type=int, default=128, help="height and width of an image")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--one", choices=["true", "false"], help="measure one setting, in this process")
    arguments = parser.parse_args()
    import torch

    if arguments.device == "cuda" and not torch.cuda.is_available():
        sys.exit("error: this machine has no CUDA device; expected --device cpu")
    if arguments.one:
        print(images_per_second(arguments, deterministic=arguments.one == "true"))
        return
    rows = []
    for arch in arguments.arch:
        found: dict[str, list[float]] = {"false": [], "true": []}
        for _ in range(ROUNDS):
            for setting, speeds in found.items():
                command = [sys.executable, __file__, *sys.argv[1:], "--arch", arch, "--one", setting]
                speeds.append(float(subprocess.check_output(command, cwd=ROOT, text=True)))
        free, bound = (statistics.median(speeds) for speeds in found.values())
        rows.append([arch, f"{free:.1f}", f"{bound:.1f}", f"{(free / bound - 1) * 100:+.0f} %"])
    where = torch.cuda.get_device_name() if arguments.device == "cuda" else f"CPU, {arguments.threads} threads"
    shape = f"{arguments.scale}, batches of {arguments.batch} at {arguments.size}x{arguments.size}, bf16, channels last"
    header = ["architecture", "images/s, false", "images/s, true", "time of a step"]
    print_table(f"`train.deterministic` on {where}: {shape}, median of {ROUNDS}", header, rows)


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
    for step in range(2 + STEPS):  # two to warm up
        if step == 2:
            started = now(device)
        with autocast(compute, device), DeterministicForms() if deterministic else nullcontext():
            losses = model(**model.data_preprocessor(batch, True), mode="loss")
        optimizer.zero_grad()
        model.parse_losses(losses)[0].backward()
        optimizer.step()
    return float(arguments.batch * STEPS / (now(device) - started))


def now(device: str) -> float:
    """The time once the device has finished."""
    import torch

    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


if __name__ == "__main__":
    main()
