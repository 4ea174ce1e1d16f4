"""The command `predict`: with k-means that knows three colours, every mask can be worked out by hand."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from commands import _predict
from commands.__main__ import main
from commands._images import check_image, find_images, names, read_photo
from commands._predict import resized, windows
from commands._shown import Shown, shown
from commands._trained import find
from pixelproof.core.errors import DataError, PixelproofError, StateError
from pixelproof.core.files import write_json
from pixelproof.data.dataset import Sample, SplitWriter
from pixelproof.networks.kmeans import RARE
from pixelproof.nn.build import build_model
from stages.configure.resolve import resolve
from stages.evaluate.params import Augmentation, Inference
from stages.evaluate.predict import load_network
from tests.commands.colours import COLOURS, FP32, HEADER, halves, make_clone, publish, write


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone whose network knows three colours."""
    return make_clone(tmp_path / "clone", monkeypatch)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object, arch: str = "kmeans") -> None:
    """The command, in this process."""
    main(["predict", *map(str, arguments), "--arch", arch])


def mask(path: str) -> NDArray[np.uint8]:
    """A mask as a person reads it."""
    with Image.open(path) as opened:
        assert opened.mode == "P"
        assert (opened.getpalette() or [])[:9] == [0, 9, 0, 1, 9, 9, 2, 9, 18]
        return np.asarray(opened)


def test_masks_overlays_and_scores_at_the_images_own_sizes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Larger and smaller than what the network is shown, of the same name in two folders, and a grass one alone."""
    write(root / "photos/a/x.png", halves(96, 192))
    write(root / "photos/b/x.png", halves(20, 30, 1, 0))
    write(root / "photos/b/wide.jpg", np.full((64, 256, 3), COLOURS[1]), quality=95)
    run(monkeypatch, "photos", "--out", "out")
    written = {path.relative_to("out").as_posix() for path in Path("out").rglob("*") if path.is_file()}
    assert written == {
        "scores.csv", "masks/a/x.png", "masks/b/x.png", "masks/b/wide.png",
        "overlays/a/x.jpg", "overlays/b/x.jpg", "overlays/b/wide.jpg",
    }  # fmt: skip
    expected = np.repeat([0, 2], 96)[None].repeat(96, axis=0)
    assert (mask("out/masks/a/x.png") == expected).all()  # the border lies between two pixels at either size
    small = mask("out/masks/b/x.png")
    assert small.shape == (20, 30) and (small[:, :15] == 1).all() and (small[:, 15:] == 0).all()
    assert (mask("out/masks/b/wide.png") == 1).all()

    overlay = cv2.cvtColor(cv2.imread("out/overlays/a/x.jpg"), cv2.COLOR_BGR2RGB)
    assert overlay.shape == (96, 192, 3)
    assert np.abs(overlay[50, 40] - (COLOURS[0] / 2 + np.array([0, 9, 0]) / 2)).max() <= 4
    rows = list(csv.DictReader(Path("out/scores.csv").read_text().splitlines()))
    assert [row["image"] for row in rows] == ["a/x", "b/wide", "b/x"]
    sure = 1 / (1 + 2 * RARE)  # all votes of a cluster are for one of three classes
    expected_row = {"width": 192, "height": 96, "share of tomato": 0.5, "share of grass": 0, "share of lake": 0.5}
    assert {key: float(value) for key, value in rows[0].items() if key in expected_row} == expected_row
    assert float(rows[1]["certainty"]) == pytest.approx(sure, abs=1e-6)


def test_a_name_is_no_formula_in_scores(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files keep their names; in the table, without its first apostrophe, each is what it was."""
    photos = ["=cmd|x/a", "+1", "-1", "@SUM(1)", "\tt", "\r=r", "x\r=r", "'quoted", "a=1"]
    for name in photos:
        write(root / f"photos/{name}.png", halves(32, 48))
    run(monkeypatch, "photos", "--out", "out")
    with Path("out/scores.csv").open(newline="") as file:
        shown = {row["image"]: row["share of tomato"] for row in csv.DictReader(file)}
    assert set(shown) == {name if name in ("x\r=r", "a=1") else f"'{name}" for name in photos}
    assert set(shown.values()) == {"0.500000"} and all(Path(f"out/masks/{name}.png").is_file() for name in photos)


