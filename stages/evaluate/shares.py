"""Divisions whose denominator may be 0: a score that is undefined is None, neither 0 nor 1."""

from __future__ import annotations

from collections.abc import Iterable


def share(part: float, whole: float) -> float | None:
    """Part of whole; None if the whole is 0."""
    return float(part / whole) if whole else None


def precision(right: float, predicted: float, true: float) -> float | None:
    """The share of predictions that are right.

    Without predictions, it is 0 if there was something to predict: giving up on a class is not rewarded.
    """
    return share(right, predicted) if predicted or not true else 0.0


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of the values that are not None; None if all are."""
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None
