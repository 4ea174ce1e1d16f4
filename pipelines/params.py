"""Params of the pipelines: how runs are retried and compared. No stage declares them, so they rerun nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeInt, ValidationInfo, field_validator

from pixelproof.core.errors import nearest
from pixelproof.core.params import Section, check, pick, read_yaml
from pixelproof.scoring.catalogue import CATALOGUE, of_matrices


def _tested(name: str) -> str:
    names = [metric.name for metric in of_matrices()]
    if name not in names:
        raise ValueError(f"allowed: {', '.join(names)}{nearest(name, names)}")
    return name


MetricName = Annotated[str, AfterValidator(_tested)]


class Judgement(Section):
    """How a metric is judged."""

    better: Literal["higher", "lower"] = Field(description="which direction is better")
    tolerance: float = Field(ge=0, le=1, description="a change shown to be no larger is called equivalent")


class Gate(Section):
    """What decides whether a change passes."""

    metric: MetricName = Field(description="tested on validation: is it worse, for any architecture?")
    alarm: float = Field(
        gt=0,
        le=1,
        description="a drop this large must be ruled out to pass; a larger one that no test can settle needs a person",
    )


class Compare(Section):
    """What `compare` tests, and how strictly."""

    alpha: float = Field(
        gt=0, lt=0.5, description="the probability of a false alarm of the gate, and of any false claim in the rest"
    )
    metrics: dict[MetricName, Judgement] = Field(
        min_length=1, description="what is tested; docs/metrics.md lists the metrics, and which of them are per class"
    )
    objects: float = Field(
        ge=0,
        le=1,
        description="a change of AP or PQ shown to be no larger is called equivalent; both are always tested",
    )
    gate: Gate = Field(description="what decides whether a change passes")

    @field_validator("gate")
    @classmethod
    def _tested_as_a_whole(cls, gate: Gate, info: ValidationInfo) -> Gate:
        names = [name for name in info.data.get("metrics", {}) if not CATALOGUE[name].per_class]
        if "metrics" in info.data and gate.metric not in names:
            raise ValueError(f"its metric must be one of metrics that has no classes: {', '.join(names) or 'none is'}")
        return gate


class Pipelines(Section):
    """The section `pipelines`."""

    tolerance: float = Field(
        ge=0, le=1, description="how far a metric rebuilt on another processor may be from the committed one"
    )
    retries: dict[str, NonNegativeInt] = Field(
        description="stages that use the network, and how often each is retried when it fails"
    )
    retry_seconds: float = Field(ge=0, description="the pause before such a retry, in seconds")
    compare: Compare = Field(description="the comparison of two revisions")


class Params(Section):
    """The part of params.yaml that the pipelines read."""

    seed: int = Field(ge=0, lt=2**32)  # its help is in the stages that use it
    pipelines: Pipelines


def load_params() -> Params:
    """The part of params.yaml in this folder that the pipelines read, checked."""
    values = read_yaml(Path("params.yaml"))
    return check(Params, {key: pick(values, key) for key in Params.model_fields})


def load_pipelines() -> Pipelines:
    """The checked section `pipelines` of params.yaml in this folder."""
    return load_params().pipelines
