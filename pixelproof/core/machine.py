"""How the machine is described that something ran on. Never its name, its user or its folders, and never part of what a
stage writes."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import psutil

CPUINFO = Path("/proc/cpuinfo")  # of Linux alone


def machine() -> str:
    """Processor, cores, memory and Python: what a measured figure depends on, in one line."""
    memory = psutil.virtual_memory().total / 2**30
    model, _ = processor()
    return f"{model}, {usable_cores()} cores, {memory:.0f} GiB, Python {platform.python_version()}"


def usable_cores() -> int:
    """How many cores this process may use (a container has fewer than its machine); on macOS, how many there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor(cpuinfo: Path = CPUINFO) -> tuple[str, set[str]]:
    """Describe the processor.

    Args:
        cpuinfo: where Linux tells of it.

    Returns:
        Its model, and all its flags, the instruction sets among them. Without the file: what Python knows, and no flag.
    """
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine(), set()
    pairs = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    models = sorted({value for name, value in pairs if name == "model name"})
    flags = {flag for name, value in pairs if name in ("flags", "Features") for flag in value.split()}
    return " + ".join(models) or platform.processor() or platform.machine(), flags
