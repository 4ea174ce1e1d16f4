"""Imports only go down: the contracts in pyproject.toml hold, and each one catches a violation."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
NAMES = {contract["id"]: contract["name"] for contract in SETTINGS["contracts"]}
INSIDE = "def use() -> None:\n    {}\n"  # imports inside functions count too


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `lint-imports` as `make check` does, without wrapping its lines."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=folder, env={"COLUMNS": "1000"}, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the code alone."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in SETTINGS["root_packages"]:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=lambda folder, names: {"__pycache__"} & set(names))
    return tmp_path


def test_the_contracts_hold(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout
    kept = [line for line in done.stdout.splitlines() if line.endswith(" KEPT")]
    assert kept == [f"{name} KEPT" for name in NAMES.values()]


@pytest.mark.parametrize(
    ("where", "line", "broken"),
    [
        ("pixelproof/core/files.py", "from pipelines.dvc.lock import stages_of", "storeys"),
        ("pixelproof/nn/build.py", INSIDE.format("import stages.train.params"), "storeys"),
        ("stages/train/run.py", INSIDE.format("from commands import _card"), "storeys"),
        ("stages/report/gather.py", "from pipelines import params", "storeys"),
        ("pipelines/verify/verify.py", INSIDE.format("from stages.train.run import train"), "storeys"),
        ("pipelines/params.py", "import commands", "storeys"),
        ("stages/measure/objects.py", INSIDE.format("from stages.evaluate import objects"), "stages"),
        ("stages/report/sections/__init__.py", "from stages.prepare.card import Card", "stages"),
        ("pixelproof/core/params.py", "from pixelproof.data.dataset import Header", "ground"),
        ("pixelproof/data/resize.py", "from pixelproof.nn import runtime", "ground"),
        ("pixelproof/scoring/scores.py", "from pixelproof.nn import runtime", "ground"),
        ("pixelproof/nn/build.py", INSIDE.format("from pixelproof.networks import kmeans"), "ground"),
        ("pixelproof/fetch/file.py", "from pixelproof.sources import request", "ground"),
        ("pixelproof/networks/vgg.py", "from pixelproof.sources import request", "ground"),
    ],
)
def test_a_forbidden_import_is_named(copy: Path, where: str, line: str, broken: str) -> None:
    (copy / where).write_text(f"{(copy / where).read_text()}\n{line}\n")
    done = lint(copy)
    assert done.returncode == 1
    assert f"{NAMES[broken]} BROKEN" in done.stdout.splitlines()
    assert where.removesuffix(".py").removesuffix("/__init__").replace("/", ".") in done.stdout


def shared_by_stages(folder: Path) -> list[str]:
    """Modules of stages/ that are no stage's own; its `__init__.py` may hold a docstring alone."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    found = [path for path in folder.rglob("*.py") if path.relative_to(folder).parts[0] not in stages]
    body = ast.parse((folder / "__init__.py").read_text()).body
    if all(isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant) for each in body):
        found.remove(folder / "__init__.py")
    return sorted(path.relative_to(folder).as_posix() for path in found)


def test_stages_share_no_code_in_their_own_folder(copy: Path) -> None:
    """The contract of independence is between packages: a module beside them would be in none."""
    assert shared_by_stages(ROOT / "stages") == []
    (copy / "stages/helper.py").touch()
    (copy / "stages/shared").mkdir()
    (copy / "stages/shared/more.py").touch()
    (copy / "stages/__init__.py").write_text("LIMIT = 3\n")
    assert shared_by_stages(copy / "stages") == ["__init__.py", "helper.py", "shared/more.py"]


def test_every_package_is_in_a_contract(copy: Path) -> None:
    """Each stage is listed by name; a new package in pixelproof/ is an error until it is added to a contract."""
    (stages,) = (contract["modules"] for contract in SETTINGS["contracts"] if contract["id"] == "stages")
    assert stages == sorted(f"stages.{path.parent.name}" for path in (ROOT / "stages").glob("*/__init__.py"))
    assert SETTINGS["root_packages"] == ["commands", "pipelines", "stages", "pixelproof"]
    (copy / "pixelproof/more").mkdir()
    (copy / "pixelproof/more/__init__.py").touch()
    done = lint(copy)
    assert done.returncode == 1 and "pixelproof.more" in done.stdout
