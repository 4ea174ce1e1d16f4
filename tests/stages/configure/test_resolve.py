"""Configs: resolved whole, plain, and the networks that the published sizes say they are."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pixelproof.core.errors import DataError, ParamsError
from pixelproof.nn.build import build_model, class_ids
from pixelproof.nn.runtime import Compute
from stages.configure import resolve as module
from stages.configure.resolve import names, resolve, walk

FP32 = Compute(device="cpu", precision="fp32", channels_last=False, threads=1)


@pytest.mark.parametrize("scale", ["small", "full"])
@pytest.mark.parametrize("name", names())
def test_every_architecture_resolves_to_plain_data(name: str, scale: str) -> None:
    """JSON holds all of it; nothing is fetched or needs several processes; no path and no class count is in it."""
    config = resolve(name, scale)
    text = json.dumps(config, sort_keys=True)
    assert json.loads(text) == config
    assert str(Path.cwd()) not in text and "SyncBN" not in text and "Pretrained" not in text
    assert "pretrained" not in config["model"]
    heads = [d for d in walk(config["model"]) if "num_classes" in d]
    assert heads and all(head["num_classes"] is None for head in heads)


@pytest.mark.parametrize("name", names())
def test_every_small_architecture_predicts_at_the_size_of_its_input(name: str) -> None:
    """A batch of images gives one class id per pixel, below the number of classes; no size has to be a multiple."""
    model = build_model(resolve(name, "small"), 5, FP32).eval()
    ids = class_ids(model, [np.zeros((50, 71, 3), np.uint8)] * 2, FP32, "cpu")
    assert ids.shape == (2, 50, 71) and ids.dtype == np.uint8 and ids.max() < 5


def test_full_unet_has_the_papers_channels() -> None:
    """Ronneberger et al. 2015, figure 1: 64 channels at the first level, doubled at each of four more, up to 1024."""
    import torch

    with torch.device("meta"):
        full = build_model(resolve("unet", "full"), 2, FP32)
    stages = [next(m for m in stage.modules() if isinstance(m, torch.nn.Conv2d)) for stage in full.backbone.encoder]
    assert [conv.out_channels for conv in stages] == [64, 128, 256, 512, 1024]


def test_scale_changes_the_network_and_nothing_else() -> None:
    """`small` is a change of the model alone."""
    small, full = resolve("unet", "small"), resolve("unet", "full")
    assert {key for key in small if small[key] != full[key]} == {"model", "scale"}
    assert small["model"]["backbone"]["base_channels"] == 32 and full["model"]["backbone"]["base_channels"] == 64


def test_an_unknown_name_lists_the_names() -> None:
    """The nearest name and all names are in the message."""
    with pytest.raises(ParamsError, match=r"'unett'.*allowed: .*pspnet-r18.*did you mean 'unet'"):
        resolve("unett", "small")


def test_a_broken_file_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A config is code: whatever it raises names the file."""
    monkeypatch.setattr(module, "ARCHITECTURES", tmp_path)
    (tmp_path / "broken.py").write_text("model = dict(")
    with pytest.raises(DataError, match=r"architectures/broken\.py.*SyntaxError"):
        resolve("broken", "small")
    (tmp_path / "empty.py").write_text("other = 1\n")
    with pytest.raises(DataError, match=r"architectures/empty\.py: expected a `model`"):
        resolve("empty", "small")


def test_a_named_module_is_digested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of a module that an architecture names changes its config, and so reruns its training."""
    architectures, networks = tmp_path / "architectures", tmp_path / "networks"
    shutil.copytree(module.ARCHITECTURES, architectures)
    networks.mkdir()
    (networks / "mine.py").write_text("A = 1\n")
    (architectures / "mine.py").write_text("_base_ = './unet.py'\nmodules = ['mine']\n")
    monkeypatch.setattr(module, "ARCHITECTURES", architectures)
    monkeypatch.setattr(module, "NETWORKS", networks)
    before = resolve("mine", "small")
    (networks / "mine.py").write_text("A = 2\n")
    after = resolve("mine", "small")
    assert before["digests"]["mine"] != after["digests"]["mine"]
    (architectures / "mine.py").write_text("_base_ = './unet.py'\nmodules = ['mien']\n")
    with pytest.raises(ParamsError, match=r"'mien'.*did you mean 'mine'"):
        resolve("mine", "small")


def test_resolving_never_calls_pip() -> None:
    """A zoo base must not make MMEngine look for a distribution to install (it runs pip when it finds none)."""
    code = (
        "import subprocess, os\n"
        "def no(*a, **k): raise SystemExit('a process was started: %r' % (a,))\n"
        "subprocess.Popen = subprocess.run = subprocess.check_call = subprocess.call = os.system = no\n"
        "from stages.configure.resolve import resolve\n"
        "print(resolve('pspnet-r18', 'full')['model']['decode_head']['type'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "PSPHead", done.stderr
