"""The type of the `download` section of params.yaml."""

from __future__ import annotations

from pydantic import Field, field_validator

from pixelproof.core.errors import unknown_name
from pixelproof.core.params import Section
from pixelproof.sources import names


class Synthetic(Section):
    """The knobs of the embedded renderer."""

    train_flights: int = Field(ge=1, le=1000, description="flights of the train split; more change no older image")
    val_flights: int = Field(ge=1, le=1000, description="flights of the val split")
    test_flights: int = Field(ge=1, le=1000, description="flights of the test split")
    images_per_flight: int = Field(ge=1, le=100, description="images of one flight; more change no older image")
    side: int = Field(ge=32, le=1024, description="width and height of an image in pixels")


class Download(Section):
    """Which dataset, and what its source needs to know."""

    dataset: str = Field(description="a file of pixelproof/sources: synthetic, camvid, or none (own data only)")
    workers: int = Field(ge=1, le=64, description="processes that render or convert; changes no byte")
    synthetic: Synthetic = Field(description="the embedded aerial scenes, used where dataset is synthetic")

    @field_validator("dataset")
    @classmethod
    def _known(cls, dataset: str) -> str:
        if dataset not in names():
            raise unknown_name("download.dataset", dataset, names())
        return dataset


class Params(Section):
    """What the download stage reads of params.yaml."""

    seed: int = Field(ge=0, description="every random choice flows from it")
    download: Download = Field(description="the public or rendered dataset that the run begins with")
