"""How the machine is described that something was measured on. Never part of what a stage writes."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import psutil


def machine() -> str:
    """Processor type, cores and memory: what a figure depends on, and nothing that names the machine."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = {line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")}
    processor = ", ".join(sorted(models)) or platform.processor() or platform.machine()
    memory = psutil.virtual_memory().total / 2**30
    return f"{processor}, {cores()} cores, {memory:.0f} GiB, Python {platform.python_version()}"


def cores() -> int:
    """The cores that this process may use: a container has fewer than the machine. macOS does not tell: all of them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
