"""The steps and their settings, as they stand in params.yaml; what each does is in geometry, colour and objects."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pixelproof.core.params import Section

Share = Annotated[float, Field(gt=0, le=1)]
Order = Literal["front", "ground"]
ORDER = "front: over all else, as seen from above; ground: behind objects that reach further down, as seen by eye"
AREA = "objects that cover a larger share of the image stay as they are"


class Sometimes(Section):
    """A step that is taken with a probability."""

    p: float = Field(ge=0, le=1, description="probability")


class Range(Sometimes):
    """A step that scales by a random factor; half and double are equally likely."""

    smallest: float = Field(gt=0, le=16, description="smallest factor")
    largest: float = Field(gt=0, le=16, description="largest factor")

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if self.smallest > self.largest:
            raise ValueError(f"expected smallest to be at most largest ({self.largest:g})")
        return self


class Scale(Range):
    """Scale, then crop to the size of training at a random place; what lies outside is black and ignored."""

    name: Literal["scale"]
    rare: float = Field(ge=0, le=1, description="how often the crop is placed on a class, the rare ones first")


class Crop(Sometimes):
    """Crop with the same aspect ratio and scale back to the image's size."""

    name: Literal["crop"]
    area: float = Field(gt=0, lt=1, description="smallest share of the image's area that is kept")


class Flip(Sometimes):
    """Mirror the image."""

    name: Literal["flip"]
    axis: Literal["horizontal", "vertical"] = Field(description="which sides are swapped")


class Rotate(Sometimes):
    """Rotate the image around its centre; pixels from outside it are black and ignored."""

    name: Literal["rotate"]
    degrees: float = Field(gt=0, le=180, description="largest angle, in either direction")


class Perspective(Sometimes):
    """See the image from another angle: its corners move inwards, and what they leave is black and ignored."""

    name: Literal["perspective"]
    shift: float = Field(gt=0, le=0.3, description="how far a corner moves at most, as a share of each side")


class GridShuffle(Sometimes):
    """Cut the image into equal cells and exchange them."""

    name: Literal["grid_shuffle"]
    rows: int = Field(ge=1, le=64, description="rows of cells")
    columns: int = Field(ge=1, le=64, description="columns of cells")


class Cutout(Sometimes):
    """Hide rectangles: they are black and ignored."""

    name: Literal["cutout"]
    count: int = Field(ge=1, le=64, description="most rectangles")
    side: Share = Field(description="longest side, as a share of the image's")


class Brightness(Sometimes):
    """Multiply every value."""

    name: Literal["brightness"]
    by: float = Field(gt=0, lt=1, description="largest change of the factor, which is 1 +- this")


class Contrast(Sometimes):
    """Multiply every value's distance from the mean of the image."""

    name: Literal["contrast"]
    by: float = Field(gt=0, lt=1, description="largest change of the factor, which is 1 +- this")


class Saturation(Sometimes):
    """Multiply every colour's distance from grey."""

    name: Literal["saturation"]
    by: float = Field(gt=0, le=1, description="largest change of the factor, which is 1 +- this")


class Color(Sometimes):
    """Change brightness, contrast and saturation, each by a factor of 1 +- its value."""

    name: Literal["color"]
    brightness: float = Field(ge=0, lt=1, description="largest change of brightness")
    contrast: float = Field(ge=0, lt=1, description="largest change of contrast")
    saturation: float = Field(ge=0, lt=1, description="largest change of saturation")


class Hue(Sometimes):
    """Turn all colours around the axis of greys."""

    name: Literal["hue"]
    degrees: float = Field(gt=0, le=180, description="largest angle, in either direction; 120 makes red green")


class Gamma(Sometimes):
    """Raise values, from 0 to 1, to a power: shadows become darker or lighter, black and white stay."""

    name: Literal["gamma"]
    by: float = Field(gt=0, le=4, description="the power is from 1 / (1 + by) to 1 + by")


class Lighting(Sometimes):
    """Add PCA noise: one colour for the whole image, along the directions in which light varies in photographs."""

    name: Literal["lighting"]
    std: float = Field(gt=0, le=1, description="standard deviation; 0.1 in the paper (Krizhevsky 2012)")


class ShuffleChannels(Sometimes):
    """Exchange red, green and blue."""

    name: Literal["shuffle_channels"]


class Noise(Sometimes):
    """Add Gaussian noise to each pixel and channel."""

    name: Literal["noise"]
    std: float = Field(gt=0, le=1, description="largest standard deviation, as a share of the full range")


class Blur(Sometimes):
    """Blur the image with a Gaussian."""

    name: Literal["blur"]
    sigma: float = Field(gt=0, le=16, description="largest standard deviation, in pixels")


class Jpeg(Sometimes):
    """Compress the image as JPEG."""

    name: Literal["jpeg"]
    quality: int = Field(ge=1, le=95, description="lowest quality; the highest is 95")


class MoveObject(Sometimes):
    """Move one object within the image; what it hid is inpainted and takes the nearest background's class."""

    name: Literal["move_object"]
    distance: Share = Field(description="how far at most, as a share of the image's shorter side")
    area: Share = Field(description=AREA)
    order: Order = Field(description=ORDER)


class ScaleObject(Range):
    """Scale one object where it is."""

    name: Literal["scale_object"]
    area: Share = Field(description=AREA)
    order: Order = Field(description=ORDER)


class TurnObject(Sometimes):
    """Turn one object where it is."""

    name: Literal["turn_object"]
    degrees: float = Field(gt=0, le=180, description="largest angle, in either direction")
    area: Share = Field(description=AREA)
    order: Order = Field(description=ORDER)


class RemoveObject(Sometimes):
    """Remove one object."""

    name: Literal["remove_object"]
    area: Share = Field(description=AREA)


class Paste(Range):
    """Paste whole objects of another image, mirrored or not; from above anywhere, by eye at their own height."""

    name: Literal["paste"]
    count: int = Field(ge=1, le=64, description="most objects")
    area: Share = Field(description=AREA)
    order: Order = Field(description=ORDER)


Geometry = Scale | Crop | Flip | Rotate | Perspective | GridShuffle | Cutout
Light = Brightness | Contrast | Saturation | Color | Hue | Gamma | Lighting | ShuffleChannels | Noise | Blur | Jpeg
Objects = MoveObject | ScaleObject | TurnObject | RemoveObject | Paste
Step = Annotated[Geometry | Light | Objects, Field(discriminator="name")]
