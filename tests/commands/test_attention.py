"""Pictures of attention against the attention computed from the parts of the network."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional

from commands._attention import draw
from commands._trained import find
from pixelproof.core.errors import StateError
from pixelproof.data import dataset
from pixelproof.data.images import decode
from tests.commands.trained import as_trained, network
from tests.stages.train.conftest import Workspace

ARCH = "ocrnet-hr48-hms"
MEAN, STD = (torch.tensor(values)[:, None, None] for values in ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]))


def test_a_picture_is_the_attention_of_its_scale(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The image resized, through encoder, coarse head and attention, resized back: 0 is black and 1 is white."""
    as_trained(workspace, monkeypatch, ARCH)
    assert draw(find(ARCH, 0), ["test-03", "test-01"], Path("out")) == 4
    names = {f"{name}-scale-{scale}.png" for name in ("test-01", "test-03") for scale in ("0.5", "1")}
    assert {path.name for path in Path("out").iterdir()} == names
    model = network(ARCH)
    images = {sample.id: image for sample, image, _ in dataset.iterate(Path("data/prepared"), "test")}
    for name in ("test-01", "test-03"):
        inputs = (torch.from_numpy(images[name]).permute(2, 0, 1).float() - MEAN) / STD
        for scale, size in (("0.5", 32), ("1", 64)):
            with torch.inference_mode():
                small = functional.interpolate(inputs[None], (size, size), mode="bilinear", align_corners=False)
                features = model.backbone(small)
                _, attention = model.decode_head[1].with_attention(features, model.decode_head[0](features))
                back = functional.interpolate(attention, (64, 64), mode="bilinear", align_corners=False)
            picture = decode(Path(f"out/{name}-scale-{scale}.png"), cv2.IMREAD_UNCHANGED)
            assert picture.shape == (64, 64) and picture.dtype == np.uint8
            assert np.abs(picture - 255 * back[0, 0].numpy()).max() <= 0.51
            assert picture.std() > 0
    with pytest.raises(StateError, match=r"no image 'test-3' among its 5; .*did you mean 'test-0"):
        draw(find(ARCH, 0), ["test-3"], Path("out"))


def test_a_network_without_attention_is_an_error(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    as_trained(workspace, monkeypatch, "segnet-basic")
    with pytest.raises(StateError, match=r"^segnet-basic: no attention over scales; use ocrnet-hr48-hms"):
        draw(find("segnet-basic", 0), [], Path("out"))
    assert not Path("out").exists()
