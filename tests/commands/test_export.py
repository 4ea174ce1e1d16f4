"""The ONNX form of each family against PyTorch, and the card against what it was written from."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest
import torch
import yaml
from torch import Tensor, nn

from commands import _onnx_file
from commands.__main__ import main
from commands._export import export, write_both
from commands._trained import find, find_one
from pixelproof.core.errors import DataError, StateError
from pixelproof.core.files import read_json, sha256, write_json
from pixelproof.data import dataset
from pixelproof.data.images import decode
from pixelproof.nn.build import class_ids, save_weights
from tests.commands.trained import FP32, as_trained, forward, network
from tests.stages.train.conftest import Workspace

PREPARED = Path("data/prepared")
IN_CI = ["unet", "pspnet-r18", "segnet"]  # plain; pooling to sizes that do not divide the map's; un-pooling
SLOW = [
    "fcn8s",
    "fcn-r18-d8",
    "deeplabv3plus-r18",
    "deeplabv3plus-xception65",
    "deconvnet",
    "ocrnet-hr18s",
    "ocrnet-hr48-hms",
    "bisenetv2",
    "ddrnet23s",
    "pidnet-s",
    "segformer-b0",
    "unet-mobilenetv2",
    "unet-lite0",
    "deeplabv3plus-lite0",
    "fcn-lite0",
]
FAMILIES = [*IN_CI, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]


@pytest.mark.parametrize("arch", FAMILIES)
def test_the_file_answers_as_the_network_does(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, arch: str) -> None:
    """One image and five at once; the normalisation of the reference is written out, not taken from the network."""
    as_trained(workspace, monkeypatch, arch)
    export(find_one(arch, 0), Path("out"))
    session = onnxruntime.InferenceSession(f"out/{arch}.onnx")
    images = np.stack([image for _, image, _ in dataset.iterate(PREPARED, "test")])
    model = network(arch)
    with torch.inference_mode():
        expected = forward(model, torch.from_numpy(images).permute(0, 3, 1, 2)).numpy()
    assert expected.shape == (5, 3, 64, 64) and expected.std() > 0
    for batch in (slice(0, 1), slice(0, 5)):
        logits, classes = session.run(None, {"image": images[batch]})
        np.testing.assert_allclose(logits, expected[batch], rtol=0, atol=1e-3 * max(1, np.abs(expected).max()))
        same = (classes == class_ids(model, list(images[batch]), FP32, "cpu")).mean()
        assert classes.dtype == np.uint8 and same > 0.999


def test_a_card_says_what_was_measured_and_its_example_runs(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = as_trained(workspace, monkeypatch, "unet")
    export(find_one("unet", 0), Path("out"))
    assert "100.0000% of the pixels have the same class" in capsys.readouterr().out
    content, card = Path("out/unet.onnx").read_bytes(), Path("out/unet.md").read_text()
    metrics = read_json(Path("results/unet/0/evaluate/metrics.json"))
    shares = {entry["name"]: entry["share"] for entry in read_json(Path("results/data/train.json"))["classes"]}
    for i, name in enumerate(["ground", "disc", "box"]):
        ious = " | ".join(f"{metrics[split]['classes'][name]['iou']:.4f}" for split in ("test", "val"))
        assert f"| {i} | {name} | {shares[name]:.2%} | {ious} |\n" in card
    assert f"| test | {metrics['test']['mIoU']:.4f} | {metrics['test']['pixel_accuracy']:.4f} |" in card
    assert "| test | 5 | shapes 5 | 5 |" in card and "iterations: 12 with batch size 4" in card
    for digest in (hashlib.sha256(content).hexdigest(), sha256(Path("models/unet/0/weights.safetensors"))):
        assert card.count(digest) == 1
    for secret in (str(root), "site-packages", str(Path(__file__).parents[2])):
        assert secret not in card and secret.encode() not in content

    example = re.search(r"```python\n(.*?)```", card, flags=re.DOTALL)
    assert example and len(example[1].splitlines()) == 6
    _, image, _ = next(dataset.iterate(PREPARED, "test"))
    cv2.imwrite("out/image.png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    subprocess.run([sys.executable, "-c", example[1]], cwd="out", check=True)
    classes = decode(Path("out/classes.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(classes, class_ids(network("unet"), [image], FP32, "cpu")[0])

    export(find_one("unet", 0), Path("again"))
    assert (Path("again/unet.onnx").read_bytes(), Path("again/unet.md").read_text()) == (content, card)

    monkeypatch.setattr(_onnx_file, "TOLERANCE", 0.0)
    with pytest.raises(StateError, match=r"unet-0: a logit differs from PyTorch's by .*; nothing was written"):
        export(find_one("unet", 0), Path("refused"))
    assert not Path("refused").exists()


def test_of_networks_in_folds_one_is_named(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is of that one, and its card does not claim the scores of all as its own."""
    as_trained(workspace, monkeypatch, "unet")
    run, model = Path("models/unet/0"), network("unet")
    facts = read_json(run / "facts.json")
    for fold in (0, 1):
        with torch.no_grad():
            model.decode_head.conv_seg.bias += torch.tensor([0.0, fold, 0])
        save_weights(run / f"fold-{fold}/weights.safetensors", model.state_dict())
        write_json(run / f"fold-{fold}/facts.json", facts | {"best_iteration": fold + 6})
    (run / "weights.safetensors").unlink()
    write_json(run / "facts.json", {"classes": facts["classes"], "folds": [0, 1]})
    main(["export", "--arch", "unet", "--fold", "1", "--out", "out"])
    assert sorted(path.name for path in Path("out").iterdir()) == ["unet-fold-1.md", "unet-fold-1.onnx"]
    _, image, _ = next(dataset.iterate(PREPARED, "test"))
    logits, _ = onnxruntime.InferenceSession("out/unet-fold-1.onnx").run(None, {"image": image[None]})
    with torch.inference_mode():
        expected = forward(model, torch.from_numpy(image).permute(2, 0, 1)[None]).numpy()
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-3 * max(1, np.abs(expected).max()))
    card = Path("out/unet-fold-1.md").read_text()
    for said in (
        "# unet-fold-1\n",
        "scores of the networks of all folds",
        "all of train but fold 1.",
        "those of iteration 7,",
        'InferenceSession("unet-fold-1.onnx")',
        f"| `unet-fold-1.onnx` | `{sha256(Path('out/unet-fold-1.onnx'))}` |",
        f"| `weights` | `{sha256(run / 'fold-1/weights.safetensors')}` |",
    ):
        assert card.count(said) == 1, said
    with pytest.raises(StateError, match=r"^models/unet/0: the networks of folds 0, 1; name one with --fold; `"):
        main(["export", "--arch", "unet", "--out", "again"])
    assert not Path("again").exists()


