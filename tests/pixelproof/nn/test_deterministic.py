"""The deterministic forms equal torch's own functions; no network is trained with what torch refuses on CUDA."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pixelproof.core.errors import ParamsError
from pixelproof.networks.vgg import unpool
from pixelproof.nn.build import build_model
from pixelproof.nn.deterministic import DeterministicForms, demand, refusals_named
from stages.configure.resolve import names, resolve
from stages.train.heads import set_losses
from stages.train.params import LossTerm
from tests.pixelproof.networks.gradients import FP32
from tests.pixelproof.networks.operations import THROWN, Operations

IN_CI = {"unet", "pspnet-r18", "bisenetv2", "segnet", "unet-r18", "pidnet-s"}
TRAINED = [pytest.param(n, marks=() if n in IN_CI else pytest.mark.slow) for n in names() if n != "kmeans"]
LAYOUTS = {"rows": torch.contiguous_format, "channels last": torch.channels_last}
Function = Callable[[Tensor], Tensor]


def both(function: Function, x: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Value and gradient: torch's own, then the deterministic form's."""
    found = []
    for forms in (False, True):
        x = x.detach().requires_grad_()
        with Operations() as operations:
            with DeterministicForms() if forms else nullcontext():
                y = function(x)
            (gradient,) = torch.autograd.grad((y * torch.arange(y.numel()).view_as(y).to(y).sin()).sum(), x)
        assert not forms or (not operations.refused and "bmm" in operations.seen)  # ours ran
        found.append((y.detach(), gradient))
    return found


