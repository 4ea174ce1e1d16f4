"""A machine is described on Linux, and on macOS, which lacks what Linux tells."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import psutil
import pytest

from pixelproof.core import machine
from pixelproof.core.machine import processor, usable_cores


def test_the_processor_is_read_from_linux(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: Fast One\nflags\t\t: fpu avx2 avx512f\n\n" * 2)
    assert processor(cpuinfo) == ("Fast One", {"fpu", "avx2", "avx512f"})
    cpuinfo.write_text("processor\t: 0\nFeatures\t: asimd sve\n")  # Arm tells no name there
    model, flags = processor(cpuinfo)
    assert model and flags == {"asimd", "sve"}


def test_generations_under_one_name_are_told_apart(tmp_path: Path) -> None:
    """Family 23, 25 and 26 are Zen 1 and 2, Zen 3 and 4, and Zen 5, whatever a host calls them."""
    cpuinfo = tmp_path / "cpuinfo"
    core = "processor\t: {}\ncpu family\t: {}\nmodel\t\t: {}\nmodel name\t: AMD EPYC\nflags\t\t: {}\n\n"
    cpuinfo.write_text(core.format(0, 25, 1, "avx2") + core.format(1, 25, 1, "avx2"))
    assert processor(cpuinfo) == ("AMD EPYC (family 25, model 1)", {"avx2"})
    cpuinfo.write_text(core.format(0, 25, 1, "avx2") + core.format(1, 26, 2, "avx2 avx512f"))
    both = "AMD EPYC (family 25, model 1) + AMD EPYC (family 26, model 2)"
    assert processor(cpuinfo) == (both, {"avx2", "avx512f"})


def test_without_proc_it_is_what_python_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "processor", lambda: "arm")
    assert processor(tmp_path / "none") == ("arm", set())
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert processor(tmp_path / "none") == ("arm64", set())


def test_cores_are_those_that_this_process_may_use_and_elsewhere_those_of_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 5, 6}, raising=False)
    assert usable_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    assert usable_cores() == 8
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1


def test_the_line_says_what_a_figure_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "processor", lambda: ("Fast One", {"avx2"}))
    monkeypatch.setattr(machine, "usable_cores", lambda: 3)
    memory = f"{psutil.virtual_memory().total / 2**30:.0f}"
    assert machine.machine() == f"Fast One, 3 cores, {memory} GiB, Python {platform.python_version()}"
