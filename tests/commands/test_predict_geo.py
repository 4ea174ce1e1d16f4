"""`predict` on images that lie somewhere, and on 16 bits: regions, areas and places worked out by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from commands._geo import connected, features
from pixelproof.core.errors import DataError, StateError
from pixelproof.data.dataset import write_header
from pixelproof.data.photos import Window
from pixelproof.data.tiff import Place, pixel_metres
from stages.evaluate.predict import Prediction
from tests.commands.colours import COLOURS, HEADER, halves, write
from tests.commands.test_predict import mask, root, run

__all__ = ["root"]  # a fixture
CORNER = (600000.0, 5500000.0)
UTM = "EPSG:32632"


def geotiff(path: Path, pixels: NDArray[Any], side: float = 0.5) -> Path:
    """A GeoTIFF in UTM, by rasterio."""
    import rasterio

    path.parent.mkdir(parents=True, exist_ok=True)
    height, width, bands = pixels.shape
    place = {"crs": UTM, "transform": rasterio.Affine(side, 0, CORNER[0], 0, -side, CORNER[1])}
    with rasterio.open(path, "w", "GTiff", width, height, bands, dtype=pixels.dtype, **place) as out:
        out.write(np.moveaxis(pixels, 2, 0))
    return path


def island() -> NDArray[np.uint8]:
    """32x48: a lake of 10x20 pixels in grass, and in it an island of tomatoes of 4x6."""
    classes = np.ones((32, 48), np.uint8)
    classes[8:18, 10:30] = 2
    classes[11:15, 16:22] = 0
    return classes


def area_and_side(ring: list[list[float]]) -> float:
    """Twice the signed area of a ring of degrees: above 0 if it is anticlockwise."""
    (x, y), *_ = ring
    points = [(a - x, b - y) for a, b in ring]
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(points))


def test_a_geotiff_gets_its_mask_where_it_lies(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import rasterio

    geotiff(root / "photos/field.tif", COLOURS[island()])
    write(root / "photos/plain.png", halves(32, 48))
    run(monkeypatch, "photos", "--out", "out")
    written = {path.relative_to("out").as_posix() for path in Path("out").rglob("*") if path.is_file()}
    assert written == {
        "masks/field.tif", "masks/plain.png", "overlays/field.jpg", "overlays/plain.jpg", "scores.csv",
    }  # fmt: skip
    with rasterio.open("out/masks/field.tif") as found, rasterio.open("photos/field.tif") as seen:
        assert (found.crs, found.transform, found.dtypes) == (seen.crs, seen.transform, ("uint8",))
        assert (found.read(1) == island()).all()
        assert [found.colormap(1)[i] for i in range(3)] == [(*info.color, 255) for info in HEADER.classes]
        assert {key: value for key, value in found.tags(1).items() if key.startswith("class_")} == {
            "class_0": "tomato", "class_1": "grass", "class_2": "lake",
        }  # fmt: skip
    with Image.open("out/masks/field.tif") as shown:
        assert (np.asarray(shown.convert("RGB"))[0, 0] == HEADER.classes[1].color).all()
    run(monkeypatch, "photos", "--out", "out", "--geojson")
    assert Path("out/polygons/field.geojson").exists() and not Path("out/polygons/plain.geojson").exists()
    run(monkeypatch, "photos/plain.png", "--out", "out")  # a folder with polygons is this command's, too
    assert not Path("out/polygons").exists()


def test_regions_as_geojson(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rasterio.warp import transform

    geotiff(root / "field.tif", COLOURS[island()])
    run(monkeypatch, "field.tif", "--out", "out", "--geojson")
    found = json.loads(Path("out/polygons/field.geojson").read_text())
    assert found["type"] == "FeatureCollection" and "crs" not in found
    by_class = {each["properties"]["class"]: each for each in found["features"]}
    assert len(found["features"]) == 3
    areas = {name: each["properties"]["area_m2"] for name, each in by_class.items()}
    assert areas == {"tomato": 24 * 0.25, "lake": (200 - 24) * 0.25, "grass": (32 * 48 - 200) * 0.25}
    assert by_class["lake"]["properties"]["certainty"] == pytest.approx(by_class["grass"]["properties"]["certainty"])
    outline, hole = by_class["lake"]["geometry"]["coordinates"]
    assert area_and_side(outline) > 0 > area_and_side(hole)
    x, y = transform("EPSG:4326", UTM, *map(list, zip(*outline, strict=True)))
    corners = {(round(a - CORNER[0], 3), round(CORNER[1] - b, 3)) for a, b in zip(x, y, strict=True)}
    assert corners == {(5, 4), (15, 4), (5, 9), (15, 9)}
    assert by_class["tomato"]["geometry"]["coordinates"][0][0] in hole


def test_where_nothing_lies_somewhere_there_are_no_polygons(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root / "plain.png", halves(32, 48))
    with pytest.raises(StateError, match=r"^--geojson: no image says where it lies; name GeoTIFFs"):
        run(monkeypatch, "plain.png", "--out", "out", "--geojson")
    assert not Path("out").exists()


def test_pixels_that_touch_at_a_corner_are_two_regions() -> None:
    labels = np.array([[0, 1, 1], [1, 0, 1]], np.uint8)
    regions, owners = connected(labels, 3)
    assert owners == [0, 0, 1, 1] and sorted(np.unique(regions)) == [0, 1, 2, 3]
    assert (np.array(owners)[regions] == labels).all()


def test_certainty_is_the_mean_of_a_region_s_pixels() -> None:
    import rasterio

    place_at = rasterio.Affine(1, 0, *CORNER[:1], 0, -1, CORNER[1])
    crs = rasterio.CRS.from_string(UTM)
    labels = np.array([[0, 0, 1], [1, 1, 1]], np.uint8)
    certainty = np.array([[0.5, 0.75, 0.25], [0.5, 0.5, 0.75]], np.float32)
    place = Place(crs, place_at, pixel_metres(crs, place_at, 2, 3))
    found = {
        each["properties"]["class"]: each["properties"]
        for each in features(Prediction(labels, certainty), HEADER, place)
    }
    assert found == {
        "tomato": {"class": "tomato", "area_m2": 2.0, "certainty": 0.625},
        "grass": {"class": "grass", "area_m2": 4.0, "certainty": 0.5},
    }


def test_16_bits_are_seen_as_the_network_saw_them(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dim ones: all would be black if bits were cut off."""
    window = Window(low=40, high=295)
    geotiff(root / "deep.tif", COLOURS[island()].astype(np.uint16) + 40)
    with pytest.raises(DataError, match=r"^deep\.tif: .*16 bits per channel, and the network learned from 8 alone"):
        run(monkeypatch, "deep.tif", "--out", "out")
    sources = ({"name": "cvat", "exports": "x", "window": str(window)}, {"name": "synthetic", "licence": "x"})
    write_header(root / "data/prepared", replace(HEADER, sources=sources))
    run(monkeypatch, "deep.tif", "--out", "out")
    import rasterio

    with rasterio.open("out/masks/deep.tif") as found:
        assert (found.read(1) == island()).all()
    other = {"name": "folder", "window": "{low: 0, high: 9}"}
    write_header(root / "data/prepared", replace(HEADER, sources=(*sources, other)))
    with pytest.raises(DataError, match="16 bits per channel"):
        run(monkeypatch, "deep.tif", "--out", "out")


