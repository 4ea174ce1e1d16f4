"""A clone with a network that knows three colours, k-means, so that every mask can be worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from PIL import Image

from pixelproof.core.files import write_json
from pixelproof.data.dataset import ClassInfo, Header, write_header
from pixelproof.nn.build import build_model, save_weights
from pixelproof.nn.runtime import Compute
from stages.configure.resolve import resolve

ROOT = Path(__file__).parents[2]
FP32 = Compute(device="cpu", precision="fp32", channels_last=False, threads=1)
HEADER = Header("tiny", tuple(ClassInfo(i, n, (i, 9, 9 * i)) for i, n in enumerate(["tomato", "grass", "lake"])))
COLOURS = np.array([[220, 30, 30], [30, 200, 30], [30, 30, 220]], np.uint8)  # what k-means takes for each class
MEAN, STD = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])


def make_clone(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with weights and dataset.json, and no images; params ask for a short side of 32. Go there."""
    write_header(root / "data/prepared", HEADER)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["compute"] = FP32.model_dump()
    params["prepare"]["shape"] |= {"width": 48, "height": 32}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    (root / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    write_json(root / "data/configs/kmeans.json", config_of_three())
    publish(root, "kmeans", k_means(torch.eye(3)))
    monkeypatch.chdir(root)
    return root


def config_of_three() -> dict[str, Any]:
    """The resolved config of k-means with three clusters."""
    config = resolve("kmeans", "small")
    config["model"] |= {"clusters": 3}
    return config


def k_means(votes: torch.Tensor) -> Any:
    """The network whose clusters are the three colours, with the share of each class in each cluster."""
    model = build_model(config_of_three(), 3, FP32)
    model.scale.copy_(torch.tensor([1.0, 1, 1, 0, 0]))
    model.centres[:, :3] = (torch.from_numpy(COLOURS) - MEAN) / STD
    model.votes.copy_(votes)
    return model


def publish(root: Path, arch: str, model: Any, seed: int = 0) -> None:
    """Weights and facts, as train writes them."""
    save_weights(root / f"models/{arch}/{seed}/weights.safetensors", model.state_dict())
    write_json(root / f"models/{arch}/{seed}/facts.json", {"classes": HEADER.names()})


def publish_panoptic(root: Path) -> None:
    """A network that learns objects, with drawn weights: it finds what it likes, but many tomatoes."""
    config = resolve("panoptic-deeplab-r18", "small")
    write_json(root / "data/configs/panoptic-deeplab-r18.json", config)
    torch.manual_seed(3)
    model = build_model(config, 3, FP32)
    model.init_weights()
    with torch.no_grad():
        model.decode_head.centre[1].bias.fill_(0.9)
        model.decode_head.conv_seg.bias[0] = 1.0
    publish(root, "panoptic-deeplab-r18", model)


def halves(height: int, width: int, left: int = 0, right: int = 2) -> NDArray[np.uint8]:
    """An image of two colours side by side."""
    classes = np.full((height, width), left)
    classes[:, width // 2 :] = right
    pixels: NDArray[np.uint8] = COLOURS[classes]
    return pixels


def write(path: Path, pixels: NDArray[Any], **how: Any) -> Path:
    """An image file, by Pillow."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **how)
    return path
