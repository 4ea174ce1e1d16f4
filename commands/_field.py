"""Measures the receptive field of a network: the rows of an image that the middle row of a feature map depends on.

Some rows are set to NaN. A NaN passes through every layer (x * 0 is NaN, and so is the maximum of a window that holds
one) and goes nowhere else, so a row of the map becomes NaN if and only if it depends on one of them. Weights and
activations do not matter; global pooling and attention see the whole image, as they should. Rows are set from the top
until they reach the middle row, then from the bottom; by bisection, since more rows never reach less.

The result is a height; the width is the same if all windows are square. The images are narrow, which does not change
the height. Where a layer resizes, the field varies by row: the middle row's is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Rows = tuple[int, int]  # from the top, from the bottom
Network = Callable[[Tensor], Sequence[Tensor]]  # normalised images (N, 3, H, W) to maps (N, C, h, w)

HEIGHTS = (256, 512, 1024, 2048, 4096)  # of images, tried in turn
WIDTH = 32
MARGIN = 16  # a sixteenth of the height, above and below, must be outside the field


def receptive_fields(network: Network) -> list[int | None]:
    """How many rows each map sees; None means all of them, even in the largest images.

    Two successive heights must agree: a window with large gaps can lie outside the smaller image except for its middle.
    """
    settled: dict[int, int] = {}
    last: dict[int, Rows] = {}
    count = 1
    for height in HEIGHTS:
        if len(settled) == count:
            break
        outside = reached(network, height, height // MARGIN, height // MARGIN)
        count = len(outside)
        maps = [i for i in range(count) if i not in settled and not any(outside[i])]
        # The larger image has a quarter more of its own rows above and below: look for the field there first.
        guesses = {i: (last[i][0] + height // 4, last[i][1] + height // 4) for i in maps if i in last}
        found = bisect(network, height, maps, guesses)
        settled |= {i: field(height, rows) for i, rows in found.items() if guesses.get(i) == rows}
        last = found
    fields = {i: field(HEIGHTS[-1], rows) for i, rows in last.items()} | settled
    return [fields.get(i) for i in range(count)]


def field(height: int, rows: Rows) -> int:
    """The receptive field, given the fewest rows from the top and from the bottom of an image that reach it."""
    return height + 2 - sum(rows)


def reached(network: Network, height: int, above: int, below: int) -> list[tuple[bool, bool]]:
    """For each map, whether `above` rows from the top reach its middle row, and whether `below` from the bottom do."""
    images = torch.zeros(2, 3, height, WIDTH)
    images[0, :, :above] = torch.nan
    images[1, :, height - below :] = torch.nan
    with torch.inference_mode():
        middles = [features[:, :, features.shape[2] // 2] for features in network(images)]
    return [(bool(middle[0].isnan().any()), bool(middle[1].isnan().any())) for middle in middles]


def bisect(network: Network, height: int, maps: list[int], guesses: dict[int, Rows]) -> dict[int, Rows]:
    """The fewest rows from the top and from the bottom that reach each map. Each step tests all maps at once."""
    # For each map and side: a number of rows that does not reach it, and one that does.
    known = {(i, side): [height // MARGIN, height] for i in maps for side in (0, 1)}

    def step(rows: Sequence[int]) -> None:
        found = reached(network, height, rows[0], rows[1])
        for (i, side), bounds in known.items():
            if bounds[0] < rows[side] < bounds[1]:
                bounds[found[i][side]] = rows[side]

    for top, bottom in set(guesses.values()):
        step((top, bottom))
        step((top - 1, bottom - 1))
    while left := [i for (i, _), (no, yes) in known.items() if yes - no > 1]:
        step([sum(known[left[0], side]) // 2 for side in (0, 1)])
    return {i: (known[i, 0][1], known[i, 1][1]) for i in maps}
