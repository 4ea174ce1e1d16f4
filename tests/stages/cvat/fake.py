"""Exports as CVAT writes them, made in the test."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import quoteattr

import cv2
import numpy as np

from pixelproof.data.images import Array
from stages.cvat.params import Cvat

LABELS = {"road": "#804080", "car": "#fac81e", "lake": "#286edc"}


def params(**changes: object) -> Cvat:
    """A section `cvat` for LABELS; cars are things."""
    classes = [{"name": name, "color": color, "thing": name == "car"} for name, color in LABELS.items()]
    values = {"exports": "annotations", "group": "folder", "background": "ignore", "skip": [], "classes": classes}
    return Cvat.model_validate(values | changes)


def picture(width: int, height: int, seed: int = 0) -> Array:
    """A smooth colourful image."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    image: Array = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return image


def encoded(width: int, height: int, suffix: str = ".png", seed: int = 0) -> bytes:
    """The file of such an image."""
    return bytes(cv2.imencode(suffix, picture(width, height, seed))[1].tobytes())


def shape(kind: str, label: str = "road", **values: object) -> str:
    """One shape's element."""
    attributes = {"label": label, "source": "manual", "occluded": "0", "z_order": "0"} | values
    return f"<{kind} " + " ".join(f"{key}={quoteattr(str(value))}" for key, value in attributes.items()) + f"></{kind}>"


def square(left: float, top: float, right: float, bottom: float) -> str:
    """The points of a polygon around a rectangle."""
    return f"{left},{top};{right},{top};{right},{bottom};{left},{bottom}"


@dataclass
class FakeExport:
    """An export: add images, spoil what you like, write it."""

    labels: Mapping[str, str] = field(default_factory=lambda: LABELS)
    images: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    meta: str = "task"
    about: str = ""  # what <task>, <job> or <project> says besides its labels

    def add(self, name: str, *shapes: str, width: int = 20, height: int = 16, **attributes: object) -> FakeExport:
        """Add an image with its shapes; attributes of `<image>` may be overruled."""
        values = {"id": len(self.images), "name": name, "width": width, "height": height} | attributes
        head = " ".join(f"{key}={quoteattr(str(value))}" for key, value in values.items())
        self.images.append(f"<image {head}>{''.join(shapes)}</image>")
        file = name if Path(name).suffix else f"{name}.PNG"  # frames of videos have an ending on disk only
        self.files[f"images/{file}"] = encoded(width, height, Path(file).suffix.lower(), seed=len(self.images))
        return self

    def xml(self) -> str:
        """annotations.xml."""
        labels = "".join(
            f"<label><name>{name}</name><color>{color}</color><type>any</type><attributes></attributes></label>"
            for name, color in self.labels.items()
        )
        return (
            '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>'
            f"<meta><{self.meta}>{self.about}<labels>{labels}</labels></{self.meta}></meta>{''.join(self.images)}</annotations>"
        )

    def content(self) -> dict[str, bytes]:
        """Every file of the export."""
        return {"annotations.xml": self.xml().encode(), **self.files}

    def zip(self, path: Path) -> Path:
        """Write it as a zip."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in self.content().items():
                archive.writestr(name, content)
        return path

    def folder(self, path: Path) -> Path:
        """Write it as a folder."""
        for name, content in self.content().items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
        return path
