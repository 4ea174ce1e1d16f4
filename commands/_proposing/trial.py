"""Times training steps of a network on this machine: real ones, on noise, as the stage `train` takes them.

Runs in a process of its own, in which libraries are capped if `compute.portable` asks for it, as in a training.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter as clock
from typing import Any

from commands._proposing.facts import Pace
from pixelproof.core.errors import StateError
from pixelproof.core.params import load
from pixelproof.core.portable import caps, missing_instructions
from pixelproof.core.progress import say

SMALL = 32  # pixels: networks halve a side five times; what such a step takes, it takes for images of any size
SIDE, BATCH = 256, 2  # as much as a small machine holds, and enough to keep it busy
ON_CUDA = 16
STEPS = 3  # of each size that are timed, after one that is not
LEAST = 0.5  # of a large step is for its pixels: a GPU that waits for its next operation hides what they take


@dataclass(frozen=True)
class Taken:
    """What a step on some images took."""

    millions: float  # of pixels
    seconds: float
    peak: int  # bytes above what there was before


def timed(arch: str, scale: str, classes: int, portable: bool, root: Path) -> Pace:
    """What a training step of a network takes, with the other settings as params.yaml has them.

    Raises:
        StateError: It could not be timed.
    """
    say(f"timing {STEPS} training steps of {arch}, on small images and on large ones")
    capped = caps() if portable and not missing_instructions() else {}
    asked = json.dumps({"arch": arch, "scale": scale, "classes": classes})
    command = [sys.executable, "-m", "commands._proposing.trial", asked]
    done = subprocess.run(
        command, cwd=root, env={**os.environ, **capped}, capture_output=True, text=True, check=False
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

    def step_on(side: int) -> Callable[[], None]:
        batch = {
            "inputs": torch.randint(0, 256, (images, 3, side, side), dtype=torch.uint8).to(device),
            "masks": torch.randint(0, classes, (images, side, side), dtype=torch.uint8).to(device),
        }

        def step() -> None:
            float(learner.learn(batch, 0, 0.0))  # waits for the device
            learner.update_average()

        return step

    steps = {side: step_on(side) for side in (SMALL, SIDE)}
    seconds = in_turns(steps)
    peak_of = peak_on_cuda if device == "cuda" else peak_on_cpu
    small, large = (Taken(images * side**2 / 1e6, seconds[side], peak_of(step)) for side, step in steps.items())
    return pace_of(small, large, sum(each.nbytes for each in model.parameters()))


def in_turns(steps: Mapping[int, Callable[[], object]]) -> dict[int, float]:
    """The median seconds of some steps, one after the other: what else the machine does then slows all of them."""
    seconds: dict[int, list[float]] = {side: [] for side in steps}
    for turn in range(1 + STEPS):
        for side, step in steps.items():
            start = clock()
            step()
            if turn:
                seconds[side].append(clock() - start)
    return {side: statistics.median(found) for side, found in seconds.items()}


def pace_of(small: Taken, large: Taken, weights: int) -> Pace:
    """Tell what each step takes from what its pixels take.

    Args:
        small: A step on small images.
        large: The same on large ones.
        weights: The bytes of the weights.

    Example:
        >>> pace_of(Taken(0.5, 1.5, 550), Taken(2.5, 5.5, 2550), 40)
        Pace(step=0.5, seconds=2.0, held=170, bytes=1000.0)
    """
    more = large.millions - small.millions
    seconds = max(large.seconds - small.seconds, LEAST * large.seconds) / more
    per_million = max(large.peak - small.peak, 0) / more
    step = max(small.seconds - small.millions * seconds, 0.0)
    alike = max(small.peak - small.millions * per_million, weights)  # gradients at least
    held = 3 * weights + int(alike)  # the weights, and two averages of their gradients
    return Pace(step, seconds, held, per_million)


def main(arguments: dict[str, Any]) -> None:
    """Print the pace as JSON."""
    print(json.dumps(asdict(trial(**arguments))))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
