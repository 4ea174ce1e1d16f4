"""Windows of one size that cover an image: the tiles that prepare cuts, and the windows that networks predict in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Grid:
    """Windows of `height` x `width`, one every `down` rows and every `across` columns.

    The last window of a row or a column is moved back to end at the image's edge: every pixel is in at least one, and
    none reaches beyond an image that is as large as a window.

    Example:
        >>> Grid(4, 4, 3, 3).lefts(11)
        [0, 3, 6, 7]
        >>> Grid(4, 4, 3, 3).lefts(3)
        [0]
    """

    height: int
    width: int
    down: int
    across: int

    @classmethod
    def square(cls, side: int, step: int) -> Grid:
        """Square windows, as far apart in both directions."""
        return cls(side, side, step, step)

    def tops(self, height: int) -> list[int]:
        """The first rows of the windows of an image of this height."""
        return _starts(height, self.height, self.down)

    def lefts(self, width: int) -> list[int]:
        """The first columns of the windows of an image of this width."""
        return _starts(width, self.width, self.across)

    def corners(self, height: int, width: int) -> Iterator[tuple[int, int]]:
        """The upper left corner (x, y) of every window, row by row."""
        lefts = self.lefts(width)
        return ((x, y) for y in self.tops(height) for x in lefts)


def _starts(length: int, window: int, step: int) -> list[int]:
    last = max(length - window, 0)
    return [*range(0, last, step), last]


def strips(shape: tuple[int, ...], pixels: int) -> Iterator[slice]:
    """An image's rows in strips of about so many pixels, for work whose memory should not grow with the image.

    Args:
        shape: Of the image: its height, its width and whatever follows.
        pixels: In a strip, which has one row or more.

    Example:
        >>> list(strips((5, 10, 3), 20))
        [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    height, width = shape[:2]
    rows = max(1, pixels // max(width, 1))
    return (slice(top, min(top + rows, height)) for top in range(0, height, rows))
