"""Train one architecture with one seed, and publish the weights that were best on validation.

Or, with the name of a command in place of options, run that: none of their code is part of a training.
"""

from __future__ import annotations

import argparse
import ast
import logging
import os
import runpy
import signal
import sys
import uuid
from pathlib import Path

from stages.errors import ParamsError, StateError, nearest, run_main
from stages.params import load
from stages.train.params import Params

COMMANDS = {path.stem: path for path in sorted((Path(__file__).parent / "commands").glob("[!_]*.py"))}


def main() -> None:
    """Run a command, or train: in this process or in one process for each CUDA device."""
    if sys.argv[1:] and not sys.argv[1].startswith("-"):
        run_command(sys.argv.pop(1))
        return
    wants_help = {"-h", "--help"} & set(sys.argv[1:])
    parser = argparse.ArgumentParser(
        prog="python -m stages.train",
        description=__doc__,
        epilog=commands_help() if wants_help else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--arch", required=True, help="the architecture: a config that `configure` resolved")
    parser.add_argument("--seed", required=True, type=int, help="one of train.seeds")
    parser.add_argument(
        "--processes", type=int, help="processes to share each batch (default: one for each CUDA device)"
    )
    arguments = parser.parse_args()
    params = load("train", Params)
    processes = int(os.environ.get("WORLD_SIZE", 0)) or arguments.processes or devices(params)
    if params.train.batch % processes:
        raise ParamsError("train.batch", str(params.train.batch), f"expected a multiple of the {processes} processes")
    if processes > 1 and "RANK" not in os.environ:
        launch(processes, params.compute.threads)
        return
    from stages.train.run import train

    train(arguments.arch, arguments.seed, params)


def run_command(name: str) -> None:
    """Run a command by its name, with the arguments that follow it."""
    if name not in COMMANDS:
        known = f"commands: {', '.join(COMMANDS)}{nearest(name, COMMANDS)}"
        raise StateError(f"python -m stages.train {name}", "no such command", known)
    runpy.run_module(f"stages.train.commands.{name}", run_name="__main__")


def commands_help() -> str:
    """One line for each command, from the first one of its file."""
    firsts = {
        name: (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n")[0] for name, path in COMMANDS.items()
    }
    return "\n".join(["commands, each with its own --help:", *(f"  {name:<12}{text}" for name, text in firsts.items())])


def devices(params: Params) -> int:
    """How many processes a training takes on this machine."""
    from stages.models.runtime import pick_device

    if pick_device(params.compute) == "cpu":
        return 1
    import torch

    return torch.cuda.device_count()


def launch(processes: int, threads: int) -> None:
    """Run this command again as several processes, as torchrun does; when one of them ends, it ends the others."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):  # else MMEngine sets them to 1, and warns of it
        os.environ.setdefault(name, str(threads))
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # what it says stands in our one line
    meeting = {"rdzv_backend": "c10d", "rdzv_endpoint": "localhost:0", "run_id": uuid.uuid4().hex}
    config = LaunchConfig(1, 1, processes, max_restarts=0, **meeting)  # type: ignore[arg-type]
    try:
        elastic_launch(config, sys.executable)("-m", "stages.train", *sys.argv[1:])
    except SignalException:  # its processes are ended by now
        raise KeyboardInterrupt from None
    except ChildFailedError as error:
        ends = {rank: failure.exitcode for rank, failure in sorted(error.failures.items())}
        first = {rank: code for rank, code in ends.items() if code != -signal.SIGTERM}  # the others were ended
        found = ", ".join(f"process {rank} ended with {named(code)}" for rank, code in (first or ends).items())
        raise StateError("the training", found, "any message of theirs stands above") from None


def named(code: int) -> str:
    """How a process ended: negative codes are signals."""
    return signal.Signals(-code).name if code < 0 else f"code {code}"


if __name__ == "__main__":
    run_main(main)
