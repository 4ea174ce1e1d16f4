"""Whether a network's certainty can be trusted: calibration error and uncertainty, pooled over a split. Pure.

The certainty of a pixel is the probability of its predicted class. It is counted in steps of 1/4095, separately for
right and wrong pixels, so that a split's counts are integers and every number is over all its pixels; rounding moves
a mean certainty by half a step at most. Ignored pixels are not counted. Without pixels, a number is None.

- **ECE**, the expected calibration error (Guo et al. 2017): pixels in `bins` bins of equal width, (0, 1/bins], ...; the
  distance between accuracy and mean certainty of a bin, weighted by the bin's share of the pixels.
- **AURC**, the area under the risk-coverage curve (Geifman, Uziel & El-Yaniv 2019): the share of wrong pixels among the
  most certain ones, averaged over how many of them are taken. Pixels of the same step are added together. 0 is best; an
  uninformative certainty gives the share of wrong pixels among all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import IGNORE
from stages.evaluate.shares import share

Labels = NDArray[np.uint8]
Counts = NDArray[np.int64]  # (wrong, right) x certainty in steps: pixels
STEPS = 4095  # fine enough for four digits; the counts are small next to an image
COVERAGES = 20  # points of the risk-coverage curve that are kept


def validate(where: str, truth: Labels, certainty: NDArray[np.float32]) -> None:
    """Check that each pixel has a certainty from 0 to 1 (within rounding)."""
    if certainty.shape != truth.shape:
        raise DataError(where, f"certainties of {truth.shape}", f"{certainty.shape}", "evaluate the same images")
    if certainty.size and not (certainty.min() >= 0 and certainty.max() <= 1 + 1e-5):  # NaN fails both
        found = f"{certainty.min()} to {certainty.max()}"
        raise DataError(where, "certainties from 0 to 1", found, "train with a lower learning rate")


def empty() -> Counts:
    """The counts of a split without images."""
    return np.zeros((2, STEPS + 1), np.int64)


def count(truth: Labels, prediction: Labels, certainty: NDArray[np.float32]) -> Counts:
    """One image's pixels, by correctness and by certainty."""
    steps = (np.minimum(certainty, 1) * STEPS + 0.5).astype(np.int64)
    steps += (truth == prediction) * (STEPS + 1)
    steps[truth == IGNORE] = 2 * (STEPS + 1)
    counted = np.bincount(steps.ravel(), minlength=2 * (STEPS + 1))[: 2 * (STEPS + 1)]
    return counted.reshape(2, STEPS + 1)


def update(total: Counts, image: Counts) -> Counts:
    """A split's counts with those of one image added."""
    return total + image


def compute(total: Counts, bins: int) -> dict[str, Any]:
    """The scalars of a split; the mean certainty is over all pixels, over the right ones and over the wrong ones."""
    steps = np.arange(STEPS + 1)
    wrong, right = ((int(row.sum()), int(row @ steps)) for row in total)
    pixels = wrong[0] + right[0]
    gaps = [b["pixels"] * abs(b["accuracy"] - b["certainty"]) for b in reliability(total, bins) if b["pixels"]]
    return {
        "ece": share(sum(gaps), pixels),
        "aurc": aurc(total),
        "certainty": share(wrong[1] + right[1], pixels * STEPS),
        "certainty_right": share(right[1], right[0] * STEPS),
        "certainty_wrong": share(wrong[1], wrong[0] * STEPS),
    }


def reliability(total: Counts, bins: int) -> list[dict[str, Any]]:
    """The reliability diagram: each bin's bounds, pixels, accuracy and mean certainty (None if empty)."""
    steps = np.arange(STEPS + 1)
    bin_of = np.maximum(-(-steps * bins // STEPS) - 1, 0)  # a bin includes its upper bound; the first includes 0 too
    right = _sums(total[1], bin_of, bins)
    pixels, certainties = (_sums(of, bin_of, bins) for of in (total.sum(axis=0), total.sum(axis=0) * steps))
    return [
        {
            "from": at / bins,
            "to": (at + 1) / bins,
            "pixels": pixels[at],
            "accuracy": share(right[at], pixels[at]),
            "certainty": share(certainties[at], pixels[at] * STEPS),
        }
        for at in range(bins)
    ]


def aurc(total: Counts) -> float | None:
    """The share of wrong pixels up to each pixel, in order of decreasing certainty, averaged over all pixels."""
    pixels, taken, wrong = _most_certain_first(total)
    return share(float((pixels * (wrong / np.maximum(taken, 1))).sum()), int(taken[-1]))


def risk_coverage(total: Counts) -> list[dict[str, Any]]:
    """The share of wrong pixels among the most certain 1/20, 2/20, ... of all.

    A step that is taken in part adds wrong pixels in proportion: pixels of equal certainty have no order.
    """
    _, taken, wrong = _most_certain_first(total)
    shares = [(at + 1) / COVERAGES for at in range(COVERAGES)]
    ends = [part * int(taken[-1]) for part in shares]
    risks = np.interp(ends, np.append(0, taken), np.append(0, wrong)).tolist()
    return [{"coverage": part, "risk": share(risk, end)} for part, end, risk in zip(shares, ends, risks, strict=True)]


def _most_certain_first(total: Counts) -> tuple[Counts, Counts, Counts]:
    """From the most to the least certain step: its pixels, all pixels up to it, and the wrong ones among these."""
    pixels = total.sum(axis=0)[::-1]
    return pixels, np.cumsum(pixels), np.cumsum(total[0][::-1])


def _sums(values: Counts, bin_of: Counts, bins: int) -> list[int]:
    """Whole numbers summed by bin, exactly."""
    sums = np.zeros(bins, np.int64)
    np.add.at(sums, bin_of, values)
    return [int(value) for value in sums]
