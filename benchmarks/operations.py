"""Prints, as JSON, a digest of the result of each operation that stages compute with. portable.py runs it under
different instruction sets."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

DRAW = np.random.RandomState(0)  # the legacy generator: it computes no logarithm of an array
Results = dict[str, Any]


def normal(*shape: int) -> Tensor:
    """Random numbers, made by Python's own arithmetic alone."""
    return torch.from_numpy((DRAW.randint(-4096, 4096, shape) / 1024).astype(np.float32))


def digest(*arrays: Any) -> str:
    """The bytes of arrays or tensors."""
    found = hashlib.sha256()
    for array in arrays:
        values = array.detach().contiguous().numpy() if isinstance(array, Tensor) else array
        found.update(np.ascontiguousarray(values).tobytes())
    return found.hexdigest()[:16]


def convolution(name: str, shape: tuple[int, int, int], out: int, kernel: int, **options: Any) -> Results:
    """A convolution forward, and the gradients of its input and its weights, in channels-last memory."""
    channels, side, images = shape
    x = normal(images, channels, side, side).to(memory_format=torch.channels_last).requires_grad_()
    w = normal(out, channels // options.get("groups", 1), kernel, kernel).to(memory_format=torch.channels_last)
    w.requires_grad_()
    y = functional.conv2d(x, w, padding=options.get("dilation", 1) * (kernel // 2), **options)
    y.backward(y.detach())  # type: ignore[no-untyped-call]
    return {f"{name}": digest(y), f"{name}, input's gradient": digest(x.grad), f"{name}, weights'": digest(w.grad)}


def networks() -> Results:
    """Layers, losses and steps of networks."""
    found = convolution("convolution 3x3", (16, 64, 8), 32, 3)
    found |= convolution("convolution 3x3, stride 2", (3, 128, 8), 16, 3, stride=2)
    found |= convolution("convolution 3x3, wide", (128, 16, 4), 128, 3)
    found |= convolution("convolution 1x1", (64, 32, 8), 16, 1)
    found |= convolution("convolution, dilated", (64, 16, 4), 64, 3, dilation=6)
    found |= convolution("convolution, depthwise", (64, 16, 4), 64, 3, groups=64)
    x, w = normal(8, 32, 64, 64).requires_grad_(), normal(32, 16, 2, 2).requires_grad_()
    y = functional.conv_transpose2d(x, w, None, 2)
    y.backward(y.detach())  # type: ignore[no-untyped-call]
    found["transposed convolution"] = digest(y, x.grad, w.grad)
    x = normal(8, 32, 64, 64).to(memory_format=torch.channels_last).requires_grad_()
    norm = torch.nn.BatchNorm2d(32)
    y = norm(x)
    y.backward(y.detach() ** 2)
    found["batch norm"] = digest(y, x.grad, norm.weight.grad, norm.bias.grad, norm.running_var)
    found["linear"] = digest(functional.linear(normal(64, 128), normal(9, 128), normal(9)))
    found["matrix product"] = digest(normal(300, 500) @ normal(500, 200))
    found["batched matrix product"] = digest(torch.bmm(normal(4, 50, 60), normal(4, 60, 70)))
    x = normal(8, 9, 64, 64).requires_grad_()
    loss = functional.cross_entropy(x, torch.from_numpy(DRAW.randint(0, 9, (8, 64, 64))))
    loss.backward()  # type: ignore[no-untyped-call]
    found["cross-entropy"] = digest(loss, x.grad)
    for name, fused in {"AdamW, fused": True, "AdamW, not fused": False}.items():
        weight = torch.nn.Parameter(normal(1000))
        optimizer = torch.optim.AdamW([weight], lr=1e-3, fused=fused)
        for _ in range(3):
            weight.grad = normal(1000)
            optimizer.step()
        found[name] = digest(weight)
    weights = [torch.nn.Parameter(normal(1000)), torch.nn.Parameter(normal(37, 5))]
    for weight in weights:
        weight.grad = normal(*weight.shape)
    found["clipping"] = digest(torch.nn.utils.clip_grad_norm_(weights, 1.0), *[weight.grad for weight in weights])
    return found


def tensors() -> Results:
    """PyTorch's functions of feature maps."""
    functions: dict[str, Callable[[Tensor], Tensor]] = {
        "exp": torch.exp, "log": lambda x: torch.log(x.abs() + 1e-3), "tanh": torch.tanh, "sigmoid": torch.sigmoid,
        "erf": torch.erf, "sqrt": lambda x: x.abs().sqrt(), "sin": torch.sin, "gelu": functional.gelu,
        "pow": lambda x: x.abs() ** 0.25, "sum": torch.sum, "mean": lambda x: x.mean((0, 2, 3)),
        "var": lambda x: x.var((0, 2, 3)), "norm": torch.linalg.vector_norm, "softmax": lambda x: x.softmax(1),
        "log-softmax": lambda x: x.log_softmax(1), "cumsum": lambda x: x.cumsum(2),
        "interpolate": lambda x: functional.interpolate(x, (100, 100), mode="bilinear"),
        "pool to 6x6": lambda x: functional.adaptive_avg_pool2d(x, (6, 6)),
        "average pool": lambda x: functional.avg_pool2d(x, 3, 2, 1),
    }  # fmt: skip
    return {f"torch {name}": digest(function(normal(8, 9, 64, 64))) for name, function in functions.items()}


def arrays() -> Results:
    """NumPy's functions, in both precisions, and the C library's."""
    functions: dict[str, Callable[[Any], Any]] = {
        "exp": np.exp, "log": lambda x: np.log(abs(x) + 1), "sin": np.sin, "cos": np.cos, "tanh": np.tanh,
        "pow": lambda x: abs(x) ** 0.3, "sum": np.sum, "mean": lambda x: x.mean(0), "std": np.std,
        "sqrt": lambda x: np.sqrt(abs(x)), "dot": lambda x: x @ x.T, "arctan2": lambda x: np.arctan2(x, x[::-1]),
        "argsort": np.argsort, "hypot": lambda x: np.hypot(x, x[::-1]),
    }  # fmt: skip
    x = DRAW.randint(-4096, 4096, (200, 300)) / 1024
    found: Results = {}
    for bits, values in ((64, x), (32, x.astype(np.float32))):
        found |= {f"numpy {name}, {bits} bits": digest(function(values)) for name, function in functions.items()}
    found["numpy singular values"] = digest(np.linalg.svd(x)[1])
    found["numpy normal draws"] = digest(np.random.default_rng(0).normal(size=1000))
    plain = (
        math.exp,
        math.sin,
        math.cos,
        math.tanh,
        math.atan,
        lambda v: math.log(abs(v) + 1),
        lambda v: abs(v) ** 0.37,
    )
    found["C library"] = digest(np.array([function(v) for v in x.ravel()[:2000].tolist() for function in plain]))
    return found


def images() -> Results:
    """OpenCV's functions of images."""
    image = DRAW.randint(0, 255, (200, 300, 3)).astype(np.uint8)
    turn = cv2.getRotationMatrix2D((150, 100), 17, 1.1)
    near = (image[..., 0] > 40).astype(np.uint8)
    found = {
        "resize, area": cv2.resize(image, (128, 100), interpolation=cv2.INTER_AREA),
        "resize, area, floats": cv2.resize(image.astype(np.float32), (128, 100), interpolation=cv2.INTER_AREA),
        "resize, linear": cv2.resize(image, (400, 333), interpolation=cv2.INTER_LINEAR),
        "resize, cubic": cv2.resize(image, (400, 333), interpolation=cv2.INTER_CUBIC),
        "blur": cv2.GaussianBlur(image, (7, 7), 1.3),
        "rotate": cv2.warpAffine(image, turn, (300, 200), flags=cv2.INTER_LINEAR),
        "rotate, floats": cv2.warpAffine(image.astype(np.float32), turn, (300, 200)),
        "distance": cv2.distanceTransform(near, cv2.DIST_L2, cv2.DIST_MASK_PRECISE),
        "to HSV": cv2.cvtColor(image, cv2.COLOR_RGB2HSV),
        "to Lab": cv2.cvtColor(image, cv2.COLOR_RGB2LAB),
        "add weighted": cv2.addWeighted(image, 0.7, image[::-1].copy(), 0.4, 3),
        "JPEG": cv2.imencode(".jpg", image)[1],
    }
    return {f"opencv {name}": digest(value) for name, value in found.items()}


if __name__ == "__main__":
    torch.set_num_threads(2)
    print(json.dumps(networks() | tensors() | arrays() | images()))
