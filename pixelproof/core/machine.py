"""Describe the machine that something ran on, without its name, its user or any path. It never enters the outputs of a
stage."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import psutil

CPUINFO = Path("/proc/cpuinfo")  # on Linux only


def machine() -> str:
    """Processor, cores, memory and Python version in one line: what measured times depend on."""
    memory = psutil.virtual_memory().total / 2**30
    model, _ = processor()
    return f"{model}, {usable_cores()} cores, {memory:.0f} GiB, Python {platform.python_version()}"


def usable_cores() -> int:
    """How many cores this process may use (in a container, often fewer than the machine has); on macOS, all of them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor(cpuinfo: Path = CPUINFO) -> tuple[str, set[str]]:
    """Describe the processor.

    Args:
        cpuinfo: the file in which Linux describes it.

    Returns:
        Its model, and its flags, which include the instruction sets. On x86-64 the model ends with its family and model
        numbers: `AMD EPYC`, as some hosts call it, may be any of five generations. Without the file: what Python knows,
        and no flags.
    """
    try:
        text = cpuinfo.read_text()
    except OSError:
        return platform.processor() or platform.machine(), set()
    cores = [_fields(block) for block in text.split("\n\n")]
    models = sorted({_model(core) for core in cores if "model name" in core})
    flags = {flag for core in cores for name in ("flags", "Features") for flag in core.get(name, "").split()}
    return " + ".join(models) or platform.processor() or platform.machine(), flags


def _fields(block: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in block.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _model(core: dict[str, str]) -> str:
    numbers = [f"{what} {core[name]}" for what, name in (("family", "cpu family"), ("model", "model")) if name in core]
    return core["model name"] + (f" ({', '.join(numbers)})" if numbers else "")
