"""What images hold of each class, in pixels and in objects: by this, splits are balanced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from pixelproof.data.images import Array


def held(mask: Array, instances: Array | None, names: Sequence[str | None]) -> Counter[str]:
    """The pixels and objects of each class in an image, by names for `splitting.best_salt`.

    Args:
        mask: Class ids; those without a name do not count.
        instances: Numbers of objects, 0 for none; None if they are not known.
        names: Of the classes, in the order of their ids; None for one that does not count.

    Example:
        >>> mask = np.array([[0, 0, 1, 255]], np.uint8)
        >>> sorted(held(mask, np.array([[1, 2, 0, 0]]), ["car", "road"]).items())
        [('objects of car', 2), ('pixels of car', 2), ('pixels of road', 1)]
    """
    counts = np.bincount(mask.ravel(), minlength=256)
    found = Counter({f"pixels of {name}": int(counts[i]) for i, name in enumerate(names) if name and counts[i]})
    if instances is not None:
        for number in objects(mask, instances):
            if number < len(names) and (name := names[number]):
                found[f"objects of {name}"] += 1
    return found


def objects(mask: Array, instances: Array) -> list[int]:
    """The class of each object of an image; one whose pixels have several classes counts for each of them."""
    inside = instances > 0
    pairs = np.unique(mask[inside].astype(np.int64) << 16 | instances[inside])
    return [int(pair) >> 16 for pair in pairs]
