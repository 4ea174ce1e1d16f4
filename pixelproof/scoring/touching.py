"""Objects of one class that touch, taken apart by their outline alone: a watershed on the distance to it.

What a network that knows classes alone can say of objects, beside connected components (objects.py). Each pixel has its
distance to the nearest one outside. From the places where it is largest, pixels are flooded downhill (Beucher and
Lantuéjoul 1979): an object ends at a neck, which is narrower than what is on both sides of it (h-maxima, Soille 2003).
The library is scikit-image.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelproof.scoring.objects import Labels, Objects, components


def watershed(labels: Labels, things: Sequence[int], neck: float) -> Objects:
    """The objects of each class, numbered by component.

    Args:
        labels: Class ids.
        things: Ids of the classes to find objects of.
        neck: How many pixels nearer to the outline the middle of a neck is than the middle of what it joins, at least.
    """
    from skimage.measure import label as connected
    from skimage.morphology import local_maxima, reconstruction
    from skimage.segmentation import watershed as flooded

    whole = components(labels, things)
    numbers = whole.as_map()
    distance = distances(labels, things)
    flat = reconstruction(np.maximum(distance - neck, 0), distance)  # peaks are cut off; those without a neck are one
    seeds = connected(local_maxima(flat) & (numbers > 0), connectivity=2)
    count = int(seeds.max(initial=0))
    bare = np.setdiff1d(np.arange(1, len(whole.classes) + 1), numbers[seeds > 0])  # too thin to have a middle
    seeds = np.where(np.isin(numbers, bare), count + numbers, seeds)
    found = flooded(-distance, seeds, mask=numbers > 0)
    indices = np.flatnonzero(found).astype(np.int32)
    of_seed = numbers.ravel()[indices].astype(np.int64) << 32 | found.ravel()[indices]
    keys, ranks = np.unique(of_seed, return_inverse=True)
    classes = whole.classes[(keys >> 32) - 1]
    return Objects(labels.shape, indices, (ranks + 1).astype(np.int32), classes)


def distances(labels: Labels, things: Sequence[int]) -> NDArray[np.float32]:
    """The distance of each pixel of a thing to the nearest pixel of another class, or beyond the image."""
    found = np.zeros(labels.shape, np.float32)
    for label in things:
        inside = (labels == label).view(np.uint8)
        if inside.any():
            framed = cv2.copyMakeBorder(inside, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
            found += cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    return found
