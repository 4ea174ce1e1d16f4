"""What is said of a precision that this machine emulates."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest

from pixelproof.nn import precision
from pixelproof.nn.precision import times_slower, warn_if_slow
from pixelproof.nn.runtime import Compute

BF16 = Compute(device="cpu", precision="bf16", channels_last=True, threads=1)


@contextmanager
def emulated() -> Iterator[None]:
    time.sleep(0.2)
    yield


def test_it_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forward pass that waits for a fifth of a second is many times slower; the same pass is not."""
    monkeypatch.setattr(precision, "autocast", lambda compute, _: emulated() if compute is BF16 else nullcontext())
    assert times_slower(BF16, "cpu") > 2
    monkeypatch.setattr(precision, "autocast", lambda *_: nullcontext())
    assert 0.2 < times_slower(BF16, "cpu") < 5


@pytest.mark.parametrize(("ratio", "said"), [(9.04, "bf16 is 9.0 times slower here than fp32 (measured)"), (0.5, "")])
def test_a_slow_one_is_named_with_what_to_change(
    ratio: float, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(precision, "times_slower", lambda *_: ratio)
    warn_if_slow(BF16, "cpu")
    err = capsys.readouterr().err
    assert (said in err and "`precision: fp32` under `compute:`" in err) if said else not err


def test_fp32_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> float:
        raise AssertionError

    monkeypatch.setattr(precision, "times_slower", never)
    warn_if_slow(BF16.model_copy(update={"precision": "fp32"}), "cpu")
