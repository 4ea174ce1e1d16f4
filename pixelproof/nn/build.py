"""From a resolved config (data/configs/<arch>.json) to a network, and from pixels to class ids.

Shared by train and evaluate. Weights are safetensors: loading them runs no code.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings
from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pixelproof.core.errors import DataError
from pixelproof.core.files import read_json, write_bytes
from pixelproof.nn.runtime import Compute, autocast, memory_format

if TYPE_CHECKING:
    import torch
    from torch import nn

FIX = "fix the file, or its overrides in params.yaml"
# Compiles mmcv's operators for the installed torch. PointRend, CCNet, PSANet and MMDetection need them.
OPERATORS = "pip install --no-build-isolation --no-binary onedl-mmcv onedl-mmcv"


def read_config(path: Path) -> dict[str, Any]:
    """Read a resolved config that configure wrote.

    Raises:
        DataError: The file is missing or is not JSON.
    """
    try:
        config: dict[str, Any] = read_json(path)
    except (FileNotFoundError, ValueError) as error:
        raise DataError(path, "a resolved config", str(error), "run `dvc repro configure`") from None
    return config


def build_model(config: dict[str, Any], classes: int, compute: Compute) -> Any:
    """Build a config's network on the CPU, with random weights.

    Args:
        config: A resolved config, as `read_config` returns it.
        classes: The number of classes to predict.
        compute: Its memory format is applied to the weights and to the batches.

    Raises:
        DataError: The network cannot be built with what is installed, or its config is wrong.
    """
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # mmcv warns about ops, and mmseg about packages, that are not needed here
        import mmseg.models  # noqa: F401
        from mmengine.registry import DefaultScope
        from mmseg.registry import MODELS

        import pixelproof.nn.preprocess  # noqa: F401
        from pixelproof.nn.sizes import limit_sizes

        for module in config["modules"]:
            importlib.import_module(f"pixelproof.networks.{module}")
        try:
            with DefaultScope.overwrite_default_scope("mmseg"):
                model = MODELS.build(with_classes(config["model"], classes))
        except Exception as error:  # a config is code: a layer may raise anything
            raise unbuildable(config, error) from error
    limit_sizes(model, config["architecture"])
    model.data_preprocessor.channels_last = compute.channels_last
    return model.to(memory_format=memory_format(compute))


def unbuildable(config: dict[str, Any], error: Exception) -> DataError:
    """The error for a network that cannot be built, most often because an optional package is not installed.

    Args:
        config: The resolved config.
        error: What building it raised.
    """
    found, fix = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}", FIX
    model = str(config["model"])
    if config["model"].get("type") == "DepthEstimator":
        found, fix = "a depth estimator", "choose a segmentation network"
    elif config["model"].get("type") == "MultimodalEncoderDecoder":
        found, fix = "one tied to another dataset's class names", "choose one that learns its classes"
    elif "mmdet." in model:
        found, fix = "layers of MMDetection", f"install it: `{OPERATORS}`, then `pip install onedl-mmdetection`"
    elif "mmpretrain." in model:
        found, fix = "layers of MMPretrain", "install it: `pip install onedl-mmpretrain`"
    elif "onedl-mmcv" in found:
        found, fix = "a layer that needs mmcv's compiled operators", f"compile them: `{OPERATORS}`"
    return DataError(f"architectures/{config['architecture']}.py", "a network that can be built here", found, fix)


def with_classes(model: dict[str, Any], classes: int) -> Any:
    """A copy of a model's config in which every `num_classes` is `classes`, as MMEngine's `ConfigDict`."""
    from mmengine.config import ConfigDict

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: classes if key == "num_classes" else filled(inner) for key, inner in value.items()}
        return [filled(inner) for inner in value] if isinstance(value, list) else value

    return ConfigDict(with_tuples(filled(model)))


def with_tuples(config: Any) -> Any:
    """A config with tuples in place of lists where a layer's own default is a tuple.

    JSON has no tuples, and some layers accept nothing else (others accept only lists).
    """
    from mmseg.registry import MODELS

    if isinstance(config, list):
        return [with_tuples(inner) for inner in config]
    if not isinstance(config, dict):
        return config
    found = MODELS.get(config["type"]) if isinstance(config.get("type"), str) else None
    wanted = {p.name for p in signature(found).parameters.values() if isinstance(p.default, tuple)} if found else set()
    built = {key: with_tuples(value) for key, value in config.items()}
    return {key: tuple(value) if key in wanted and isinstance(value, list) else value for key, value in built.items()}


def class_ids(model: Any, images: Sequence[NDArray[np.uint8]], compute: Compute, device: str) -> NDArray[np.uint8]:
    """The predicted class of every pixel.

    Args:
        model: A network in evaluation mode, already on `device`.
        images: RGB images, all of one size.
        compute: The precision to predict in.
        device: `cpu` or `cuda`.

    Returns:
        Class ids of shape (N, height, width).
    """
    import torch

    ids: NDArray[np.uint8] = class_logits(model, images, compute, device).argmax(dim=1).to(torch.uint8).cpu().numpy()
    return ids


def class_logits(model: Any, images: Sequence[NDArray[np.uint8]], compute: Compute, device: str) -> torch.Tensor:
    """The logits of every pixel and class.

    Args:
        model: A network in evaluation mode, already on `device`.
        images: RGB images, all of one size.
        compute: The precision to predict in.
        device: `cpu` or `cuda`.

    Returns:
        Logits of shape (N, classes, height, width), on `device`.
    """
    import torch

    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    with torch.inference_mode(), autocast(compute, device):
        inputs = model.data_preprocessor({"inputs": pixels}, False)["inputs"]
        metas = [{"img_shape": tuple(inputs.shape[2:])}] * len(images)
        logits: torch.Tensor = model.encode_decode(inputs, metas)[..., : pixels.shape[2], : pixels.shape[3]]
    return logits


def weights_bytes(state: dict[str, torch.Tensor]) -> bytes:
    """Weights as safetensors without metadata: the same tensors always give the same bytes.

    Example:
        >>> import torch
        >>> state = {"bias": torch.zeros(2)}
        >>> weights_bytes(state) == weights_bytes({"bias": torch.zeros(2)})
        True
    """
    from safetensors.torch import save

    content: bytes = save({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()})
    return content


def save_weights(path: Path, state: dict[str, torch.Tensor]) -> None:
    """Write weights to a safetensors file atomically."""
    write_bytes(path, weights_bytes(state))


def load_weights(model: nn.Module, path: Path, fix: str = "run its train stage again") -> None:
    """Load weights that fit the network exactly.

    Args:
        model: Changed in place.
        path: A safetensors file.
        fix: What the error tells the reader to do.

    Raises:
        DataError: The file cannot be read, or its names or shapes are not the network's.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        model.load_state_dict(load_file(path), strict=True)
    except (OSError, SafetensorError, RuntimeError) as error:
        found = " ".join(str(error).split())[:300]
        raise DataError(path, "the weights of this architecture", found, fix) from None
