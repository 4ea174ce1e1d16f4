"""Keep a trained network's weights for later trainings to begin with.

Copies them to pretrained/ARCH.safetensors, with their facts beside, and lets DVC keep the version. `train.pretrained`
in params.yaml names the copy; `configure` pins it by its SHA-256. So a retraining begins where the last one ended, and
no training depends on its own output. Weights that dvc.lock does not record are refused.
"""

from __future__ import annotations

import argparse

GROUP = "networks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which network."""
    parser.add_argument("arch", metavar="ARCH", help="a trained architecture")
    parser.add_argument("--seed", type=int, default=0, help="the seed it was trained with (default: 0)")


def run(arguments: argparse.Namespace) -> None:
    """Copy the weights, and print what is left to do."""
    from pathlib import Path

    from commands._promote import promote

    print(*promote(Path.cwd(), arguments.arch, arguments.seed), sep="\n")
