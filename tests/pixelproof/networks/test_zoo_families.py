"""One config of each family of MMSegmentation's zoo, as a one-line file: it trains and predicts, or says why not."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mmseg
import pytest
import torch

from pixelproof.core.errors import DataError
from pixelproof.nn.build import build_model
from pixelproof.nn.runtime import Compute
from stages.configure import resolve as module
from stages.configure.resolve import resolve
from stages.train.heads import set_losses
from stages.train.params import LossTerm

FP32 = Compute(device="cpu", precision="fp32", channels_last=False, threads=1)
CONFIGS = Path(mmseg.__file__).parent / ".mim/configs"
FAMILIES = sorted(path.name for path in CONFIGS.iterdir() if path.is_dir() and path.name != "_base_")
SMALL = re.compile("r18|r50|tiny|-t_|_b16|-s_|b0|base|small")  # in config names: a family's smaller networks
SIZE = 128

OPERATORS = r"a layer that needs mmcv's compiled operators; compile them: `pip install .* onedl-mmcv`$"
DETECTION = r"layers of MMDetection; install it: .*`pip install onedl-mmdetection`$"
PRETRAIN = r"layers of MMPretrain; install it: `pip install onedl-mmpretrain`$"
REFUSED = {
    "ccnet": OPERATORS,
    "point_rend": OPERATORS,
    "psanet": OPERATORS,
    "mask2former": DETECTION,
    "maskformer": DETECTION,
    "convnext": PRETRAIN,
    "poolformer": PRETRAIN,
    "beit": r"images of 640x640, found 128x128; .*backbone\.img_size in configure\.overrides$",
    "mae": r"images of 512x512, found 128x128; .*backbone\.img_size in configure\.overrides$",
    "mobilenet_v3": r"images of 392 pixels or more, found 128x128",
    "san": "another dataset's class names",
    "vpd": "a depth estimator",
}


@pytest.fixture(autouse=True)
def _one_network_at_a_time() -> Iterator[None]:
    torch.set_num_threads(1)
    yield
    gc.collect()


def trial(folder: Path, monkeypatch: pytest.MonkeyPatch, family: str, size: int, **overrides: Any) -> None:
    """Resolve, build, compute a training loss of two images, predict."""
    configs = sorted(path.name for path in (CONFIGS / family).glob("*.py"))
    base = next(filter(SMALL.search, configs), configs[0])
    monkeypatch.setattr(module, "ARCHITECTURES", folder)
    (folder / "mine.py").write_text(f"_base_ = 'mmseg::{family}/{base}'\n")
    config = json.loads(json.dumps(resolve("mine", "full", overrides)))
    model = build_model(config, 5, FP32)
    set_losses(model, [LossTerm(name="cross_entropy", weight=1.0)], [0.5, 1.0, 2.0, 1.0, 1.0])
    torch.manual_seed(0)
    images = torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8)
    batch = {"inputs": images, "masks": torch.randint(0, 5, (2, size, size), dtype=torch.uint8)}
    total, _ = model.parse_losses(model.train()(**model.data_preprocessor(batch, True), mode="loss"))
    assert total.isfinite() and total.requires_grad
    with torch.inference_mode():
        inputs = model.data_preprocessor({"inputs": images}, False)["inputs"]
        logits = model.eval().encode_decode(inputs, [{"img_shape": (size, size)}] * 2)
    assert logits.shape == (2, 5, size, size)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_runs_or_says_why_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str) -> None:
    if family not in REFUSED:
        trial(tmp_path, monkeypatch, family, SIZE)
        return
    with pytest.raises(DataError, match=REFUSED[family]) as error:
        trial(tmp_path, monkeypatch, family, SIZE)
    message = str(error.value)
    assert message.startswith("architectures/mine.py: expected ") and "\n" not in message


@pytest.mark.slow
def test_a_network_of_one_size_accepts_another_by_an_override(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As its error message advises."""
    trial(tmp_path, monkeypatch, "mae", SIZE, **{"backbone.img_size": [SIZE, SIZE]})
