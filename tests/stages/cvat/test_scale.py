"""Scales of images: hand-worked cameras, GeoTIFFs in several systems, tables, and what is not believed."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pixelproof.core.errors import DataError, ParamsError
from pixelproof.data.dataset import read_split
from stages.cvat.convert import convert
from stages.cvat.params import ByFile
from stages.cvat.scale import Scaler, from_camera, from_geotiff
from tests.stages.cvat.fake import FakeExport, params, picture, shape, square

DOWN = b'<x><rdf:Description drone-dji:RelativeAltitude="+31.20" drone-dji:GimbalPitchDegree="-89.90"/></x>'
POINTS = square(1, 1, 5, 5)


def photograph(exif: dict[int, Any], xmp: bytes = DOWN, width: int = 40, height: int = 30, kind: str = "JPEG") -> bytes:
    """A photograph of a drone."""
    tags, file = Image.Exif(), io.BytesIO()
    tags.get_ifd(0x8769).update(exif)
    tags.get_ifd(0x8825)[6] = 412.5  # GPSAltitude: above the sea
    Image.fromarray(picture(width, height)).save(file, kind, exif=tags, xmp=xmp)
    return file.getvalue()


def geotiff(crs: str | None, transform: tuple[float, ...], width: int = 20, height: int = 16, value: int = 9) -> bytes:
    """A GeoTIFF of one grey."""
    import rasterio

    with rasterio.MemoryFile() as file:
        place = {"crs": crs, "transform": rasterio.Affine(*transform)}
        with file.open(driver="GTiff", width=width, height=height, count=3, dtype="uint8", **place) as out:
            out.write(np.full((3, height, width), value, np.uint8))
        content: bytes = file.read()
    return content


# --- cameras ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_the_equivalent_focal_length_compares_diagonals(kind: str) -> None:
    """The diagonal of 40x30 is 50 pixels, and that of 36x24 mm is 43.267 mm: 31.2 m / 24 mm x 43.267 mm / 50."""
    found, _ = from_camera(photograph({0xA405: 24}, kind=kind))
    assert found == pytest.approx(1.124931, rel=1e-5)


@pytest.mark.parametrize(("unit", "resolution"), [(2, 25.4 / 0.33), (3, 10 / 0.33)])
def test_the_sensor_s_own_pixels_are_taken_before_it(unit: int, resolution: float) -> None:
    """Of 0.33 mm behind 8.8 mm: 31.2 m x 0.33 / 8.8."""
    exif = {0x920A: 8.8, 0xA20E: resolution, 0xA210: unit, 0xA002: 40, 0xA405: 24}
    assert from_camera(photograph(exif))[0] == pytest.approx(1.17, rel=1e-5)
    resized, _ = from_camera(photograph(exif | {0xA002: 80}))
    assert resized == pytest.approx(1.124931, rel=1e-5), "its pixels are no longer those of the sensor"


def test_a_height_may_be_an_element() -> None:
    xmp = b"<drone-dji:RelativeAltitude>+62.4</drone-dji:RelativeAltitude>"
    assert from_camera(photograph({0xA405: 24}, xmp))[0] == pytest.approx(2.249862, rel=1e-5)


@pytest.mark.parametrize(
    ("exif", "xmp", "why"),
    [
        ({0xA405: 24}, b"", "no height above the ground"),
        ({0xA405: 24}, DOWN.replace(b"Relative", b"Absolute"), "no height above the ground"),
        ({0xA405: 24}, DOWN.replace(b"+31.20", b"-2.0"), "no height above the ground"),
        ({0xA405: 24}, DOWN.replace(b"+31.20", b"nan"), "no height above the ground"),
        ({0xA405: 24}, DOWN.replace(b"-89.90", b"-45.0"), "does not look down"),
        ({0xA405: 24, 0xA404: 2.0}, DOWN, "a digital zoom"),
        ({}, DOWN, "no focal length"),
        ({0xA405: 0}, DOWN, "no focal length"),
        ({0x920A: 8.8}, DOWN, "no focal length"),
    ],
)
def test_what_a_camera_does_not_say_is_not_guessed(exif: dict[int, Any], xmp: bytes, why: str) -> None:
    metres, said = from_camera(photograph(exif, xmp))
    assert metres is None and why in said


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff\xe1\xff\xffExif\0\0", photograph({0xA405: 24})[:80]])
def test_metadata_that_cannot_be_read_are_none(content: bytes) -> None:
    assert from_camera(content)[0] is None and from_geotiff(content) == (None, "")


# --- GeoTIFFs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("crs", "transform", "expected"),
    [
        ("EPSG:32632", (0.05, 0, 500000, 0, -0.05, 5400000), 0.05),
        ("EPSG:32632", (0.03, 0.04, 500000, 0.04, -0.03, 5400000), 0.05),  # turned
        ("EPSG:2263", (1, 0, 984000, 0, -1, 200000), 1200 / 3937),  # feet of US surveyors
        ("EPSG:4326", (1e-6, 0, 10, 0, -1e-6, 0), math.sqrt(0.111319 * 0.110574)),  # textbook degrees at the equator
    ],
)
def test_a_geotiff_s_transform_in_metres(crs: str, transform: tuple[float, ...], expected: float) -> None:
    assert from_geotiff(geotiff(crs, transform))[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("crs", "origin"), [("EPSG:3857", (1335833.9, 8399737.9)), ("EPSG:3395", (1335833.9, 8362698.5))]
)
def test_a_mercator_s_metres_are_not_those_of_the_ground(crs: str, origin: tuple[float, float]) -> None:
    """At 60 degrees north they are twice as long; UTM, in which they are true there, is the reference."""
    from rasterio.warp import transform

    found, _ = from_geotiff(geotiff(crs, (1, 0, origin[0], 0, -1, origin[1])))
    x, y = transform(
        crs, "EPSG:32633", [origin[0], origin[0] + 100, origin[0]], [origin[1], origin[1], origin[1] - 100]
    )
    sides = [math.hypot(x[i] - x[0], y[i] - y[0]) / 100 / 0.9996 for i in (1, 2)]
    assert sides[0] == pytest.approx(0.5, abs=0.01)
    assert found == pytest.approx(math.sqrt(sides[0] * sides[1]), rel=1e-3)


@pytest.mark.parametrize(
    ("crs", "transform", "why"),
    [
        ("EPSG:32632", (0.05, 0, 500000, 0, -0.0506, 5400000), "not square"),
        ("EPSG:4326", (1e-6, 0, 10, 0, -1e-6, 50), "not square"),
        (None, (0.05, 0, 500000, 0, -0.05, 5400000), ""),
        ("EPSG:32632", (1, 0, 0, 0, 1, 0), ""),  # the identity: no place
        ("EPSG:4326", (1, 0, 1e9, 0, -1, 1e9), ""),
    ],
)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_geotiff_without_a_single_scale(crs: str | None, transform: tuple[float, ...], why: str) -> None:
    metres, said = from_geotiff(geotiff(crs, transform))
    assert metres is None and why in said and bool(why) == bool(said)


# --- together --------------------------------------------------------------------------------------------------------


def scaled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: object) -> dict[str, float | None]:
    """The scales of three images of each kind: a.tif is a GeoTIFF, b.jpg a drone's, c.png says nothing."""
    monkeypatch.chdir(tmp_path)
    export = FakeExport()
    files = {
        "a.tif": geotiff("EPSG:32632", (0.05, 0, 500000, 0, -0.05, 5400000)),
        "b.jpg": photograph({0xA405: 24}, width=20, height=15),
        "c.png": b"",
    }
    for name, content in files.items():
        export.add(name, shape("polygon", points=POINTS), height=15 if name == "b.jpg" else 16)
        if content:
            export.files[f"images/{name}"] = content
    convert([export.zip(tmp_path / "annotations/one.zip")], tmp_path / "out", params(scale=by))
    return {sample.id: sample.metres_per_pixel for sample in read_split(tmp_path / "out", "all")}


