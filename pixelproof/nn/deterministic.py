"""Replacements for operations that torch cannot run deterministically on CUDA, built from operations that it can.

The documentation of `torch.use_deterministic_algorithms` lists them. Networks here are trained with two: adaptive
average pooling and bilinear interpolation. In their backward passes many threads add to the same element, in any
order. (For interpolation torch also has a slow deterministic path.) Both are linear and separable: each is a product
with one matrix for the rows and one for the columns, and so is its gradient.

Max un-pooling is a scatter already (see networks/vgg.py), the losses avoid torch's own reductions (see losses.py), and
metrics are counted on the CPU. Pooling to a single value is a mean, and torch computes it as one.
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

REFUSAL = "does not have a deterministic"  # part of torch's message when it refuses an operation


def demand() -> None:
    """Allow only deterministic operations for the rest of this process. Call it before CUDA starts."""
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # cuBLAS reads it when CUDA starts
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


@contextmanager
def demanded(wanted: bool) -> Iterator[None]:
    """If wanted, run a block with deterministic operations alone, ours where torch has none.

    Raises:
        ParamsError: An operation in the block has no deterministic form; the message names it.
    """
    if not wanted:
        yield
        return
    demand()
    with refusals_named(), DeterministicForms():
        yield


@contextmanager
def refusals_named() -> Iterator[None]:
    """Turn torch's refusal of an operation, under `demand`, into a one-line error.

    Raises:
        ParamsError: An operation in the block has no deterministic form; the message names it.
    """
    try:
        yield
    except RuntimeError as error:
        if REFUSAL not in str(error):
            raise
        operation = str(error).split(maxsplit=1)[0]
        fix = f"torch has no deterministic {operation}; set it to false"
        raise ParamsError("train.deterministic", "true", fix) from error


class DeterministicForms(TorchFunctionMode):
    """A context in which all code, MMSegmentation's too, runs this module's functions in place of torch's."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Called by torch in place of each of its functions."""
        return FORMS.get(func, func)(*args, **(kwargs or {}))


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Torch's `adaptive_avg_pool2d`: the means of `output_size` windows that cover the map and may overlap."""
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
    """Torch's `interpolate`; everything but plain bilinear interpolation of NCHW maps is left to torch."""
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
    """Apply the matrices of one kind to the rows and the columns of feature maps.

    Computed in fp32 at least, even under autocast: bf16 has too few digits for weights such as 1/3.

    Args:
        x: Feature maps (NCHW).
        kind: `average`, `corners` or `centres` (the two ways to align bilinear interpolation).
        size: Height and width of the result.
        scales: The caller's scale factors for height and width, where it gave any.

    Returns:
        Maps with the dtype and the memory layout of `x`.
    """
    dtype = torch.promote_types(x.dtype, torch.float32)
    sides = zip(x.shape[2:], size, scales, strict=True)
    rows, columns = (weights(kind, old, new, scale, dtype, x.device) for old, new, scale in sides)
    with torch.autocast(x.device.type, enabled=False):
        return products(x.to(dtype), rows, columns).to(x.dtype)


def products(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """rows x plane x columns^T for each plane of `x`.

    Maps in channels-last layout are not copied, and the result has the same layout.
    """
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
    """The matrix that maps `inputs` values to `outputs` values.

    It is cached, and created outside inference mode, because a later caller may need a gradient.
    """
    with torch.inference_mode(False):
        made = average(inputs, outputs) if kind == "average" else bilinear(inputs, outputs, kind == "corners", scale)
        return made.to(device, dtype)


def average(inputs: int, outputs: int) -> Tensor:
    """The matrix of adaptive average pooling along one axis.

    Output i is the mean of the inputs from floor(i inputs / outputs) up to ceil((i + 1) inputs / outputs).

    Example:
        >>> average(3, 2)
        tensor([[0.5000, 0.5000, 0.0000],
                [0.0000, 0.5000, 0.5000]], dtype=torch.float64)
    """
    number = torch.arange(outputs)[:, None]
    first, end = number * inputs // outputs, -(-(number + 1) * inputs // outputs)
    position = torch.arange(inputs)
    return ((position >= first) & (position < end)).double() / (end - first)


def bilinear(inputs: int, outputs: int, corners: bool, scale: float | None = None) -> Tensor:
    """The matrix of bilinear interpolation along one axis.

    Each output lies between two inputs, and the nearer one weighs more.

    Args:
        inputs: Values before.
        outputs: Values after.
        corners: Align the centres of the first and last values (torch's `align_corners`), not the outer borders.
        scale: The caller's scale factor, if there was one. Torch then uses it instead of outputs / inputs, which
            differs from it because the size was rounded.

    Example:
        >>> bilinear(2, 4, corners=False)
        tensor([[1.0000, 0.0000],
                [0.7500, 0.2500],
                [0.2500, 0.7500],
                [0.0000, 1.0000]], dtype=torch.float64)
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
