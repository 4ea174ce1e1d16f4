"""Predictions of images that lie somewhere: masks as GeoTIFF, and polygons as GeoJSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pixelproof.core.files import write_bytes, write_text
from pixelproof.data.dataset import Header
from pixelproof.data.images import Array
from pixelproof.data.tiff import Place
from stages.evaluate.predict import Prediction

DEGREES = "EPSG:4326"
DECIMALS = 9  # of a degree: a tenth of a millimetre
MANY = 1000  # outlines that are converted at once: one by one takes 20 times as long
RING = list[tuple[float, float]]


def write_mask(path: Path, labels: Array, header: Header, place: Place) -> None:
    """Class ids as a GeoTIFF where the image lies, with the class colours as palette and their names as tags.

    Args:
        path: The file.
        labels: Class ids.
        header: The classes.
        place: Where the image lies.
    """
    import rasterio

    height, width = labels.shape
    how = {"compress": "deflate", "photometric": "palette", "crs": place.crs, "transform": place.transform}
    with rasterio.MemoryFile() as file:
        with file.open(driver="GTiff", height=height, width=width, count=1, dtype="uint8", **how) as out:
            out.write_colormap(1, {info.id: (*info.color, 255) for info in header.classes})
            out.write(labels, 1)
            out.update_tags(1, **{f"class_{info.id}": info.name for info in header.classes})
        write_bytes(path, file.read())


def write_polygons(path: Path, found: Prediction, header: Header, place: Place) -> None:
    """The connected regions of each class as polygons in longitude and latitude.

    Args:
        path: The file.
        found: What the network predicts.
        header: The classes.
        place: Where the image lies.
    """
    lines = (json.dumps(feature, separators=(",", ":")) for feature in features(found, header, place))
    write_text(path, '{"type":"FeatureCollection","features":[\n' + ",\n".join(lines) + "\n]}\n")


def features(found: Prediction, header: Header, place: Place) -> Iterator[dict[str, Any]]:
    """One feature for each region: its class, its area on the ground and the mean certainty of its pixels."""
    from rasterio.features import shapes
    from rasterio.warp import transform_geom

    regions, classes = connected(found.labels, len(header.classes))
    pixels = np.bincount(regions.ravel(), minlength=len(classes))
    certain = np.bincount(regions.ravel(), found.certainty.ravel(), len(classes))
    names, (along, across) = header.names(), place.metres
    outlines = shapes(regions, connectivity=4, transform=place.transform)
    while some := list(islice(outlines, MANY)):
        there = transform_geom(place.crs, DEGREES, [outline for outline, _ in some], precision=DECIMALS)
        for geometry, (_, number) in zip(there, some, strict=True):
            region = int(number)
            properties = {
                "class": names[classes[region]],
                "area_m2": float(f"{pixels[region] * along * across:.6g}"),
                "certainty": round(float(certain[region] / pixels[region]), 6),
            }
            rings = [wound(ring, outer=at == 0) for at, ring in enumerate(geometry["coordinates"])]
            polygon = {"type": "Polygon", "coordinates": rings}
            yield {"type": "Feature", "properties": properties, "geometry": polygon}


def connected(labels: Array, classes: int) -> tuple[Array, list[int]]:
    """Numbers of regions for all pixels, and the class of each region; pixels that touch at a corner are apart."""
    regions, owners = np.zeros(labels.shape, np.int32), list[int]()
    for number in range(classes):
        inside = labels == number
        count, numbered = cv2.connectedComponents(inside.astype(np.uint8), connectivity=4)
        regions[inside] = numbered[inside] + (len(owners) - 1)
        owners += [number] * (count - 1)
    return regions, owners


def wound(ring: RING, outer: bool) -> RING:
    """A ring in the direction that GeoJSON asks for: an outline anticlockwise, a hole clockwise.

    Example:
        >>> wound([(0, 0), (0, 1), (1, 1), (0, 0)], outer=True)
        [(0, 0), (1, 1), (0, 1), (0, 0)]
    """
    (left, bottom), *_ = ring  # near the ring: coordinates themselves are too large to multiply
    points = [(x - left, y - bottom) for x, y in ring]
    doubled = sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(points))
    return ring if (doubled > 0) == outer else ring[::-1]
