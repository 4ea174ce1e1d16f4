"""From a resolved config (data/configs/<arch>.json) to a network, and from pixels to class ids.

Stands beside the stages because train and evaluate both use it. Weights are safetensors: loading them runs no code.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stages.errors import DataError
from stages.files import read_json, write_bytes
from stages.models.runtime import Compute, autocast, memory_format

if TYPE_CHECKING:
    import torch
    from torch import nn


def read_config(path: Path) -> dict[str, Any]:
    """A resolved config that configure wrote."""
    try:
        config: dict[str, Any] = read_json(path)
    except (FileNotFoundError, ValueError) as error:
        raise DataError(path, "a resolved config", str(error), "run `dvc repro configure`") from None
    return config


def build_model(config: dict[str, Any], classes: int, compute: Compute) -> Any:
    """The network of a config for a number of classes, with random weights, on the CPU."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # mmcv warns of compiled ops, mmseg prints of packages, that none of this needs
        import mmseg.models  # noqa: F401
        from mmengine.registry import DefaultScope
        from mmseg.registry import MODELS

        import stages.models.preprocess  # noqa: F401

        for module in config["modules"]:
            importlib.import_module(f"stages.models.{module}")
        model_config = with_classes(config["model"], classes)
        with DefaultScope.overwrite_default_scope("mmseg"):
            model = MODELS.build(model_config)
    model.data_preprocessor.channels_last = compute.channels_last
    return model.to(memory_format=memory_format(compute))


def with_classes(model: dict[str, Any], classes: int) -> dict[str, Any]:
    """A copy of a model's config whose heads all tell `classes` classes apart."""
    model = copy.deepcopy(model)
    for key in ("decode_head", "auxiliary_head"):
        heads = model.get(key) or []
        for head in heads if isinstance(heads, list) else [heads]:
            head["num_classes"] = classes
    return model


def class_ids(model: Any, images: Sequence[NDArray[np.uint8]], compute: Compute, device: str) -> NDArray[np.uint8]:
    """The predicted class of every pixel of RGB images of one size."""
    import torch

    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    with torch.inference_mode(), autocast(compute, device):
        inputs = model.data_preprocessor({"inputs": pixels}, False)["inputs"]
        metas = [{"img_shape": tuple(inputs.shape[2:])}] * len(images)
        logits = model.encode_decode(inputs, metas)[..., : pixels.shape[2], : pixels.shape[3]]
    ids: NDArray[np.uint8] = logits.argmax(dim=1).to(torch.uint8).cpu().numpy()
    return ids


def weights_bytes(state: dict[str, torch.Tensor]) -> bytes:
    """Weights as safetensors without metadata: the same tensors always give the same bytes."""
    from safetensors.torch import save

    content: bytes = save({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()})
    return content


def save_weights(path: Path, state: dict[str, torch.Tensor]) -> None:
    """Write weights whole or not at all."""
    write_bytes(path, weights_bytes(state))


def load_weights(model: nn.Module, path: Path) -> None:
    """Load weights that fit the network exactly."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        model.load_state_dict(load_file(path), strict=True)
    except (OSError, SafetensorError, RuntimeError) as error:
        found = " ".join(str(error).split())[:300]
        raise DataError(path, "the weights of this architecture", found, "run its train stage again") from None
