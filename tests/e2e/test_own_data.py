"""A team's own export, with labels that nobody here has seen, becomes a report by the README's own commands."""

from __future__ import annotations

import json
import re
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


def own_export(path: Path, images: int, corrected: int = 0) -> Path:
    """A yard with panels on it, many times; in the first images the panel was drawn too large."""
    export = FakeExport({"Solar panel": "#12ab3c", "Hof: Süd": "#ff0000"}, about="<id>12</id>")
    for number in range(images):
        yard = shape("polygon", "Hof: Süd", points=square(0, 0, 48, 40))
        left, bottom = 4 + number % 12, 11 if number < corrected else 12
        panel = shape("box", "Solar panel", xtl=left, ytl=6, xbr=left + 10, ybr=bottom, z_order=1)
        export.add(f"{number:03d}.png", yard, panel, width=48, height=40)
    return export.zip(path)


def prepared(workspace: Workspace) -> dict[str, tuple[str, str]]:
    """By id, the split of each image and the digest of its mask."""
    found = workspace.digests("data/prepared/*/masks/*.png")
    return {Path(name).stem: (Path(name).parts[2], digest) for name, digest in found.items()}


@pytest.mark.slow
@pytest.mark.promise
def test_the_readme_alone_leads_from_exports_to_reports(tmp_path: Path) -> None:
    """60 images, then 20 more and 5 corrected; no file is edited but to make this quick."""
    workspace = make_workspace(tmp_path).forked()
    init, make, add, again = (command.split() for command in commands("Your own images"))
    assert init.pop() == add.pop() == "EXPORT.zip" and make == again
    workspace.run(*init, str(own_export(tmp_path / "my export.zip", 60)))
    workspace.set_params(
        architectures=["unet"], prepare__shape__width=64, prepare__shape__height=64, train__iterations=4
    )
    output = workspace.run(*make, "-o", "setup")  # what it would set up is this test's own environment
    assert sorted(executed(output)) == sorted(stages_of(workspace.folder))
    assert f"report: {workspace.folder}/reports/index.html" in output
    page = (workspace.folder / "reports/index.html").read_text()
    assert "Solar panel" in page
    assert "Hof: Süd" in page
    assert set(json.loads((workspace.folder / "metrics/unet.json").read_text())["test"]) >= {"mIoU"}
    first, params = prepared(workspace), (workspace.folder / "params.yaml").read_bytes()
    version = kept(workspace)
    assert workspace.run("git", "status", "--short", "data").splitlines() == ["?? data/annotations.dvc"]

    later = own_export(tmp_path / "task_Yards_annotations_2026_11_15_10_00_00_cvat for images 1.1.zip", 80, corrected=5)
    told = [line.split() for line in workspace.run(*add, str(later)).splitlines()]
    counts = {row[0]: int(row[-1]) for row in told if len(row) == 5 and row[-1].isdigit()}
    assert counts == {"new": 20, "relabelled": 5, "removed": 0, "unchanged": 55, "groups": 80}
    assert kept(workspace) != version and (workspace.folder / "params.yaml").read_bytes() == params
    ran = executed(workspace.run(*again, "-o", "setup"))
    assert {"cvat", "prepare", "report"} <= {*ran} and "configure" not in ran
    now = prepared(workspace)
    assert len(now) == 80 and all(now[name][0] == split for name, (split, _) in first.items())
    assert sum(now[name] != first[name] for name in first) == 5

    colleague = shared(workspace, tmp_path)
    names = {path.name for path in (workspace.folder / "data/annotations").iterdir()}
    assert {path.name for path in (colleague / "data/annotations").iterdir()} == names
    assert len([*(colleague / "data/annotations/photographs").iterdir()]) == 80


def kept(workspace: Workspace) -> str:
    """The version of the annotations that DVC keeps."""
    (out,) = yaml.safe_load((workspace.folder / "data/annotations.dvc").read_text())["outs"]
    assert out["path"] == "annotations"
    return str(out["md5"])


def shared(workspace: Workspace, tmp_path: Path) -> Path:
    """A colleague's clone, with what a DVC remote brings there."""
    workspace.dvc("remote", "add", "-d", "store", str(tmp_path / "store"))
    workspace.run("git", "add", "-A")
    workspace.run("git", "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "-m", "Our yards")
    workspace.dvc("push")
    workspace.run("git", "clone", "-q", str(workspace.folder), str(tmp_path / "colleague"))
    colleague = Workspace(tmp_path / "colleague", workspace.env)
    colleague.dvc("pull")
    return colleague.folder