def test_a_prepared_image_gets_the_mask_that_evaluate_gives_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 48x32, which is what training saw: nothing is resized. With a real network, and by the real command line."""
    torch.manual_seed(3)
    write_json(root / "data/configs/unet.json", resolve("unet", "small"))
    publish(root, "unet", build_model(resolve("unet", "small"), 3, FP32))
    image = np.random.default_rng(2).integers(0, 256, (32, 48, 3)).astype(np.uint8)
    write(root / "x.png", image)
    expected = load_network(Path("data/configs/unet.json"), find("unet", 0).weights, 3, FP32)([image])
    for out in ("one", "two"):
        run(monkeypatch, "x.png", "--out", out, arch="unet")
    assert len(np.unique(expected.labels)) > 1
    assert (mask("one/masks/x.png") == expected.labels[0]).all()
    row = next(csv.DictReader(Path("one/scores.csv").read_text().splitlines()))
    assert row["certainty"] == f"{expected.certainty.mean(dtype=np.float64):.6f}"
    for name in ("masks/x.png", "overlays/x.jpg", "scores.csv"):
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes()


def test_a_photo_is_turned_as_its_camera_says(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Orientation 6: to be turned clockwise, so that the left half is the upper one."""
    exif = Image.Exif()
    exif[0x0112] = 6
    write(root / "turned.jpg", halves(64, 96), quality=95, exif=exif)
    run(monkeypatch, "turned.jpg", "--out", "out")
    found = mask("out/masks/turned.png")
    assert found.shape == (96, 64) and (found[:44] == 0).all() and (found[52:] == 2).all()


def test_grey_palette_and_transparent_images_are_read_like_the_datasets(tmp_path: Path) -> None:
    image = halves(8, 8)
    grey = write(tmp_path / "grey.png", image[..., 0])
    assert (read_photo(grey) == image[..., :1]).all()
    seen = write(tmp_path / "rgba.png", np.dstack([image, np.full((8, 8), 7, np.uint8)]))
    assert (read_photo(seen) == image).all()
    Image.fromarray(image).quantize(2).save(tmp_path / "indexed.png")
    assert np.abs(read_photo(tmp_path / "indexed.png").astype(int) - image).max() <= 2
    for path in (grey, seen, tmp_path / "indexed.png"):
        check_image(path)


def damaged(kind: str) -> tuple[str, bytes]:
    """The ending and the content of a file that is no image for us."""
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    deep = image.astype(np.uint16) << 8
    png, jpg = (bytes(cv2.imencode(ending, image)[1]) for ending in (".png", ".jpg"))
    file = io.BytesIO()
    if kind == "CMYK":
        Image.fromarray(image).convert("CMYK").save(file, "JPEG")
    if kind == "pages":
        Image.fromarray(image).save(file, "TIFF", save_all=True, append_images=[Image.fromarray(image)])
    return {
        "cut PNG": (".png", png[:-30]),
        "cut JPEG": (".jpg", jpg[: len(jpg) // 2]),
        "text": (".png", b"not an image"),
        "nothing": (".jpg", b""),
        "16 bits": (".png", bytes(cv2.imencode(".png", deep)[1])),
        "16 bits, grey": (".tif", bytes(cv2.imencode(".tif", deep[..., 0])[1])),
        "CMYK": (".jpg", file.getvalue()),
        "pages": (".tif", file.getvalue()),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("cut PNG", "expected a whole image"),
        ("cut JPEG", "expected a whole image, found"),
        ("text", "expected a whole image"),
        ("nothing", "expected a whole image"),
        ("16 bits", "found 16 bits per channel, and the network learned from 8 alone; convert it, or leave it out"),
        ("16 bits, grey", "found 16 bits per channel"),
        ("CMYK", "found CMYK; convert it to RGB"),
        ("pages", "found 2 pages"),
    ],
)
def test_what_is_no_image_for_us_is_named(tmp_path: Path, kind: str, said: str) -> None:
    ending, content = damaged(kind)
    path = tmp_path / f"bad{ending}"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        check_image(path)
    assert str(error.value).startswith(f"{path}: ") and said in str(error.value) and "\n" not in str(error.value)


def test_no_changed_bit_of_a_png_gives_other_pixels(tmp_path: Path) -> None:
    """Where Pillow by itself would decode some without a word."""
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (12, 12, 3)).astype(np.uint8), (9, 9), 0)
    content, path = bytes(cv2.imencode(".png", image)[1]), tmp_path / "x.png"
    path.write_bytes(content)
    check_image(path)
    refused = 0
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        try:
            check_image(path)
        except DataError:
            refused += 1
        else:
            assert (read_photo(path) == cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).all(), at
    assert refused > 0.9 * len(content)


