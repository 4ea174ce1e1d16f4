"""Train one architecture with one seed, and publish the weights that were best on validation."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from stages.errors import StateError, run_main
from stages.params import load
from stages.train.params import Params


def main() -> None:
    """Train, in this process or in one process for each CUDA device."""
    parser = argparse.ArgumentParser(prog="python -m stages.train", description=__doc__)
    parser.add_argument("--arch", required=True, help="the architecture: a config that `configure` resolved")
    parser.add_argument("--seed", required=True, type=int, help="one of train.seeds")
    parser.add_argument(
        "--processes", type=int, help="processes to share each batch (default: one for each CUDA device)"
    )
    arguments = parser.parse_args()
    params = load("train", Params)
    processes = arguments.processes or devices(params)
    if processes > 1 and "RANK" not in os.environ:
        launch(processes)
        return
    from stages.train.run import train

    train(arguments.arch, arguments.seed, params)


def devices(params: Params) -> int:
    """How many processes a training takes on this machine."""
    from stages.models.runtime import pick_device

    if pick_device(params.compute) == "cpu":
        return 1
    import torch

    return torch.cuda.device_count()


def launch(processes: int) -> None:
    """Run this command again as several processes, through torchrun."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    code = subprocess.call([*torchrun, "-m", "stages.train", *sys.argv[1:]])
    if code:
        raise StateError("torchrun", f"a process of the training ended with code {code}", "its message stands above")


if __name__ == "__main__":
    run_main(main)
