"""What a stranger adds in a copy: a dataset, a network, a section of the report, a command.

(A metric is added by tests/pixelproof/scoring/test_catalogue.py.) Each is at most two new files beside params.yaml,
and nothing in dvc.yaml. The real thing runs with it, and by DVC's own hashes of what each stage stands on, nothing
older would run again.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dvc.repo import Repo

from pipelines.dvc.deps import differences
from pixelproof.data.dataset import read_header, read_split
from stages.configure.resolve import resolve
from tests.workspace import Workspace, make_workspace, stages_of


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """One copy for all; each addition is committed, so that the next begins with a clean tree."""
    return make_workspace(tmp_path_factory.mktemp("additions")).forked()


def add(workspace: Workspace, files: dict[str, str]) -> set[str]:
    """Add files, which is all that changes; returns the stages that would run again for it."""
    before = stood_on(workspace.folder)
    for path, text in files.items():
        (workspace.folder / path).parent.mkdir(exist_ok=True)
        (workspace.folder / path).write_text(text)
    changed = workspace.run("git", "status", "--porcelain", "--untracked-files=all").splitlines()
    assert changed == [f"?? {path}" for path in sorted(files)] and len(files) <= 2
    workspace.run("git", "add", "-A")
    workspace.run("git", "-c", "user.name=test", "-c", "user.email=test@example.org", "commit", "-q", "-m", "Add one")
    after = stood_on(workspace.folder)
    assert differences(workspace.folder, stages_of(workspace.folder).values()) == {}
    assert after.keys() == before.keys()
    return {name.split("@")[0] for name in before if before[name] != after[name]}


def stood_on(folder: Path) -> dict[str, dict[str, object]]:
    """By stage: the hash of each dep that is there, and the params, as DVC would write them into dvc.lock."""
    with Repo(str(folder)) as repo:
        stages = [stage for stage in repo.index.stages if stage.cmd]
        return {stage.name: {d.def_path: d.get_hash().value for d in stage.deps if d.exists} for stage in stages}


# --- a dataset: one file ---------------------------------------------------------------------------------------------

DATASET = '''
"""Two squares on grey."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pixelproof.data.dataset import SPLITS, ClassInfo, Sample, SplitWriter, write_header
from pixelproof.sources.request import Facts, Request

NAME = "squares"
CLASSES: tuple[ClassInfo, ...] = (ClassInfo(0, "ground", (128, 128, 128)), ClassInfo(1, "square", (255, 0, 0), True))
FACTS = Facts(NAME, "CC0", CLASSES)


def convert(request: Request, target: Path) -> None:
    """One image for each split."""
    header = FACTS.header()
    write_header(target, header)
    colors = np.array([info.color for info in CLASSES], np.uint8)
    for split in SPLITS:
        mask = np.zeros((32, 32), np.uint8)
        mask[4:12, 4:12] = mask[20:28, 16:24] = 1
        writer = SplitWriter(target, split, header)
        writer.add(Sample(f"{split}-0", split, 32, 32, NAME), colors[mask], mask)
        writer.close()
'''


def test_a_dataset(workspace: Workspace) -> None:
    assert add(workspace, {"pixelproof/sources/squares/__init__.py": DATASET}) == {"report"}
    workspace.set_params(download__dataset="squares")
    deps = stages_of(workspace.folder)["download"].deps
    assert "pixelproof/sources/squares" in {dep.def_path for dep in deps}
    assert "squares: 3 images (test 1, train 1, val 1)" in workspace.dvc("repro", "download")
    written = workspace.folder / "data/download"
    assert read_header(written).names() == ["ground", "square"]
    assert [sample.id for sample in read_split(written, "val")] == ["val-0"]
    workspace.run("git", "checkout", "-q", ".")


# --- a network: a config, and a module for layers of its own ---------------------------------------------------------

CONFIG = """
# One convolution below MMSegmentation's head of one more. `small` has 8 channels.
modules = ['plain']
model = dict(
    type='EncoderDecoder',
    backbone=dict(type='PlainEncoder', width=64),
    decode_head=dict(type='FCNHead', in_channels=64, in_index=0, channels=16, num_convs=1, num_classes=None),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))

small = dict(backbone=dict(width=8), decode_head=dict(in_channels=8))
"""
MODULE = '''
"""One convolution."""

