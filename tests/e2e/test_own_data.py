"""A team's own export, with labels that nobody here has seen, becomes a report by the README's own commands."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import yaml

from tests.stages.cvat.fake import FakeExport, shape, square
from tests.workspace import ROOT, Workspace, executed, make_workspace, stages_of


def commands(heading: str) -> list[str]:
    """The commands of the first block of shell under a heading of the README."""
    section = (ROOT / "README.md").read_text().split(f"\n## {heading}\n")[1]
    block = re.split(r"```(?:sh)?\n", section)[1]
    return [line.split("#")[0].strip() for line in block.splitlines()]


def own_export(path: Path) -> Path:
    """A yard with panels on it, twelve times."""
    export = FakeExport({"Solar panel": "#12ab3c", "Hof: Süd": "#ff0000"})
    for number in range(12):
        yard = shape("polygon", "Hof: Süd", points=square(0, 0, 48, 40))
        panel = shape("box", "Solar panel", xtl=4 + number, ytl=6, xbr=14 + number, ybr=12, z_order=1)
        export.add(f"{number:03d}.png", yard, panel, width=48, height=40)
    return export.zip(path)


@pytest.mark.slow
@pytest.mark.promise
def test_the_readme_alone_leads_from_an_export_to_a_report(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    export = own_export(tmp_path / "my export.zip")
    init, add, make = (command.split() for command in commands("Your own images"))
    assert init.pop() == "EXPORT.zip"
    workspace.run(*init, str(export))
    workspace.set_params(
        architectures=["unet"], prepare__shape__width=64, prepare__shape__height=64, train__iterations=4
    )
    workspace.run(*add)
    output = workspace.run(*make, "-o", "setup")  # what it would set up is this test's own environment
    assert sorted(executed(output)) == sorted(stages_of(workspace.folder))
    assert f"report: {workspace.folder}/reports/index.html" in output
    page = (workspace.folder / "reports/index.html").read_text()
    assert "Solar panel" in page
    assert "Hof: Süd" in page
    assert set(json.loads((workspace.folder / "metrics/unet.json").read_text())["test"]) >= {"mIoU"}
    kept = yaml.safe_load((workspace.folder / "data/annotations.dvc").read_text())
    assert kept["outs"][0]["path"] == "annotations"
    assert workspace.run("git", "status", "--short", "data").splitlines() == ["?? data/annotations.dvc"]
    colleague = shared(workspace, tmp_path)
    exports = [path.name for path in (workspace.folder / "data/annotations").iterdir()]
    assert [path.name for path in (colleague / "data/annotations").iterdir()] == exports


def shared(workspace: Workspace, tmp_path: Path) -> Path:
    """A colleague's clone, with what a DVC remote brings there."""
    workspace.dvc("remote", "add", "-d", "store", str(tmp_path / "store"))
    workspace.run("git", "add", "-A")
    workspace.run("git", "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "-m", "Our yards")
    workspace.dvc("push")
    workspace.run("git", "clone", "-q", str(workspace.folder), str(tmp_path / "colleague"))
    colleague = Workspace(tmp_path / "colleague", workspace.env)
    colleague.run(sys.executable, "-m", "dvc", "pull")
    return colleague.folder
