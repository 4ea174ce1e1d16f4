"""How a network computes: device, precision, memory format and threads.

All of these change results, so all are params (section `compute`) that train and evaluate declare. Only the device is
ever detected, with `device: auto`.
"""

from __future__ import annotations

import ctypes
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationInfo, field_validator

from pixelproof.core.errors import ParamsError
from pixelproof.core.params import Section

if TYPE_CHECKING:
    import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


class Compute(Section):
    """The section `compute` of params.yaml."""

    device: Literal["auto", "cpu", "cuda"] = Field(description="where to compute; auto uses CUDA if there is a device")
    devices: int = Field(default=1, ge=1, le=1024, description="CUDA devices that train each network")
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        description="bf16 and fp16 are autocast: the weights stay fp32; slow without hardware for them"
    )
    channels_last: bool = Field(description="memory format of convolutions; faster on CPUs and tensor cores")
    threads: int = Field(
        ge=1, le=512, description="CPU threads per process; another number changes the last bits of results"
    )
    portable: bool = Field(
        default=False, description="the same bytes on every x86-64 processor with AVX2; uses no newer instructions"
    )

    @field_validator("portable")
    @classmethod
    def _where_it_can_be(cls, portable: bool, info: ValidationInfo) -> bool:
        if portable and info.data.get("precision") not in (None, "fp32"):
            raise ValueError(
                "its instructions are slow in other precisions than fp32: set precision: fp32, or false here"
            )
        if portable and info.data.get("channels_last") is False:
            raise ValueError(
                "dilated convolutions then differ between processors: set channels_last: true, or false here"
            )
        return portable


def pick_device(compute: Compute) -> str:
    """The device to compute on.

    Returns:
        `cpu` or `cuda`.

    Raises:
        ParamsError: CUDA is asked for and there is no CUDA device.
    """
    import torch

    if compute.device == "cuda" and not torch.cuda.is_available():
        raise ParamsError("compute.device", "'cuda'", "this machine has no CUDA device; allowed here: auto, cpu")
    return "cpu" if compute.device == "cpu" or not torch.cuda.is_available() else "cuda"


def set_up(compute: Compute) -> str:
    """Set the number of threads of this process and return its device, as `pick_device` does.

    On CUDA, fp32 is fp32: by default, torch rounds the inputs of convolutions to the 10 bits of TF32. cuDNN times its
    kernels and takes the fastest, unless only deterministic operations are allowed.
    """
    import cv2
    import torch

    keep_freed_memory()
    torch.set_num_threads(compute.threads)
    cv2.setNumThreads(1)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.benchmark = not torch.are_deterministic_algorithms_enabled()
    return pick_device(compute)


def keep_freed_memory(largest: int = 2**30) -> None:
    """Let the C library keep the memory of one iteration for the next, where it can (glibc's `mallopt`).

    By default it returns large blocks to the system immediately, and every page of an activation is then mapped and
    zeroed again: ten thousand page faults, and a few percent of the time, per iteration of a small network.

    Args:
        largest: blocks of more bytes are returned. What is kept is in pieces: a process with many large arrays of
            different sizes would need several times their memory.
    """
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(M_MMAP_THRESHOLD, largest)
        mallopt(M_TRIM_THRESHOLD, 2 * largest - 1)


def autocast(compute: Compute, device: str) -> AbstractContextManager[None]:
    """The context in which a forward pass runs."""
    import torch

    types = {"bf16": torch.bfloat16, "fp16": torch.float16}
    return torch.autocast(device, types[compute.precision]) if compute.precision in types else nullcontext()


def memory_format(compute: Compute) -> torch.memory_format:
    """The memory format of weights and batches."""
    import torch

    return torch.channels_last if compute.channels_last else torch.contiguous_format


def out_of_memory(error: Exception) -> bool:
    """Whether an error means that memory ran out.

    PyTorch's CPU allocator has no exception class for it, so its messages are compared too.

    Example:
        >>> out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"))
        True
        >>> out_of_memory(RuntimeError("shapes do not match"))
        False
    """
    import torch

    text = str(error)
    kinds = (MemoryError, torch.cuda.OutOfMemoryError)
    return isinstance(error, kinds) or "can't allocate memory" in text or "not enough memory" in text
