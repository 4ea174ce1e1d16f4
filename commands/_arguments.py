"""What several commands read from a command line."""

from __future__ import annotations

import argparse
import math
import re


def positive(text: str) -> int:
    """A whole number above 0."""
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, found {text!r}")
    return int(text)


def share(text: str) -> float:
    """A number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, found {text!r}")
    return value


def minutes(text: str) -> float:
    """A number above 0, of minutes."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected minutes above 0, found {text!r}")
    return value


def height_x_width(text: str) -> tuple[int, int]:
    """The size of an image."""
    if not (match := re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text)):
        raise argparse.ArgumentTypeError(f"expected HEIGHTxWIDTH such as 512x1024, found {text!r}")
    return int(match[1]), int(match[2])
