"""The setting `prepare.shape`: how images of any size become those that a network is trained on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from pixelproof.core.params import Section
from pixelproof.data.grid import Grid

Mode = Literal["stretch", "fit", "crop", "tile"]


class Shape(Section):
    """The size of the images that networks are trained on, and how images come to have it."""

    mode: Mode = Field(
        description="stretch: to this size, whatever the aspect; fit: scaled to fit inside, the rest ignored;"
        " crop: scaled to cover it, the centre kept; tile: not scaled, cut into tiles, val and test whole"
    )
    width: int = Field(ge=16, le=8192, description="width in pixels of every image that networks are trained on")
    height: int = Field(ge=16, le=8192, description="its height in pixels")
    overlap: int = Field(
        ge=0, description="for `mode: tile`: pixels that neighbouring tiles, and windows in prediction, share"
    )

    @field_validator("overlap")
    @classmethod
    def _leaves_a_step(cls, overlap: int, info: ValidationInfo) -> int:
        sides = [info.data[side] for side in ("width", "height") if side in info.data]
        if sides and overlap >= min(sides):
            raise ValueError(f"expected less than the tile's side, {min(sides)}")
        return overlap

    @property
    def tiled(self) -> bool:
        """Whether val and test keep images whole, at their own sizes."""
        return self.mode == "tile"

    @property
    def grid(self) -> Grid:
        """The tiles of an image, and the windows in which a network predicts it."""
        return Grid(self.height, self.width, self.height - self.overlap, self.width - self.overlap)


def scaled_size(shape: Shape, width: int, height: int) -> tuple[int, int]:
    """The width and height that an image is scaled to, before it is padded (fit) or cut (crop).

    Args:
        shape: What params.yaml asks for.
        width: Of the image.
        height: Of the image.

    Example:
        >>> [scaled_size(Shape(mode=m, width=64, height=64, overlap=0), 200, 100) for m in ("fit", "crop", "tile")]
        [(64, 32), (128, 64), (200, 100)]
    """
    if shape.mode == "tile":
        return width, height
    if shape.mode == "stretch":
        return shape.width, shape.height
    wider = width * shape.height >= height * shape.width  # than the frame
    if wider == (shape.mode == "fit"):
        across, down = shape.width, max(1, round(height * shape.width / width))
    else:
        across, down = max(1, round(width * shape.height / height)), shape.height
    return across, down
