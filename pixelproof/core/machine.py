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
        Its model, and its flags, which include the instruction sets. Without the file: what Python knows, and no flags.
    """
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine(), set()
    pairs = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    models = sorted({value for name, value in pairs if name == "model name"})
    flags = {flag for name, value in pairs if name in ("flags", "Features") for flag in value.split()}
    return " + ".join(models) or platform.processor() or platform.machine(), flags
