"""The size at which a network sees an image: as it saw those that it learnt from, or --size of `predict`."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixelproof.data.shape import Shape


@dataclass(frozen=True)
class Shown:
    """Scaled to a short side, stretched to a height and a width, scaled as `prepare` scales, or left as it is."""

    short: int | None = None
    exact: tuple[int, int] | None = None
    shape: Shape | None = None

    @classmethod
    def learnt(cls, shape: Shape) -> Shown:
        """As large as in training, at the image's own aspect, which `stretch` alone does not keep."""
        return cls(short=min(shape.width, shape.height)) if shape.mode == "stretch" else cls(shape=shape)

    def of(self, height: int, width: int) -> tuple[int, int]:
        """The height and width at which the network sees an image."""
        if self.exact:
            return self.exact
        if self.shape:
            from pixelproof.data.shape import scaled_size

            across, down = scaled_size(self.shape, width, height)
            return down, across
        scale = self.short / min(height, width) if self.short else 1
        return max(1, round(height * scale)), max(1, round(width * scale))


def shown(text: str) -> Shown:
    """Parse `128`, `96x128` or `own`."""
    if match := re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text):
        return Shown(exact=(int(match[1]), int(match[2])))
    if text == "own" or re.fullmatch(r"[1-9]\d*", text):
        return Shown(short=None if text == "own" else int(text))
    raise argparse.ArgumentTypeError(f"expected 128, 96x128 (height x width) or own, found {text!r}")
