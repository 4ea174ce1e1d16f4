"""Two machines: clones of one git remote that share a remote of DVC, and no folder."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.pipelines.conftest import commit, runs, sh


@dataclass(frozen=True)
class Machines:
    """A clone where runs are asked for, one where stages run, and the remote of DVC."""

    asks: Path
    works: Path
    remote: Path

    def change(self, path: str, old: str, new: str) -> str:
        """Change a file where runs are asked for, and commit and push it."""
        file = self.asks / path
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new, 1))
        return self.publish()

    def publish(self) -> str:
        """Commit and push everything where runs are asked for."""
        made = commit(self.asks)
        sh("git", "push", "-q", "origin", "main", cwd=self.asks)
        return made

    def ran(self) -> list[str]:
        """The stages that really ran, in any place of the second machine."""
        return runs(self.works)

    def serial(self, tmp_path: Path) -> str:
        """The dvc.lock that `dvc repro` on one machine makes of the asked state."""
        alone = tmp_path / "alone"
        sh("git", "clone", "-q", str(self.asks), str(alone), cwd=tmp_path)
        sh("dvc", "pull", cwd=alone)
        sh("dvc", "repro", cwd=alone)
        return (alone / "dvc.lock").read_text()


def two_machines(reproduced: Path, tmp_path: Path) -> Machines:
    """Neither has data: all is on the remote."""
    first, origin, remote = tmp_path / "first", tmp_path / "origin.git", tmp_path / "remote"
    shutil.copytree(reproduced, first, symlinks=True)
    log = tmp_path / "works/runs.log"  # in the second clone, wherever in it the stage runs
    stage = (first / "code/stage.py").read_text().replace('"runs.log"', repr(str(log)))
    (first / "code/stage.py").write_text(stage)
    sh("dvc", "remote", "add", "--default", "store", str(remote), cwd=first)
    log.parent.mkdir()
    sh("dvc", "repro", cwd=first)
    shutil.rmtree(log.parent)
    sh("dvc", "push", cwd=first)
    commit(first)
    sh("git", "clone", "-q", "--bare", str(first), str(origin), cwd=tmp_path)
    for name in ("asks", "works"):
        sh("git", "clone", "-q", str(origin), str(tmp_path / name), cwd=tmp_path)
    return Machines(tmp_path / "asks", tmp_path / "works", remote)
