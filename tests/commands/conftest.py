"""What the tests of commands share with those of what the commands call."""

from __future__ import annotations

from tests.pipelines.conftest import clone, own_settings, repo, reproduced
from tests.stages.train.conftest import workspace

__all__ = ["clone", "own_settings", "repo", "reproduced", "workspace"]
