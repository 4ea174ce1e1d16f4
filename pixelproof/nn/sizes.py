"""Networks of MMSegmentation's zoo that do not take images of every size: they say so in one line."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from pixelproof.core.errors import DataError

FIX = "set prepare.width and prepare.height"


def limit_sizes(model: Any, name: str) -> None:
    """Have parts of a network check what they are given, where they would else fail at a multiplication."""
    where = f"architectures/{name}.py"
    for part in model.modules():
        match type(part).__name__:
            case "BEiT" | "MAE":
                part.register_forward_pre_hook(partial(of_one_size, where))
            case "LRASPPHead":
                part.image_pool.register_forward_pre_hook(partial(wide_enough, where))


def of_one_size(where: str, backbone: Any, inputs: Sequence[Any]) -> None:
    """Attention with a bias for each pair of places: the places are those of `img_size`."""
    found, expected = inputs[0].shape[2:], [backbone.patch_size * side for side in backbone.patch_shape]
    if list(found) != expected:
        raise DataError(
            where, f"images of {by(expected)}", by(found), f"{FIX}, or backbone.img_size in configure.overrides"
        )


def wide_enough(where: str, pool: Any, inputs: Sequence[Any]) -> None:
    """The head averages over windows of a size that is written into it, on a feature map of stride 8."""
    found, window = inputs[0].shape[2:], pool[0].kernel_size
    if min(found) < window:
        raise DataError(where, f"images of {8 * window} pixels or more", by([8 * side for side in found]), FIX)


def by(shape: Sequence[int]) -> str:
    """A shape as width x height."""
    return f"{shape[1]}x{shape[0]}"
