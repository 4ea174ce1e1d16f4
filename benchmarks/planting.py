"""Plants errors in labels: an object or region of a wrong class, a missing object, a mask beside its object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelproof.data.dataset import IGNORE
from pixelproof.scoring.objects import Instances, Labels, Objects, components, true_objects

KINDS = ("wrong class", "missing object", "shifted mask")
LEAST = 64  # pixels that an error changes
MOVED = (4.0, 10.0)  # pixels by which a mask is shifted
APART = 4  # pixels between two errors
Weights = NDArray[np.float64]


@dataclass(frozen=True)
class Truth:
    """One image's labels, and its objects if the dataset numbers them."""

    labels: Labels
    instances: Instances | None


@dataclass(frozen=True)
class Error:
    """A planted error: in which image, of which kind, which pixels it changed."""

    image: str
    kind: str
    changed: NDArray[np.bool_]


def plant(
    truths: Mapping[str, Truth], things: Sequence[int], weights: Weights, seed: int, number: int
) -> tuple[dict[str, Labels], list[Error]]:
    """Plant errors of the three kinds in turn, in images drawn evenly.

    Args:
        truths: the images by id.
        things: the classes whose objects go missing or are shifted.
        weights: how often a label (row) is taken for another class (column).
        seed: of all draws.
        number: of errors.

    Returns:
        The labels of all images, and what was planted.
    """
    rng, ids = np.random.default_rng(seed), sorted(truths)
    changed = {name: truths[name].labels.copy() for name in ids}
    errors: list[Error] = []
    for _ in range(1000 * number):
        if len(errors) == number:
            return changed, errors
        kind, name = KINDS[len(errors) % len(KINDS)], ids[rng.integers(len(ids))]
        wrong = _drawn(truths[name], kind, things, weights, rng)
        if wrong is None:
            continue
        where = wrong != truths[name].labels
        taken = changed[name] != truths[name].labels
        if where.sum() >= LEAST and not (_grown(where) & taken).any():
            changed[name][where] = wrong[where]
            errors.append(Error(name, kind, where))
    raise SystemExit(f"error: only {len(errors)} of {number} errors could be planted; the labels have too few objects")


def _drawn(truth: Truth, kind: str, things: Sequence[int], weights: Weights, rng: np.random.Generator) -> Labels | None:
    """The labels with one error of a kind; None if there is nothing to change."""
    rest = [label for label in range(len(weights)) if label not in things]
    pool = _masks(true_objects(truth.labels, truth.instances, things))
    if kind == "wrong class":
        pool += _masks(components(truth.labels, rest))
    if not pool:
        return None
    label, mask = pool[rng.integers(len(pool))]
    if kind == "wrong class":
        wrong = truth.labels.copy()
        wrong[mask] = rng.choice(len(weights), p=weights[label])
        return wrong
    wrong = _without(truth.labels, mask)
    if kind == "shifted mask":
        angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(*MOVED)
        by = np.array([[1, 0, round(length * np.cos(angle))], [0, 1, round(length * np.sin(angle))]], np.float32)
        moved = cv2.warpAffine(mask.astype(np.uint8), by, mask.shape[::-1]) > 0
        wrong[moved & (truth.labels != IGNORE)] = label
    return wrong


def _masks(objects: Objects) -> list[tuple[int, NDArray[np.bool_]]]:
    """Class and pixels of the objects that are large enough to be an error."""
    numbers, areas = objects.as_map(), objects.areas()
    return [(int(label), numbers == n) for n, label in enumerate(objects.classes, start=1) if areas[n] >= LEAST]


def _without(labels: Labels, mask: NDArray[np.bool_]) -> Labels:
    """The labels with the nearest other label in place of an object."""
    from scipy.ndimage import distance_transform_edt

    unknown = mask | (labels == IGNORE)
    if unknown.all():
        return labels
    rows, columns = distance_transform_edt(unknown, return_distances=False, return_indices=True)
    filled = labels.copy()
    filled[mask] = labels[rows, columns][mask]
    return filled


def _grown(where: NDArray[np.bool_]) -> NDArray[np.bool_]:
    grown: NDArray[np.bool_] = cv2.dilate(where.view(np.uint8), np.ones((2 * APART + 1,) * 2, np.uint8)) > 0
    return grown
