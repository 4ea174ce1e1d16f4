"""The size at which a network sees an image: --size of `predict`."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Shown:
    """Scaled to a short side, stretched to a height and a width, or left as it is."""

    short: int | None = None
    exact: tuple[int, int] | None = None

    def of(self, height: int, width: int) -> tuple[int, int]:
        """The height and width at which the network sees an image."""
        if self.exact:
            return self.exact
        scale = self.short / min(height, width) if self.short else 1
        return max(1, round(height * scale)), max(1, round(width * scale))


def shown(text: str) -> Shown:
    """Parse `128`, `96x128` or `own`."""
    if match := re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text):
        return Shown(exact=(int(match[1]), int(match[2])))
    if text == "own" or re.fullmatch(r"[1-9]\d*", text):
        return Shown(short=None if text == "own" else int(text))
    raise argparse.ArgumentTypeError(f"expected 128, 96x128 (height x width) or own, found {text!r}")