def test_a_jpeg_with_a_preview_behind_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(root / "x.jpg", halves(32, 48), quality=95)
    path.write_bytes(path.read_bytes() + bytes(7) + path.read_bytes()[:-100])
    run(monkeypatch, "x.jpg", "--out", "out")
    assert (mask("out/masks/x.png")[:, 30:] == 2).all()


@pytest.mark.parametrize("down", [1, -1])
def test_rings_wind_as_geojson_asks_whichever_way_rows_run(down: int) -> None:
    import rasterio

    at = rasterio.Affine(1, 0, CORNER[0], 0, down, CORNER[1])
    place = Place(rasterio.CRS.from_string(UTM), at, (1.0, 1.0))
    found = features(Prediction(island(), np.ones((32, 48), np.float32)), HEADER, place)
    rings = {each["properties"]["class"]: each["geometry"]["coordinates"] for each in found}
    assert all(area_and_side(outer) > 0 for outer, *_ in rings.values())
    assert area_and_side(rings["lake"][1]) < 0 and area_and_side(rings["grass"][1]) < 0


def test_many_regions_are_converted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkerboard, of which each pixel is a region: one by one, they take 20 times as long."""
    import rasterio
    from rasterio import warp

    calls, original = [], warp.transform_geom

    def counted(*args: Any, **how: Any) -> Any:
        calls.append(args)
        return original(*args, **how)

    monkeypatch.setattr(warp, "transform_geom", counted)
    labels = np.indices((50, 50)).sum(axis=0).astype(np.uint8) % 2
    place_at = rasterio.Affine(1, 0, *CORNER[:1], 0, -1, CORNER[1])
    place = Place(rasterio.CRS.from_string(UTM), place_at, (1.0, 1.0))
    found = list(features(Prediction(labels, np.ones((50, 50), np.float32)), HEADER, place))
    assert len(found) == 2500 and len(calls) == 3
