"""The learning rates, against PyTorch's own schedulers."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import pytest
import torch
from torch.optim import lr_scheduler

from stages.train.params import Schedule
from stages.train.schedule import factor

ITERATIONS = 40


def reference(make: Any) -> list[float]:
    """The learning rate of each iteration under a scheduler of PyTorch's."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)
    rates = [optimizer.param_groups[0]["lr"]]
    for _ in range(ITERATIONS - 1):
        optimizer.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SequentialLR calls what PyTorch says is old
            scheduler.step()
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


def ours(name: Literal["onecycle", "poly", "cosine"], warmup: float) -> list[float]:
    """The factors of each iteration."""
    return [factor(Schedule(name=name, warmup=warmup), iteration, ITERATIONS) for iteration in range(ITERATIONS)]


@pytest.mark.parametrize("warmup", [0.1, 0.3, 0.5])
def test_onecycle_is_pytorchs(warmup: float) -> None:
    """Both halves, and the very last rate."""

    def make(optimizer: Any) -> Any:
        return lr_scheduler.OneCycleLR(optimizer, 1.0, ITERATIONS, pct_start=warmup, cycle_momentum=False)

    assert ours("onecycle", warmup) == pytest.approx(reference(make), abs=1e-12)


@pytest.mark.parametrize("name", ["poly", "cosine"])
def test_warmup_and_fall_are_pytorchs(name: Literal["poly", "cosine"]) -> None:
    """A line up, then a power or half a cosine down to zero."""

    def make(optimizer: Any) -> Any:
        rise = lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters=8)
        fall: Any = lr_scheduler.CosineAnnealingLR(optimizer, T_max=ITERATIONS - 8)
        if name == "poly":
            fall = lr_scheduler.PolynomialLR(optimizer, total_iters=ITERATIONS - 8, power=0.9)
        return lr_scheduler.SequentialLR(optimizer, [rise, fall], milestones=[8])

    assert ours(name, 0.2) == pytest.approx(reference(make), abs=1e-9)


@pytest.mark.parametrize("iterations", [1, 2, 3, 7])
@pytest.mark.parametrize("name", ["onecycle", "poly", "cosine"])
def test_the_shortest_runs_have_a_rate_too(name: Literal["onecycle", "poly", "cosine"], iterations: int) -> None:
    """Never negative, never above the highest."""
    factors = [factor(Schedule(name=name, warmup=0.3), iteration, iterations) for iteration in range(iterations)]
    assert all(0 <= each <= 1 for each in factors) and factors[0] > 0
