"""Describes what in a machine decides the last bits of a number: never its name, its user or its folders."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pixelproof.core.machine import processor, usable_cores

# The instruction sets by which libraries choose their kernels: x86-64 first, then Arm.
# fmt: off
INSTRUCTIONS = (
    "sse4_2", "avx", "fma", "avx2", "avx_vnni", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16",
    "avx512_fp16", "amx_tile", "amx_bf16", "amx_int8", "asimd", "asimdhp", "bf16", "i8mm", "sve", "sve2",
)
# fmt: on


def describe(compute: dict[str, Any]) -> dict[str, Any]:
    """The processor and, from the section `compute` of params.yaml, the device that networks run on here."""
    model, flags = processor()
    return {
        "processor": model,
        "instructions": [name for name in INSTRUCTIONS if name in flags],
        "cores": usable_cores(),
        "threads": compute.get("threads"),
        "device": device(compute.get("device")),
        "system": f"{platform.system()} {platform.machine()}",
    }


def device(asked: str | None) -> str:
    """`cpu`, or the CUDA devices by name; params may not state a device at all."""
    if asked is None:
        return "not stated in params.yaml"
    if asked == "cpu":
        return "cpu"
    try:
        import torch
    except ImportError:
        return "cpu"
    if not torch.cuda.is_available():
        return "cpu"
    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return f"cuda: {', '.join(names)}"


def installed(packages: list[str]) -> dict[str, str | None]:
    """The version of each package here, with its build (`+cpu`); None if it is not installed."""
    return {package: _version(package) for package in packages}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
