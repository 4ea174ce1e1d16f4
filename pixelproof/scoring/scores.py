"""The catalogue's metrics of confusion matrices, for whole stacks of them at once. Pure: no file or network access.

Only the requested metrics are computed: resampling needs a few of them thousands of times.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np

from pixelproof.scoring.catalogue import CATALOGUE, of_matrices
from pixelproof.scoring.counts import Counts
from pixelproof.scoring.formulas import Floats, mean


def scores(of: Counts, metrics: Iterable[str] | None = None) -> dict[str, Floats]:
    """Metrics by name: per-class metrics are [..., C], the others are [...].

    Args:
        of: the counts of one matrix or of a stack of them.
        metrics: names of metrics computed from confusion matrices; None for all of them.
    """
    computed = cache(lambda formula: formula(of))  # several metrics share a formula
    found = {}
    for name in [metric.name for metric in of_matrices()] if metrics is None else metrics:
        metric = CATALOGUE[name]
        values = computed(metric.formula)
        found[name] = mean(values) if metric.classes == "mean" else values
    return found


def columns(metrics: Sequence[str], classes: Sequence[str]) -> list[tuple[str, str | None]]:
    """The columns of `side_by_side`: a metric, and the class if the metric is per class.

    >>> columns(["mIoU", "iou"], ["car", "road"])
    [('mIoU', None), ('iou', 'car'), ('iou', 'road')]
    """
    return [(name, label) for name in metrics for label in (classes if CATALOGUE[name].per_class else [None])]


def side_by_side(of: Counts, metrics: Sequence[str]) -> Floats:
    """The metrics as the columns of one array, [..., columns], so that they can be resampled together."""
    found = scores(of, metrics)
    return np.concatenate(
        [found[name] if CATALOGUE[name].per_class else found[name][..., None] for name in metrics], axis=-1
    )
