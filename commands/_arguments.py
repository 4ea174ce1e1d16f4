"""What several commands read from a command line."""

from __future__ import annotations

import argparse
import re


def positive(text: str) -> int:
    """A whole number above 0."""
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, found {text!r}")
    return int(text)


def height_x_width(text: str) -> tuple[int, int]:
    """The size of an image."""
    if not (match := re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text)):
        raise argparse.ArgumentTypeError(f"expected HEIGHTxWIDTH such as 512x1024, found {text!r}")
    return int(match[1]), int(match[2])
