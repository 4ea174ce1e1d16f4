"""Chooses images that teach much and differ from each other. Pure.

An image's uncertainty is the mean of 1 - certainty over its pixels, where certainty is the probability of the predicted
class. Two images are as far apart as their colours and their predicted classes are: the Hellinger distance, which is 0
for equal shares and 1 where nothing is shared. Images are chosen one by one, each time the one with the most of

    uncertainty * distance to the nearest image that is chosen / (1 + number of images chosen from its group)

so that frames of one flight, or of one place, do not follow each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.evaluate.predict import Prediction
from stages.evaluate.slide import Image

UNSURE = 0.5  # certainty below which a pixel is unsure: all other classes together are more probable
LEVELS = 4  # of each colour
Roots = NDArray[np.float64]


@dataclass(frozen=True)
class Candidate:
    """An image that could be labelled.

    Attributes:
        name: what to call it.
        group: the folder that it is in.
        uncertainty: the mean of 1 - certainty.
        unsure: the share of pixels with a certainty below 0.5.
        roots: the square roots of the shares of colours and classes, of length 1.
    """

    name: str
    group: str
    uncertainty: float
    unsure: float
    roots: Roots


@dataclass(frozen=True)
class Choice:
    """A chosen image, and why: its place in its group, and the chosen image nearest to it."""

    candidate: Candidate
    place: int
    nearest: str
    distance: float


def candidate(name: str, group: str, image: Image, found: Prediction, classes: int) -> Candidate:
    """Measure one image.

    Args:
        name: what to call it.
        group: what it is one of.
        image: RGB.
        found: what is predicted for it.
        classes: how many there are.
    """
    levels = image.reshape(-1, 3) // (256 // LEVELS)
    colours = np.bincount(levels @ np.array([LEVELS**2, LEVELS, 1]), minlength=LEVELS**3)
    shares = [colours / colours.sum(), np.bincount(found.labels.ravel(), minlength=classes) / found.labels.size]
    uncertainty = 1 - float(found.certainty.mean(dtype=np.float64))
    unsure = float((found.certainty < UNSURE).mean())
    return Candidate(name, group, uncertainty, unsure, np.sqrt(np.concatenate(shares) / 2))


def choose(candidates: Sequence[Candidate], number: int) -> list[Choice]:
    """The images to label, the most instructive first; among equals, the one that comes first.

    Args:
        candidates: all images.
        number: how many to choose at most.
    """
    left = list(range(len(candidates)))
    uncertainty = np.array([one.uncertainty for one in candidates])
    roots = np.array([one.roots for one in candidates])
    distance, nearest = np.ones(len(candidates)), np.full(len(candidates), -1)
    chosen, groups = list[Choice](), Counter[str]()
    while left and len(chosen) < number:
        taken = np.array([groups[candidates[n].group] for n in left])
        best = left[int(np.argmax(uncertainty[left] * distance[left] / (1 + taken)))]
        one = candidates[best]
        groups[one.group] += 1
        name = candidates[nearest[best]].name if nearest[best] >= 0 else ""
        chosen.append(Choice(one, groups[one.group], name, float(distance[best])))
        left.remove(best)
        apart = np.sqrt(np.clip(1 - roots @ roots[best], 0, 1))
        closer = (apart < distance) | (nearest < 0)
        distance, nearest = np.where(closer, apart, distance), np.where(closer, best, nearest)
    return chosen
