"""The type of the `download` section of params.yaml."""

from __future__ import annotations

from pydantic import Field, field_validator

from pixelproof.core.errors import unknown_name
from pixelproof.core.params import Section
from pixelproof.data.photos import Window
from pixelproof.sources import names


class Synthetic(Section):
    """The settings of the built-in renderer."""

    train_flights: int = Field(
        ge=1, le=1000, description="flights in the train split; adding some changes no existing image"
    )
    val_flights: int = Field(ge=1, le=1000, description="flights in the val split")
    test_flights: int = Field(ge=1, le=1000, description="flights in the test split")
    images_per_flight: int = Field(ge=1, le=100, description="images per flight; adding some changes no existing image")
    side: int = Field(ge=32, le=1024, description="width and height of an image in pixels")


class Folder(Section):
    """The settings of `folder`: your own images with masks."""

    path: str = Field(description="a folder with images, masks and the classes.csv that `pixelproof init` writes")
    lossy_masks: bool = Field(description="whether masks saved as JPEG are accepted; their edges are then guessed")
    window: Window | None = Field(
        default=None, description="how 16 bits per channel become 8, `{low: 0, high: 65535}`; null: there is none"
    )


class Download(Section):
    """Which dataset to use, and the settings of its source."""

    dataset: str = Field(description="a folder of pixelproof/sources (`pixelproof datasets` lists them), or none")
    variant: str = Field(description="which version of the dataset, where it has several; empty for the first of them")
    workers: int = Field(ge=1, le=64, description="processes that render or convert; does not affect the output")
    synthetic: Synthetic = Field(description="the built-in aerial scenes, used if dataset is synthetic")
    folder: Folder = Field(description="your own images with masks, used if dataset is folder")

    @field_validator("variant", mode="before")
    @classmethod
    def _as_text(cls, variant: object) -> object:
        return str(variant) if type(variant) is int else variant  # 2012 without quotes

    @field_validator("dataset")
    @classmethod
    def _known(cls, dataset: str) -> str:
        if dataset not in names():
            raise unknown_name("download.dataset", dataset, names())
        return dataset


class Params(Section):
    """The part of params.yaml that the download stage reads."""

    seed: int = Field(ge=0, lt=2**32, description="the source of all random choices")
    download: Download = Field(description="the public or rendered dataset to start from")
