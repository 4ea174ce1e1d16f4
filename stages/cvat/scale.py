"""How many metres a pixel covers: what a table says of an image, else its GeoTIFF, else its camera and its height."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pixelproof.core.errors import DataError
from pixelproof.data.tiff import place_of
from stages.cvat.params import ByFile, Scaling
from stages.cvat.table import rows_of

DIAGONAL = math.hypot(36, 24)  # in millimetres, of the film that equivalent focal lengths are for
EXIF, FOCAL, EQUIVALENT, PITCH, UNIT, PIXELS, ZOOM = 0x8769, 0x920A, 0xA405, 0xA20E, 0xA210, 0xA002, 0xA404
MILLIMETRES = {2: 25.4, 3: 10.0}  # in a unit of PITCH: an inch, a centimetre
NUMBER = rb"""drone-dji:%s\s*(?:=\s*["']|>)\s*([+-]?\d+(?:\.\d+)?)"""
DOWN = 10  # degrees by which a camera may look aside: 10 change what its pixels cover by 3 %
SQUARE = 0.01

Answer = tuple[float | None, str]  # metres, or why there are none


@dataclass
class Scaler:
    """Finds the scales of images, and counts why others have none."""

    by: Scaling
    table: Mapping[str, float]
    without: Counter[str] = field(default_factory=Counter)
    asked: set[str] = field(default_factory=set)

    @staticmethod
    def of(by: Scaling, folder: Path) -> Scaler:
        """What params.yaml says; a table of scales lies in the folder of the exports."""
        return Scaler(by, _table(folder / by.file) if isinstance(by, ByFile) else {})

    def scale(self, name: str, content: bytes) -> float | None:
        """The metres that a pixel covers.

        Args:
            name: The image's, in CVAT.
            content: Its file.
        """
        if self.by == "none":
            return None
        self.asked.add(name)
        if name in self.table:
            return self.table[name]
        metres, why = from_geotiff(content)
        if metres is None and not why:
            metres, why = from_camera(content)
        if metres is None:
            self.without[why] += 1
        return metres

    def notes(self) -> list[str]:
        """What a person has to know: why images have no scale, and which lines of the table are no image's."""
        told = [f"{count} images have no scale: {why}" for why, count in sorted(self.without.items())]
        if unused := sorted(self.table.keys() - self.asked):
            told.append(f"{len(unused)} lines of the table of scales are no image's, such as {unused[0]!r}")
        return told


def from_geotiff(content: bytes) -> Answer:
    """What a GeoTIFF's transform says; no reason for any other file.

    Args:
        content: The file.
    """
    place = place_of(content)
    if place is None:
        return None, ""
    along, across = place.metres
    if abs(along / across - 1) > SQUARE:
        return None, "the pixels of its GeoTIFF are not square"
    return _rounded(math.sqrt(along * across)), ""


def from_camera(content: bytes) -> Answer:
    """What the camera's focal length and the drone's height above its start say.

    GPS heights are above the sea, and are not used. A camera that looks aside sees no single scale.

    Args:
        content: The file.
    """
    found = _metadata(content)
    if found is None:
        return None, "it is no photograph with EXIF"
    exif, xmp, (width, height) = found
    above, aside = _said(xmp, b"RelativeAltitude"), _said(xmp, b"GimbalPitchDegree")
    if above is None or above <= 0:
        return None, "no height above the ground (drone-dji:RelativeAltitude)"
    if aside is not None and abs(aside + 90) > DOWN:
        return None, "the camera does not look down (drone-dji:GimbalPitchDegree)"
    zoom = _number(exif, ZOOM)
    if zoom not in (None, 1.0):
        return None, "a digital zoom"
    ratio = _pitch(exif, width) or _equivalent(exif, width, height)
    if ratio is None:
        return None, "no focal length with the size of the sensor, or for 35 mm film"
    return _rounded(above * ratio), ""


def _pitch(exif: Mapping[int, Any], width: int) -> float | None:
    """A pixel's side on the sensor by the focal length; None if the image was resized since."""
    focal, pitch, pixels = (_number(exif, tag) for tag in (FOCAL, PITCH, PIXELS))
    unit = MILLIMETRES.get(exif.get(UNIT, 2))
    return unit / pitch / focal if focal and pitch and unit and pixels == width else None


def _equivalent(exif: Mapping[int, Any], width: int, height: int) -> float | None:
    """The same by the focal length that shows as much on 35 mm film: the diagonals are compared, as CIPA says."""
    focal = _number(exif, EQUIVALENT)
    return DIAGONAL / math.hypot(width, height) / focal if focal else None


def _metadata(content: bytes) -> tuple[Mapping[int, Any], bytes, tuple[int, int]] | None:
    from PIL import Image

    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content)) as image:
            xmp = image.info.get("xmp", b"")
            exif = {tag: value for tag, value in image.getexif().get_ifd(EXIF).items() if isinstance(tag, int)}
            return exif, xmp.encode() if isinstance(xmp, str) else xmp, image.size
    except Exception:  # whatever a decoder raises on odd metadata; the pixels are checked elsewhere
        return None


def _number(exif: Mapping[int, Any], tag: int) -> float | None:
    """A number above zero; cameras write 0, or 0/0, for what they do not know."""
    try:
        value = float(exif[tag])
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return None
    return value if math.isfinite(value) and value > 0 else None


def _said(xmp: bytes, name: bytes) -> float | None:
    """A number of the drone's, as an attribute or as an element."""
    match = re.search(NUMBER % name, xmp)
    return float(match[1]) if match else None


def _rounded(metres: float) -> float | None:
    """To six digits: more are noise, which differs between versions of libraries."""
    return float(f"{metres:.6g}") if math.isfinite(metres) and metres > 0 else None


def _table(path: Path) -> dict[str, float]:
    scales: dict[str, float] = {}
    for where, name, cell in rows_of(path, "scales", ("name", "metres_per_pixel")):
        metres = _number({0: cell}, 0)
        if not name or metres is None:
            raise DataError(where, "a name and metres above 0", f"{name!r} and {cell!r}", "fix the line")
        if scales.setdefault(name, metres) != metres:
            raise DataError(where, "one scale for each name", f"{scales[name]} and {metres}", "keep one")
    return scales
