"""Which operations torch refuses on CUDA when they must be deterministic, seen on the CPU, where they are the same."""

from __future__ import annotations

from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

# What the documentation of `torch.use_deterministic_algorithms` (torch 2.13) says will throw, and the names under which
# these run. Interpolation has a slow deterministic form on CUDA by now; the tests demand that nothing needs it.
THROWN: dict[str, set[str]] = {
    "AvgPool3d": {"avg_pool3d_backward"},
    "AdaptiveAvgPool2d": {"_adaptive_avg_pool2d_backward"},
    "AdaptiveAvgPool3d": {"_adaptive_avg_pool3d_backward"},
    "AdaptiveMaxPool2d": {"adaptive_max_pool2d_backward"},
    "FractionalMaxPool2d": {"fractional_max_pool2d_backward"},
    "FractionalMaxPool3d": {"fractional_max_pool3d_backward"},
    "MaxUnpool1d": {"max_unpool2d"},
    "MaxUnpool2d": {"max_unpool2d"},
    "MaxUnpool3d": {"max_unpool3d"},
    "interpolate": {f"upsample_{mode}_backward" for mode in ("linear1d", "bilinear2d", "bicubic2d", "trilinear3d")}
    | {"_upsample_bilinear2d_aa_backward", "_upsample_bicubic2d_aa_backward"},
    "ReflectionPad1d": {"reflection_pad1d_backward"},
    "ReflectionPad2d": {"reflection_pad2d_backward"},
    "ReflectionPad3d": {"reflection_pad3d_backward"},
    "NLLLoss": {"nll_loss_forward", "nll_loss_backward", "nll_loss2d_forward", "nll_loss2d_backward"},
    "CTCLoss": {"_ctc_loss_backward"},
    "EmbeddingBag": {"_embedding_bag_dense_backward", "_embedding_bag_backward"},
    "put_": {"put", "put_"},
    "histc": {"histc"},
    "bincount": {"bincount"},
    "median": {"median", "nanmedian"},
    "grid_sample": {"grid_sampler_2d_backward", "grid_sampler_3d_backward"},
    "cumsum": {"cumsum", "cumsum_"},
    "scatter_reduce": {"scatter_reduce", "scatter_reduce_"},
    "resize_": set(),  # of quantized tensors
}
BY_OPERATION = frozenset[str]().union(*THROWN.values())
# The position of the argument that says how pixel losses are reduced: only a reduction makes threads collide.
REDUCTION = {"nll_loss2d_forward": 3, "nll_loss2d_backward": 4, "nll_loss_forward": 3, "nll_loss_backward": 4}


class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records which operations run, forward and backward, and which of them are refused."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: set[str] = set()
        self.refused: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, given = func.overloadpacket.__name__, kwargs or {}
        self.seen.add(name)
        if name in BY_OPERATION and not harmless(name, args, given):
            self.refused.append(name)
        return func(*args, **given)


def harmless(name: str, args: Any, kwargs: dict[str, Any]) -> bool:
    """Whether the documentation, or the error's message, makes an exception for this call."""
    if name in REDUCTION:
        return bool(args[REDUCTION[name]] == 0)
    if name.startswith("cumsum"):
        return not (kwargs.get("dtype") or args[0].dtype).is_floating_point
    if name == "bincount":
        return len(args) < 2 or args[1] is None
    if name.startswith("scatter_reduce"):
        return bool(args[4] != "prod")
    return False
