"""The sheet that shows a policy: the images as they are, and as the policy makes them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from commands.__main__ import main
from commands._augmented import CELL, GAP
from pixelproof.core.errors import ExitCode, ParamsError, StateError
from pixelproof.data.dataset import read_image, read_mask, read_split
from pixelproof.data.images import Array, decode
from tests.stages.train.conftest import CLASSES, Workspace

PLACE = CELL + GAP


def cell(path: Path, row: int, column: int) -> Array:
    """One picture of the sheet."""
    sheet = cv2.cvtColor(decode(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    found: Array = sheet[row * PLACE : row * PLACE + CELL, column * PLACE : column * PLACE + CELL]
    return found


def test_the_sheet_has_images_and_masks_before_and_after(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = workspace()
    monkeypatch.chdir(root)
    assert main(["augment", "--preview", "none", "--images", "2"]) == ExitCode.GOOD
    assert "exports/augment/none.png: 2 images" in capsys.readouterr().out
    sample = read_split(Path("data/prepared"), "train")[4]  # of 16, the fifth and the thirteenth
    image = read_image(Path("data/prepared"), "train", sample)
    mask = read_mask(Path("data/prepared"), "train", sample, len(CLASSES))
    path = Path("exports/augment/none.png")
    assert decode(path, cv2.IMREAD_COLOR).shape == (2 * PLACE, 6 * PLACE, 3)
    for column in (0, 2, 4):
        assert np.array_equal(cell(path, 0, column)[1::3, 1::3], image)
        shown = cell(path, 0, column + 1)[1::3, 1::3]
        assert (shown[mask == 1] == CLASSES[1].color).all() and (shown[mask == 255] == 0).all()
    main(["augment", "--preview", "strong", "--out", "seen.png", "--images", "1"])
    assert not np.array_equal(cell(Path("seen.png"), 0, 2), cell(Path("seen.png"), 0, 0))
    assert not np.array_equal(cell(Path("seen.png"), 0, 2), cell(Path("seen.png"), 0, 4))


def test_policies_of_params_can_be_seen_and_others_are_named(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    flip = {"name": "flip", "p": 1.0, "axis": "vertical"}
    monkeypatch.chdir(workspace(augment=[flip], crop=[32, 16]))
    main(["augment", "--preview", "train.augment", "--images", "1", "--out", "seen.png"])
    assert (cell(Path("seen.png"), 0, 2)[CELL // 2 :] == 255).all()  # 32x16: half as high as wide
    main(["augment", "--preview", "augment.policy", "--images", "1", "--out", "seen.png"])
    assert not (cell(Path("seen.png"), 0, 2)[CELL // 2 :] == 255).all()
    with pytest.raises(
        StateError, match=r"--preview stret: no such policy; one of none, .* \(did you mean 'street'\?\)"
    ):
        main(["augment", "--preview", "stret"])
    params = yaml.safe_load(Path("params.yaml").read_text())
    for wrong, message in (
        ("stret", r"train\.augment: found 'stret' \(str\); allowed: a list of steps, or none, .*'street'"),
        ([flip | {"axis": "diagonal"}], r"train\.augment\.0\.axis: found 'diagonal'"),
        ([{"name": "flop", "p": 1.0}], r"train\.augment\.0\.name: found 'flop'; allowed: .*did you mean 'flip'"),
    ):
        params["train"]["augment"] = wrong
        Path("params.yaml").write_text(yaml.safe_dump(params))
        with pytest.raises(ParamsError, match=message):
            main(["augment", "--preview", "train.augment"])
    params["train"] |= {"augment": "none", "crop": [0, 16]}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(
        ParamsError, match=r"train\.crop\.0: found 0 \(int\); input should be greater than or equal to 1"
    ):
        main(["augment", "--preview", "none"])


def test_a_file_of_others_is_not_written_over(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training image stays; a sheet of an earlier call may go."""
    monkeypatch.chdir(workspace())
    image = next(Path("data/prepared/train/images").iterdir())
    Path("empty.png").touch()
    before = image.read_bytes()
    for path in (str(image), "empty.png"):
        with pytest.raises(
            StateError, match=rf"^{path}: it exists, and this command did not write it; give --out another file$"
        ):
            main(["augment", "--preview", "none", "--images", "1", "--out", path])
    assert image.read_bytes() == before and not Path("empty.png").read_bytes()
    for count, out in (("1", ["--out", "seen.png"]), ("2", ["--out", "seen.png"]), ("1", []), ("2", [])):
        assert main(["augment", "--preview", "none", "--images", count, *out]) == ExitCode.GOOD
    for path in ("seen.png", "exports/augment/none.png"):
        assert decode(Path(path), cv2.IMREAD_COLOR).shape[0] == 2 * PLACE


def test_the_sheet_is_a_png_and_is_called_so(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other name is refused before a picture is drawn, and nothing is written."""
    monkeypatch.chdir(workspace())
    Path("sheets").mkdir()
    for out, said in (
        ("sheets", r"^sheets: a folder; give --out a file in it, such as sheets/sheet\.png$"),
        ("x.jpg", r"^x\.jpg: not a \.png; give --out a name that ends with \.png$"),
        ("sheets/new", r"^sheets/new: not a \.png; "),
    ):
        with pytest.raises(StateError, match=said):
            main(["augment", "--preview", "none", "--images", "1", "--out", out])
    assert not list(Path("sheets").iterdir()) and not Path("x.jpg").exists()
    assert main(["augment", "--preview", "none", "--images", "1", "--out", "sheets/X.PNG"]) == ExitCode.GOOD
    assert decode(Path("sheets/X.PNG"), cv2.IMREAD_COLOR).shape == (PLACE, 6 * PLACE, 3)