def test_an_unreadable_image_among_others_leaves_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last of them, so that others could have been written by then; neither is a half of anything beside OUT."""
    write(root / "photos/a.png", halves(32, 48))
    (root / "photos/b.png").write_bytes(damaged("cut PNG")[1])
    before = sorted(root.rglob("*"))
    with pytest.raises(DataError, match=r"^photos/b\.png: expected a whole image"):
        run(monkeypatch, "photos", "--out", "out")
    assert sorted(root.rglob("*")) == before
    # Damaged after it was checked: found while others are written.
    monkeypatch.setattr(_predict, "check_image", lambda path, window: None)
    (root / "photos/b.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"^photos/b\.png: "):
        run(monkeypatch, "photos", "--out", "out")
    assert sorted(root.rglob("*")) == before


def test_images_are_found_once_and_named_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a/x.png", "a/deep/x.JPG", "b/x.png", "a/.hidden/x.png", "a/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = find_images(["b/x.png", "a", "a/../b/x.png", "*/x.png"])
    assert [path.as_posix() for path in found] == ["b/x.png", "a/deep/x.JPG", "a/x.png"]
    assert [name.as_posix() for name in names(found)] == ["b/x", "a/deep/x", "a/x"]
    assert [path.as_posix() for path in find_images(["a/**/*.JPG"])] == ["a/deep/x.JPG"]
    assert names([Path("a/x.png")]) == [Path("x")]
    assert names([Path("a/x.png"), Path("a/x.jpg")]) == [Path("x.png"), Path("x.jpg")]
    for nothing, said in (("c", "no such file or folder, and no match"), ("*.gif", "no match")):
        with pytest.raises(StateError, match=said):
            find_images([nothing])
    (tmp_path / "empty").mkdir()
    with pytest.raises(StateError, match=r"^empty: no image \(\.bmp, .*\) in it"):
        find_images(["empty"])


def test_of_a_dataset_the_images_are_predicted_and_not_their_labels(tmp_path: Path) -> None:
    for split in ("val", "test"):
        writer = SplitWriter(tmp_path / "data", split, HEADER)
        numbers = np.full((4, 4), 300, np.uint16)  # 16 bits, which no photo may have
        writer.add(Sample("a", "a", 4, 4, "tiny"), halves(4, 4), np.zeros((4, 4), np.uint8), numbers)
        writer.close()
    photo = write(tmp_path / "mine/masks/b.png", halves(4, 4))
    images = {split: tmp_path / f"data/{split}/images/a.png" for split in ("val", "test")}
    assert find_images(["data/test"], tmp_path) == [images["test"]]
    assert find_images(["data"], tmp_path) == [images["test"], images["val"]]
    assert find_images(["mine"], tmp_path) == [photo], "a folder of that name elsewhere is the user's"
    assert find_images(["data/test/masks"], tmp_path) == [tmp_path / "data/test/masks/a.png"], "asked for by name"


def test_images_are_meant_from_where_a_person_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder's own name is no pattern."""
    here, there = tmp_path / "clone", tmp_path / "[my] photos"
    for path in (here / "a/x.png", there / "a/x.png", there / "b/y.png", tmp_path / "m photos/a/z.png"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(here)
    found = find_images(["a", "*/y.png", "**/*.png", str(here / "a/x.png")], there)
    assert found == [there / "a/x.png", there / "b/y.png", here / "a/x.png"]


def test_a_folder_that_is_somebodys_is_never_replaced(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root / "x.png", halves(32, 48))
    for out, kept in (("mine", "mine/masks/by-hand.png"), ("file", "file"), (".", "params.yaml")):
        (root / kept).parent.mkdir(parents=True, exist_ok=True)
        (root / kept).touch()
        with pytest.raises(
            StateError, match=f"^{'.' if out == '.' else out}: it exists, and this command did not write it"
        ):
            run(monkeypatch, "x.png", "--out", out)
        assert (root / kept).exists()
    write(root / "y.png", halves(32, 48))
    run(monkeypatch, "x.png", "--out", "out")
    run(monkeypatch, "y.png", "--out", "out")
    assert [path.name for path in Path("out/masks").iterdir()] == ["y.png"]
    with pytest.raises(StateError, match=r"^out/overlays/y\.jpg: lies in out, which would be replaced"):
        run(monkeypatch, "out/overlays", "--out", "out")


def test_how_large_a_network_is_shown_an_image() -> None:
    assert Shown(short=32).of(320, 480) == (32, 48)
    assert Shown(short=32).of(480, 320) == (48, 32)
    assert Shown(short=32).of(16, 20) == (32, 40)
    assert Shown(short=100).of(333, 500) == (100, 150)
    assert Shown().of(33, 47) == (33, 47)
    assert Shown(exact=(10, 20)).of(33, 47) == (10, 20)
    assert [shown(text) for text in ("64", "48x96", "own")] == [Shown(64), Shown(None, (48, 96)), Shown()]


def test_windows_are_those_of_params_unless_asked_for() -> None:
    known = Inference(window=0, stride=64, tta=Augmentation(flips=[], scales=[1.0]))
    asked = [windows(known, *given) for given in ((None, None), (32, None), (32, 32))]
    assert [(each.window, each.stride) for each in asked] == [(0, 64), (32, 16), (32, 32)]
    with pytest.raises(StateError, match=r"^--stride: 33 is larger than the window, 32; every pixel"):
        windows(known, 32, 33)


def test_probabilities_are_resized_as_pytorch_resizes_them() -> None:
    """Class after class with OpenCV, beside all at once with PyTorch; and nothing changes at the same size."""
    logits = torch.randn(1, 5, 7, 9, generator=torch.Generator().manual_seed(4))
    probabilities = logits.softmax(dim=1)
    found = resized(probabilities[0].numpy(), 31, 50)
    best = torch.nn.functional.interpolate(probabilities, (31, 50), mode="bilinear", align_corners=False).max(dim=1)
    np.testing.assert_allclose(found.certainty, best.values[0].numpy(), atol=1e-5)
    assert (found.labels == best.indices[0].numpy()).mean() > 0.999
    same = resized(probabilities[0].numpy(), 7, 9)
    assert (same.labels == logits.argmax(dim=1)[0].numpy()).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda root: None,
            r"weights\.safetensors: .*; trained: kmeans \(seed 0\); there is no .*'unet'\?\); `dvc pull`",
        ),
        (
            lambda root: write_json(root / "models/unnet/0/facts.json", {"classes": ["a", "b"]}),
            r"weights\.safetensors: expected the classes of data/prepared, \['tomato', .*found \['a', 'b'\]; there is",
        ),
        *(
            (
                lambda root, text=text: (root / "models/unnet/0/facts.json").write_text(text),
                r"unnet/0/facts\.json: expected what train wrote, found .*`bin/python -m dvc checkout models/unnet/0`",
            )
            for text in ("", '{"classes": ["tomato"', "[1]", "{}")
        ),
        (lambda root: (root / "models/unnet/0/facts.json").unlink(), r"facts\.json: no such file; train writes it"),
        (
            lambda root: (root / "data/configs/unnet.json").unlink(),
            r"unnet\.json: no such file; resolved: kmeans; there is",
        ),
    ],
)
def test_a_network_that_is_not_there_is_one_line(root: Path, change: Callable[[Path], None], said: str) -> None:
    if "; trained: " not in said:
        for name in ("weights.safetensors", "facts.json"):
            (root / "models/unnet/0").mkdir(parents=True, exist_ok=True)
            (root / "models/unnet/0" / name).write_bytes((root / "models/kmeans/0" / name).read_bytes())
        (root / "data/configs/unnet.json").write_bytes((root / "data/configs/kmeans.json").read_bytes())
    change(root)
    with pytest.raises(PixelproofError, match=said):
        find("unnet", 0)
