"""How long stages will take, going by their last runs on this machine; only for what was timed here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.dvc.lock import base_name
from pipelines.dvc.revision import flatten
from pixelproof.core import times
from pixelproof.core.machine import machine

SCALE = {"train": "train.iterations"}  # stage -> the param that its time is proportional to: `900`, or `40 epochs`


@dataclass(frozen=True)
class Estimate:
    """Seconds (None if unknown), and what they are based on."""

    seconds: float | None
    note: str = ""

    def __str__(self) -> str:
        if self.seconds is None:
            return self.note
        return f"about {duration(self.seconds)}" + (f" ({self.note})" if self.note else "")


def estimate(stage: str, params: Mapping[str, Any]) -> Estimate:
    """How long a stage will take.

    Training time is assumed to be proportional to the iterations; other stages, to take as long as last time.

    Args:
        stage: its name, such as `train@unet-0`.
        params: those of params.yaml, by their key paths.
    """
    last = times.last(stage)
    if last is None:
        return Estimate(None, "not timed here yet")
    if last.machine != machine():
        return Estimate(None, "timed only on another machine")
    key = SCALE.get(base_name(stage), "")
    before, now = flatten(last.params).get(key), params.get(key)
    factor = ratio(before, now)
    if factor == 1:
        return Estimate(last.seconds)
    span = f"{before} iterations" if isinstance(before, int) else before
    if factor is None:
        return Estimate(last.seconds, f"as for {span}")
    return Estimate(last.seconds * factor, f"{duration(last.seconds)} for {span}")


def ratio(before: Any, now: Any) -> float | None:
    """The ratio of two spans: 2 for `20 epochs` and `40 epochs`, None for epochs and iterations."""
    if before == now:
        return 1.0
    (old, *old_unit), (new, *new_unit) = str(before).split(), str(now).split()
    if old_unit != new_unit or not old.isdecimal() or not new.isdecimal() or not int(old):
        return None
    return int(new) / int(old)


def duration(seconds: float) -> str:
    """Seconds, minutes, or hours and minutes: no finer than an estimate can be."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 and minutes < 60 * 24 else "")
