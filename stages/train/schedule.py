"""The learning rate as a pure function of the iteration: there is no state to save, and each part can have its own."""

from __future__ import annotations

import math

from stages.train.params import Schedule

FIRST = {"onecycle": 1 / 25, "poly": 0.01, "cosine": 0.01}  # the first factor, from which the warm-up rises to 1
ONECYCLE_LAST = 1 / 25e4  # as in PyTorch and fastai: the first factor divided by 10,000
POLY_POWER = 0.9  # as in DeepLab


def factor(schedule: Schedule, iteration: int, iterations: int) -> float:
    """The factor of the peak learning rate in an iteration, counted from 0.

    `onecycle` (Smith and Topin 2018) rises and falls along half a cosine each. `poly` and `cosine` (Loshchilov and
    Hutter 2017) rise linearly; `poly` falls as a power of the remaining share, `cosine` along half a cosine.
    """
    first = FIRST[schedule.name]
    if schedule.name == "onecycle":
        top = schedule.warmup * iterations - 1
        if iteration <= top:
            return half_cosine(first, 1.0, iteration / top)
        return half_cosine(1.0, ONECYCLE_LAST, min(1.0, (iteration - top) / max(iterations - 1 - top, 1e-9)))
    warmup = max(1, round(schedule.warmup * iterations))
    if iteration < warmup:
        return first + (1 - first) * iteration / warmup
    done = (iteration - warmup) / max(iterations - warmup, 1)
    return float((1 - done) ** POLY_POWER) if schedule.name == "poly" else half_cosine(1.0, 0.0, done)


def half_cosine(start: float, end: float, share: float) -> float:
    """From `start` to `end`, slow at both ends."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
