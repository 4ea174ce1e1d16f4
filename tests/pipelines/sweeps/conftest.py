"""The tiny pipeline with a sweep, and what came of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.pipelines.conftest import commit, sh

SWEEP = "about: Which rate?\ngrid:\n  train.lr: [0.2, 0.3, 0.4]\n"


@pytest.fixture
def sweeping(repo: Path) -> Path:
    """The tiny pipeline with a sweep of three points; its stages log into the clone, wherever they run."""
    stage = (repo / "code/stage.py").read_text()
    stage = stage.replace('pathlib.Path("runs.log")', f"pathlib.Path({str(repo / 'runs.log')!r})")
    stage = stage.replace('pathlib.Path("control", name)', f"pathlib.Path({str(repo / 'control')!r}, name)")
    rate = "json.dumps(next(line for line in open('params.yaml') if 'lr' in line or 'train' in line))"
    stage = stage.replace('(folder / "out.txt").write_text(name', f'(folder / "out.txt").write_text(name + {rate}')
    (repo / "code/stage.py").write_text(stage)
    (repo / "experiments").mkdir()
    (repo / "experiments/rate.yaml").write_text(SWEEP)
    commit(repo)
    return repo


def experiments(repo: Path) -> list[str]:
    """What `dvc exp list` lists."""
    return sorted(sh("dvc", "exp", "list", "--name-only", cwd=repo).stdout.split())


def ends(repo: Path) -> Counter[str]:
    """How often each stage ran to its end."""
    lines = [line.split() for line in (repo / "runs.log").read_text().splitlines()]
    return Counter(name for _, what, name in lines if what == "end")
