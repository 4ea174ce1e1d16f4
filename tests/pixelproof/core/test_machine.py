"""What is said of the machine, also where the system tells less of it than Linux."""

from __future__ import annotations

import os

import pytest

from pixelproof.core.machine import cores, machine


def test_a_process_counts_the_cores_that_it_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 3, 5}, raising=False)
    assert cores() == 3
    assert ", 3 cores, " in machine()


def test_macos_tells_no_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert ", 8 cores, " in machine()
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1
