"""Parameters, FLOPs, memory, latency and images/s on this machine.

Networks are measured as `compute` and `evaluate.overrides` in params.yaml say, with random weights (numbers do not
depend on them), from uint8 RGB images in memory to class ids in memory; windows and test-time augmentation are left
out. A multiply-add counts as 2 FLOPs, of convolutions and matrix products alone. Memory is the most that tensors hold
at once: weights, images and what lies between (on the CPU by torch's allocator, without libraries' own). Latency is of
a batch; throughput is its size over the median. Nothing of it is reproducible, so nothing of it goes into metrics/.
"""

from __future__ import annotations

import argparse

from commands._catalogue import path_from
from pixelproof.core.table import positive, size

GROUP = "networks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which networks, on what, how often, and where the numbers go."""
    parser.add_argument("--arch", nargs="+", metavar="NAME", help="default: `architectures` of params.yaml")
    parser.add_argument("--batch", nargs="+", type=positive, help="images at once (default: 1 and evaluate.batch)")
    parser.add_argument("--size", type=size, metavar="HxW", help="of an image; default: that of prepare in params.yaml")
    parser.add_argument("--warm-up", type=positive, default=3, help="passes before those that count (default: 3)")
    parser.add_argument("--runs", type=positive, default=20, help="passes that count (default: 20)")
    parser.add_argument("--json", type=path_from, help="a file to write the numbers to")


def run(arguments: argparse.Namespace) -> None:
    """Measure, print, and write where asked."""
    from commands._cost import Passes, Request, measure

    passes = Passes(arguments.warm_up, arguments.runs)
    measure(Request(arguments.arch, arguments.batch, arguments.size, passes, arguments.json))
