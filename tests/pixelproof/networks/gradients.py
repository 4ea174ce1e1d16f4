"""Checks of gradients that the tests of networks share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from pixelproof.nn.build import build_model
from pixelproof.nn.runtime import Compute
from stages.configure.resolve import resolve

FP32 = Compute(device="cpu", precision="fp32", channels_last=False, threads=1)


def without_gradient(name: str) -> list[str]:
    """The parameters of a small network without a gradient. A single one breaks training on several devices."""
    model = build_model(resolve(name, "small"), 5, FP32)
    pixels, masks = torch.zeros(2, 3, 64, 64, dtype=torch.uint8), torch.ones(2, 64, 64, dtype=torch.uint8)
    model(**model.data_preprocessor({"inputs": pixels, "masks": masks}), mode="loss")["decode.loss_ce"].backward()
    return [name for name, parameter in model.named_parameters() if parameter.grad is None]


def bf16_error(forward: Callable[[Tensor], Tensor], weight: nn.Parameter, x: Tensor) -> float:
    """The error of a weight's gradient in bf16 relative to that in fp32."""
    found = []
    for bf16 in (False, True):
        unset = [torch.full((2**n,), float("nan")) for n in range(10, 23)]  # so that no memory is zero by chance
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = forward(x).float().square().mean()
        del unset
        found.append(torch.autograd.grad(loss, weight)[0])
    return float((found[1] - found[0]).norm() / found[0].norm())
