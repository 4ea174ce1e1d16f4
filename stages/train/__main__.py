"""Train one architecture with one seed, and publish the weights that scored best on validation."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import uuid
from pathlib import Path

from pixelproof.core.errors import ParamsError, StateError
from pixelproof.core.params import load
from pixelproof.core.stage import run_stage
from stages.train.params import Params

COMPILED = Path(".pixelproof/compiled")


def main() -> None:
    """Train in this process, or in one process for each of compute.devices."""
    parser = argparse.ArgumentParser(prog="python -m stages.train", description=__doc__)
    parser.add_argument("--arch", required=True, help="the architecture: a config that `configure` resolved")
    parser.add_argument("--seed", required=True, type=seed, help="one of train.seeds")
    parser.add_argument(
        "--processes", type=int, help="processes to share each batch (default: compute.devices on CUDA, else one)"
    )
    arguments = parser.parse_args()
    params = load("train", Params)
    processes = int(os.environ.get("WORLD_SIZE", 0)) or arguments.processes or devices(params)
    if params.train.batch % processes:
        raise ParamsError("train.batch", str(params.train.batch), f"expected a multiple of the {processes} processes")
    if processes > 1 and "RANK" not in os.environ:
        launch(processes, params.compute.threads)
        return
    if params.train.compile:  # kept for the next training; torch would put it among temporary files
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(COMPILED.resolve()))
    from stages.train.run import train

    train(arguments.arch, arguments.seed, params)


def seed(text: str) -> int:
    """A seed from the command line."""
    if not text.isdecimal():
        raise ParamsError("train.seeds", text, "expected integers of 0 or more")
    return int(text)


def devices(params: Params) -> int:
    """How many processes to train with on this machine."""
    from pixelproof.nn.runtime import pick_device

    if pick_device(params.compute) == "cpu":
        return 1
    import torch

    if params.compute.devices > (present := torch.cuda.device_count()):
        raise ParamsError(
            "compute.devices", str(params.compute.devices), f"expected at most {present}, as there are here"
        )
    return params.compute.devices


def launch(processes: int, threads: int) -> None:
    """Run this command again as several processes, like torchrun; when one of them fails, the others are stopped."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):  # before any of their libraries starts threads
        os.environ.setdefault(name, str(threads))
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # our own one-line error says the same
    meeting = {"rdzv_backend": "c10d", "rdzv_endpoint": "localhost:0", "run_id": uuid.uuid4().hex}
    config = LaunchConfig(1, 1, processes, max_restarts=0, **meeting)  # type: ignore[arg-type]
    try:
        elastic_launch(config, sys.executable)("-m", "stages.train", *sys.argv[1:])
    except SignalException:  # its processes have stopped by now
        raise KeyboardInterrupt from None
    except ChildFailedError as error:
        ends = {rank: failure.exitcode for rank, failure in sorted(error.failures.items())}
        first = {rank: code for rank, code in ends.items() if code != -signal.SIGTERM}  # the others were stopped
        found = ", ".join(f"process {rank} ended with {named(code)}" for rank, code in (first or ends).items())
        raise StateError("the training", found, "see their messages above") from None


def named(code: int) -> str:
    """How a process ended: negative codes are signals."""
    return signal.Signals(-code).name if code < 0 else f"code {code}"


if __name__ == "__main__":
    run_stage(main)
