"""`params`: every setting with its help, and what it refuses before anything runs, on this repository's own file."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from commands._params import check_apart
from pixelproof.core.errors import ParamsError
from pixelproof.core.params import read_yaml
from tests.forked import run_forked

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for name in ("commands", "pipelines", "pixelproof", "stages", "dvc.yaml", "examples"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    return tmp_path


def command(clone: Path) -> subprocess.CompletedProcess[str]:
    return run_forked(["-m", "commands", "params"], clone)


def leaves(values: dict[str, Any], indent: int = 0) -> list[tuple[int, str]]:
    found = []
    for key, value in values.items():
        found.append((indent, str(key)))
        if isinstance(value, dict):
            found += leaves(value, indent + 1)
    return found


def test_the_command_prints_every_knob_with_its_help(clone: Path) -> None:
    done = command(clone)
    assert done.returncode == 0, done.stderr
    values = YAML(typ="safe").load(ROOT / "params.yaml")
    assert YAML(typ="safe").load(done.stdout) == values  # the whole tree, as YAML again
    lines = done.stdout.splitlines()
    assert all(re.search(r"  # \w", line) for line in lines if not line.endswith(":"))
    assert [line.split(":")[0] for line in lines if not line.startswith(" ")] == list(values)
    assert re.search(r"^  dataset: synthetic +# a folder of pixelproof/sources", done.stdout, re.M)


def test_the_command_says_how_to_get_annotations_that_are_not_here_yet(clone: Path) -> None:
    text = (clone / "params.yaml").read_text()
    (clone / "params.yaml").write_text(text.replace("examples/cvat", "data/annotations"))
    (clone / "data").mkdir()
    (clone / "data/annotations.dvc").touch()
    done = command(clone)
    assert done.returncode == 2 and done.stderr.endswith("; run `bin/python -m dvc pull data/annotations`\n")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("dataset: synthetic", "dataset: sinthetic", "download.dataset: found 'sinthetic'; allowed: .*'synthetic'"),
        ("\nseed: 0", "\nsede: 0", "sede: found an unknown key; allowed: .*'seed'"),
        ("tolerance:", "tolerence:", "pipelines.tolerence: found an unknown key; .*'tolerance'"),
        ("width: 128", "width: '128'", r"prepare.shape.width: found '128' \(str\)"),
        ("threads: 2", "threads: 1000000", "compute.threads: found 1000000 .int.; input should be less than or equal"),
        (
            "batch: 8",
            "batch: 100000000000",
            "train.batch: found 100000000000 .int.; input should be less than or equal",
        ),
        (
            "  seeds:\n  - 0",
            "  seeds: [-1]",
            "train.seeds.0: found -1 .int.; input should be greater than or equal to 0",
        ),
        ("  seeds:\n  - 0", "  seeds: [0, 0]", r"train.seeds: found \[0, 0\] .list.; expected each seed once"),
        (
            "\nseed: 0",
            "\nseed: 99999999999999999999999",
            "seed: found 9{23} .int.; input should be less than 4294967296",
        ),
        ("\nseed: 0", "\nseed: 4294967296", "seed: found 4294967296 .int.; input should be less than 4294967296"),
        ("\nseed: 0", "\nseed: 1e23", r"seed: found 1e\+23 .float."),
        ("iterations: 900", "iterations: 1e11", "train.iterations: found 10{11}.0 .float.; expected .* at most 10,000"),
        (
            "iterations: 900",
            "iterations: 10000001",
            "train.iterations: found 10000001 .int.; expected .* at most 10,000",
        ),
        ("iterations: 900", "iterations: 10000001 epochs", "train.iterations: found '10000001 epochs' .str.; expected"),
        ("iterations: 900", "iterations: 99999999999 epochs", "train.iterations: found '9+ epochs' .str.; expected"),
        (
            "pretrained: none",
            "pretrained: imagent",
            "train.pretrained: found 'imagent'; allowed: none, imagenet",
        ),
        ("pretrained: none", "pretrained: http://x/y.pth#sha256=zz", "train.pretrained: found 'http:.*; allowed: none"),
        ("examples/cvat", "examples/cvta", "cvat.exports: found 'examples/cvta'; expected a folder that exists"),
    ],
)
def test_the_command_refuses_a_bad_file(clone: Path, old: str, new: str, message: str) -> None:
    text = (clone / "params.yaml").read_text()
    assert text.count(old) >= 1
    (clone / "params.yaml").write_text(text.replace(old, new, 1))
    done = command(clone)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert re.search(f"^error: params.yaml: {message}", done.stderr), done.stderr


@pytest.mark.parametrize(
    ("named", "output"),
    [
        (".", "data/download"),
        ("data", "data/download"),
        ("data/", "data/download"),
        ("./examples/../data", "data/download"),
        ("{clone}/data", "data/download"),
        ("data/prepared", "data/prepared/dataset.json"),
        ("data/prepared/test/images", "data/prepared/test"),
        ("results", "results/data"),
        ("results/unet", "results/${{item.arch}}/${{item.seed}}/train"),
        ("models/unet/0/x", "models/${{item.arch}}/${{item.seed}}"),
        ("metrics", "metrics"),
    ],
)
@pytest.mark.parametrize("key", ["cvat.exports", "download.folder.path"])
def test_a_folder_that_a_stage_writes_is_refused(clone: Path, key: str, named: str, output: str) -> None:
    named, output = named.format(clone=clone), output.format()
    graph = read_yaml(clone / "dvc.yaml")
    with pytest.raises(ParamsError) as caught:
        check_apart(clone, key, named, graph)
    assert re.search(f"{key}: found '{re.escape(named)}'; the stage .* writes {re.escape(output)};", str(caught.value))


@pytest.mark.parametrize("named", ["examples/folder", "data/annotations", "data/annotations/../own", "..data", "/data"])
def test_a_folder_apart_from_what_stages_write_is(clone: Path, named: str) -> None:
    check_apart(clone, "cvat.exports", named, read_yaml(clone / "dvc.yaml"))


@pytest.mark.parametrize(
    ("old", "key"), [("exports: examples/cvat", "cvat.exports"), ("path: examples/folder", "download.folder.path")]
)
def test_the_command_refuses_a_folder_that_a_stage_writes(clone: Path, old: str, key: str) -> None:
    (clone / "data").mkdir()
    text = (clone / "params.yaml").read_text()
    (clone / "params.yaml").write_text(text.replace(old, f"{old.split(':')[0]}: data"))
    done = command(clone)
    assert (done.returncode, done.stderr) == (
        2,
        f"error: params.yaml: {key}: found 'data'; the stage download writes data/download; "
        "expected a folder apart from what stages write\n",
    )
