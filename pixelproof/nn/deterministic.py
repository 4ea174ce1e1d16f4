"""What torch has no deterministic form of on CUDA, out of operations that have one.

Which operations those are stands in the documentation of `torch.use_deterministic_algorithms`. Two of them are what
networks here are trained with: the gradients of adaptive average pooling and of bilinear interpolation add up into one
place what many threads bring, in any order. (For the second torch has a slow form too.) Both are linear in the rows of
a map and, by themselves, in its columns: so each is a product with two matrices, and its gradient is one as well.

Max un-pooling is a scatter already (see vgg.py), the losses reduce nothing inside torch's (see losses.py), and a metric
is counted on the CPU. Pooling to a single value is a mean, which torch makes of it by itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from pixelproof.core.errors import ParamsError

REFUSAL = "does not have a deterministic"  # what torch says of an operation that it has no such form of


def demand() -> None:
    """Let torch take deterministic operations alone, for the rest of this process. Comes before CUDA starts."""
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # cuBLAS reads it when CUDA starts
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


@contextmanager
def refusals_named() -> Iterator[None]:
    """An operation that torch refuses under `demand` ends the run in one line."""
    try:
        yield
    except RuntimeError as error:
        if REFUSAL not in str(error):
            raise
        operation = str(error).split(maxsplit=1)[0]
        fix = f"torch has no deterministic {operation}; set it to false"
        raise ParamsError("train.deterministic", "true", fix) from error


class DeterministicForms(TorchFunctionMode):
    """A context in which all code, MMSegmentation's too, calls the forms of this module by torch's names."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Called by torch in place of each of its functions."""
        return FORMS.get(func, func)(*args, **(kwargs or {}))


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """As torch's: the mean of each of `output_size` windows, which cover a map and may overlap."""
    asked = output_size if isinstance(output_size, Sequence) else (output_size, output_size)
    height, width = (old if new is None else new for old, new in zip(input.shape[-2:], asked, strict=True))
    if input.dim() != 4 or (height, width) == (1, 1):
        return functional.adaptive_avg_pool2d(input, output_size)
    return separable(input, "average", (height, width))


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """As torch's; what is not plain bilinear interpolation of maps is left to torch."""
    if mode != "bilinear" or antialias or input.dim() != 4:
        return functional.interpolate(
            input, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias=antialias
        )
    scales: Sequence[float | None] = (None, None)
    if size is None:
        factors = scale_factor if isinstance(scale_factor, Sequence) else (scale_factor, scale_factor)
        size = [int(old * factor) for old, factor in zip(input.shape[2:], factors, strict=True)]
        scales = scales if recompute_scale_factor else factors
    height, width = (int(side) for side in (size if isinstance(size, Sequence) else (size, size)))
    if align_corners:
        return separable(input, "corners", (height, width))
    return separable(input, "centres", (height, width), scales)


FORMS: dict[Any, Callable[..., Any]] = {
    functional.adaptive_avg_pool2d: adaptive_avg_pool2d,
    functional.interpolate: interpolate,
}


def separable(x: Tensor, kind: str, size: tuple[int, int], scales: Sequence[float | None] = (None, None)) -> Tensor:
    """What the matrices of one kind make of the rows and of the columns of maps (NCHW): of their dtype and layout.

    Under autocast too in fp32: bf16 has not the digits for weights such as 1/3.
    """
    dtype = torch.promote_types(x.dtype, torch.float32)
    sides = zip(x.shape[2:], size, scales, strict=True)
    rows, columns = (weights(kind, old, new, scale, dtype, x.device) for old, new, scale in sides)
    with torch.autocast(x.device.type, enabled=False):
        return products(x.to(dtype), rows, columns).to(x.dtype)


def products(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """rows x columns^T of each plane x. Maps that have their channels last are not copied, and the result has too."""
    batch, channels, height, width = x.shape
    if x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous():
        x = x.permute(0, 2, 3, 1).reshape(batch, height, width * channels)
        x = torch.bmm(rows.expand(batch, -1, -1), x).view(batch * len(rows), width, channels)
        x = torch.bmm(columns.expand(len(x), -1, -1), x)
        return x.view(batch, len(rows), len(columns), channels).permute(0, 3, 1, 2)
    x = (x.reshape(-1, width) @ columns.T).view(batch * channels, height, len(columns))
    return torch.bmm(rows.expand(len(x), -1, -1), x).view(batch, channels, len(rows), len(columns))


@lru_cache(maxsize=256)
def weights(
    kind: str, inputs: int, outputs: int, scale: float | None, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """The matrix that takes `inputs` values to `outputs`, kept for the next time, which may want a gradient."""
    with torch.inference_mode(False):
        made = average(inputs, outputs) if kind == "average" else bilinear(inputs, outputs, kind == "corners", scale)
        return made.to(device, dtype)


def average(inputs: int, outputs: int) -> Tensor:
    """Each output is the mean of the inputs from floor(i inputs / outputs) up to ceil((i + 1) inputs / outputs)."""
    number = torch.arange(outputs)[:, None]
    first, end = number * inputs // outputs, -(-(number + 1) * inputs // outputs)
    position = torch.arange(inputs)
    return ((position >= first) & (position < end)).double() / (end - first)


def bilinear(inputs: int, outputs: int, corners: bool, scale: float | None = None) -> Tensor:
    """Each output lies between two inputs and takes from each the more, the nearer it is.

    The middles of the first and of the last of both meet (`corners`), or their outer borders do. `scale` is what torch
    then reckons with where a caller gave a factor, and where the number of outputs is only a rounding of it.
    """
    number = torch.arange(outputs, dtype=torch.float64)
    if corners:
        place = number * ((inputs - 1) / (outputs - 1) if outputs > 1 else 0.0)
    else:
        place = ((number + 0.5) * (1 / scale if scale else inputs / outputs) - 0.5).clamp(min=0)
    lower = place.long().clamp(max=inputs - 1)
    upper = (lower + 1).clamp(max=inputs - 1)
    share = (place - lower)[:, None]
    one = torch.eye(inputs, dtype=torch.float64)
    return (1 - share) * one[lower] + share * one[upper]
