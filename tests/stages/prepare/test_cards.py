"""The data card of all splits and its contact sheets."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np

from pixelproof.data.dataset import ClassInfo, Header, Sample, SplitWriter, iterate
from stages.prepare.merge import prepare
from stages.prepare.sheets import CELL, COLUMNS, GAP, ROWS, Sheets, cell
from tests.stages.prepare.planted import prepared, scenes, section


def test_the_card_counts_what_was_prepared(tmp_path: Path) -> None:
    root = scenes(tmp_path / "in")
    card = prepared(root, map={"download": {"grass": "ignore"}})
    for split in ("train", "val", "test"):
        masks = np.stack([mask for _, _, mask in iterate(tmp_path / "data/prepared", split)])
        found = card["splits"][split]
        assert found == json.loads((tmp_path / f"cards/{split}.json").read_text())
        assert [each["pixels"] for each in found["classes"]] == [(masks == 0).sum(), (masks == 1).sum()]
        assert card["sizes"][split] == [{"size": "64x64", "images": len(masks)}]
    page = (tmp_path / "cards/card.md").read_text()
    lost = sum(card["splits"][split]["pixels"]["ignored"] for split in ("train", "val", "test"))
    assert f"- {lost} pixels of 'grass' of download, which prepare.map ignores" in page
    assert "| images | 12 | 6 | 6 |" in page and "## Warnings\n\nNone." in page and "![images with" in page


def test_a_slip_in_the_map_that_makes_a_class_is_told(tmp_path: Path) -> None:
    lines = ["0,meadow,", "1,vehicle,", "2,lorry,"]
    card = prepared(scenes(tmp_path / "in"), *lines, map={"download": {"lorry": "vehicel"}})
    assert any("'vehicel' (from 'lorry') and 'vehicle'" in line for line in card["warnings"])
    card = prepared(tmp_path / "in", *lines, map={"download": {"lorry": "vehicle", "meadow": "meadows"}})
    assert not card["warnings"]


def test_the_card_lists_what_a_source_left_out(tmp_path: Path) -> None:
    root = scenes(tmp_path / "in")
    prepared(root)
    path = tmp_path / "data/download/dataset.json"
    header = json.loads(path.read_text())
    header["sources"] = [{"name": "cvat", "notes": "2 shapes of the kind 'points' left out; 1 x"}]
    path.write_text(json.dumps(header))
    prepare(tmp_path / "data", tmp_path / "cards", section())
    page = (tmp_path / "cards/card.md").read_text()
    assert "## Dropped\n\n- 2 shapes of the kind 'points' left out\n- 1 x\n" in page
    assert "- name: cvat\n" in page


def test_the_same_bytes_each_time_and_small_pictures(tmp_path: Path) -> None:
    root = scenes(tmp_path / "in")
    digests = []
    for _ in range(2):
        prepared(root)
        files = sorted((tmp_path / "cards").iterdir())
        digests.append({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files})
    assert digests[0] == digests[1]
    assert {f"class-{n:03d}.png" for n in range(3)} < digests[0].keys()
    assert max(path.stat().st_size for path in files) < 200_000


def test_sheets_of_noise_stay_small_and_do_not_depend_on_the_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    classes, mask = (ClassInfo(0, "a", (255, 0, 0)), ClassInfo(1, "b", (0, 255, 0))), np.zeros((200, 200), np.uint8)
    noise = {f"{n}": rng.integers(0, 256, (200, 200, 3), np.uint8) for n in range(20)}
    samples = [Sample(name, name, 200, 200, "x") for name in noise]
    writer = SplitWriter(tmp_path / "prepared", "val", Header("x", classes))
    for one in samples:
        writer.add(one, noise[one.id], mask)
    written = []
    for order in (samples, samples[::-1]):
        sheets = Sheets(classes)
        for one in order:
            sheets.add(one, "val", [0, 255])
        assert sheets.write(tmp_path, tmp_path / "prepared") == {"a": "class-000.png"}
        written.append((tmp_path / "class-000.png").read_bytes())
    assert written[0] == written[1] and len(written[0]) < 200_000
    picture = cv2.imdecode(np.frombuffer(written[0], np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None and picture.shape == (ROWS * (CELL + GAP) - GAP, COLUMNS * (CELL + GAP) - GAP, 3)
    first = min(noise, key=lambda name: hashlib.sha256(name.encode()).digest()[:8])
    np.testing.assert_array_equal(picture[:CELL, :CELL, ::-1], cell(noise[first], mask, classes[0]))


def test_the_class_is_outlined_and_nothing_else() -> None:
    mask = np.zeros((CELL, CELL), np.uint8)
    mask[40:60, 30:80] = 1
    shown = cell(np.full((CELL, CELL, 3), 96, np.uint8), mask, ClassInfo(1, "b", (200, 0, 0)))
    assert (shown[40, 30:80] == (200, 0, 0)).all() and (shown[39, 30:80] == 248).all()
    assert (shown[45:55, 35:75] == 96).all() and (shown[:38] == 96).all()
