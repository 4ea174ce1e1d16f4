"""The type of the `measure` section of params.yaml."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from pixelproof.core.errors import DataError, ParamsError, unknown_name
from pixelproof.core.params import Section
from pixelproof.data.dataset import Header

SECTION = "measure.landing"


class Length(Section):
    """A length on the ground: in metres for images with a scale, in pixels for images without."""

    metres: float | None = Field(default=None, ge=0, description="the length in images with a scale")
    pixels: float | None = Field(
        default=None, ge=0, description="the length in images without one; without metres: in all images"
    )

    @model_validator(mode="after")
    def _says_something(self) -> Length:
        if self.metres is None and self.pixels is None:
            raise ValueError("needs metres, pixels or both")
        return self

    def in_pixels(self, metres_per_pixel: float | None, key: str, where: str) -> float:
        """The length in pixels of an image; `key` and `where` name the param and the image in an error."""
        if self.metres is not None and metres_per_pixel is not None:
            return self.metres / metres_per_pixel
        if self.pixels is None:
            fix = f"add pixels to {key}, or set measure.metres_per_pixel in params.yaml"
            raise DataError(where, f"metres_per_pixel, because {key} is in metres", "no scale", fix)
        return self.pixels


class Objects(Section):
    """Which objects are measured, and how they are matched with true ones."""

    iou: float = Field(ge=0, lt=1, description="objects match if their IoU is above this")
    smallest: int = Field(ge=1, description="objects of fewer pixels are specks: counted, not measured")
    grey_levels: int = Field(ge=2, le=64, description="grey levels of the co-occurrence matrix (texture)")


class Landing(Section):
    """Where it would be safe to land."""

    safe: list[str] = Field(description="classes that a disk may lie on; []: do not look for landing sites")
    forbidden: list[str] = Field(
        description="classes that no disk may touch; a class that is not listed is forbidden too"
    )
    keep_distance: dict[str, Length] = Field(description="classes that disks keep a distance from: metres, pixels")
    radius: Length = Field(description="the radius of the smallest disk to land on: metres, pixels")
    disks: int = Field(ge=1, le=100, description="most disks in an image, the largest first")
    certainty_levels: int = Field(ge=1, le=255, description="certainty is rounded down to multiples of 1 / levels")
    pictures: int = Field(ge=0, le=1000, description="images on which the disks are drawn, the first ones by id")

    @model_validator(mode="after")
    def _each_class_once(self) -> Landing:
        names = [*self.safe, *self.forbidden, *self.keep_distance]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ParamsError(SECTION, f"{twice[0]!r} twice", "a class is safe, forbidden or kept at a distance")
        if not (self.radius.metres or self.radius.pixels):
            raise ParamsError(f"{SECTION}.radius", "0", "a disk needs a radius above 0")
        return self

    def check_names(self, header: Header) -> None:
        """Check that the data has every class that is named."""
        for part, names in (("safe", self.safe), ("forbidden", self.forbidden), ("keep_distance", self.keep_distance)):
            for name in names:
                if name not in header.names():
                    raise unknown_name(f"{SECTION}.{part}", name, header.names())


class Measure(Section):
    """Objects and landing sites of one split, as each trained network predicts them."""

    split: Literal["val", "test"] = Field(description="the split whose predictions are measured")
    metres_per_pixel: float | None = Field(gt=0, description="scale of images without one in index.csv; or null")
    objects: Objects = Field(description="geometry and texture of the objects of `thing` classes")
    landing: Landing = Field(description="where it would be safe to land")


class Params(Section):
    """The part of params.yaml that the measure stage reads."""

    measure: Measure = Field(description="what people segment for: measurements of objects, landing sites")