def same(function: Function, shape: tuple[int, ...], layout: str) -> None:
    """Value and gradient are equal in fp64, in either memory layout, and the layout is kept."""
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torchs, ours = both(function, x.contiguous(memory_format=LAYOUTS[layout]))
    for expected, found in zip(torchs, ours, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    assert ours[0].is_contiguous(memory_format=LAYOUTS[layout])


def test_cublas_is_told_by_the_variable_that_torch_names(monkeypatch: pytest.MonkeyPatch) -> None:
    (name,) = set(re.findall(r"CUBLAS_\w+", inspect.getsource(torch.backends.cuda)))
    monkeypatch.setenv(name, "")  # so that it is taken back
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    asked: list[bool] = []
    monkeypatch.setattr(torch, "use_deterministic_algorithms", asked.append)
    before = dict(os.environ)
    demand()
    changed = {key: value for key, value in os.environ.items() if before.get(key) != value}
    assert changed in ({name: ":4096:8"}, {name: ":16:8"})  # the two that NVIDIA's cuBLAS says are reproducible
    assert asked == [True] and not torch.backends.cudnn.benchmark


# --- the forms -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [2, 3, 6, (5, 3), (None, 4), (7, 11), (9, 13), (1, 2)])
def test_adaptive_pooling(size: Any, layout: str) -> None:
    """Windows that tile the map, that overlap, and that outnumber its values."""
    same(lambda x: functional.adaptive_avg_pool2d(x, size), (2, 3, 7, 11), layout)
    same(nn.AdaptiveAvgPool2d(size), (1, 2, 12, 12), layout)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize("size", [(14, 22), (7, 11), (3, 4), (1, 1), (20, 5), 13])
def test_interpolation_to_a_size(size: Any, corners: bool, layout: str) -> None:
    """Larger, smaller, larger in one direction only, the same size, and a single value."""
    same(lambda x: functional.interpolate(x, size, mode="bilinear", align_corners=corners), (2, 3, 7, 11), layout)


@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("scale", [2, 0.5, 1.3, (2.0, 0.7)])
def test_interpolation_by_a_factor(scale: Any, recompute: bool, corners: bool) -> None:
    """With 1.3, 7 rows become 9: whether torch computes with 1.3 or with 9/7 is `recompute_scale_factor`."""
    options: dict[str, Any] = {"align_corners": corners, "recompute_scale_factor": recompute}
    same(lambda x: functional.interpolate(x, None, scale, "bilinear", **options), (2, 3, 7, 11), "rows")
    same(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=corners), (2, 3, 7, 11), "rows")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_the_dtype_is_kept_and_bf16_loses_no_digits_on_the_way(dtype: torch.dtype) -> None:
    """Also under autocast, which would compute a product in bf16: both agree to the last digit of the result."""
    x = torch.rand(1, 3, 6, 6).to(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        for function in (nn.AdaptiveAvgPool2d(4), nn.Upsample((17, 17), mode="bilinear")):
            (expected, _), (found, _) = both(function, x)
            assert found.dtype == expected.dtype == dtype
            torch.testing.assert_close(found, expected, rtol=torch.finfo(dtype).eps, atol=1e-6)


def test_everything_else_is_left_to_torch() -> None:
    x = torch.rand(1, 3, 6, 6)
    functions: list[Function] = [
        lambda x: functional.interpolate(x, (9, 9)),
        lambda x: functional.interpolate(x, (9, 9), mode="bicubic"),
        lambda x: functional.interpolate(x, (4, 4), mode="bilinear", antialias=True),
        lambda x: functional.interpolate(x[0], 9, mode="linear"),
        lambda x: functional.adaptive_avg_pool2d(x, 1),
        lambda x: functional.adaptive_avg_pool2d(x[0], 2),
    ]
    for function in functions:
        with DeterministicForms():
            found = function(x)
        assert torch.equal(found, function(x))


def test_a_form_first_used_in_inference_serves_training() -> None:
    """Matrices are cached: one made in inference mode could not be used for a gradient."""
    with DeterministicForms():
        with torch.inference_mode():
            functional.interpolate(torch.rand(1, 1, 31, 37), (41, 43), mode="bilinear")
        x = torch.rand(1, 1, 31, 37, requires_grad=True)
        total = functional.interpolate(x, (41, 43), mode="bilinear").sum()
    assert torch.autograd.grad(total, x)[0].shape == x.shape


def test_unpooling_runs_no_refused_operation() -> None:
    """tests/pixelproof/networks/test_unpooling.py compares it with torch's."""
    small, indices = functional.max_pool2d(torch.rand(1, 2, 4, 4), 2, return_indices=True)
    with Operations() as operations:
        torch.autograd.grad(unpool(small.requires_grad_(), indices, 4, 4).sum(), small)
    assert operations.seen and not operations.refused


def test_an_operation_that_torch_refuses_ends_in_one_line() -> None:
    """`put_` is refused on the CPU too."""
    torch.use_deterministic_algorithms(True)
    try:
        with pytest.raises(ParamsError, match=r"found true; torch has no deterministic put_"), refusals_named():
            torch.zeros(3).put_(torch.tensor([0]), torch.ones(1))
    finally:
        torch.use_deterministic_algorithms(False)
    with pytest.raises(RuntimeError, match="size"), refusals_named():
        torch.zeros(2) + torch.zeros(3)


# --- networks --------------------------------------------------------------------------------------------------------


def test_the_list_of_refused_operations_is_torchs() -> None:
    """Another torch may refuse other operations; the list must then be updated."""
    text = torch.use_deterministic_algorithms.__doc__ or ""
    thrown = text[text.rindex("will throw a\n") : text.index("In addition, several operations")]
    documented = re.findall(r"\* :\w+:`torch\.(?:\w+\.)*(\w+)`", thrown)
    assert set(documented) == set(THROWN) and len(documented) == len(THROWN) + 1  # `put_` is named twice


def operations_of(name: str, forms: bool) -> Operations:
    """The operations of one iteration of a small network with all of our losses, forward and backward."""
    torch.manual_seed(0)
    model = build_model(resolve(name, "small"), 3, FP32).train()
    terms = [LossTerm(name=name, weight=1.0) for name in ("cross_entropy", "focal", "dice", "lovasz")]
    set_losses(model, terms, [0.5, 1.0, 2.0])
    pixels = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    masks = torch.randint(0, 3, (2, 64, 64), dtype=torch.uint8)
    masks[0, :20] = 255
    operations = Operations()
    with operations:
        with DeterministicForms() if forms else nullcontext():
            losses = model(**model.data_preprocessor({"inputs": pixels, "masks": masks}, True), mode="loss")
        model.parse_losses(losses)[0].backward()
    return operations


@pytest.mark.parametrize("name", TRAINED)
def test_no_network_is_trained_with_a_refused_operation(name: str) -> None:
    """Seen on the CPU, where the operations are the same."""
    operations = operations_of(name, forms=True)
    assert "convolution_backward" in operations.seen
    assert operations.refused == []


def test_without_the_forms_refused_operations_run() -> None:
    """PSPNet pools to windows; every head interpolates."""
    refused = set(operations_of("pspnet-r18", forms=False).refused)
    assert {"_adaptive_avg_pool2d_backward", "upsample_bilinear2d_backward"} <= refused
