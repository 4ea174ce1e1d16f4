"""The stage `augment`: augmented copies of the train split, made offline by the policy in params.yaml."""

from __future__ import annotations

import argparse
from pathlib import Path

from pixelproof.core.params import load
from pixelproof.core.stage import run_stage
from stages.augment.copies import augment
from stages.augment.params import Params


def main() -> None:
    """Read the train split of data/prepared, write data/augmented."""
    argparse.ArgumentParser(prog="python -m stages.augment", description=__doc__).parse_args()
    params = load("augment", Params)
    made = augment(Path("data/prepared"), Path("data/augmented"), params.augment, params.seed)
    print(f"augment: {made} copies")


if __name__ == "__main__":
    run_stage(main)
