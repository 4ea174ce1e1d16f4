"""How this page was made: the stages of dvc.yaml as a picture, and the same as a list."""

from __future__ import annotations

from typing import Any

from pixelproof.core.params import read_yaml
from stages.report.charts.graph import Stage, draw, stages_of
from stages.report.gather import Results

TITLE = "How this page was made"
ORDER = 135
GROUP = "Origins"


def context(results: Results) -> dict[str, Any]:
    """The stages, and where each is drawn."""
    stages = stages_of(read_yaml(results.root / "dvc.yaml"), results.params.model_dump())
    return {"graph": draw(stages), "stages": stages, "said": said(stages)}


def said(stages: list[Stage]) -> str:
    """The graph in a sentence, for screen readers."""
    return f"Graph of {len(stages)} stages: {', '.join(stage.name for stage in stages)}. The list below says the same."
