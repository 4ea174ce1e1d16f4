"""A page of pictures: one file that loads nothing and runs no script."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelproof.core.csp import content_security_policy
from pixelproof.data.dataset import Header
from pixelproof.data.images import Array
from stages.evaluate.slide import Image

HERE = Path(__file__).parent
SIDE = 240  # pixels of the longer side of a picture
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 80]


@dataclass(frozen=True)
class Card:
    """One row of the ranking.

    Attributes:
        title: what it is.
        text: more about it.
        pictures: captions and data URIs.
        url: where to see it in CVAT; empty for none.
    """

    title: str
    text: str
    pictures: Sequence[tuple[str, str]]
    url: str = ""


def page(title: str, summary: str, cards: Sequence[Card], *, dense: bool) -> str:
    """The page, every text in it escaped.

    Args:
        title: its heading.
        summary: what follows it.
        cards: the rows.
        dense: several rows beside each other.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style = (HERE / "sheet.css").read_text(encoding="utf-8")
    return environment.get_template("sheet.html").render(
        title=title, summary=summary, cards=cards, dense=dense, style=style, policy=content_security_policy(style)
    )


def photo(image: Image) -> str:
    """A photograph as a data URI, no larger than it is shown; small ones are enlarged by a whole number."""
    height, width = image.shape[:2]
    times = max(1, SIDE // max(height, width))
    shrunk = min(1.0, SIDE / max(height, width))
    size = (max(1, round(width * times * shrunk)), max(1, round(height * times * shrunk)))
    shown = cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrunk < 1 else cv2.INTER_NEAREST)
    content = cv2.imencode(".jpg", cv2.cvtColor(shown, cv2.COLOR_RGB2BGR), QUALITY)[1].tobytes()
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"


def painted(labels: Array, header: Header) -> Image:
    """Class colours; what is not labelled is white."""
    palette: NDArray[np.uint8] = np.full((256, 3), 255, np.uint8)
    for info in header.classes:
        palette[info.id] = info.color
    found: Image = palette[labels]
    return found


def outlined(image: Image, inside: NDArray[np.bool_]) -> Image:
    """The image with a magenta line around some pixels, just outside of them."""
    near = cv2.dilate(inside.view(np.uint8), np.ones((3, 3), np.uint8)) > 0
    shown = image.copy()
    shown[near & ~inside] = (255, 0, 255)
    return shown
