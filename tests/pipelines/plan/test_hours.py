"""Estimates: only of what was timed on this machine, and a training's by its iterations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines.plan.hours import Estimate, duration, estimate, ratio
from pixelproof.core.machine import machine
from pixelproof.core.times import StageTime, note


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def timed(stage: str, seconds: float, **train: Any) -> None:
    note(stage, StageTime(seconds, machine(), {"train": train} if train else {}))


def test_without_a_time_nothing_is_guessed() -> None:
    assert estimate("train@unet-0", {}) == Estimate(None, "not timed here yet")
    assert str(estimate("train@unet-0", {})) == "not timed here yet"


def test_a_time_of_another_machine_is_none_of_this_one() -> None:
    note("prepare", StageTime(60, "some other processor, 96 cores", {}))
    assert estimate("prepare", {}) == Estimate(None, "timed only on another machine")


def test_a_training_grows_with_its_iterations() -> None:
    timed("train@unet-0", 120, iterations=900, batch=8)
    assert str(estimate("train@unet-0", {"train.iterations": 900, "train.batch": 16})) == "about 2 min"
    twice = estimate("train@unet-0", {"train.iterations": 1800})
    assert (twice.seconds, str(twice)) == (240, "about 4 min (2 min for 900 iterations)")
    other = estimate("train@unet-0", {"train.iterations": "40 epochs"})
    assert (other.seconds, str(other)) == (120, "about 2 min (as for 900 iterations)")
    assert estimate("train@fcn-0", {}).seconds is None


def test_other_stages_take_what_they_last_did() -> None:
    timed("report", 5, iterations=900)  # declares that param too
    assert estimate("report", {"train.iterations": 1800}) == Estimate(5)


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (900, 1800, 2), ("40 epochs", "20 epochs", 0.5), (900, "20 epochs", None), (None, None, 1), (None, 900, None),
        (0, 900, None),
    ],
)  # fmt: skip
def test_spans_of_one_unit_have_a_ratio(before: Any, now: Any, expected: float | None) -> None:
    assert ratio(before, now) == expected


def test_durations_are_as_fine_as_a_guess_may_be() -> None:
    said = [duration(seconds) for seconds in (0.2, 42, 100, 5000, 7500, 7200, 360_000)]
    assert said == ["1 s", "42 s", "2 min", "83 min", "2 h 5 min", "2 h", "100 h"]
