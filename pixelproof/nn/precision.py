"""Measure how much slower than fp32 a precision is on a device without hardware for it, which emulates it."""

from __future__ import annotations

import time
from collections.abc import Callable

from pixelproof.core.progress import say
from pixelproof.nn.runtime import Compute, autocast

SECONDS = 0.25  # for each of the two
SAID_FROM = 1.2  # times slower; less may be noise


def warn_if_slow(compute: Compute, device: str) -> None:
    """Say in one line if the chosen precision is slower here than fp32, and what to change.

    Args:
        compute: The section of params.yaml.
        device: `cpu` or `cuda`.
    """
    if compute.precision == "fp32":
        return
    if (ratio := times_slower(compute, device)) >= SAID_FROM:
        say(
            f"compute.precision: {compute.precision} is {ratio:.1f} times slower here than fp32 (measured), for "
            "lack of hardware; set `precision: fp32` under `compute:` in params.yaml"
        )


def times_slower(compute: Compute, device: str) -> float:
    """How many times longer than in fp32 a convolution and its gradients take.

    Args:
        compute: Its precision is measured.
        device: `cpu` or `cuda`.
    """
    import torch

    layer = torch.nn.Conv2d(64, 64, 3, padding=1).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    images = torch.ones(4, 64, 32, 32, device=device).to(memory_format=torch.channels_last)

    def passes(precision: Compute) -> Callable[[], None]:
        def run() -> None:
            with autocast(precision, device):
                result = layer(images)
            result.float().sum().backward()
            if device == "cuda":
                torch.cuda.synchronize()

        return run

    fp32, chosen = passes(compute.model_copy(update={"precision": "fp32"})), passes(compute)
    return _seconds(chosen) / _seconds(fp32)


def _seconds(run: Callable[[], None]) -> float:
    """The shortest of the repeats in a quarter of a second: what other load on the machine disturbs least."""
    run()  # the first one builds its kernels
    shortest, end = float("inf"), time.perf_counter() + SECONDS
    while True:
        begin = time.perf_counter()
        run()
        now = time.perf_counter()
        shortest = min(shortest, now - begin)
        if now >= end:
            return shortest
