"""Measure parameters, FLOPs, memory, latency and images/s here.

Networks are built as `compute` and `evaluate.overrides` in params.yaml say, with random weights (the numbers do not
depend on them), and timed from uint8 RGB images in memory to class ids in memory, without sliding windows or test-time
augmentation. A multiply-add counts as 2 FLOPs; only convolutions and matrix products are counted. Memory is the peak of
tensor memory: weights, images and activations (on the CPU as torch's allocator reports it, without other libraries').
Latency is per batch; throughput is the batch size over the median latency. Times and memory are not reproducible, so
none of this goes into metrics/.
"""

from __future__ import annotations

import argparse

from commands._arguments import height_x_width, positive
from commands._catalogue import path_from

GROUP = "networks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which networks, on what, how often, and where the numbers go."""
    parser.add_argument("--arch", nargs="+", metavar="NAME", help="default: `architectures` of params.yaml")
    parser.add_argument("--batch", nargs="+", type=positive, help="batch sizes (default: 1 and evaluate.batch)")
    parser.add_argument("--size", type=height_x_width, metavar="HxW", help="image size; default: that of params.yaml")
    parser.add_argument("--warm-up", type=positive, default=3, help="warm-up passes (default: 3)")
    parser.add_argument("--runs", type=positive, default=20, help="timed passes (default: 20)")
    parser.add_argument("--json", type=path_from, help="a file to write the numbers to")


def run(arguments: argparse.Namespace) -> None:
    """Measure, print, and write the JSON if asked."""
    from commands._cost import Passes, Request, measure

    passes = Passes(arguments.warm_up, arguments.runs)
    measure(Request(arguments.arch, arguments.batch, arguments.size, passes, arguments.json))
