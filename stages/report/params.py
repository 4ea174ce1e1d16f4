"""The params of report: what it shows, and of which architectures and seeds."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, field_validator

from pixelproof.core.params import Section

Knobs = dict[str, Any]  # a section that the report only shows: its own stage checks it


class Seeds(Section):
    """The one setting of `train` that says which runs there are; the others are only shown."""

    model_config = ConfigDict(extra="allow")

    seeds: list[Annotated[int, Field(ge=0, le=2**63 - 1)]] = Field(
        min_length=1, description="each architecture is trained once from each seed"
    )

    @field_validator("seeds")
    @classmethod
    def _once_each(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("expected each seed once")
        return seeds


class Report(Section):
    """What the report shows."""

    gallery: int = Field(
        ge=0, le=400, description="test images in the error gallery: the worst, and some from all groups"
    )


class Params(Section):
    """The part of params.yaml that the report uses, and the part that it only shows."""

    seed: Any = None
    architectures: list[str] = Field(min_length=1, description="names of files in pixelproof/networks/architectures/")
    download: Knobs = Field(default_factory=dict)
    cvat: Knobs = Field(default_factory=dict)
    prepare: Knobs = Field(default_factory=dict)
    augment: Knobs = Field(default_factory=dict)
    configure: Knobs = Field(default_factory=dict)
    compute: Knobs = Field(default_factory=dict)
    train: Seeds
    evaluate: Knobs = Field(default_factory=dict)
    measure: Knobs = Field(default_factory=dict)
    report: Report = Field(description="reports/, metrics/ and tables/")
