"""Rank labels that are probably wrong, for people to look at.

A region of a label is ranked if a trained network contradicts it with confidence: an object of another class, an object
that nobody labelled, a mask beside its object, or other pixels. What the network confuses all the time, and what lies
within 2 pixels of a label's edge, counts little or nothing. docs/review-labels.md says how the score is computed.

Where the data comes from tasks of CVAT, rows name them. With CVAT_HOST in the environment they link to the task; with
--links (and CVAT_ACCESS_TOKEN, see `cvat`) to the very frame.

OUT.csv    rank, kind, image, where to click in CVAT, box, label, prediction, score
OUT.html   pictures of the first rows: photograph, label, prediction

A network takes what it learnt for right. The column `learnt` says of each row whether the network that judges it learnt
from that image (the train split); there, wrong labels that are alike are not found. With `prepare.split.folds` no judge
learnt from its images: each one of train and val is judged by the networks that its fold was kept from.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from commands._arguments import positive
from commands._catalogue import path_from

GROUP = "data"
OUT = Path("exports/review.csv")
SPLITS = ("train", "val", "test")


def splits(text: str) -> tuple[str, ...]:
    """Names of splits, separated by commas."""
    found = text.split(",")
    if not set(found) <= set(SPLITS) or len(set(found)) < len(found):
        raise argparse.ArgumentTypeError(f"expected some of {','.join(SPLITS)}, found {text!r}")
    return tuple(name for name in SPLITS if name in found)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Who judges, which labels, and where the list goes."""
    parser.add_argument("--arch", required=True, help="a trained architecture")
    parser.add_argument(
        "--seed", type=int, action="append", default=[],
        help="a seed it was trained with; repeatable: probabilities are averaged (default: all of train.seeds)",
    )  # fmt: skip
    parser.add_argument("--split", type=splits, default=SPLITS, help="default: train,val,test")
    parser.add_argument("--number", type=positive, default=100, help="the most rows (default: 100)")
    parser.add_argument("--pictures", type=positive, default=50, help="the most rows with pictures (default: 50)")
    parser.add_argument("--links", action="store_true", help="ask the CVAT server for links to jobs and frames")
    parser.add_argument("--out", type=path_from, default=OUT, help=f"the table to write (default: {OUT})")


def run(arguments: argparse.Namespace) -> None:
    """Rank and write."""
    from commands._review import Request, review

    given = arguments
    review(Request(given.arch, tuple(given.seed), given.split, given.number, given.pictures, given.links, given.out))