from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import nn


@MODELS.register_module()
class PlainEncoder(nn.Module):
    """Three channels to `width`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, width, 3, padding=1)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """One map of features, as large as the image."""
        return (self.convolution(images),)
'''
CONFIGURE = """
import runpy
from pathlib import Path
import numpy as np
from pixelproof.nn.build import build_model, class_ids, read_config
from pixelproof.nn.runtime import Compute
runpy.run_module("stages.configure", run_name="__main__")
compute = Compute(device="cpu", precision="fp32", channels_last=False, threads=1)
model = build_model(read_config(Path("data/configs/plain.json")), 5, compute).eval()
print(type(model.backbone).__name__, class_ids(model, [np.zeros((40, 56, 3), np.uint8)] * 2, compute, "cpu").shape)
"""


def test_a_network(workspace: Workspace) -> None:
    files = {"pixelproof/networks/architectures/plain.py": CONFIG, "pixelproof/networks/plain.py": MODULE}
    assert add(workspace, files) == {"configure", "report"}
    workspace.set_params(architectures=["unet", "plain"])
    said = workspace.run("bin/python", "-c", CONFIGURE)
    configs = {path.stem: json.loads(path.read_text()) for path in (workspace.folder / "data/configs").glob("*.json")}
    assert configs.keys() == {"unet", "plain"}
    assert configs["plain"]["digests"].keys() == {"plain"}
    assert configs["unet"] == resolve("unet", "small"), "what unet is trained by is as before"
    assert said.endswith("PlainEncoder (2, 40, 56)\n")
    workspace.run("git", "checkout", "-q", ".")


# --- a section of the report: a module and its template --------------------------------------------------------------

SECTION = '''
"""How many networks there are."""

from __future__ import annotations

from typing import Any

from stages.report.gather import Results

TITLE = "Roll call"
ORDER = 15
GROUP = "Networks"


def context(results: Results) -> dict[str, Any]:
    """Their number."""
    return {"count": len(results.runs)}
'''
TEMPLATE = "<p>{{ count }} networks were asked.</p>\n"
RENDER = """
import sys
from pathlib import Path
from stages.report.gather import gather
from stages.report.page import render
from stages.report.params import Params, Report, Seeds
from tests.stages.report import fake
fake.ARCHITECTURES = fake.ARCHITECTURES[:2]
fake.make(Path(sys.argv[1]), images=2, size=32)
params = Params(architectures=fake.ARCHITECTURES, train=Seeds(seeds=[0]), report=Report(gallery=0))
Path(sys.argv[2]).write_text(render(gather(Path(sys.argv[1]), params)))
"""


def test_a_section_of_the_report(workspace: Workspace, tmp_path: Path) -> None:
    files = {"stages/report/sections/rollcall.py": SECTION, "stages/report/sections/rollcall.html": TEMPLATE}
    assert add(workspace, files) == {"report"}
    page = tmp_path / "index.html"
    workspace.run("bin/python", "-c", RENDER, str(tmp_path / "made"), str(page))
    html = page.read_text()
    ids = ["overview", "rollcall", "architectures"]
    places = [html.index(f'<section id="{name}"') for name in ids]
    assert places == sorted(places) and '<a href="#rollcall">' in html
    assert "<p>2 networks were asked.</p>" in html


# --- a command: one file ---------------------------------------------------------------------------------------------

COMMAND = '''
"""Say hello.

To whoever it is told.
"""

from __future__ import annotations

import argparse

GROUP = "networks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """To whom."""
    parser.add_argument("name")


def run(arguments: argparse.Namespace) -> None:
    """Say it."""
    print(f"hello {arguments.name}")
'''


def test_a_command(workspace: Workspace) -> None:
    assert add(workspace, {"commands/hello.py": COMMAND}) == set()
    listed = workspace.run("bin/pixelproof", "--help")
    networks = listed.split("\nnetworks\n")[1].split("\n\n")[0]
    assert any(line.split() == ["hello", "Say", "hello"] for line in networks.splitlines())
    assert workspace.run("bin/pixelproof", "hello", "you") == "hello you\n"
