"""What tells networks apart: by the modules of real ones, by hand-made results, and by pixels worked out by hand."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from torch import nn

from pipelines.compare.labels import Classes
from pipelines.sweeps import pictures
from pipelines.sweeps.networks import Network, kind_of, network_of, rising_of
from pipelines.sweeps.page import as_page
from pipelines.sweeps.pictures import outlined, strips
from pipelines.sweeps.results import Results, Row, differences
from pipelines.sweeps.run import State
from pipelines.sweeps.spec import Sweep
from pipelines.sweeps.table import as_csv, as_markdown
from pixelproof.networks.unpooling import UnpoolHead
from pixelproof.nn.build import build_model
from pixelproof.nn.runtime import Compute
from stages.configure.resolve import names, resolve
from tests.pipelines.sweeps.test_results import HOW, drawn, row

FP32 = Compute(device="cpu", precision="fp32", channels_last=False, threads=1)
COLOURS = Classes(("land", "water"), ((10, 0, 0), (0, 20, 0)))


def decoders() -> dict[tuple[Any, ...], dict[str, Any]]:
    """A small network for each way back to full size that the configs of all architectures state."""
    found = dict[tuple[Any, ...], dict[str, Any]]()
    for name in names():
        config = resolve(name, "small")
        head = config["model"]["decode_head"]
        last = head[-1] if isinstance(head, list) else head
        many = len(last["in_channels"]) > 1 if isinstance(last.get("in_channels"), list) else False
        encoder = config["model"].get("backbone", {}).get("type") == "UNet"
        found.setdefault((config["model"]["type"], last.get("type"), last.get("upsample"), many, encoder), config)
    return found


def test_how_a_network_gets_back_to_full_size_is_what_its_modules_do() -> None:
    """Transposed convolutions that enlarge are in the network if and only if they are in the word for it."""
    said = {}
    for config in decoders().values():
        model, word = build_model(config, 2, FP32), rising_of(config["model"])
        modules = list(model.modules()) if isinstance(model, nn.Module) else []
        enlarging = [one for one in modules if isinstance(one, nn.ConvTranspose2d) and max(one.stride) > 1]
        assert ("transposed" in word) == bool(enlarging), config["architecture"]
        assert (word == "unpooling") == any(isinstance(one, UnpoolHead) for one in modules), config["architecture"]
        said[config["architecture"]] = word, kind_of(config)
    assert said["kmeans"] == ("none", "clustering")
    assert {said[name] for name in said if name.startswith("mask")} == {("bilinear, masks transposed", "instance")}
    assert said["panoptic-deeplab-r18"] == ("bilinear", "panoptic") and said["unet"] == ("bilinear", "semantic")
    assert len(said) > 10


class Files:
    """Outputs of a revision, in memory."""

    def __init__(self, files: dict[str, Any]) -> None:
        self.files = files

    def fetch(self, wanted: Any) -> None:
        list(wanted)

    def is_folder(self, path: str) -> bool:
        return any(name.startswith(f"{path}/") for name in self.files)

    def read(self, path: str, name: str) -> bytes | None:
        found = self.files.get(f"{path}/{name}")
        return found if found is None or isinstance(found, bytes) else json.dumps(found).encode()


def scores(recall: float | None, pq: float) -> dict[str, Any]:
    """metrics.json of a seed."""
    return {
        "val": {"sizes": {"small": {"recall": recall}}, "instances": {"mask": {"AP50": None}, "panoptic": {"PQ": pq}}}
    }


def test_numbers_are_means_over_seeds_and_what_nobody_wrote_is_not_known() -> None:
    files = {
        "data/configs/x.json": {"task": "panoptic", "model": {"type": "PanopticDeepLab", "decode_head": {}}},
        "results/x/0/evaluate/metrics.json": scores(0.5, 0.25),
        "results/x/1/evaluate/metrics.json": scores(None, 0.75),
        "results/x/1/evaluate/cost.json": {"parameters": 1500, "flops": None},
    }
    found = network_of(Files(files), "x", (0, 1))  # type: ignore[arg-type]
    assert found == Network("panoptic", "bilinear", small=0.5, ap50=None, pq=0.5, parameters=1500, flops=None)
    assert network_of(Files({}), "x", (0,)) == Network()  # type: ignore[arg-type]


def table(*rows: Row) -> tuple[State, Results]:
    """Rows as a sweep whose points are in the opposite order."""
    state = State(Sweep("tried", "Which?", tuple(each.point for each in reversed(rows))), "d" * 40, {})
    return state, Results("pixel_accuracy", rows, tuple(differences(rows, HOW)))


def test_networks_stand_in_the_order_of_the_sweep_with_what_tells_them_apart() -> None:
    rows = (
        replace(row("b", drawn(0.8, 1), "unet"), network=Network("semantic", "bilinear", 0.5, parameters=2_500_000)),
        replace(row("a", drawn(0.4, 2), "kmeans"), network=Network("clustering", "bilinear", 0.25, flops=2_000_000)),
    )
    text = as_markdown(*table(*rows))
    lines = [line for line in text.partition("## The networks")[2].splitlines() if line.startswith("|")]
    assert lines[0] == "| point | pixel_accuracy, validation | type | small objects found | weights | GMACs | time |"
    assert lines[2].startswith("| `a: kmeans` |") and "| clustering | 0.250 |  | 0.001 |" in lines[2]
    assert lines[3].startswith("| `b: unet` |") and "| semantic | 0.500 | 2.50 M |  |" in lines[3]
    page = as_page(*table(*rows), [])
    assert page.index(">a: kmeans</th><td>") < page.rindex(">b: unet</th><td>") and "up-sampling" not in page
    assert as_csv(*table(*rows)).splitlines()[1].count("semantic,bilinear,0.500000,,,2500000,,") == 1


def test_the_points_of_one_network_are_no_lecture() -> None:
    rows = [replace(row(name, drawn(0.7, 1)), network=Network(small=at)) for at, name in enumerate("ab")]
    assert "The networks" not in as_markdown(*table(*rows)) and "The networks" not in as_page(*table(*rows), [])


def test_objects_are_outlined_at_a_size_at_which_one_can_see_them() -> None:
    mask, numbers = np.zeros((90, 90), np.uint8), np.zeros((90, 90), np.uint16)
    mask[10:20, 10:30] = 1
    numbers[10:20, 10:20], numbers[10:20, 20:30] = 300, 301  # two that touch
    found = outlined(mask, None, COLOURS, numbers)
    assert found.shape == (360, 360, 3)  # four times as large
    drawn_in = (found == 255).all(axis=2)
    expected = np.zeros((360, 360), bool)
    for left in (40, 80):
        expected[40:80, left : left + 40] = True
        expected[41:79, left + 1 : left + 39] = False
    assert (drawn_in == expected).all()
    assert (found[60, 60] == (0, 20, 0)).all() and (found[0, 0] == (10, 0, 0)).all()


def png(array: NDArray[Any]) -> bytes:
    return bytes(cv2.imencode(".png", array)[1].tobytes())


def seen(uri: str | None) -> NDArray[np.uint8]:
    """The RGB pixels of a picture of the page."""
    content = np.frombuffer(base64.b64decode((uri or "").partition(",")[2]), np.uint8)
    found = cv2.imdecode(content, cv2.IMREAD_COLOR)
    assert found is not None
    return np.asarray(found[..., ::-1], np.uint8)


def test_one_photograph_goes_through_all_networks_in_the_order_of_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """The image on which they are furthest apart is the first; objects are outlined where a network learns them."""
    rows = (
        replace(row("b", [90] * 11 + [10], "mask"), classes=COLOURS, network=Network("instance")),
        replace(row("a", [90] * 12, "unet"), classes=COLOURS, network=Network("semantic")),
    )
    mask, objects = np.ones((40, 60), np.uint8), np.zeros((40, 60), np.uint16)
    objects[10:20, 10:20] = 1
    files: dict[str, Any] = {f"data/prepared/val/{kind}/11.png": png(mask) for kind in ("images", "masks")}
    for name in ("unet", "mask"):
        files |= {f"results/{name}/0/evaluate/masks/val/11.png": png(mask)}
        files |= {f"results/{name}/0/evaluate/instances/val/11.png": png(objects)}
    monkeypatch.setattr(pictures, "Store", lambda repo: None)
    monkeypatch.setattr(pictures, "Revision", lambda name, commit: name)
    monkeypatch.setattr(pictures, "Outputs", lambda side, store: Files(files))
    first, *others = strips(None, rows, ["a", "b"])
    assert first.id == "11" and len(others) == 5
    titles = [tile.title for tile in first.tiles]
    assert titles[:2] == ["image", "truth"] and titles[2].startswith("a: unet, mIoU 0.9")
    assert titles[3].startswith("b: mask, mIoU 0.3")
    assert (seen(first.tiles[2].uri) == (0, 20, 0)).all()
    assert (seen(first.tiles[3].uri) == 255).any() and seen(first.tiles[3].uri).shape == (240, 360, 3)
    assert others[0].tiles[2].uri is None, "a picture that is not there is no error"