def test_a_folder_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match=r"file/out: not a directory; give --out another folder"):
        write_both({tmp_path / "file/out/a.onnx": b"a", tmp_path / "file/out/a.md": b"b"})


def test_another_network_does_not_agree(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """One weight of the last layer changed by 1 after the export; and a NaN is no agreement either."""
    as_trained(workspace, monkeypatch, "fcn-r18-d8")
    model = network("fcn-r18-d8")
    images = [image for _, image, _ in dataset.iterate(PREPARED, "test")]
    content = _onnx_file.as_onnx("fcn", model, 64, 64)
    assert _onnx_file.compare(content, model, images, 1).holds
    with torch.no_grad():
        model.decode_head.conv_seg.bias[1] += 1
    found = _onnx_file.compare(content, model, images, 1)
    assert not found.holds and found.difference == pytest.approx(1, abs=1e-3) and found.same < 1
    with torch.no_grad():
        model.decode_head.conv_seg.bias[1] = torch.nan
    assert not _onnx_file.compare(content, model, images, 1).holds


class Bessel(nn.Module):
    """A network whose one layer is an operation that ONNX lacks."""

    def data_preprocessor(self, data: dict[str, Tensor], training: bool) -> dict[str, Tensor]:
        return {"inputs": data["inputs"].float()}

    def encode_decode(self, inputs: Tensor, metas: Any) -> Tensor:
        values: Tensor = torch.special.bessel_j0(inputs)
        return values


def test_an_operation_that_onnx_lacks_is_named() -> None:
    with pytest.raises(StateError, match=r"^bessel: ONNX cannot express prims\.bessel_j0;") as caught:
        _onnx_file.as_onnx("bessel", Bessel(), 8, 8)
    assert "\n" not in str(caught.value)


def test_k_means_cannot_be_exported(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    as_trained(workspace, monkeypatch, "kmeans")
    with pytest.raises(StateError, match=r"^kmeans: it processes the images of a batch one by one"):
        export(find_one("kmeans", 0), Path("out"))
    assert not Path("out").exists()


def test_what_is_missing_or_of_other_params_is_an_error(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    root = as_trained(workspace, monkeypatch, "unet")
    with pytest.raises(
        StateError,
        match=r"trained: unet \(seed 0\); there is no .* \(did you mean 'unet'\?\)",
    ):
        find("unett", 0)
    lock = {"stages": {"train@unet-0": {"params": {"params.yaml": {"seed": 0, "train.batch": 4}}}}}
    (root / "dvc.lock").write_text(yaml.safe_dump(lock))
    assert find("unet", 0).params.train.batch == 4
    lock["stages"]["train@unet-0"]["params"]["params.yaml"]["train.batch"] = 8
    (root / "dvc.lock").write_text(yaml.safe_dump(lock))
    with pytest.raises(StateError, match=r"params\.yaml: train.batch is 4, but train@unet-0 ran with 8"):
        export(find_one("unet", 0), Path("out"))
    (root / "dvc.lock").unlink()
    Path("results/unet/0/evaluate/metrics.json").unlink()
    with pytest.raises(
        StateError, match=r"metrics\.json: no such file; run `bin/pixelproof reproduce evaluate@unet-0`"
    ):
        export(find_one("unet", 0), Path("out"))


@pytest.mark.parametrize("lost", ["iterations", "best_iteration", "val_mIoU"])
def test_facts_that_the_card_tells_must_be_there(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    as_trained(workspace, monkeypatch, "unet")
    facts = Path("models/unet/0/facts.json")
    whole = read_json(facts)
    without = {key: value for key, value in whole.items() if key != lost}
    for damaged, found in ((without, "nothing about"), (whole | {lost: "much"}, "no number for")):
        write_json(facts, damaged)
        with pytest.raises(
            DataError, match=rf"facts\.json: .*{found} {lost}; `bin/python -m dvc checkout models/unet/0`"
        ):
            export(find_one("unet", 0), Path("out"))
    assert not Path("out").exists()
