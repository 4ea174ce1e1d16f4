"""How a network computes: device, precision, memory format and threads. All of it changes numbers, so all of it is a
param (section `compute`) that train and evaluate declare, and nothing is probed but where `device: auto` computes."""

from __future__ import annotations

import ctypes
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pixelproof.core.errors import ParamsError
from pixelproof.core.params import Section

if TYPE_CHECKING:
    import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


class Compute(Section):
    """The section `compute` of params.yaml."""

    device: Literal["auto", "cpu", "cuda"] = Field(description="where to compute; auto takes CUDA where there is one")
    precision: Literal["fp32", "bf16"] = Field(description="bf16 is autocast; the weights stay fp32")
    channels_last: bool = Field(description="memory format of convolutions; faster on CPUs and tensor cores")
    threads: int = Field(ge=1, description="threads of one process on the CPU; another number gives other last bits")


def pick_device(compute: Compute) -> str:
    """`cpu` or `cuda`; asking for CUDA where there is none is an error."""
    import torch

    if compute.device == "cuda" and not torch.cuda.is_available():
        raise ParamsError("compute.device", "'cuda'", "this machine has no CUDA device; allowed here: auto, cpu")
    return "cpu" if compute.device == "cpu" or not torch.cuda.is_available() else "cuda"


def set_up(compute: Compute) -> str:
    """Set the threads of this process and return its device."""
    import cv2
    import torch

    keep_freed_memory()
    torch.set_num_threads(compute.threads)
    cv2.setNumThreads(1)
    return pick_device(compute)


def keep_freed_memory() -> None:
    """Let the C library keep the memory of one iteration for the next, where it can be told to: glibc's `mallopt`.

    By itself it gives large blocks back to the system at once, and then each page of an activation is mapped and
    zeroed anew: ten thousand page faults, and some percent of the time, in an iteration of a small network.
    """
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(M_MMAP_THRESHOLD, 2**30)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def autocast(compute: Compute, device: str) -> AbstractContextManager[None]:
    """The context in which a forward pass runs."""
    import torch

    return torch.autocast(device, torch.bfloat16) if compute.precision == "bf16" else nullcontext()


def memory_format(compute: Compute) -> torch.memory_format:
    """The memory format of weights and batches."""
    import torch

    return torch.channels_last if compute.channels_last else torch.contiguous_format


def out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory ran out; PyTorch's allocator on the CPU has no class of its own for it."""
    import torch

    text = str(error)
    kinds = (MemoryError, torch.cuda.OutOfMemoryError)
    return isinstance(error, kinds) or "can't allocate memory" in text or "not enough memory" in text
