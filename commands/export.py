"""Export as ONNX, checked against PyTorch, with a model card.

Writes NAME.onnx and NAME.md, or neither. The input is uint8 RGB images of the size in data/prepared, (N, height, width,
3); they are normalised inside the graph. The outputs are `logits` (N, classes, height, width) and `classes`, the class
ids (N, height, width). Nothing is written if a logit on the test set differs from PyTorch's (fp32, CPU) by more than
0.001, times the largest logit if that is above 1. For networks that find objects, the file has further outputs, and the
card the lines that read objects from them; nothing is written if those are not PyTorch's either. Of networks in folds,
--fold names one; NAME is then ARCH-fold-N.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from commands._catalogue import path_from

GROUP = "networks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which network, and where it goes."""
    parser.add_argument("--arch", required=True, help="a trained architecture")
    parser.add_argument("--seed", type=int, default=0, help="the seed it was trained with (default: 0)")
    parser.add_argument("--fold", type=int, help="of networks in folds: the one that did not learn from this fold")
    parser.add_argument(
        "--out", type=path_from, default=Path("exports"), help="the folder to write to (default: exports)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Export it."""
    from commands._export import export
    from commands._trained import find_one

    export(find_one(arguments.arch, arguments.seed, arguments.fold), arguments.out)
