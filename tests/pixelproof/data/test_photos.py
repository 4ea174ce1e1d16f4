"""Photographs as they come: files made byte by byte, beside Pillow as another reader, and files that mean harm."""

from __future__ import annotations

import io
import struct
import time
import zlib
from typing import Any, Literal

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pixelproof.core.errors import DataError, ParamsError
from pixelproof.core.params import check
from pixelproof.data.images import PNG_SIGNATURE, whole_jpeg
from pixelproof.data.photos import (
    DEPTH,
    Facts,
    NoWindowError,
    Window,
    deep_values,
    look,
    measure,
    stored,
    turned,
    upright,
)

RNG = np.random.default_rng(7)
RGB: NDArray[np.uint8] = RNG.integers(0, 256, (5, 7, 3)).astype(np.uint8)
DEEP: NDArray[np.uint16] = RNG.integers(0, DEPTH, (5, 7, 3)).astype(np.uint16)
Order = Literal["<", ">"]
ORDERS: tuple[Order, ...] = ("<", ">")
LEFT, TOP = 0x8769, 0x0112  # EXIF tags


def seen(content: bytes, window: Window | None = None) -> NDArray[Any]:
    """The pixels of a file."""
    return upright("x", content, look("x", io.BytesIO(content)), window)


def saved(pixels: NDArray[Any] | Image.Image, kind: str, **how: Any) -> bytes:
    """A file, by Pillow."""
    file = io.BytesIO()
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(file, kind, **how)
    return file.getvalue()


