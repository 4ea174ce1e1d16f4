"""The cost of a network by its structure alone: the same on every machine, unlike its speed and its memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from pixelproof.data.dataset import Sample

Size = tuple[int, int]  # height, width


def usual_size(samples: Iterable[Sample], window: Size | None) -> Size | None:
    """The size of the network's input: that of the windows, else that of most images (ties: the smallest)."""
    if window:
        return window
    sizes = Counter((sample.height, sample.width) for sample in samples)
    return min(sizes, key=lambda size: (-sizes[size], size), default=None)


def cost(model: Any, size: Size | None) -> dict[str, int | None]:
    """Parameters, and FLOPs for one image of a size. The model cannot be used afterwards."""
    from pixelproof.nn.facts import flops, parameters

    height, width = size or (None, None)
    count, _ = parameters(model)
    try:
        operations = flops(model.eval(), *size) if size else None
    except (RuntimeError, NotImplementedError):  # an operator whose result depends on more than shapes
        operations = None
    return {"parameters": count, "flops": operations, "height": height, "width": width}
