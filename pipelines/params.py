"""Params of the pipelines: how runs are repeated and compared. No stage declares them, so they rerun nothing."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, NonNegativeInt

from stages.params import Section, check, pick, read_yaml


class Pipelines(Section):
    """The section `pipelines`."""

    tolerance: float = Field(
        ge=0, le=1, description="how far a metric rebuilt on another processor may be from the committed one"
    )
    retries: dict[str, NonNegativeInt] = Field(
        description="stages that touch the network, and how often each is tried again when it fails"
    )
    retry_seconds: float = Field(ge=0, description="the pause before such a stage is tried again, in seconds")


class Params(Section):
    """What the pipelines read of params.yaml."""

    pipelines: Pipelines


def load_pipelines() -> Pipelines:
    """The checked section `pipelines` of params.yaml in this folder."""
    values = read_yaml(Path("params.yaml"))
    return check(Params, {"pipelines": pick(values, "pipelines")}).pipelines
