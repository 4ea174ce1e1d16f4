"""The stage `prepare`: merge the sources, map their classes, resize and split their images, write data cards."""

from __future__ import annotations

import argparse
from pathlib import Path

from pixelproof.core.files import read_json
from pixelproof.core.params import load
from pixelproof.core.stage import run_stage
from stages.prepare.merge import prepare
from stages.prepare.params import Params


def main() -> None:
    """Read the configured sources; write data/prepared and results/data."""
    argparse.ArgumentParser(prog="python -m stages.prepare", description=__doc__).parse_args()
    cards = Path("results/data")
    counts = prepare(Path("data"), cards, load("prepare", Params).prepare)
    for warning in read_json(cards / "card.json")["warnings"]:
        print(f"prepare: warning: {warning}")
    print("prepare: " + ", ".join(f"{split} {images}" for split, images in counts.items()))


if __name__ == "__main__":
    run_stage(main)
