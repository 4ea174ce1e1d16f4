"""Divisions that may have nothing to divide by: what a split cannot tell is None, and is neither 0 nor 1."""

from __future__ import annotations

from collections.abc import Iterable


def share(part: float, whole: float) -> float | None:
    """Part of whole; None where there is no whole."""
    return float(part / whole) if whole else None


def precision(right: float, predicted: float, true: float) -> float | None:
    """Share of what is predicted that is right.

    Where nothing is predicted it is 0 if there was something to predict: giving up on a class is not rewarded.
    """
    return share(right, predicted) if predicted or not true else 0.0


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of what is there; None where nothing is."""
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None
