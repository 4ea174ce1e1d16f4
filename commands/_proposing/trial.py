"""Times training steps of a network on this machine: real ones, on noise, as the stage `train` takes them.

Runs in a process of its own, in which libraries are capped if `compute.portable` asks for it, as in a training.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from commands._proposing.facts import Pace
from pixelproof.core.errors import StateError
from pixelproof.core.params import load
from pixelproof.core.portable import CAPS, missing_instructions
from pixelproof.core.progress import say

SIDE, BATCH = 256, 2  # as much as a small machine holds, and enough to keep it busy
ON_CUDA = 16
STEPS = 3  # that are timed, after one that is not


def timed(arch: str, scale: str, classes: int, portable: bool, root: Path) -> Pace:
    """What a training step of a network takes, with the other settings as params.yaml has them.

    Raises:
        StateError: It could not be timed.
    """
    say(f"timing {STEPS} training steps of {arch}")
    caps = CAPS if portable and not missing_instructions() else {}
    asked = json.dumps({"arch": arch, "scale": scale, "classes": classes})
    command = [sys.executable, "-m", "commands._proposing.trial", asked]
    done = subprocess.run(
        command, cwd=root, env={**os.environ, **caps}, capture_output=True, text=True, check=False
    )  # fmt: skip
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise StateError(f"timing {arch}", lines[-1], "see whether it trains: `bin/pixelproof speed`")
    return Pace(**json.loads(done.stdout.splitlines()[-1]))


def trial(arch: str, scale: str, classes: int) -> Pace:
    """Time it in this process."""
    import torch

    from commands._cost import peak_on_cpu, peak_on_cuda
    from pixelproof.nn.build import build_model
    from pixelproof.nn.runtime import set_up
    from stages.configure.resolve import resolve
    from stages.train.heads import set_losses
    from stages.train.learner import Learner
    from stages.train.params import Params

    params = load("train", Params)
    train, device = params.train.model_copy(update={"accumulate": 1, "compile": False}), set_up(params.compute)
    model = build_model(resolve(arch, scale), classes, params.compute)
    set_losses(model, train.loss, None)
    learner = Learner(model, [], train, params.compute, device)
    learner.train_mode()
    images = ON_CUDA if device == "cuda" else BATCH
    batch = {
        "inputs": torch.randint(0, 256, (images, 3, SIDE, SIDE), dtype=torch.uint8).to(device),
        "masks": torch.randint(0, classes, (images, SIDE, SIDE), dtype=torch.uint8).to(device),
    }

    def step() -> None:
        float(learner.learn(batch, 0, 0.0))  # waits for the device

    step()
    seconds = []
    for _ in range(STEPS):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    peak = peak_on_cuda(step) if device == "cuda" else peak_on_cpu(step)
    weights = sum(each.nbytes for each in model.parameters())
    millions = images * SIDE * SIDE / 1e6
    held = 4 * weights  # themselves, their gradients, and two averages of these
    return Pace(statistics.median(seconds) / millions, held, max(peak - weights, 0) / millions)


def main(arguments: dict[str, Any]) -> None:
    """Print the pace as JSON."""
    print(json.dumps(asdict(trial(**arguments))))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