def test_nothing_changes_unless_params_ask_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert scaled(tmp_path, monkeypatch, "none") == dict.fromkeys("abc")


def test_auto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found = scaled(tmp_path, monkeypatch, "auto")
    assert found == {"a": 0.05, "b": pytest.approx(2.249862, rel=1e-5), "c": None}
    assert "cvat: 1 images have no scale: no height above the ground" in capsys.readouterr().err


def test_a_table_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/scale.csv").write_text("name,metres_per_pixel\na.tif,0.2\nc.png,0.3\nd.png,1\n")
    found = scaled(tmp_path, monkeypatch, {"file": "scale.csv"})
    assert found == {"a": 0.2, "b": pytest.approx(2.249862, rel=1e-5), "c": 0.3}
    assert "1 lines of the table of scales are no image's, such as 'd.png'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a.tif,0.2\nb,1\n", r"columns name and metres_per_pixel in its first line, .*'a\.tif,0\.2'"),
        (
            "name,metres_per_pixel\na.tif,0\n",
            r"scale\.csv:2: expected a name and metres above 0, found 'a\.tif' and '0'",
        ),
        ("name,metres_per_pixel\na.tif,nan\n", r"scale\.csv:2: .* and 'nan'"),
        ("name,metres_per_pixel\n,1\n", r"scale\.csv:2: .* found '' and '1'"),
        ("name,metres_per_pixel\na,1\na,2\n", r"scale\.csv:3: expected one scale for each name, found 1\.0 and 2\.0"),
    ],
)
def test_a_wrong_table_names_the_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "scale.csv").write_text(text)
    with pytest.raises(DataError, match=said):
        Scaler.of(ByFile(file="scale.csv"), tmp_path)
    with pytest.raises(DataError, match=r"none\.csv: expected a table of scales, .* found [^\n]*No such file"):
        Scaler.of(ByFile(file="none.csv"), tmp_path)


@pytest.mark.parametrize("value", ["metres", {"file": "../scale.csv"}, {"file": 3}, ["auto"], {"regex": "x"}, None])
def test_other_scales_are_one_line(value: object) -> None:
    with pytest.raises(ParamsError, match=r"^params\.yaml: cvat\.scale[^\n]+$"):
        params(scale=value)
