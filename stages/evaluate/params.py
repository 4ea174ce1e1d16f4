"""The type of the `evaluate` section of params.yaml."""

from __future__ import annotations

from pydantic import Field

from stages.models.runtime import Compute
from stages.overrides import Overrides
from stages.params import Section


class Evaluate(Section):
    """How the network is run over the val and test splits."""

    batch: int = Field(ge=1, le=1024, description="images per forward pass")
    overrides: Overrides = Field(description="changes of trained networks that keep their weights, as of rates")


class Params(Section):
    """What the evaluate stage reads of params.yaml."""

    compute: Compute = Field(description="where and how the network computes, in train and evaluate")
    evaluate: Evaluate = Field(description="one pass over val and test")