def png(pixels: NDArray[Any], bits: int, color: int) -> bytes:
    """A PNG, byte by byte."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b"".join(b"\0" + row.astype(f">u{bits // 8}").tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], bits, color, 0, 0, 0)
    return PNG_SIGNATURE + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff(
    pixels: NDArray[Any], order: Order = "<", big: bool = False, size: tuple[int, int] = (0, 0), **more: int
) -> bytes:
    """A TIFF of one strip, byte by byte; `more` are tags by names of ours."""
    numbers = {"color": 262, "kind": 254, "turned": 274, "form": 339, "next": 0}
    bands = pixels.shape[2] if pixels.ndim == 3 else 1
    data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    head = 16 if big else 8
    tags = {256: size[0] or pixels.shape[1], 257: size[1] or pixels.shape[0], 258: 8 * pixels.itemsize, 259: 1}
    tags |= {262: 2 if bands >= 3 else 1, 273: head, 277: bands, 278: pixels.shape[0], 279: len(data)}
    tags |= {numbers[name]: value for name, value in more.items() if name != "next"}
    start = head + len(data)
    bits = struct.pack(f"{order}{bands}H", *[tags[258]] * bands)
    number, entry = ("Q", 20) if big else ("I", 12)
    table = struct.pack(f"{order}{'Q' if big else 'H'}", len(tags))
    after = start + len(table) + entry * len(tags) + struct.calcsize(f"{order}{number}")
    for tag, value in sorted(tags.items()):
        if tag == 258 and len(bits) > struct.calcsize(f"{order}{number}"):
            table += struct.pack(f"{order}HH{number}{number}", tag, 3, bands, after)
        elif tag == 258:
            table += struct.pack(f"{order}HH{number}", tag, 3, bands) + bits.ljust(struct.calcsize(number), b"\0")
        else:
            table += struct.pack(f"{order}HH{number}{number}", tag, 16 if big else 4, 1, value)
    table += struct.pack(f"{order}{number}", more.get("next", 0))
    mark = {"<": b"II", ">": b"MM"}[order]
    first = struct.pack(f"{order}HHHQ", 43, 8, 0, start) if big else struct.pack(f"{order}HI", 42, start)
    return mark + first + data + table + bits


# --- 8 bits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "WEBP", "GIF"])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "LA", "RGBA"])
def test_any_8_bit_image_is_what_another_reader_sees(kind: str, mode: str) -> None:
    if (kind, mode) == ("BMP", "LA"):
        pytest.skip("no such file")
    content = saved(Image.fromarray(RGB).convert(mode), kind, **({"lossless": True} if kind == "WEBP" else {}))
    found = seen(content)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, Image.open(io.BytesIO(content)).convert("RGB"))


def test_grey_palette_and_transparency_by_hand() -> None:
    np.testing.assert_array_equal(seen(png(RGB[..., 0], 8, 0)), RGB[..., :1].repeat(3, axis=2))
    rgba = np.dstack([RGB, np.full((5, 7), 3, np.uint8)])
    np.testing.assert_array_equal(seen(png(rgba, 8, 6)), RGB)
    for order in ORDERS:
        for big in (False, True):
            np.testing.assert_array_equal(seen(tiff(RGB, order, big)), RGB)
            np.testing.assert_array_equal(seen(tiff(rgba, order, big)), RGB)
    np.testing.assert_array_equal(seen(tiff(RGB[..., 0], color=0)), 255 - RGB[..., :1].repeat(3, axis=2))


@pytest.mark.parametrize(
    ("content", "ending"),
    [
        (png(RGB, 8, 2), ".png"),
        (saved(RGB, "JPEG"), ".jpg"),
        (saved(RGB[..., 0], "JPEG"), ".jpg"),
        (saved(Image.fromarray(RGB).convert("P"), "PNG"), ".png"),
        (saved(np.dstack([RGB, RGB[..., :1]]), "PNG"), None),
        (png(DEEP, 16, 2), None),
        (saved(RGB, "WEBP"), None),
        (tiff(RGB), None),
    ],
)
def test_what_needs_no_change_has_the_ending_of_its_copy(content: bytes, ending: str | None) -> None:
    assert look("x", io.BytesIO(content)).ending == ending


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_images_are_turned_as_exif_asks(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[TOP] = orientation
    smooth = cv2.resize(RGB, (64, 48))
    content = saved(smooth, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB"))
    found = seen(content)
    assert found.shape == expected.shape and np.abs(found.astype(int) - expected).max() <= 3  # two JPEG decoders
    facts = look("x", io.BytesIO(content))
    assert facts.orientation == orientation and (facts.width, facts.height) == (64, 48)
    assert stored("x", content, facts).shape == (48, 64, 3)
    corner = {1: 0, 2: 1, 3: 5, 4: 4, 5: 0, 6: 4, 7: 5, 8: 1}[orientation]  # of [[0, 1], [2, 3], [4, 5]]
    assert turned(np.arange(6).reshape(3, 2), orientation)[0, 0] == corner


# --- bytes after the end of a JPEG -----------------------------------------------------------------------------------


def jpeg(**how: Any) -> bytes:
    """A JPEG with a preview inside its EXIF data, which has an end of its own."""
    exif = Image.Exif()
    exif.get_ifd(LEFT)[0x927C] = saved(RGB, "JPEG")
    return saved(cv2.resize(RGB, (64, 48)), "JPEG", exif=exif, **how)


@pytest.mark.parametrize("how", [{}, {"progressive": True}, {"restart_marker_blocks": 2}, {"quality": 100}])
@pytest.mark.parametrize(
    "behind", [b"", bytes(100), b"\xff\xd9", saved(RGB, "JPEG"), saved(RGB, "JPEG")[:-40], b"note"]
)
def test_a_jpeg_is_whole_whatever_follows_it_and_never_if_it_is_cut(how: dict[str, Any], behind: bytes) -> None:
    content = jpeg(**how)
    assert content.count(b"\xff\xd9") > 1
    assert whole_jpeg(content + behind)
    np.testing.assert_array_equal(seen(content + behind), seen(content))
    for length in (*range(0, len(content) - 2, 97), len(content) - 3, len(content) - 2):
        assert not whole_jpeg(content[:length]), length
    with pytest.raises(DataError, match="expected a whole image"):
        seen(content[:-60] + behind if behind.startswith(b"\xff\xd8") else content[:-60])


def test_a_cut_jpeg_is_not_made_whole_by_what_follows() -> None:
    """A second image has tables and an end of its own; its beginning is no part of the first."""
    large = saved(RNG.integers(0, 256, (300, 300, 3)).astype(np.uint8), "JPEG", quality=95)
    assert len(large) > 1 << 16
    cut = jpeg()
    cut = cut[: cut.rindex(b"\xff\xda") + 60]
    assert not whole_jpeg(cut + large) and whole_jpeg(cut + large[large.rindex(b"\xff\xd9") :])


def test_a_second_view_is_left_out_as_phones_write_it() -> None:
    content = saved(cv2.resize(RGB, (64, 48)), "MPO", save_all=True, append_images=[Image.fromarray(RGB)])
    assert Image.open(io.BytesIO(content)).n_frames == 2  # type: ignore[attr-defined]
    facts = look("x", io.BytesIO(content))
    assert (facts.kind, facts.ending, facts.width) == ("JPEG", ".jpg", 64) and seen(content).shape == (48, 64, 3)


# --- 16 bits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [png(DEEP, 16, 2), tiff(DEEP), tiff(DEEP, ">"), tiff(DEEP, ">", big=True), tiff(np.dstack([DEEP, DEEP[..., 0]]))],
)
def test_16_bits_are_seen_through_the_window_and_never_cut(content: bytes) -> None:
    facts = look("x", io.BytesIO(content))
    assert facts.deep
    np.testing.assert_array_equal(deep_values("x", content, facts), DEEP)
    with pytest.raises(NoWindowError, match="expected 8 bits per channel, or a window, found 16 bits"):
        stored("x", content, facts)
    window = Window(low=1000, high=52000)
    expected = np.floor((DEEP.astype(float).clip(1000, 52000) - 1000) / 200 + 0.5)  # 51000 values become 255
    assert np.abs(stored("x", content, facts, window) - expected).max() <= 1e-9


def test_grey_of_16_bits_by_hand() -> None:
    """Values below 256, which cutting bits off turned to black."""
    values = np.array([[0, 51, 255], [306, 300, 65535]], np.uint16)
    window = Window(low=51, high=306)
    for content in (png(values, 16, 0), tiff(values), png(np.dstack([values, values]), 16, 4)):
        assert seen(content, window)[..., 1].tolist() == [[0, 0, 204], [255, 249, 255]]
    white_is_zero = tiff(65535 - values, color=0)
    assert seen(white_is_zero, window)[..., 1].tolist() == [[0, 0, 204], [255, 249, 255]]


def test_the_window_is_between_percentiles_of_all_values_of_all_deep_images() -> None:
    one, other = RNG.normal(20000, 3000, (2, 40, 50)).astype(np.uint16)
    files = [png(one, 16, 0), png(RGB, 8, 2), tiff(other)]
    found = measure((f"{number}", lambda content=content: io.BytesIO(content)) for number, content in enumerate(files))  # type: ignore[misc]
    assert found is not None and (found.images, found.first) == (2, "0")
    low, high = np.percentile(np.stack([one, other]), [0.5, 99.5], method="inverted_cdf")
    assert found.window == Window(low=int(low), high=int(high))
    assert f"`cvat.window: {{low: {low}, high: {high}}}` in params.yaml" in str(found.refusal("cvat.window"))
    assert Window.stated(str(found.window)) == found.window
    assert measure([("x", lambda: io.BytesIO(files[1]))]) is None
    black = measure([("x", lambda: io.BytesIO(png(np.full((2, 2), 65535), 16, 0)))])
    assert black is not None and black.window == Window(low=65534, high=65535)


def test_a_window_is_in_order() -> None:
    for wrong in ({"low": 5, "high": 5}, {"low": -1, "high": 5}, {"low": 0, "high": 65536}, {"low": 0.5, "high": 5}):
        with pytest.raises(ParamsError, match=r"^[^\n]+$"):
            check(Window, wrong, "cvat.window.")


# --- what is refused -------------------------------------------------------------------------------------------------


def cyclic() -> bytes:
    """A TIFF whose page is followed by itself."""
    plain = tiff(RGB)
    return tiff(RGB, next=struct.unpack("<I", plain[4:8])[0])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            saved(RGB, "TIFF", save_all=True, append_images=[Image.fromarray(RGB)]),
            "one page, found 2 pages; keep the one",
        ),
        (tiff(np.zeros((4, 4, 5), np.uint8)), "1, 3 or 4 bands, found 5 bands; keep the three that people see"),
        (tiff(np.zeros((4, 4, 10), np.uint16)), "1, 3 or 4 bands, found 10 bands"),
        (
            tiff(np.zeros((4, 4), np.float32), form=3),
            "8 or 16 bits, found 32 bits, floating point; convert it to 8 or 16",
        ),
        (tiff(np.zeros((4, 4, 3), np.float32), form=3), "found 32 bits, floating point"),
        (tiff(np.zeros((4, 4), np.int16), form=2), "found 16 bits with a sign"),
        (tiff(np.zeros((4, 4), np.uint32)), "found 32 bits;"),
        (tiff(np.zeros((4, 4, 4), np.uint8), color=5), "found CMYK; convert it to RGB with its colour profile"),
        (tiff(np.zeros((4, 4), np.uint16), color=32803), "found colours of kind 32803"),
        (saved(Image.fromarray(RGB).convert("CMYK"), "JPEG"), "found CMYK; convert it to RGB"),
        (saved(RGB, "GIF", save_all=True, append_images=[Image.fromarray(255 - RGB)]), "one image, found 2 frames"),
        (saved(RGB, "PNG", save_all=True, append_images=[Image.fromarray(255 - RGB)]), "one image, found 2 frames"),
        (saved(RGB, "WEBP", save_all=True, append_images=[Image.fromarray(255 - RGB)]), "one image, found 2 frames"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "found HEIC, AVIF or a video; convert it"),
        (b"", "a whole image, found 0 bytes"),
        (b"<svg/>", "a whole image, found 6 bytes"),
        (tiff(RGB)[:-30], "a whole image"),
        (tiff(RGB)[:12], "a whole image"),
        (cyclic(), "a whole image"),
        (b"II*\0" + struct.pack("<I", 16) + bytes(8) + b"\xff\xff" + bytes(40), "a whole image"),
        (png(RGB, 8, 2)[:-20], "a whole image"),
        (saved(RGB, "BMP")[:-20], "a whole image"),
        (saved(RGB, "WEBP")[:-20], "a whole image"),
    ],
)
def test_what_is_no_single_photograph_is_refused_in_one_line(content: bytes, said: str) -> None:
    with pytest.raises(DataError) as error:
        seen(content, Window(low=0, high=65535))
    message = str(error.value)
    assert message.startswith("x: expected ") and said in message and "\n" not in message and "; " in message


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_small_copies_and_masks_inside_a_tiff_are_no_pages() -> None:
    import rasterio

    with rasterio.MemoryFile() as file:
        with file.open(
            driver="GTiff", width=64, height=64, count=1, dtype="uint8", tiled=True, blockxsize=16, blockysize=16
        ) as out:
            out.write(np.full((1, 64, 64), 9, np.uint8))
        with rasterio.open(file.name, "r+") as out:
            out.build_overviews([2, 4])
        content = file.read()
    assert Image.open(io.BytesIO(content)).n_frames == 3  # type: ignore[attr-defined]
    assert (seen(content) == 9).all()


def test_published_inks_and_first_frames_are_taken() -> None:
    inks = saved(Image.fromarray(RGB).convert("CMYK"), "JPEG")
    assert look("x", io.BytesIO(inks), published=True).ending == ".jpg"
    frames = saved(RGB, "GIF", save_all=True, append_images=[Image.fromarray(255 - RGB)])
    facts = look("x", io.BytesIO(frames), published=True)
    np.testing.assert_array_equal(stored("x", frames, facts), Image.open(io.BytesIO(frames)).convert("RGB"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (tiff(RGB, size=(40000, 40000)), "at most 1073741824 pixels, found 40000x40000; cut it into tiles"),
        (tiff(RGB, size=(16000, 16000)), "a photograph, found 768000000 bytes of pixels in a file of"),
        (png(np.zeros((10000, 10000), np.uint8), 8, 0), "a photograph, found 300000000 bytes of pixels"),
        (png(RGB, 8, 2).replace(struct.pack(">II", 7, 5), struct.pack(">II", 60000, 60000), 1), "expected"),
    ],
)
def test_files_made_to_exhaust_memory_are_refused_at_once(content: bytes, said: str) -> None:
    began = time.process_time()
    with pytest.raises(DataError, match=r"^x: [^\n]+$") as error:
        seen(content)
    assert said in str(error.value) and time.process_time() - began < 2


def test_no_changed_byte_of_a_tiff_is_anything_but_an_image_or_an_error() -> None:
    content = tiff(DEEP)
    for place in range(len(content)):
        for other in (0, 255):
            changed = content[:place] + bytes([other]) + content[place + 1 :]
            try:
                found = seen(changed, Window(low=0, high=65535))
            except DataError as error:
                assert "\n" not in str(error)
            else:
                assert found.ndim == 3 and found.dtype == np.uint8, place


def test_facts_say_what_is_copied() -> None:
    assert Facts("PNG", "RGB", 1, 1, 1, 8).ending == ".png" and Facts("PNG", "RGB", 1, 1, 1, 16).ending is None
