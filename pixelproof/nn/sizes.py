"""One-line errors for the networks of MMSegmentation's zoo that accept only some image sizes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from pixelproof.core.errors import DataError

FIX = "set prepare.shape.width and prepare.shape.height"


def limit_sizes(model: Any, name: str) -> None:
    """Check the input size of those parts of a network that would otherwise fail inside a matrix product.

    Args:
        model: The network; hooks are added to it.
        name: The architecture, for the errors that the hooks raise.
    """
    where = f"architectures/{name}.py"
    for part in model.modules():
        match type(part).__name__:
            case "BEiT" | "MAE":
                part.register_forward_pre_hook(partial(of_one_size, where))
            case "LRASPPHead":
                part.image_pool.register_forward_pre_hook(partial(wide_enough, where))


def of_one_size(where: str, backbone: Any, inputs: Sequence[Any]) -> None:
    """A hook for attention with a learned bias per pair of patches: it accepts only the patches of `img_size`.

    Raises:
        DataError: The image has another size.
    """
    found, expected = inputs[0].shape[2:], [backbone.patch_size * side for side in backbone.patch_shape]
    if list(found) != expected:
        raise DataError(
            where, f"images of {by(expected)}", by(found), f"{FIX}, or backbone.img_size in configure.overrides"
        )


def wide_enough(where: str, pool: Any, inputs: Sequence[Any]) -> None:
    """A hook for a head whose pooling windows have a fixed size, on a feature map of stride 8.

    Raises:
        DataError: The image is smaller than a window.
    """
    found, window = inputs[0].shape[2:], pool[0].kernel_size
    if min(found) < window:
        raise DataError(where, f"images of {8 * window} pixels or more", by([8 * side for side in found]), FIX)


def by(shape: Sequence[int]) -> str:
    """A shape (height, width) as width x height.

    Example:
        >>> by((360, 480))
        '480x360'
    """
    return f"{shape[1]}x{shape[0]}"
