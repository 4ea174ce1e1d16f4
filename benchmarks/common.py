"""What the measurements share: how the machine is described, and a table."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent


def machine() -> str:
    """Processor type, cores and memory: what a figure depends on, and nothing that names the machine."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = {line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")}
    processor = ", ".join(sorted(models)) or platform.processor() or platform.machine()
    memory = psutil.virtual_memory().total / 2**30
    return f"{processor}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB, Python {platform.python_version()}"


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table under a title that says where it was measured."""
    print(f"# {title}\n\nMeasured on: {machine()}\n")
    for row in (header, ["---"] * len(header), *rows):
        print("| " + " | ".join(row) + " |")
